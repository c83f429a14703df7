package agent

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

// checkHost compares the configuration with the underlay device.
func (a *Agent) checkHost() {
	u := a.cfg.Host.Underlay
	mtu, has, err := a.wiring.UnderlayMTU(u.Interface, a.cfg.PA().AsSlice())
	a.fromHost, a.underlayMTU = nil, mtu
	switch {
	case err != nil:
		a.underlayMTU = 0
		a.fromHost = []cc.Problem{{Code: "underlay", Severity: "error", Resource: a.cfg.Host.Name, Message: "host.underlay.interface: " + err.Error()}}
	case !has:
		a.fromHost = []cc.Problem{{Code: "underlay", Severity: "error", Resource: a.cfg.Host.Name,
			Message: fmt.Sprintf("host.underlay.providerAddress: %s is not an address of %s: nothing sent to it will arrive", a.cfg.PA(), u.Interface)}}
	}
}

// checkFlows names the ports that had to refuse new flows since the last look.
func (a *Agent) checkFlows(counters vfp.Counters) {
	a.fromFlows = nil
	for _, name := range slices.Sorted(maps.Keys(counters.Ports)) {
		f := counters.Ports[name].Flows
		before, seen := a.refused[name]
		if seen && f.Refused > before {
			a.fromFlows = append(a.fromFlows, cc.Problem{Code: "flow-table-full", Severity: "warning", Resource: name,
				Message: fmt.Sprintf("endpoint %q is at its limit of flows: new ones are dropped (flow-limit)", name)})
		}
	}
	a.refused = make(map[string]uint64, len(counters.Ports))
	for name, c := range counters.Ports {
		a.refused[name] = c.Flows.Refused
	}
}

func (a *Agent) problems() []cc.Problem {
	all := []cc.Problem{}
	for _, list := range [][]cc.Problem{a.fromHost, a.fromSource, a.fromModel, a.fromPolicy, a.fromSweep, a.fromLog, a.fromFlows, a.fromWrites, a.notReleased()} {
		all = append(all, list...)
	}
	return all
}

// report logs each problem once when it appears and once when it is gone.
func (a *Agent) report() {
	now := map[cc.Problem]bool{}
	changed := false
	for _, p := range a.problems() {
		if !a.reported[p] && !now[p] {
			level := slog.LevelWarn
			if p.Severity == "error" {
				level = slog.LevelError
			}
			changed = true
			a.log.Log(context.Background(), level, "problem", "code", p.Code, "resource", p.Resource, "message", p.Message)
		}
		now[p] = true
	}
	for p := range a.reported {
		if !now[p] {
			changed = true
			a.log.Info("problem gone", "code", p.Code, "resource", p.Resource)
		}
	}
	a.reported = now
	if changed {
		a.maybeReport()
	}
}
