// Demo shows the whole main job on this machine: two tenants with the same addresses, three hosts,
// a controller, ten containers, once with VXLAN and once with NVGRE. Run it with: make demo
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/scenario"
)

func main() {
	encapsulations := flag.String("encapsulation", "vxlan,nvgre", "which to show, separated by commas")
	bin := flag.String("bin", "", "folder of fairlead and fairlead-nc (default: bin of this module)")
	flag.Parse()
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "demo:", lab.ErrNotRoot)
		os.Exit(1)
	}
	// A closed pipe counts as a wish to stop, too: what has been created has to go first.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	if err := run(ctx, strings.Split(*encapsulations, ","), *bin); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, encapsulations []string, bin string) error {
	start := time.Now()
	say := func(format string, args ...any) {
		fmt.Printf("%5.1fs  %s\n", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
	var tables []string
	failed, total := 0, 0
	for _, encapsulation := range encapsulations {
		checks, err := show(ctx, encapsulation, bin, say)
		if err != nil {
			return err
		}
		tables = append(tables, table(encapsulation, checks))
		for _, c := range checks {
			total++
			if !c.OK {
				failed++
			}
		}
	}
	for _, t := range tables {
		fmt.Print("\n", t)
	}
	fmt.Printf("\n%d of %d checks passed in %.0f s\n", total-failed, total, time.Since(start).Seconds())
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

// show tells the story once.
func show(ctx context.Context, encapsulation, bin string, say func(string, ...any)) (checks []scenario.Check, err error) {
	w, err := scenario.Open(ctx, scenario.Options{
		Encapsulation: encapsulation,
		BinDir:        bin,
		Say:           func(text string) { say("%s: %s", encapsulation, text) },
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		say("%s: cleaning up", encapsulation)
		err = errors.Join(err, w.Close())
	}()
	for _, step := range scenario.Steps {
		found, err := w.Run(step)
		if err != nil {
			return nil, err
		}
		passed := 0
		for _, c := range found {
			if c.OK {
				passed++
			}
		}
		say("%s: %s: %d of %d ok", encapsulation, step.Name, passed, len(found))
		checks = append(checks, found...)
	}
	return checks, nil
}
