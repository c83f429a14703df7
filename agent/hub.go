package agent

import (
	"context"
	"errors"
	"sync"

	"github.com/fairlead-net/fairlead/vfp"
)

// hub hands a datapath's events to everybody who reads them. Nobody waits for a reader: what one is too slow for is
// lost to it, and its next event says how many were. The datapath is watched only while somebody reads.
type hub struct {
	watch func(context.Context, func(vfp.Event)) error

	mu   sync.Mutex
	subs map[*subscription]bool
	stop context.CancelFunc // of the watch that runs; nil: none
	done chan struct{}      // closed when the last watch has ended
}

// subscription is one reader.
type subscription struct {
	ctx    context.Context
	match  func(*vfp.Event) bool
	events chan vfp.Event
	lost   uint64 // guarded by hub.mu
	failed chan struct{}
	err    error // why failed is closed
}

func newHub(watch func(context.Context, func(vfp.Event)) error) *hub {
	return &hub{watch: watch, subs: map[*subscription]bool{}}
}

// subscribe until ctx ends. size is how many events may wait for the reader.
func (h *hub) subscribe(ctx context.Context, size int, match func(*vfp.Event) bool) *subscription {
	s := &subscription{ctx: ctx, match: match, events: make(chan vfp.Event, size), failed: make(chan struct{})}
	h.mu.Lock()
	h.subs[s] = true
	if h.stop == nil {
		h.start()
	}
	h.mu.Unlock()
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, s)
		if len(h.subs) == 0 && h.stop != nil {
			h.stop()
			h.stop = nil
		}
	})
	return s
}

// start a watch, when the one before has ended. h.mu is held.
func (h *hub) start() {
	ctx, cancel := context.WithCancel(context.Background())
	before, done := h.done, make(chan struct{})
	h.stop, h.done = cancel, done
	go func() {
		defer close(done)
		defer cancel()
		if before != nil {
			<-before
		}
		err := h.watch(ctx, h.publish)
		if err == nil {
			err = errors.New("the datapath ended it")
		}
		h.fail(ctx, err)
	}()
}

// fail ends every subscription of a watch that was not told to end. One that was has none: later ones wait for the next.
func (h *hub) fail(ctx context.Context, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	for s := range h.subs {
		s.err = err
		close(s.failed)
	}
	clear(h.subs)
	h.stop = nil
}

func (h *hub) publish(e vfp.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		s.lost += e.Lost
		if !s.match(&e) {
			continue
		}
		own := e
		own.Lost = s.lost
		select {
		case s.events <- own:
			s.lost = 0
		default:
			s.lost++
		}
	}
}

// next waits for an event. What came before a failure is still delivered.
func (s *subscription) next() (vfp.Event, error) {
	select {
	case e := <-s.events:
		return e, nil
	default:
	}
	select {
	case e := <-s.events:
		return e, nil
	case <-s.ctx.Done():
		return vfp.Event{}, s.ctx.Err()
	case <-s.failed:
		return vfp.Event{}, s.err
	}
}
