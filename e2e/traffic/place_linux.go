package traffic

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Place is where sockets are opened: Do runs a function in a network namespace.
type Place interface {
	Do(func() error) error
}

// family is the digit at the end of a network's name: sockets are of one family, so that what they say of a packet is
// what it was.
func family(a netip.Addr) string {
	if a.Is4() {
		return "4"
	}
	return "6"
}

func listenTCP(at Place, address netip.AddrPort) (l net.Listener, err error) {
	err = at.Do(func() error {
		var config net.ListenConfig
		config.SetMultipathTCP(false) // plain TCP is what tenants speak
		l, err = config.Listen(context.Background(), "tcp"+family(address.Addr()), address.String())
		return err
	})
	return l, err
}

func listenUDP(at Place, address netip.AddrPort) (conn *net.UDPConn, err error) {
	err = at.Do(func() error {
		conn, err = net.ListenUDP("udp"+family(address.Addr()), net.UDPAddrFromAddrPort(address))
		return err
	})
	return conn, err
}

func dialTCP(ctx context.Context, at Place, to netip.AddrPort, timeout time.Duration) (conn net.Conn, err error) {
	err = at.Do(func() error {
		dialer := net.Dialer{Timeout: timeout, KeepAlive: -1}
		conn, err = dialer.DialContext(ctx, "tcp"+family(to.Addr()), to.String())
		return err
	})
	return conn, err
}

// control applies f to a connection's descriptor.
func control(conn syscall.Conn, f func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// unspecified address of the same family.
func unspecified(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// setTTL of what a socket sends to an address.
func setTTL(conn syscall.Conn, to netip.Addr, ttl int) error {
	level, option := unix.IPPROTO_IP, unix.IP_TTL
	if to.Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
	}
	return control(conn, func(fd int) error { return unix.SetsockoptInt(fd, level, option, ttl) })
}
