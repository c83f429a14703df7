// Bench compares the vSwitch with its peers on this machine, side by side in one run. Run it with: make bench
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

// options of a run.
type options struct {
	rounds int
	round  time.Duration // of small packets; a stream's is one second
	quick  bool
	only   *regexp.Regexp
	out    string
	binDir string
	plots  string
}

// group is a part of the benchmark that stands alone: when one fails, the others' results are written all the same.
type group struct {
	name  string
	world bool // it runs on paths between containers that agents have attached, with all peers beside them
	run   func(context.Context, *bench) error
}

var groups = []group{
	{"streams", true, streams},
	{"requests", true, requests},
	{"connections", true, connections},
	{"datagrams", true, datagrams},
	{"rules", true, ruleCounts},
	{"programs", true, programs},
	{"layers", false, layers},
	{"flows", false, liveFlows},
	{"flood", false, flood},
	{"update", false, updates},
	{"memory", false, memory},
	{"northbound", false, northbound},
	{"scale", false, scale},
}

func main() {
	o := options{}
	only := flag.String("only", "", "run the groups whose names match this regular expression")
	flag.IntVar(&o.rounds, "rounds", 0, "rounds for each path (default 5, 3 with -quick)")
	flag.DurationVar(&o.round, "time", 0, "length of a round of small packets (default 500ms, 200ms with -quick); TCP streams take one second")
	flag.BoolVar(&o.quick, "quick", false, "about three minutes: fewer and shorter rounds, no large sizes")
	flag.StringVar(&o.out, "out", filepath.Join("bench", "latest.json"), "file for the results")
	flag.StringVar(&o.binDir, "bin", "", "folder with the binaries to measure (default: what make build has built)")
	flag.StringVar(&o.plots, "plots", "", "folder for plots (default: none)")
	flag.Parse()
	o.rounds = either(o.rounds, o.quick, 3, 5)
	o.round = either(o.round, o.quick, 200*time.Millisecond, 500*time.Millisecond)
	var err error
	if o.only, err = regexp.Compile(*only); err != nil || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "bench: -only:", err)
		flag.Usage()
		os.Exit(2)
	}
	// The loops of package load hold on to their processors, see there.
	runtime.GOMAXPROCS(8)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func either[T comparable](set T, quick bool, short, long T) T {
	var unset T
	switch {
	case set != unset:
		return set
	case quick:
		return short
	}
	return long
}

func run(ctx context.Context, o options) (err error) {
	if o.rounds < 1 || o.round <= 0 {
		return errors.New("nothing to do: -rounds and -time must be positive")
	}
	b := &bench{options: o}
	defer func() { err = errors.Join(err, b.close()) }()
	for _, g := range groups {
		if !o.only.MatchString(g.name) {
			continue
		}
		if !g.world {
			err = errors.Join(err, b.close()) // nobody polls beside what follows
		}
		begun, had := time.Now(), len(b.results)
		failed := g.run(ctx, b)
		if ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if failed != nil {
			failed = fmt.Errorf("%s: %w", g.name, failed)
			fmt.Fprintln(os.Stderr, "bench:", failed)
			err = errors.Join(err, failed)
		}
		fmt.Fprintf(os.Stderr, "%s took %.0f s\n", g.name, time.Since(begun).Seconds())
		if failed := b.write(); failed != nil {
			return errors.Join(err, failed)
		}
		tables(os.Stdout, b.results[had:])
	}
	return err
}
