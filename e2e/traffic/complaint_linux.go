package traffic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Complaint is an ICMP error that came back for a datagram.
type Complaint struct {
	From       netip.Addr
	Type, Code uint8
	MTU        int // of what was too big
}

func (c Complaint) String() string {
	return fmt.Sprintf("type %d code %d from %s, MTU %d", c.Type, c.Code, c.From, c.MTU)
}

// Datagram that is hoped to be complained about.
type Datagram struct {
	To   netip.AddrPort
	TTL  int // 0: 64
	Size int // of the payload, bytes
}

// Complain sends a datagram that nobody may fragment and returns what the network says about it. The kernel matches errors
// to the socket by what they quote (ip(7), IP_RECVERR), so that it is the container's own stack that believes it.
func Complain(at Place, d Datagram, timeout time.Duration) (c Complaint, err error) {
	conn, err := listenUDP(at, netip.AddrPortFrom(unspecified(d.To.Addr()), 0))
	if err != nil {
		return c, err
	}
	defer conn.Close()
	if d.TTL == 0 {
		d.TTL = 64
	}
	if err := setTTL(conn, d.To.Addr(), d.TTL); err != nil {
		return c, err
	}
	if err := control(conn, func(fd int) error {
		if d.To.Addr().Is6() {
			return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1),
				unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE))
		}
		return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1),
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE))
	}); err != nil {
		return c, err
	}
	if _, err := conn.WriteToUDPAddrPort(make([]byte, d.Size), d.To); err != nil {
		return c, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return c, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return c, err
	}
	data, oob := make([]byte, 65536), make([]byte, 512)
	var failed error
	err = raw.Read(func(fd uintptr) bool { // an error queued wakes up readers
		var n int
		if _, n, _, _, failed = unix.Recvmsg(int(fd), data, oob, unix.MSG_ERRQUEUE); failed == unix.EAGAIN {
			return false
		}
		oob = oob[:max(n, 0)]
		return true
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return c, fmt.Errorf("nobody complains about %d bytes to %s within %v", d.Size, d.To, timeout)
	}
	if err = errors.Join(err, failed); err != nil {
		return c, err
	}
	return parseComplaint(oob)
}

// parseComplaint reads a struct sock_extended_err and the address behind it (linux/errqueue.h).
func parseComplaint(oob []byte) (c Complaint, err error) {
	const size, info, address4, address6 = 16, 8, 16 + 4, 16 + 8
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return c, err
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if !v4 && !v6 || len(m.Data) < size {
			continue
		}
		c.Type, c.Code, c.MTU = m.Data[5], m.Data[6], int(binary.NativeEndian.Uint32(m.Data[info:]))
		switch {
		case v4 && len(m.Data) >= address4+4:
			c.From = netip.AddrFrom4([4]byte(m.Data[address4:]))
		case v6 && len(m.Data) >= address6+16:
			c.From = netip.AddrFrom16([16]byte(m.Data[address6:]))
		}
		return c, nil
	}
	return c, errors.New("an error without its origin")
}
