package load

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Connections measures how many times a second a connection is made, carries one byte there and one back, and is closed.
// The client closes with a reset (SO_LINGER 0), so that neither end keeps a TIME_WAIT socket and source ports do not run
// out; source ports are the kernel's choice, so nearly every connection is a new flow for whatever filters on the way.
func Connections(from, to Place, address netip.AddrPort, round time.Duration) (float64, error) {
	return withServer(from, to, address, serve, func() (float64, error) { return connections(address, round) })
}

// client is what a connection needs, outside the stack of the loop.
type client struct {
	to     unix.RawSockaddrInet4
	linger unix.Linger
	wait   unix.Timeval
	one    int32
	cubic  [5]byte
	b      byte
	ts     unix.Timespec
}

func connections(to netip.AddrPort, round time.Duration) (float64, error) {
	c := &client{to: unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}, linger: unix.Linger{Onoff: 1}, wait: patience,
		one: 1, cubic: [5]byte([]byte("cubic"))}
	port := (*[2]byte)(unsafe.Pointer(&c.to.Port)) // network byte order
	port[0], port[1] = byte(to.Port()>>8), byte(to.Port())
	count, begun := 0, int64(0)
	start := now(&c.ts) + int64(warmUp)
	for {
		if step, errno := c.once(); errno != 0 {
			return 0, fmt.Errorf("%s, after %d connections: %w", step, count, errno)
		}
		t := now(&c.ts)
		switch {
		case begun == 0 && t >= start:
			begun = t
		case begun != 0:
			count++
			if t >= start+int64(round) {
				return float64(count) * float64(time.Second) / float64(t-begun), nil
			}
		}
	}
}

// once is one connection.
//
//go:nosplit
func (c *client) once() (string, syscall.Errno) {
	s, _, errno := syscall.RawSyscall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if errno != 0 {
		return "socket", errno
	}
	fd := int(s)
	set(fd, unix.SOL_SOCKET, unix.SO_LINGER, unsafe.Pointer(&c.linger), unsafe.Sizeof(c.linger))
	set(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, unsafe.Pointer(&c.wait), unsafe.Sizeof(c.wait))
	set(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, unsafe.Pointer(&c.wait), unsafe.Sizeof(c.wait))
	set(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, unsafe.Pointer(&c.cubic), unsafe.Sizeof(c.cubic))
	if _, _, errno := syscall.RawSyscall(unix.SYS_CONNECT, s, uintptr(unsafe.Pointer(&c.to)), unsafe.Sizeof(c.to)); errno != 0 {
		closeSocket(fd)
		return "connect", errno
	}
	if errno := write(fd, &c.b); errno != 0 {
		closeSocket(fd)
		return "send", errno
	}
	if n, errno := read(fd, &c.b); n != 1 {
		closeSocket(fd)
		if errno == 0 {
			errno = unix.ECONNRESET
		}
		return "receive", errno
	}
	closeSocket(fd)
	return "", 0
}

//go:nosplit
func set(fd, level, name int, value unsafe.Pointer, size uintptr) {
	_, _, _ = syscall.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name), uintptr(value), size, 0)
}

// serve answers one byte per connection until its listener is shut down.
func serve(listener int) error {
	b := new(byte)
	for {
		s, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
		case unix.EINTR, unix.ECONNABORTED:
			continue
		case unix.EAGAIN: // the listener's patience
			continue
		default:
			return nil
		}
		if n, _ := read(int(s), b); n == 1 {
			_ = write(int(s), b)
		}
		closeSocket(int(s))
	}
}
