package traffic

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// pinger sends echo requests from one raw socket and knows which were answered.
type pinger struct {
	conn net.PacketConn
	to   net.Addr
	id   uint16

	request, reply byte // types

	mu   sync.Mutex
	sent []time.Time     // by sequence number
	rtt  []time.Duration // 0: not answered
	news chan struct{}   // something was answered
}

func newPinger(at Place, to netip.Addr) (*pinger, error) {
	p := &pinger{to: &net.IPAddr{IP: to.AsSlice()}, id: uint16(rand.Uint32()), request: echoRequest, reply: echoReply, news: make(chan struct{}, 1)}
	network := "ip4:icmp"
	if to.Is6() {
		network, p.request, p.reply = "ip6:ipv6-icmp", echoRequest6, echoReply6 // the kernel fills in the checksum
	}
	err := at.Do(func() (err error) {
		p.conn, err = net.ListenPacket(network, unspecified(to).String())
		return err
	})
	if err != nil {
		return nil, err
	}
	go p.receive()
	return p, nil
}

const (
	echoReply    = 0
	echoRequest  = 8
	echoRequest6 = 128
	echoReply6   = 129
)

func (p *pinger) send() error {
	p.mu.Lock()
	seq := uint16(len(p.sent))
	p.sent = append(p.sent, time.Now())
	p.rtt = append(p.rtt, 0)
	p.mu.Unlock()
	m := make([]byte, 8+48)
	m[0] = p.request
	binary.BigEndian.PutUint16(m[4:], p.id)
	binary.BigEndian.PutUint16(m[6:], seq)
	binary.BigEndian.PutUint16(m[2:], checksum(m, 0))
	_, err := p.conn.WriteTo(m, p.to)
	return err
}

func (p *pinger) receive() {
	buf := make([]byte, 2048)
	for {
		n, from, err := p.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		m := buf[:n]
		if n < 8 || m[0] != p.reply || binary.BigEndian.Uint16(m[4:]) != p.id || from.String() != p.to.String() {
			continue
		}
		seq := int(binary.BigEndian.Uint16(m[6:]))
		p.mu.Lock()
		if seq < len(p.sent) && p.rtt[seq] == 0 {
			p.rtt[seq] = max(time.Since(p.sent[seq]), 1)
		}
		p.mu.Unlock()
		select {
		case p.news <- struct{}{}:
		default:
		}
	}
}

// answered counts the requests that have an answer.
func (p *pinger) answered() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, rtt := range p.rtt {
		if rtt > 0 {
			n++
		}
	}
	return n
}

// waitFor waits until n requests are answered, at most d.
func (p *pinger) waitFor(ctx context.Context, n int, d time.Duration) bool {
	end := time.After(d)
	for p.answered() < n {
		select {
		case <-p.news:
		case <-end:
			return p.answered() >= n
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Ping sends count requests, one after the other but at most 20 ms apart, and returns how many were
// answered: at once when all were, or when wait has passed after the last one.
func Ping(ctx context.Context, at Place, to netip.Addr, count int, wait time.Duration) (int, error) {
	p, err := newPinger(at, to)
	if err != nil {
		return 0, err
	}
	defer p.conn.Close()
	for n := range count {
		// An error here is an answer, too: nobody at that address, or no way to it.
		_ = p.send()
		p.waitFor(ctx, n+1, 20*time.Millisecond)
	}
	p.waitFor(ctx, count, wait)
	return p.answered(), ctx.Err()
}

// Reach sends requests until one is answered, and returns how long that took.
func Reach(ctx context.Context, at Place, to netip.Addr, timeout time.Duration) (time.Duration, error) {
	p, err := newPinger(at, to)
	if err != nil {
		return 0, err
	}
	defer p.conn.Close()
	start := time.Now()
	for time.Since(start) < timeout && ctx.Err() == nil {
		_ = p.send()
		if p.waitFor(ctx, 1, 20*time.Millisecond) {
			return time.Since(start), nil
		}
	}
	return 0, fmt.Errorf("%s does not answer within %v", to, timeout)
}

// Probe is a ping that runs beside other things.
type Probe struct {
	p    *pinger
	stop chan struct{}
	done chan struct{}
}

// PingStats is what a probe has seen.
type PingStats struct {
	Sent, Lost int
	WorstRTT   time.Duration
	MedianRTT  time.Duration // of those that were answered
	LongestGap time.Duration // between sending two requests: what this machine did to the probe itself
}

func (s PingStats) String() string {
	return fmt.Sprintf("%d of %d lost, worst %.1f ms", s.Lost, s.Sent, float64(s.WorstRTT.Microseconds())/1000)
}

// StartPing sends a request every interval until Stop.
func StartPing(at Place, to netip.Addr, interval time.Duration) (*Probe, error) {
	p, err := newPinger(at, to)
	if err != nil {
		return nil, err
	}
	probe := &Probe{p: p, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(probe.done)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			_ = p.send() // a request that could not be sent counts as lost
			select {
			case <-probe.stop:
				return
			case <-tick.C:
			}
		}
	}()
	return probe, nil
}

// Stop ends the probe, waits a second for late answers, and counts.
func (b *Probe) Stop() PingStats {
	close(b.stop)
	<-b.done
	defer b.p.conn.Close()
	b.p.waitFor(context.Background(), len(b.p.sent), time.Second)
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	s := PingStats{Sent: len(b.p.sent)}
	var answered []time.Duration
	for i, rtt := range b.p.rtt {
		if rtt == 0 {
			s.Lost++
		} else {
			answered = append(answered, rtt)
		}
		s.WorstRTT = max(s.WorstRTT, rtt)
		if i > 0 {
			s.LongestGap = max(s.LongestGap, b.p.sent[i].Sub(b.p.sent[i-1]))
		}
	}
	if len(answered) > 0 {
		slices.Sort(answered)
		s.MedianRTT = answered[len(answered)/2]
	}
	return s
}
