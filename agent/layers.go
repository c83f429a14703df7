package agent

import (
	"net/http"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/vfp"
)

// Layers implements api.Backend.
func (a *Agent) Layers(port string) (*api.PortLayers, error) {
	counters, err := a.dp.Counters()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	policy := a.policy // immutable
	a.mu.Unlock()
	if policy == nil {
		return nil, api.Errorf(http.StatusServiceUnavailable, "no policy in force yet")
	}
	layers := vfp.Layers(policy, port)
	if layers == nil {
		return nil, api.Errorf(http.StatusNotFound, "endpoint %q has no port in force on this host", port)
	}
	vfp.CountLayers(layers, port, counters)
	out := &api.PortLayers{Kinded: api.Kinded{APIVersion: api.Version, Kind: "PortLayers"}, Port: port}
	for _, l := range layers {
		v := api.Layer{Name: l.Name}
		for _, g := range l.Groups {
			group := api.LayerGroup{Name: g.Name, Direction: g.Direction.String(), Type: g.Type, Priority: g.Priority, Rules: []api.LayerRule{}}
			for _, r := range g.Rules {
				rule := api.LayerRule{ID: lastPart(r.ID), Type: r.Type, Priority: r.Priority, Conditions: []api.Condition{}, Action: r.Action, Logging: r.Logging,
					Packets: r.Packets, Bytes: r.Bytes, LastHit: r.LastHit.UTC()}
				if r.LastHit.IsZero() {
					rule.LastHit = r.LastHit
				}
				for _, c := range r.Conditions {
					rule.Conditions = append(rule.Conditions, api.Condition(c))
				}
				group.Rules = append(group.Rules, rule)
			}
			v.Groups = append(v.Groups, group)
		}
		out.Layers = append(out.Layers, v)
	}
	return out, nil
}
