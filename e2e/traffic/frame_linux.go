package traffic

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Frame is a UDP packet as its sender claims it to be.
type Frame struct {
	SourceMAC, DestinationMAC net.HardwareAddr
	Source, Destination       netip.AddrPort
	Payload                   string
}

// Marshal writes the frame with right lengths and checksums.
func (f Frame) Marshal() []byte {
	const ethernet, ip, udp = 14, 20, 8
	b := make([]byte, ethernet+ip+udp, ethernet+ip+udp+len(f.Payload))
	b = append(b, f.Payload...)
	copy(b, f.DestinationMAC)
	copy(b[6:], f.SourceMAC)
	binary.BigEndian.PutUint16(b[12:], unix.ETH_P_IP)
	src, dst := f.Source.Addr().As4(), f.Destination.Addr().As4()
	h := b[ethernet:]
	h[0] = 0x45
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)))
	h[8], h[9] = 64, unix.IPPROTO_UDP
	copy(h[12:], src[:])
	copy(h[16:], dst[:])
	binary.BigEndian.PutUint16(h[10:], checksum(h[:ip], 0))
	u := h[ip:]
	binary.BigEndian.PutUint16(u, f.Source.Port())
	binary.BigEndian.PutUint16(u[2:], f.Destination.Port())
	binary.BigEndian.PutUint16(u[4:], uint16(len(u)))
	pseudo := sum(h[12:20], uint32(len(u))+unix.IPPROTO_UDP)
	binary.BigEndian.PutUint16(u[6:], checksum(u, pseudo))
	return b
}

// SendRaw puts frames on a device exactly as they are.
func SendRaw(at Place, device string, frames ...[]byte) error {
	return at.Do(func() error {
		link, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		defer unix.Close(fd)
		for _, f := range frames {
			if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: link.Index}); err != nil {
				return fmt.Errorf("send on %s: %w", device, err)
			}
		}
		return nil
	})
}

// sum adds up 16-bit words (RFC 1071).
func sum(b []byte, s uint32) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func checksum(b []byte, s uint32) uint16 {
	s = sum(b, s)
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
