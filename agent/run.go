package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// Run keeps the datapath in line until ctx ends. What is in the kernel stays in force after that.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	sourceDone := make(chan error, 1)
	go func() { sourceDone <- a.source.Run(ctx, a.deliver) }()
	var beside sync.WaitGroup
	beside.Go(func() { a.logACLs(ctx) })
	beside.Go(func() { a.releaseAll(ctx) })
	beside.Go(func() { a.reportStates(ctx) })
	defer beside.Wait()
	defer cancel()
	resync, sweep := time.NewTicker(resyncInterval), time.NewTicker(sweepInterval)
	defer resync.Stop()
	defer sweep.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return <-sourceDone
		case err := <-sourceDone:
			if err == nil && ctx.Err() == nil {
				err = errors.New("it ended by itself")
			}
			if err != nil {
				return fmt.Errorf("controller source: %w", err)
			}
			return nil
		case <-resync.C:
			a.resync()
			tidy()
		case <-retry.C:
			a.resync()
		case <-a.wake:
			a.mu.Lock()
			retry.Reset(a.retry)
			a.mu.Unlock()
		case <-sweep.C:
			a.sweep()
		}
	}
}

func (a *Agent) resync() {
	counters, err := a.dp.Counters() // without the lock, as for everybody who reads maps
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil { // otherwise status says so
		a.checkFlows(counters)
	}
	a.checkHost()
	a.repair()
	_ = a.apply() // reported as a problem, and tried again
	a.report()
}

func (a *Agent) sweep() {
	_, err := a.dp.Sweep()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fromSweep = nil
	if err != nil {
		a.fromSweep = []cc.Problem{{Code: "datapath-sweep", Severity: "error", Resource: a.cfg.Host.Name, Message: err.Error() + "; idle flows stay until the next sweep"}}
	}
	a.report()
}

// deliver takes an update from the source.
func (a *Agent) deliver(u cc.Update) {
	a.mu.Lock()
	a.status, a.fromSource = u.Status, u.Problems
	if u.Snapshot != nil {
		a.rebuild(u.Snapshot)
		a.noteETags(u.Snapshot)
		_ = a.apply()
	}
	a.report()
	clean := len(a.fromSource)+len(a.fromModel) == 0
	a.mu.Unlock()
	if u.Snapshot != nil {
		if err := a.saved.write(a.cfg.StateDir, u.Snapshot, clean); err != nil {
			a.log.Warn("last good snapshot not saved", "error", err)
		}
	}
}
