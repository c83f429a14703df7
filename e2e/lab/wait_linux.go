package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollEvery is how often a condition is looked at: often enough to time what takes tens of milliseconds.
const pollEvery = 20 * time.Millisecond

// WaitFor looks at a condition until it holds, the time is over or the run is. The condition says what
// it still misses.
func (l *Lab) WaitFor(what string, timeout time.Duration, condition func() error) error {
	ctx, cancel := context.WithTimeout(l.ctx, timeout)
	defer cancel()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		if p := (permanent{}); errors.As(err, &p) {
			return fmt.Errorf("%s: %w", what, p.error)
		}
		select {
		case <-ctx.Done():
			if l.ctx.Err() != nil {
				return context.Cause(l.ctx)
			}
			return fmt.Errorf("%s: not within %v: %w", what, timeout, err)
		case <-time.After(pollEvery):
		}
	}
}

// Pause lets time pass that belongs to the story, such as a while without an agent.
func (l *Lab) Pause(d time.Duration) {
	select {
	case <-l.ctx.Done():
		panic(failure{context.Cause(l.ctx)})
	case <-time.After(d):
	}
}

// permanent is an error that waiting does not mend.
type permanent struct{ error }
