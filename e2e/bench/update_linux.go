package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/fairlead-net/fairlead/e2e/bench/load"
	"github.com/fairlead-net/fairlead/e2e/bench/rules"
	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/vfp"
)

// updates changes one rule of many, again and again, while datagrams pass that the rules allow: how long one change takes, and
// how many datagrams are lost meanwhile. The peer is an nftables set of as many, changed by nft, whose start (about
// 3 ms) is part of its price; the vSwitch is changed by a call in this process.
func updates(ctx context.Context, b *bench) error {
	size, changes := 100_000, 1000
	if b.quick {
		size, changes = 10_000, 100
	}
	return b.withPairs(ctx, func(l *lab.Lab) error {
		p, err := direct(l, "up")
		if err != nil {
			return err
		}
		defer p.Close()
		all := rules.NSG(size)
		acl := list("large", all[:size/2]) // half of them in each direction
		p.acls, p.behind = []vfp.ACL{acl}, []string{acl.ID}
		if err := p.apply(); err != nil {
			return err
		}
		peer := l.AddHost("set-b")
		set := l.BridgeNFT(l.AddHost("set-a"), peer, rules.Sets(all[:size/2]))

		var probe load.ProbeResult
		var slowest []float64
		contenders := []contender{p.contender("vxlan", true), {"nft-sets", false, set, l}}
		next, last := 0, acl.Rules[size/2+changed] // the inbound ones come second
		err = b.compare(ctx, Result{Metric: "one rule changed", Unit: "ms, lower is better", Name: fmt.Sprintf("of %d", size)}, b.rounds, contenders, func(c contender) (float64, error) {
			pr, err := load.StartProbe(c.path.From(), c.path.To(), netip.AddrPortFrom(c.path.Address(), port), probeRate)
			if err != nil {
				return 0, err
			}
			var times []float64
			if c.ours {
				err = p.hosts[1].Namespace().Do(func() (err error) {
					times, err = paced(ctx, changes/b.rounds, func() (err error) {
						next++
						last, err = p.change(1, acl.ID, last, next)
						return err
					})
					return err
				})
			} else {
				times, err = paced(ctx, min(changes/b.rounds, 10), func() error { return changeSet(peer, all[changed]) })
			}
			r := pr.Stop()
			if err := errors.Join(err, r.Err); err != nil {
				return 0, err
			}
			if c.ours {
				probe.Sent, probe.Lost = probe.Sent+r.Sent, probe.Lost+r.Lost
				slowest = append(slowest, times...)
			}
			return lab.Median(times), nil
		})
		if err != nil {
			return err
		}
		slices.Sort(slowest)
		name := fmt.Sprintf("%d changes of one rule of %d", len(slowest), size)
		fmt.Fprintf(os.Stderr, "%s: %d of %d datagrams lost\n", name, probe.Lost, probe.Sent)
		b.results = append(b.results,
			Result{Name: name, Metric: "one rule changed, 99th percentile", Unit: "ms", Ours: slowest[len(slowest)*99/100], Runs: len(slowest)},
			Result{Name: fmt.Sprintf("%s, %d sent", name, probe.Sent), Metric: "datagrams lost", Unit: "packets", Ours: float64(probe.Lost), Runs: 1})
		return nil
	})
}

// probeRate is in datagrams a second.
const probeRate = 10_000

// paced makes a change every two milliseconds, or one after the other where that takes longer, and times each.
func paced(ctx context.Context, n int, f func() error) (times []float64, err error) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range n {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
		took, err := timed(f)
		if err != nil {
			return nil, err
		}
		times = append(times, took)
	}
	return times, nil
}

// changed is the rule that is changed, in the middle of the list.
const changed = 25

// change replaces a rule by one with another port, on the host that the calling thread is in.
func (p *pair) change(side int, acl string, old vfp.Rule, n int) (vfp.Rule, error) {
	put := old
	put.ID = fmt.Sprintf("%s-%d-%d", vfp.Inbound, changed, n)
	first := uint16(61_100 + n%1000)
	put.DestinationPorts = []vfp.PortRange{{First: first, Last: first}}
	if err := p.switches[side].ChangeACL(vfp.ACLChange{ACL: acl, Remove: []string{old.ID}, Put: []vfp.Rule{put}}); err != nil {
		return old, fmt.Errorf("change %d: %w", n, err)
	}
	return put, nil
}

// changeSet puts an element into the peer's set and takes it out again, in one transaction.
func changeSet(h *lab.Host, r rules.Rule) error {
	element := fmt.Sprintf("%s . 0.0.0.0-255.255.255.255 . udp . %d", r.Source, 61_100)
	return h.NFT(fmt.Sprintf("add element inet peer denied-in { %s }\ndelete element inet peer denied-in { %[1]s }\n", element))
}
