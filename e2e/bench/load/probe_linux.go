package load

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Probe sends a datagram at a steady pace and counts those that arrive.
type Probe struct {
	stop chan struct{}
	done chan ProbeResult
}

// ProbeResult is what a probe has seen.
type ProbeResult struct {
	Sent, Lost int
	Err        error
}

// probePorts is how many source ports a probe goes round: with each change of the policy every one of these flows is
// judged anew.
const probePorts = 16

// StartProbe begins to send rate datagrams a second. The receiver's socket has room for seconds of
// them, so that a receiver that is not scheduled does not count as loss.
func StartProbe(from, to Place, address netip.AddrPort, rate int) (*Probe, error) {
	in, err := datagrams(to, address, netip.AddrPort{})
	if err != nil {
		return nil, err
	}
	var out [probePorts]int
	for i := range out {
		if out[i], err = datagrams(from, netip.AddrPort{}, address); err != nil {
			return nil, err
		}
	}
	p := &Probe{make(chan struct{}), make(chan ProbeResult, 1)}
	arrived := make(chan int, 1)
	go func() { arrived <- count(in) }()
	go func() {
		r := ProbeResult{}
		r.Sent, r.Err = pace(out[:], rate, p.stop)
		r.Lost = r.Sent - <-arrived
		for _, fd := range append(out[:], in) {
			_ = unix.Close(fd)
		}
		p.done <- r
	}()
	return p, nil
}

// Stop ends the probe and counts.
func (p *Probe) Stop() ProbeResult {
	close(p.stop)
	return <-p.done
}

// pace makes up for a tick that came late, so the rate is right over a millisecond, not over a packet.
func pace(out []int, rate int, stop <-chan struct{}) (sent int, err error) {
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	begun := time.Now()
	var b [small]byte
	for {
		select {
		case <-stop:
			return sent, nil
		case <-tick.C:
		}
		for due := int(time.Since(begun).Seconds() * float64(rate)); sent < due; sent++ {
			if _, err := unix.Write(out[sent%len(out)], b[:]); err != nil {
				return sent, fmt.Errorf("send a probe: %w", err)
			}
		}
	}
}

// count takes datagrams out until none has come for the socket's patience.
func count(fd int) (n int) {
	var b [small]byte
	for {
		switch _, err := unix.Read(fd, b[:]); err {
		case nil:
			n++
		case unix.EINTR:
		default:
			return n
		}
	}
}
