package traffic

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"time"
)

// Transfer is a TCP connection that carries a steady stream of known bytes.
type Transfer struct {
	listener net.Listener
	conn     net.Conn
	stop     chan struct{}
	sent     chan side
	received chan side
}

// side is what one end has seen.
type side struct {
	bytes int64
	sum   uint32
	stall time.Duration // longest time without progress
	err   error
}

// TransferStats is what became of a transfer.
type TransferStats struct {
	Sent, Received int64
	Intact         bool          // every byte arrived, in order, unchanged
	Stall          time.Duration // longest time the receiver waited
	Err            error         // reset, timeout
}

func (s TransferStats) String() string {
	if s.Err != nil {
		return fmt.Sprintf("%d of %d bytes, %v", s.Received, s.Sent, s.Err)
	}
	return fmt.Sprintf("%d of %d bytes, longest wait %d ms", s.Received, s.Sent, s.Stall.Milliseconds())
}

// The stream is paced, so that it keeps going without taking the machine from everything else.
const (
	blockSize  = 64 << 10
	blockEvery = 5 * time.Millisecond
)

// StartTransfer connects from one place to another and sends until Stop.
func StartTransfer(ctx context.Context, from, to Place, address netip.AddrPort) (*Transfer, error) {
	listener, err := listenTCP(to, address)
	if err != nil {
		return nil, err
	}
	t := &Transfer{listener: listener, stop: make(chan struct{}), sent: make(chan side, 1), received: make(chan side, 1)}
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			t.received <- side{err: err}
			return
		}
		defer conn.Close()
		t.received <- receive(conn)
	}()
	if t.conn, err = dialTCP(ctx, from, address, 2*time.Second); err != nil {
		_ = listener.Close()
		return nil, err
	}
	go func() { t.sent <- t.send() }()
	return t, nil
}

func (t *Transfer) send() (s side) {
	block := make([]byte, blockSize)
	tick := time.NewTicker(blockEvery)
	defer tick.Stop()
	for n := byte(0); ; n++ {
		for i := range block {
			block[i] = n + byte(i>>8)
		}
		written, err := t.conn.Write(block)
		s.bytes += int64(written)
		s.sum = crc32.Update(s.sum, crc32.IEEETable, block[:written])
		if err != nil {
			s.err = err
			return s
		}
		select {
		case <-t.stop:
			if tcp, ok := t.conn.(*net.TCPConn); ok {
				s.err = tcp.CloseWrite()
			}
			return s
		case <-tick.C:
		}
	}
}

func receive(conn net.Conn) (s side) {
	buf := make([]byte, 256<<10)
	last := time.Now()
	for {
		n, err := conn.Read(buf)
		now := time.Now()
		s.stall = max(s.stall, now.Sub(last))
		last = now
		s.bytes += int64(n)
		s.sum = crc32.Update(s.sum, crc32.IEEETable, buf[:n])
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.err = err
			}
			return s
		}
	}
}

// Stop ends the stream and compares both ends.
func (t *Transfer) Stop() TransferStats {
	close(t.stop)
	deadline := time.Now().Add(3 * time.Second)
	_ = t.conn.SetDeadline(deadline)
	sent := <-t.sent
	received := side{err: errors.New("the end of the stream has not arrived after 3 s")}
	select {
	case received = <-t.received:
	case <-time.After(time.Until(deadline)):
	}
	_ = t.conn.Close()
	_ = t.listener.Close()
	s := TransferStats{Sent: sent.bytes, Received: received.bytes, Stall: received.stall, Err: errors.Join(sent.err, received.err)}
	s.Intact = s.Err == nil && sent.bytes == received.bytes && sent.sum == received.sum
	return s
}
