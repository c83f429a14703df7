package traffic

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Place is where sockets are opened: Do runs a function in a network namespace.
type Place interface {
	Do(func() error) error
}

func listenTCP(at Place, address netip.AddrPort) (l net.Listener, err error) {
	err = at.Do(func() error {
		var config net.ListenConfig
		config.SetMultipathTCP(false) // plain TCP is what tenants speak
		l, err = config.Listen(context.Background(), "tcp4", address.String())
		return err
	})
	return l, err
}

func listenUDP(at Place, address netip.AddrPort) (conn *net.UDPConn, err error) {
	err = at.Do(func() error {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(address))
		return err
	})
	return conn, err
}

func dialTCP(ctx context.Context, at Place, to netip.AddrPort, timeout time.Duration) (conn net.Conn, err error) {
	err = at.Do(func() error {
		dialer := net.Dialer{Timeout: timeout, KeepAlive: -1}
		conn, err = dialer.DialContext(ctx, "tcp4", to.String())
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
