package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/fairlead-net/fairlead/e2e/lab"
)

// bench is a run.
type bench struct {
	options
	results []Result
	world   *world
}

// contender is one of the paths that are compared.
type contender struct {
	name string // of ours: the encapsulation
	ours bool
	path lab.Path
	lab  *lab.Lab
}

// compare measures every contender once a round. They take turns, and who goes first changes with every round, so that what
// else the machine does hits all alike. A peer that fails is left out, with its reason; ours must not fail.
func (b *bench) compare(ctx context.Context, r Result, rounds int, all []contender, measure func(contender) (float64, error)) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fmt.Fprintf(os.Stderr, "%s, %s: %d rounds of %d paths\n", r.Metric, r.Name, rounds, len(all))
	values := make([][]float64, len(all))
	failed := make([]error, len(all))
	for round := range rounds {
		for i := range all {
			n := (i + round) % len(all)
			if failed[n] != nil {
				continue
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			value, err := quietly(func() (float64, error) { return measure(all[n]) })
			if err != nil {
				failed[n] = fmt.Errorf("%s: %s, %s: %w", all[n].name, r.Metric, r.Name, err)
				fmt.Fprintln(os.Stderr, "bench: left out:", failed[n])
			}
			values[n] = append(values[n], value)
		}
	}
	peers := map[string][]float64{}
	for n, c := range all {
		if !c.ours && failed[n] == nil {
			peers[c.name] = values[n]
		}
	}
	var err error
	for n, c := range all {
		if !c.ours {
			continue
		}
		if failed[n] != nil {
			err = errors.Join(err, failed[n])
			continue
		}
		named := r
		named.Name = c.name + ", " + r.Name
		b.results = append(b.results, judge(named, values[n], peers))
	}
	return err
}

// quietly keeps the garbage collector out of a round.
func quietly(measure func() (float64, error)) (float64, error) {
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	return measure()
}
