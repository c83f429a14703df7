package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/fairlead-net/fairlead/vfp"
)

func every(*vfp.Event) bool { return true }

func dropOf(port string, n int) vfp.Event {
	return vfp.Event{Kind: vfp.EventDrop, PortID: port, Length: n, Reason: vfp.DropCASpoof}
}

// TestHub: the datapath is watched while somebody reads, and only once.
func TestHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dp := &fakeDatapath{}
		h := newHub(dp.Watch)
		first, stopFirst := context.WithCancel(t.Context())
		second, stopSecond := context.WithCancel(t.Context())
		a, b := h.subscribe(first, 4, every), h.subscribe(second, 4, func(e *vfp.Event) bool { return e.PortID == "web" })
		synctest.Wait()
		dp.emit(dropOf("web", 1))
		dp.emit(dropOf("app", 2))
		for _, want := range []struct {
			s    *subscription
			port string
		}{{a, "web"}, {a, "app"}, {b, "web"}} {
			if e, err := want.s.next(); err != nil || e.PortID != want.port {
				t.Errorf("%+v, %v; want %s", e, err, want.port)
			}
		}
		stopFirst()
		synctest.Wait()
		if dp.emit == nil || dp.watchers != 1 {
			t.Errorf("one still reads: %d watches", dp.watchers)
		}
		if _, err := a.next(); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		stopSecond()
		synctest.Wait()
		if dp.emit != nil {
			t.Error("nobody reads, and the datapath is watched")
		}
		third, stopThird := context.WithCancel(t.Context())
		c := h.subscribe(third, 4, every)
		synctest.Wait()
		dp.emit(dropOf("web", 3))
		if e, err := c.next(); err != nil || e.Length != 3 || dp.watchers != 2 {
			t.Errorf("%+v, %v, %d watches", e, err, dp.watchers)
		}
		stopThird()
	})
}

// TestSlowReader loses events, is told how many, and holds nobody up.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dp := &fakeDatapath{}
		h := newHub(dp.Watch)
		ctx, stop := context.WithCancel(t.Context())
		slow, quick := h.subscribe(ctx, 2, every), h.subscribe(ctx, 10, every)
		synctest.Wait()
		for i := range 5 {
			dp.emit(dropOf("web", i))
		}
		for i := range 5 {
			if e, err := quick.next(); err != nil || e.Length != i || e.Lost != 0 {
				t.Errorf("%+v, %v", e, err)
			}
		}
		for i := range 2 {
			if e, err := slow.next(); err != nil || e.Length != i || e.Lost != 0 {
				t.Errorf("%+v, %v", e, err)
			}
		}
		late := dropOf("web", 9)
		late.Lost = 4 // the datapath's own
		dp.emit(late)
		if e, err := slow.next(); err != nil || e.Length != 9 || e.Lost != 3+4 {
			t.Errorf("%+v, %v; want 7 lost", e, err)
		}
		if e, err := quick.next(); err != nil || e.Lost != 4 {
			t.Errorf("%+v, %v; want 4 lost", e, err)
		}
		dp.emit(dropOf("web", 10))
		if e, err := slow.next(); err != nil || e.Lost != 0 {
			t.Errorf("told twice: %+v, %v", e, err)
		}
		stop()
	})
}

func TestWatchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dp := &fakeDatapath{watchErr: errors.New("no ring buffer")}
		h := newHub(dp.Watch)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		s := h.subscribe(ctx, 1, every)
		if _, err := s.next(); err == nil || err.Error() != "no ring buffer" {
			t.Errorf("%v", err)
		}
		dp.set(func() { dp.watchErr = nil })
		s = h.subscribe(ctx, 1, every)
		synctest.Wait()
		dp.emit(dropOf("web", 1))
		if _, err := s.next(); err != nil {
			t.Errorf("after the failure: %v", err)
		}
	})
}
