package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/fairlead-net/fairlead/e2e/bench/load"
	"github.com/fairlead-net/fairlead/e2e/lab"
)

// programs asks the kernel how long the eBPF programs run (bpf_stats), and how often for a request, a connection or a datagram:
// what of a packet's price is the vSwitch's own code, and what its way to it. Counting costs time itself, so no rate
// of these rounds is kept.
func programs(ctx context.Context, b *bench) error {
	w, err := b.theWorld(ctx)
	if err != nil {
		return err
	}
	if err := w.setUnderlay(lab.Whole); err != nil {
		return err
	}
	counting, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return fmt.Errorf("bpf_stats: %w", err)
	}
	defer counting.Close()
	for _, m := range []struct {
		what string
		run  measure
	}{{"request", load.Requests}, {"connection", load.Connections}, {"datagram", load.Datagrams}} {
		for _, c := range w.paths {
			if !c.ours && c.name != "redirect" {
				continue
			}
			if err := b.profile(c, m.what, m.run); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	return nil
}

func (b *bench) profile(c contender, what string, run measure) error {
	before, err := runTimes()
	if err != nil {
		return err
	}
	begun := time.Now()
	rate, err := quietly(func() (float64, error) { return b.loaded(run)(c) })
	if err != nil {
		return err
	}
	count := rate * time.Since(begun).Seconds() // about: the first part of a round is no different
	after, err := runTimes()
	if err != nil {
		return err
	}
	byName := map[string]runTime{}
	for id, now := range after {
		runs, spent := now.runs-before[id].runs, now.spent-before[id].spent
		if float64(runs) < count/2 {
			continue // another path's
		}
		sum := byName[now.name]
		byName[now.name] = runTime{now.name, sum.runs + runs, sum.spent + spent}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		t := byName[name]
		b.results = append(b.results, Result{Metric: "eBPF program " + name, Unit: "ns per run", Ours: float64(t.spent.Nanoseconds()) / float64(t.runs),
			Name: fmt.Sprintf("%s, %.1f runs per %s", c.name, float64(t.runs)/count, what), Runs: 1})
	}
	return nil
}

type runTime struct {
	name  string
	runs  uint64
	spent time.Duration
}

// runTimes of all programs on this machine.
func runTimes() (map[ebpf.ProgramID]runTime, error) {
	all := map[ebpf.ProgramID]runTime{}
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if errors.Is(err, os.ErrNotExist) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list programs: %w", err)
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("program %d: %w", id, err)
		}
		info, err := p.Info()
		if err == nil {
			var stats *ebpf.ProgramStats
			if stats, err = p.Stats(); err == nil {
				all[id] = runTime{info.Name, stats.RunCount, stats.Runtime}
			}
		}
		_ = p.Close()
		if err != nil {
			return nil, fmt.Errorf("program %d: %w", id, err)
		}
	}
}
