package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/fairlead-net/fairlead/e2e/bench/load"
	"github.com/fairlead-net/fairlead/e2e/bench/plot"
	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/vfp"
)

// scale grows a host from one port to a thousand and from a hundred mappings to a million: what it takes to put the policy in
// force, to change one thing in it, and what connections through it cost. Each size is compared with the smallest, side by side.
func scale(ctx context.Context, b *bench) error {
	return b.withPairs(ctx, func(l *lab.Lab) (err error) {
		for _, s := range []struct {
			what  string
			sizes []int
			grow  func(p *pair, n int)
		}{
			{"ports", b.sizes(1, 10, 100, 1000), func(p *pair, n int) { p.stub(n - 1) }},
			{"mappings", b.sizes(100, 10_000, 100_000, 1_000_000), func(p *pair, n int) { p.more = strangers(n) }},
		} {
			err = errors.Join(err, b.grow(ctx, l, s.what, s.sizes, s.grow))
			if ctx.Err() != nil {
				return err
			}
		}
		return err
	})
}

func (b *bench) grow(ctx context.Context, l *lab.Lab, what string, sizes []int, grow func(*pair, int)) error {
	small, err := direct(l, what[:1]+"0")
	if err != nil {
		return err
	}
	defer small.Close()
	grow(small, sizes[0])
	if err := small.apply(); err != nil {
		return err
	}
	var whole, one, rate plot.Line
	whole.Name, one.Name, rate.Name = "whole policy, ms", "one change in it, ms", "connections/s, of those with "+fmt.Sprint(sizes[0])
	for _, n := range sizes {
		p, err := direct(l, fmt.Sprintf("%s%d", what[:1], n))
		if err != nil {
			return err
		}
		defer p.Close()
		if err := p.applyTo(1, p.policy(1)); err != nil {
			return err
		}
		grow(p, n)
		took, err := timed(func() error { return p.applyTo(0, p.policy(0)) })
		if err != nil {
			return fmt.Errorf("%d %s: %w", n, what, err)
		}
		p.endpoints[0].port.Limits.Flows++ // the same policy but for one port
		again, err := timed(func() error { return p.applyTo(0, p.policy(0)) })
		if err != nil {
			return fmt.Errorf("%d %s, one changed: %w", n, what, err)
		}
		name := fmt.Sprintf("%d %s", n, what)
		b.results = append(b.results, Result{Metric: "policy put in force", Unit: "ms", Name: name, Ours: took, Runs: 1},
			Result{Metric: "policy put in force, one port changed", Unit: "ms", Name: name, Ours: again, Runs: 1})
		if err := b.compare(ctx, Result{Metric: "TCP connections", Unit: "CRR/s", Name: name}, b.rounds,
			[]contender{p.contender("vxlan", true), small.contender("smallest", false)}, b.loaded(load.Connections)); err != nil {
			return err
		}
		whole.Add(float64(n), took)
		one.Add(float64(n), again)
		rate.Add(float64(n), b.results[len(b.results)-1].Ratios["smallest"])
	}
	if b.plots == "" {
		return nil
	}
	return errors.Join(
		os.WriteFile(filepath.Join(b.plots, "scale-"+what+"-apply.svg"), plot.SVG("Policy put in force", what, whole, one), 0o644),
		os.WriteFile(filepath.Join(b.plots, "scale-"+what+"-connections.svg"), plot.SVG("New connections", what, rate), 0o644))
}

// timed answers in milliseconds.
func timed(f func() error) (float64, error) {
	begun := time.Now()
	err := f()
	return time.Since(begun).Seconds() * 1000, err
}

// stub gives the first host ports that nobody uses.
func (p *pair) stub(n int) {
	p.hosts[0].Stubs("stub", n)
	for i := range n {
		p.stubs = append(p.stubs, vfp.Port{ID: fmt.Sprintf("stub%d", i), Device: fmt.Sprintf("stub%d", i), MAC: vfp.MAC{2, 0, 0, 1, byte(i >> 8), byte(i)},
			Addresses: []vfp.Address{{CA: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), VSID: vsid, RDID: domain}}})
	}
}
