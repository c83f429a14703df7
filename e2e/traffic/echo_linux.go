package traffic

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Echo answers TCP and UDP on some ports with its own name, and remembers what it was told.
type Echo struct {
	name string
	mu   sync.Mutex
	said []Said
	open []io.Closer
}

// Said is one line that reached an echo server.
type Said struct {
	Text string
	From netip.AddrPort
	TTL  int // of the packet; 0 where it was not looked at
}

// Serve starts an echo server on the same ports of TCP and UDP.
func Serve(at Place, name string, ports ...uint16) (*Echo, error) {
	e := &Echo{name: name}
	for _, port := range ports {
		for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
			if err := e.serve(at, netip.AddrPortFrom(any, port)); err != nil {
				e.Close()
				return nil, err
			}
		}
	}
	return e, nil
}

func (e *Echo) serve(at Place, address netip.AddrPort) error {
	tcp, err := listenTCP(at, address)
	if err != nil {
		return err
	}
	e.open = append(e.open, tcp)
	udp, err := listenUDP(at, address)
	if err != nil {
		return err
	}
	e.open = append(e.open, udp)
	level, option := unix.IPPROTO_IP, unix.IP_RECVTTL
	if address.Addr().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT
	}
	if err := control(udp, func(fd int) error { return unix.SetsockoptInt(fd, level, option, 1) }); err != nil {
		return err
	}
	go e.serveTCP(tcp)
	go e.serveUDP(udp)
	return nil
}

// Close stops answering.
func (e *Echo) Close() {
	for _, c := range e.open {
		_ = c.Close()
	}
}

// Said answers what has been received so far.
func (e *Echo) Said() []Said {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Said(nil), e.said...)
}

// Heard finds the packet that carried a text.
func (e *Echo) Heard(text string) (Said, bool) {
	for _, s := range e.Said() {
		if s.Text == text {
			return s, true
		}
	}
	return Said{}, false
}

func (e *Echo) note(s Said) {
	e.mu.Lock()
	e.said = append(e.said, s)
	e.mu.Unlock()
}

func (e *Echo) serveTCP(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			from, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
			lines := bufio.NewScanner(conn)
			for lines.Scan() {
				e.note(Said{Text: lines.Text(), From: from})
				if _, err := fmt.Fprintln(conn, e.name); err != nil {
					return
				}
			}
		}()
	}
}

func (e *Echo) serveUDP(conn *net.UDPConn) {
	buf, oob := make([]byte, 65536), make([]byte, 128)
	for {
		n, m, _, from, err := conn.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			return
		}
		e.note(Said{Text: string(buf[:n]), From: from, TTL: receivedTTL(oob[:m])})
		_, _ = conn.WriteToUDPAddrPort([]byte(e.name), from)
	}
}

func receivedTTL(oob []byte) int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TTL
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_HOPLIMIT
		if (v4 || v6) && len(m.Data) >= 4 {
			return int(m.Data[0]) // little endian, and a TTL is one byte
		}
	}
	return 0
}

// Session is an open TCP connection to an echo server.
type Session struct {
	conn  net.Conn
	lines *bufio.Reader
}

// Connect opens a session.
func Connect(ctx context.Context, at Place, to netip.AddrPort, timeout time.Duration) (*Session, error) {
	conn, err := dialTCP(ctx, at, to, timeout)
	if err != nil {
		return nil, err
	}
	return &Session{conn, bufio.NewReader(conn)}, nil
}

// Ask sends a line and returns the server's name.
func (s *Session) Ask(line string, timeout time.Duration) (string, error) {
	if err := s.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(s.conn, line); err != nil {
		return "", err
	}
	answer, err := s.lines.ReadString('\n')
	return strings.TrimSpace(answer), err
}

// Close ends the session.
func (s *Session) Close() { _ = s.conn.Close() }

// AskTCP connects, sends one line and returns the server's name.
func AskTCP(ctx context.Context, at Place, to netip.AddrPort, line string, timeout time.Duration) (string, error) {
	s, err := Connect(ctx, at, to, timeout)
	if err != nil {
		return "", err
	}
	defer s.Close()
	return s.Ask(line, timeout)
}

// AskUDP sends one datagram from an unused port, once, and returns the server's name.
func AskUDP(at Place, to netip.AddrPort, line string, timeout time.Duration) (string, error) {
	conn, err := listenUDP(at, netip.AddrPortFrom(unspecified(to.Addr()), 0))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	// What a receiver sees of it is checked, so what is sent must not depend on this machine's settings.
	if err := setTTL(conn, to.Addr(), 64); err != nil {
		return "", err
	}
	if _, err := conn.WriteToUDPAddrPort([]byte(line), to); err != nil {
		return "", err
	}
	_ = conn.SetReadDeadline(time.Now().Add(timeout))
	buf := make([]byte, 2048)
	n, from, err := conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		return "", err
	}
	if from != to {
		return "", fmt.Errorf("asked %s, %s answered", to, from)
	}
	return string(buf[:n]), nil
}
