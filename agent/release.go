package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairlead-net/fairlead/agent/ports"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/overlay"
)

const (
	releaseAtOnce = 5 * time.Second  // how long a detach waits for it
	releaseAtMost = 10 * time.Second // one later try
	// doubtful is how long a write without an answer may still take effect.
	doubtful = 10 * time.Second
)

var (
	errDoubt  = errors.New("a write that was not answered may still take effect")
	errNoKeys = errors.New("controller.rest.writes.ipConfigurations is off")
)

// releaseSoon gives back the address of an endpoint whose port is gone. If that does not work at once it is done in the
// background. a.mu is held, but not meanwhile.
func (a *Agent) releaseSoon(ctx context.Context, name string) {
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, releaseAtOnce)
	err := a.release(ctx, name)
	cancel()
	a.mu.Lock()
	if err != nil {
		a.wakeRelease()
	}
}

func (a *Agent) wakeRelease() {
	select {
	case a.unreleased <- struct{}{}:
	default:
	}
}

// release takes an endpoint's ipConfiguration off the controller, and then its record away. There is nothing to do if it
// has none, or somebody is at it. a.mu is not held.
func (a *Agent) release(ctx context.Context, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	rec, ok := a.records[name]
	if !ok || rec.Phase != ports.Detaching || rec.IPConfiguration == "" || a.releasing[name] || a.attaching[name] != nil {
		return nil
	}
	defer a.report()
	if err := a.wiring.Detach(rec.Device); err != nil { // nobody else may get the address while it is in use
		a.trouble[name] = fmt.Sprintf("remove %s: %v", rec.Device, err)
		return err
	}
	found, err := a.give(ctx, rec)
	if since, doubted := a.doubt[name]; err == nil && !found && doubted && time.Since(since) < doubtful {
		err = errDoubt
	}
	if err != nil {
		a.trouble[name] = fmt.Sprintf("ipConfiguration %s is not released: %v", rec.IPConfiguration, err)
		return err
	}
	a.log.Info("address released", "endpoint", name, "ipConfiguration", rec.IPConfiguration)
	rec.IPConfiguration = ""
	return a.unplug(rec)
}

// give has the ipConfiguration removed. a.mu is held, but not meanwhile.
func (a *Agent) give(ctx context.Context, rec ports.Record) (found bool, err error) {
	if a.writer == nil {
		if a.status.State == cc.StateOK && !a.shown(rec.IPConfiguration) {
			return true, nil // somebody has done it
		}
		return false, errNoKeys
	}
	a.releasing[rec.Name] = true
	a.mu.Unlock()
	found, err = a.writer.RemoveIPConfiguration(ctx, rec.IPConfiguration)
	a.mu.Lock()
	delete(a.releasing, rec.Name)
	if err == nil {
		a.writer.Refresh()
	}
	return found, err
}

// shown says whether the controller has an ipConfiguration.
func (a *Agent) shown(ref string) bool {
	return a.model == nil || slices.ContainsFunc(a.model.Endpoints, func(e *overlay.Endpoint) bool {
		return slices.ContainsFunc(e.Addresses, func(ad overlay.Address) bool { return ad.Key == cc.RefKey(ref) })
	})
}

// releaseAll releases, until ctx ends, what could not be released at once, and what an earlier process left.
func (a *Agent) releaseAll(ctx context.Context) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	var pause time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.unreleased:
			if pause == 0 {
				pause = retryFirst
				retry.Reset(pause)
			}
			continue
		case <-retry.C:
		}
		if a.releasePending(ctx) {
			pause = 0
			continue
		}
		pause = min(max(2*pause, retryFirst), retryMost)
		retry.Reset(pause)
	}
}

// releasePending answers whether all is released.
func (a *Agent) releasePending(ctx context.Context) bool {
	a.mu.Lock()
	names := slices.Sorted(maps.Keys(a.records))
	a.mu.Unlock()
	all := true
	for _, name := range names {
		once, cancel := context.WithTimeout(ctx, releaseAtMost)
		all = a.release(once, name) == nil && all
		cancel()
	}
	return all
}

// notReleased names the addresses that the controller has not got back.
func (a *Agent) notReleased() (problems []cc.Problem) {
	for _, name := range slices.Sorted(maps.Keys(a.records)) {
		if r := a.records[name]; r.Phase == ports.Detaching && r.IPConfiguration != "" && a.trouble[name] != "" {
			problems = append(problems, cc.Problem{Code: "address-not-released", Severity: "warning", Resource: name,
				Message: fmt.Sprintf("endpoint %q is detached, but %s; it is tried again", name, a.trouble[name])})
		}
	}
	return problems
}
