package agent

import (
	"context"
	"fmt"
	"log/slog"

	cc "github.com/fairlead-net/fairlead/controller-client"
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

func (a *Agent) problems() []cc.Problem {
	all := []cc.Problem{}
	for _, list := range [][]cc.Problem{a.fromHost, a.fromSource, a.fromModel, a.fromPolicy, a.fromSweep} {
		all = append(all, list...)
	}
	return all
}

// report logs each problem once when it appears and once when it is gone.
func (a *Agent) report() {
	now := map[cc.Problem]bool{}
	for _, p := range a.problems() {
		if !a.reported[p] && !now[p] {
			level := slog.LevelWarn
			if p.Severity == "error" {
				level = slog.LevelError
			}
			a.log.Log(context.Background(), level, "problem", "code", p.Code, "resource", p.Resource, "message", p.Message)
		}
		now[p] = true
	}
	for p := range a.reported {
		if !now[p] {
			a.log.Info("problem gone", "code", p.Code, "resource", p.Resource)
		}
	}
	a.reported = now
}
