package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// End of a conversation of hand-made frames.
type End struct {
	Place   Place
	Device  string
	MAC     [6]byte
	Address netip.Addr
}

// Spray sends UDP frames between two ends from and to any ports: every pair of ports is a flow.
type Spray struct {
	fd     int
	frames [burst][14 + 20 + 8 + small]byte
	out    *messages
}

const (
	firstPort    = 1024
	sourcePorts  = 50_000
	portsInFrame = 14 + 20
)

// NewSpray opens a packet socket on the sender's device.
func NewSpray(from, to End) (*Spray, error) {
	s := &Spray{fd: -1, out: newMessages()}
	err := from.Place.Do(func() error {
		dev, err := net.InterfaceByName(from.Device)
		if err != nil {
			return err
		}
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		return unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: dev.Index})
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for i := range s.frames {
		fill(s.frames[i][:], from, to)
		s.out.vector[i] = unix.Iovec{Base: &s.frames[i][0], Len: uint64(len(s.frames[i]))}
	}
	return s, nil
}

// Close frees the socket.
func (s *Spray) Close() error {
	if s.fd < 0 {
		return nil
	}
	return unix.Close(s.fd)
}

// fill writes a UDP frame without ports, and without UDP checksum, which IPv4 allows.
func fill(f []byte, from, to End) {
	copy(f, to.MAC[:])
	copy(f[6:], from.MAC[:])
	binary.BigEndian.PutUint16(f[12:], unix.ETH_P_IP)
	h := f[14:]
	h[0], h[8], h[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)))
	src, dst := from.Address.As4(), to.Address.As4()
	copy(h[12:], src[:])
	copy(h[16:], dst[:])
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum))
	binary.BigEndian.PutUint16(h[24:], uint16(len(h)-20))
}

// port writes flow's ports into a frame, the other way round for answers. It is never inlined: here the Go scheduler may
// step into a loop that runs beside other things.
//
//go:noinline
func (s *Spray) port(i int, flow uint32, answer bool) {
	a, b := firstPort+uint16(flow%sourcePorts), firstPort+uint16(flow/sourcePorts)
	if answer {
		a, b = b, a
	}
	f := s.frames[i][portsInFrame:]
	f[0], f[1], f[2], f[3] = byte(a>>8), byte(a), byte(b>>8), byte(b)
}

// send sends the first n frames.
func (s *Spray) send(n int) error {
	for first := 0; first < n; {
		sent, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out.all[first])), uintptr(n-first), 0, 0, 0)
		switch errno {
		case 0:
			first += int(sent)
		case unix.EINTR, unix.ENOBUFS, unix.EAGAIN:
		default:
			return fmt.Errorf("send frames: %w", errno)
		}
	}
	return nil
}

// Converse makes flows that both ends have spoken on: every one gets a frame there and one back.
func Converse(there, back *Spray, flows int) error {
	for first := 0; first < flows; first += burst {
		n := min(burst, flows-first)
		for i := range n {
			there.port(i, uint32(first+i), false)
			back.port(i, uint32(first+i), true)
		}
		if err := errors.Join(there.send(n), back.send(n)); err != nil {
			return err
		}
	}
	return nil
}

// Replay sends frames of flows that exist, in random order, and returns how many a second went out.
func (s *Spray) Replay(at Place, flows int, round time.Duration) (sent int, rate float64, err error) {
	random := rand.New(rand.NewPCG(1, uint64(flows)))
	err = inside(at, func() error {
		ts := new(unix.Timespec)
		start := now(ts)
		for {
			for i := range s.frames {
				s.port(i, random.Uint32N(uint32(flows)), false)
			}
			if err := s.send(burst); err != nil {
				return err
			}
			sent += burst
			if t := now(ts); t >= start+int64(round) {
				rate = float64(sent) * float64(time.Second) / float64(t-start)
				return nil
			}
		}
	})
	return sent, rate, err
}

// Flood sends nothing but first packets of new flows, as fast as its share of the CPU of all loops allows, until it is stopped.
func (s *Spray) Flood(at Place) (stop func() (frames int, err error)) {
	var end atomic.Bool
	done := make(chan error, 1)
	frames := 0
	go func() {
		done <- inside(at, func() error {
			for flow := uint32(0); !end.Load(); flow += burst {
				for i := range s.frames {
					s.port(i, (flow+uint32(i))%(sourcePorts*60_000), false)
				}
				if err := s.send(burst); err != nil {
					return err
				}
				frames += burst
			}
			return nil
		})
	}()
	return func() (int, error) {
		end.Store(true)
		err := <-done
		return frames, err
	}
}
