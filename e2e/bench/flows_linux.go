package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/fairlead-net/fairlead/e2e/bench/load"
	"github.com/fairlead-net/fairlead/e2e/lab"
)

// liveFlows compares a vSwitch with few live flows with one that has a million: requests on one connection beside them, and
// datagrams of all of them in random order. The flows are UDP conversations that went through the vSwitch.
func liveFlows(ctx context.Context, b *bench) error {
	sizes := b.sizes(1000, 100_000, 1_000_000)
	return b.withPairs(ctx, func(l *lab.Lab) (err error) {
		var all []contender
		sprays, flows, pairs := map[string]*load.Spray{}, map[string]int{}, map[string]*pair{}
		for _, n := range []int{sizes[len(sizes)-1], sizes[0]} {
			p, err := direct(l, fmt.Sprintf("f%d", n/1000))
			if err != nil {
				return err
			}
			defer p.Close()
			c := p.contender(fmt.Sprintf("%d flows", n), len(all) == 0)
			there, err := p.converse(n)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			defer there.Close()
			all, sprays[c.name], flows[c.name], pairs[c.name] = append(all, c), there, n, p
		}
		err = b.compare(ctx, Result{Metric: "TCP requests of 1 byte", Unit: "RR/s", Name: "on one connection beside them"}, b.rounds, all, b.loaded(load.Requests))
		err = errors.Join(err, b.compare(ctx, Result{Metric: "TCP connections", Unit: "CRR/s", Name: "beside them"}, b.rounds, all, b.loaded(load.Connections)))
		return errors.Join(err, b.compare(ctx, Result{Metric: "UDP datagrams", Unit: "1/s", Name: "of all flows in random order"}, b.rounds, all,
			func(c contender) (float64, error) {
				return pairs[c.name].replay(sprays[c.name], flows[c.name], b)
			}))
	})
}

// converse makes n flows that are answered, between the first two endpoints.
func (p *pair) converse(n int) (there *load.Spray, err error) {
	if err := p.apply(); err != nil {
		return nil, err
	}
	a, b := p.endpoints[0], p.endpoints[1]
	a.container.SinkUDP()
	b.container.SinkUDP()
	if there, err = load.NewSpray(a.end(), b.end()); err != nil {
		return nil, err
	}
	back, err := load.NewSpray(b.end(), a.end())
	if err != nil {
		return nil, err
	}
	defer back.Close()
	if err := load.Converse(there, back, n); err != nil {
		return nil, err
	}
	for i, s := range p.switches {
		status, err := s.Status()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "%s: %d flows in the table\n", p.hosts[i].Name, status.Flows)
		if status.Flows < n*95/100 {
			return nil, fmt.Errorf("%s: the flow table holds %d of %d flows", p.hosts[i].Name, status.Flows, n)
		}
	}
	return there, nil
}

// replay counts what arrives, not what is sent.
func (p *pair) replay(s *load.Spray, flows int, b *bench) (float64, error) {
	before, err := p.endpoints[1].container.Received()
	if err != nil {
		return 0, err
	}
	sent, rate, err := s.Replay(p.endpoints[0].container, flows, b.round)
	if err != nil {
		return 0, err
	}
	after, err := p.endpoints[1].container.Received()
	if err != nil {
		return 0, err
	}
	return rate * float64(after-before) / float64(sent), nil
}
