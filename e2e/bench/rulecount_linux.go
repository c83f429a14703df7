package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/fairlead-net/fairlead/e2e/bench/load"
	"github.com/fairlead-net/fairlead/e2e/bench/rules"
	"github.com/fairlead-net/fairlead/e2e/lab"
)

// ruleCounts compares connections behind short and long lists of rules, half of them in each direction: a first packet
// is judged by half of them at either end. The vSwitch gets them from the controller.
func ruleCounts(ctx context.Context, b *bench) (err error) {
	w, err := b.theWorld(ctx)
	if err != nil {
		return err
	}
	l := w.labs[0]
	var sets lab.Path
	if err := l.Do(func() {
		l.SetUnderlay(lab.Whole)
		sets = l.BridgeNFT(l.AddHost("sets-a"), l.AddHost("sets-b"), rules.Sets(rules.NSG(usual)))
	}); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, l.Do(func() { inForce(l, rules.NSG(usual)); l.Refilter(w.nft, rules.Linear(rules.NSG(usual))) }))
	}()
	ours, linear := w.paths[0], contender{"bridge-vxlan-nft", false, w.nft, l}
	for _, n := range b.sizes(10, 1000, 10_000, 100_000) {
		for _, kind := range []string{"NSG", "ClassBench"} {
			all, contenders := rules.NSG(n/2), []contender{ours, linear, {"nft-sets", false, sets, l}}
			if kind == "ClassBench" {
				all, contenders = rules.ClassBench(n/2, 1), contenders[:2] // a set can't hold what overlaps
			}
			failed := l.Do(func() {
				begun := time.Now()
				inForce(l, all)
				ready := time.Since(begun)
				l.Refilter(w.nft, rules.Linear(all))
				if kind == "NSG" {
					l.Refilter(sets, rules.Sets(all))
				}
				fmt.Fprintf(os.Stderr, "%d %s rules: in force after %.1f s, controller and agents included\n", n, kind, ready.Seconds())
			})
			if failed == nil {
				failed = filtered(contenders)
			}
			if failed == nil {
				failed = b.undisturbed(l, func() error {
					return b.compare(ctx, Result{Metric: "TCP connections", Unit: "CRR/s", Name: fmt.Sprintf("%d rules, %s", n, kind)}, b.rounds, contenders, b.loaded(load.Connections))
				})
			}
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("%d rules, %s: %w", n, kind, failed))
			}
			if ctx.Err() != nil {
				return err
			}
		}
	}
	return err
}

// sizes of a series; a quick run leaves the large ones out.
func (b *bench) sizes(all ...int) []int {
	if b.quick {
		return all[:(len(all)+1)/2]
	}
	return all
}

// inForce changes the ACL that the overlay's endpoints stand behind, and waits for both hosts.
func inForce(l *lab.Lab, all []rules.Rule) {
	body := rules.Body(all)
	hosts := []*lab.Host{l.Host("host-a"), l.Host("host-b")}
	before := make([]uint64, len(hosts))
	for i, h := range hosts {
		s, _, err := h.Status()
		if err != nil {
			l.Fail("status: %w", err)
		}
		before[i] = s.Datapath.Generation
	}
	l.Controller().Put("/accessControlLists/measured", body)
	for i, h := range hosts {
		err := l.WaitFor("rules in force", 2*time.Minute, func() error {
			s, _, err := h.Status()
			switch {
			case err != nil:
				return err
			case s.Model.Rules == len(body.Rules) && s.Datapath.Generation > before[i]:
				return nil
			}
			return fmt.Errorf("%s: %d rules of %d, generation %d after %d, %v", h.Name, s.Model.Rules, len(body.Rules), s.Datapath.Generation, before[i], s.Problems)
		})
		if err != nil {
			l.Fail("%w", err)
		}
	}
}

// filtered makes sure that every contender's rules are in force.
func filtered(all []contender) (err error) {
	for _, c := range all {
		blocked, failed := load.Blocked(c.path.From(), netip.AddrPortFrom(c.path.Address(), rules.Guard))
		if failed == nil && !blocked {
			failed = errors.New("the rules are not in force: a denied port answers")
		}
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", c.name, failed))
		}
	}
	return err
}

// undisturbed keeps the agents, which poll, from what f measures.
func (b *bench) undisturbed(l *lab.Lab, f func() error) error {
	for _, h := range []string{"host-a", "host-b"} {
		host := l.AddHost(h)
		host.Freeze()
		defer host.Thaw()
	}
	return f()
}
