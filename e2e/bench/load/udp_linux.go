package load

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	burst = 32 // datagrams between two looks at the receiver
	small = 18 // bytes of payload: a 60 byte Ethernet frame
)

// message is struct mmsghdr.
type message struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

type messages struct {
	all    [burst]message
	vector [burst]unix.Iovec
	data   [burst][small]byte
	poll   unix.PollFd
	ts     unix.Timespec
}

func newMessages() *messages {
	m := new(messages)
	for i := range m.all {
		m.vector[i] = unix.Iovec{Base: &m.data[i][0], Len: small}
		m.all[i].header.Iov, m.all[i].header.Iovlen = &m.vector[i], 1
	}
	return m
}

//go:nosplit
func (m *messages) send(fd, n int) (int, syscall.Errno) {
	sent, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.all)), uintptr(n), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sent), 0
}

// receive waits a millisecond at most: what has not arrived by then is lost, or counted with the next burst.
//
//go:nosplit
func (m *messages) receive(fd int) int {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.all)), burst, unix.MSG_DONTWAIT, 0, 0)
		if errno == 0 {
			return int(n)
		}
		m.poll = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		ready, _, errno := syscall.RawSyscall(unix.SYS_POLL, uintptr(unsafe.Pointer(&m.poll)), 1, 1)
		if ready == 0 || errno != 0 && errno != unix.EINTR {
			return 0
		}
	}
}

// Datagrams measures how many small datagrams a second arrive. One thread holds both sockets and takes a burst out before it
// sends the next, so nothing overflows and nobody is woken: what counts is the work per packet. The receiver answers the
// first datagram, so that for filters with state the rest belongs to an established flow.
func Datagrams(from, to Place, address netip.AddrPort, round time.Duration) (rate float64, err error) {
	in, err := datagrams(to, address, netip.AddrPort{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, unix.Close(in)) }()
	out, err := datagrams(from, netip.AddrPort{}, address)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, unix.Close(out)) }()
	if err := greet(out, in); err != nil {
		return 0, err
	}
	err = inside(from, func() error {
		rate, err = bursts(out, in, round)
		return err
	})
	return rate, err
}

// greet sends one datagram there and one back.
func greet(out, in int) error {
	var b [small]byte
	if _, err := unix.Write(out, b[:]); err != nil {
		return fmt.Errorf("send the first datagram: %w", err)
	}
	_, from, err := unix.Recvfrom(in, b[:], 0)
	if err != nil {
		return fmt.Errorf("wait for the first datagram: %w", err)
	}
	if err := unix.Sendto(in, b[:], 0, from); err != nil {
		return fmt.Errorf("answer the first datagram: %w", err)
	}
	if _, err := unix.Read(out, b[:]); err != nil {
		return fmt.Errorf("wait for its answer: %w", err)
	}
	return nil
}

func bursts(out, in int, round time.Duration) (float64, error) {
	outgoing, incoming := newMessages(), newMessages()
	count, begun := 0, int64(0)
	start := now(&outgoing.ts) + int64(warmUp)
	for {
		sent, errno := outgoing.send(out, burst)
		if errno != 0 {
			return 0, fmt.Errorf("send datagrams: %w", errno)
		}
		arrived := 0
		for arrived < sent {
			n := incoming.receive(in)
			if n == 0 {
				break
			}
			arrived += n
		}
		t := now(&outgoing.ts)
		switch {
		case begun == 0 && t >= start:
			begun = t
		case begun != 0:
			count += arrived
			if t >= start+int64(round) {
				if count == 0 {
					return 0, errors.New("no datagram arrived")
				}
				return float64(count) * float64(time.Second) / float64(t-begun), nil
			}
		}
	}
}
