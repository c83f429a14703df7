package rest

import (
	"math/rand/v2"
	"time"
)

const (
	// slowest is how many intervals lie between polls when they fail.
	slowest = 8
	// maxPause bounds the pause after failures and slow polls, and how long a controller may send its agents away
	// with Retry-After.
	maxPause = time.Minute
	// firstWithin bounds how long an agent that was just started waits before its first poll.
	firstWithin = time.Second / 4
	// share of the time that polling may take: a poll that took long is followed by a longer pause.
	share = 5
)

// pace says when the next poll is due. Agents that were started, or lost their controller, at the same
// moment drift apart: every pause is drawn.
type pace struct {
	interval time.Duration
	failures int
	slow     int  // polls in a row that took more than their share
	spread   bool // it has a phase of its own
}

// first is the pause before the first poll: a whole fabric may have been started at this moment.
func (p *pace) first() time.Duration {
	return rand.N(min(p.interval/2, firstWithin) + 1)
}

// afterSuccess is the time from the start of a poll to that of the next: at most the interval, less what it takes
// to put a change in force, unless the controller is so slow that polling it so often would keep it busy for
// more than its share. One slow poll alone, as when everything is new, is no sign of that.
func (p *pace) afterSuccess(took time.Duration) time.Duration {
	p.failures = 0
	if took <= p.interval/share {
		p.slow = 0
	} else {
		p.slow++
	}
	pause := p.interval
	if p.slow > 1 {
		pause = max(pause, min(share*took, maxPause))
	}
	if !p.spread {
		p.spread = true
		return pause/5 + rand.N(3*pause/4) // anywhere in the interval, once
	}
	return pause - pause/20 - rand.N(pause/5+1)
}

// afterFailure doubles the range the pause is drawn from, and does what the controller asked for.
func (p *pace) afterFailure(wait time.Duration) time.Duration {
	p.failures++
	span := min(p.interval<<min(p.failures-1, 10), slowest*p.interval, max(maxPause, p.interval))
	pause := span/2 + rand.N(span/2+1)
	if wait = min(wait, maxPause); wait > 0 {
		// Not all at the same moment: they were all sent away at the same one.
		pause = max(pause, wait+rand.N(wait/4+p.interval/4+1))
	}
	return pause
}
