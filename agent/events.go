package agent

import (
	"context"
	"slices"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/overlay"
	"github.com/fairlead-net/fairlead/vfp"
)

// waitingEvents is how many events may wait for a reader of the API.
const waitingEvents = 1024

// Events implements api.Backend.
func (a *Agent) Events(ctx context.Context, f api.EventFilter) (next func() (api.Event, error), err error) {
	s := a.events.subscribe(ctx, waitingEvents, func(e *vfp.Event) bool {
		return (f.Endpoint == "" || f.Endpoint == e.PortID) && (f.Kinds == nil || slices.Contains(f.Kinds, e.Kind.String()))
	})
	return func() (api.Event, error) {
		e, err := s.next()
		if err != nil {
			return api.Event{}, err
		}
		return a.apiEvent(&e), nil
	}, nil
}

func (a *Agent) apiEvent(e *vfp.Event) api.Event {
	out := api.Event{Kinded: api.Kinded{APIVersion: api.Version, Kind: "Event"}, Event: e.Kind.String(), Time: e.Time.UTC(), Endpoint: e.PortID, Network: a.tenantOf(e.PortID),
		Direction: e.Direction.String(), Length: e.Length, Suppressed: e.Suppressed, Lost: e.Lost}
	if e.Source.IsValid() { // otherwise the packet is not IP, or not readable
		out.Protocol, out.Source, out.SourcePort = vfp.ProtocolName(uint16(e.Protocol)), e.Source.String(), e.SourcePort
		out.Destination, out.DestinationPort = e.Destination.String(), e.DestinationPort
	}
	switch e.Kind {
	case vfp.EventACL:
		out.ACL, out.Rule, out.Action = overlay.ACLRef(e.Rule.ACL), lastPart(e.Rule.RuleID), e.Action.String()
	case vfp.EventDrop:
		out.Reason = e.Reason.String()
	}
	return out
}

// tenantOf is the network of an endpoint; "" when it is not known. It does not take the lock: events must not wait for a
// policy that is being put in force.
func (a *Agent) tenantOf(endpoint string) string {
	if t := a.tenants.Load(); t != nil {
		return (*t)[endpoint]
	}
	return ""
}

// noteTenants is for tenantOf, whenever endpoints or the model have changed. a.mu is held.
func (a *Agent) noteTenants() {
	t := make(map[string]string, len(a.records))
	for name, r := range a.records {
		t[name], _ = a.homeNetwork(r)
	}
	a.tenants.Store(&t)
}
