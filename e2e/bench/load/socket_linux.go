package load

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// patience is how long a socket waits for a packet before the path counts as broken.
var patience = unix.Timeval{Sec: 2}

type option struct{ level, name, value int }

// tcpOptions: no pacing and no waiting for more to send. The kernel's default may be bbr, which paces.
func tcpOptions(fd int, more ...option) error {
	if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "cubic"); err != nil {
		return fmt.Errorf("congestion control cubic: %w", err)
	}
	return options(fd, append(more, option{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1})...)
}

func options(fd int, all ...option) error {
	for _, o := range all {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("socket option %d of level %d: %w", o.name, o.level, err)
		}
	}
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience)
}

func address(to netip.AddrPort) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
}

// listen opens a TCP socket in a namespace.
func listen(at Place, to netip.AddrPort) (fd int, err error) {
	err = at.Do(func() error {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		err := tcpOptions(fd, option{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1})
		if err == nil {
			err = unix.Bind(fd, address(to))
		}
		if err == nil {
			err = unix.Listen(fd, 1024)
		}
		if err != nil {
			_ = unix.Close(fd)
			return fmt.Errorf("listen on %s: %w", to, err)
		}
		return nil
	})
	return fd, err
}

// datagrams opens a UDP socket in a namespace with room for a burst.
func datagrams(at Place, local, remote netip.AddrPort) (fd int, err error) {
	err = at.Do(func() error {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		err := options(fd, option{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8 << 20}, option{unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 8 << 20})
		if err == nil && local.IsValid() {
			err = unix.Bind(fd, address(local))
		}
		if err == nil && remote.IsValid() {
			err = unix.Connect(fd, address(remote))
		}
		if err != nil {
			_ = unix.Close(fd)
			return fmt.Errorf("UDP socket %s to %s: %w", local, remote, err)
		}
		return nil
	})
	return fd, err
}
