package main

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/fairlead-net/fairlead/e2e/bench/load"
	"github.com/fairlead-net/fairlead/e2e/lab"
)

// port that the loads use.
const port = 5301

// streams compares bulk transfers.
func streams(ctx context.Context, b *bench) error {
	w, err := b.theWorld(ctx)
	if err != nil {
		return err
	}
	for _, c := range w.paths {
		var server *lab.Process
		if err := c.lab.Do(func() { server = c.lab.ListenStreams(c.path) }); err != nil {
			return err
		}
		defer server.Kill()
	}
	type kind struct {
		metric string
		n      int
		name   string
		where  lab.Placement
	}
	kinds := []kind{{"TCP, 1 stream", 1, "one CPU", lab.OneCPU}, {"TCP, 1 stream", 1, "free", lab.Free}, {"TCP, 4 streams", 4, "one CPU", lab.OneCPU}}
	if b.quick {
		kinds = kinds[:1]
	}
	return b.underlays(ctx, func(w *world, u lab.Underlay) (err error) {
		for _, k := range kinds {
			err = errors.Join(err, b.compare(ctx, Result{Metric: k.metric, Unit: "Gbit/s", Name: string(u) + ", " + k.name}, b.rounds, w.paths,
				func(c contender) (float64, error) {
					if err := c.path.Place(k.where); err != nil {
						return 0, err
					}
					return c.lab.Stream(c.path, k.where, k.n)
				}))
		}
		return err
	})
}

// small compares a load of small packets, both ends on one CPU.
func (b *bench) small(ctx context.Context, metric, unit string, run measure) error {
	return b.underlays(ctx, func(w *world, u lab.Underlay) error {
		return b.compare(ctx, Result{Metric: metric, Unit: unit, Name: string(u)}, b.rounds, w.paths, b.loaded(run))
	})
}

// loaded puts a load on a contender's path.
func (b *bench) loaded(run measure) func(contender) (float64, error) {
	return func(c contender) (float64, error) {
		if err := c.path.Place(lab.OneCPU); err != nil {
			return 0, err
		}
		return run(c.path.From(), c.path.To(), netip.AddrPortFrom(c.path.Address(), port), b.round)
	}
}

func requests(ctx context.Context, b *bench) error {
	return b.small(ctx, "TCP requests of 1 byte", "RR/s", load.Requests)
}

func connections(ctx context.Context, b *bench) error {
	return b.small(ctx, "TCP connections", "CRR/s", load.Connections)
}

func datagrams(ctx context.Context, b *bench) error {
	return b.small(ctx, "UDP datagrams received", "1/s", load.Datagrams)
}

// measure is a load of package load.
type measure func(from, to load.Place, address netip.AddrPort, round time.Duration) (float64, error)

// oldAndNew are a load on one flow, and one of new flows.
var oldAndNew = []struct {
	metric, unit string
	run          measure
}{{"TCP requests of 1 byte", "RR/s", load.Requests}, {"TCP connections", "CRR/s", load.Connections}}

func (w *world) setUnderlay(u lab.Underlay) error {
	for _, l := range w.labs {
		if err := l.Do(func() { l.SetUnderlay(u) }); err != nil {
			return err
		}
	}
	return nil
}

// underlays runs a comparison over both kinds of underlay, also when it fails over the first.
func (b *bench) underlays(ctx context.Context, f func(*world, lab.Underlay) error) error {
	w, err := b.theWorld(ctx)
	if err != nil {
		return err
	}
	for _, u := range []lab.Underlay{lab.Whole, lab.Wire} {
		if err := w.setUnderlay(u); err != nil {
			return err
		}
		err = errors.Join(err, f(w, u))
	}
	return err
}
