package model

import (
	"net/netip"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// Pipeline executes one host's policy. It is not safe for concurrent use.
type Pipeline struct {
	policy    *vfp.Policy
	ports     map[string]*vfp.Port
	owners    map[place]*vfp.Port
	mappings  map[home]*vfp.Mapping
	subnets   map[encap.VSID]*vfp.Subnet
	acls      map[string]*vfp.ACL
	states    map[string]*portState
	flows     map[flowKey]*flow
	natPorts  map[natKey]flowKey
	fragments map[fragmentKey]fragments
	routes    map[encap.VSID][]vfp.Route
	// forwarders are the ports that pass on packets of others, senders the hosts that such endpoints live on.
	forwarders map[station]*vfp.Port
	senders    map[sender]bool
	counters   vfp.Counters
	events     []vfp.Event
	tracing    bool
}

// portState is what a port that is in the policy remembers, besides its flows.
type portState struct {
	flows uint64 // in the table
	seq   uint64 // flows entered in the ring, ever: the place of the next is this modulo the ring's size
	ring  map[uint64]incarnation
	tat   [2]uint64 // by direction: see bandwidth.go
}

// home is a CA in a routing domain, its own or one that is peered with it.
type home struct {
	rdid string
	ca   netip.Addr
}

// place is a CA in its own subnet, where its port is whoever sends to it.
type place struct {
	vsid encap.VSID
	ca   netip.Addr
}

// New returns a pipeline without flows.
func New(p *vfp.Policy) *Pipeline {
	pl := &Pipeline{states: map[string]*portState{}, flows: map[flowKey]*flow{}, natPorts: map[natKey]flowKey{},
		fragments: map[fragmentKey]fragments{}, counters: vfp.Counters{
			Ports: map[string]vfp.PortCounters{}, Rules: map[vfp.RuleKey]vfp.RuleCounters{}, Host: map[vfp.DropReason]uint64{}}}
	pl.SetPolicy(p)
	return pl
}

// SetPolicy puts another policy into force; each live flow is judged again on its next packet. A port that leaves loses its
// state, and the flows that are translated for it.
func (pl *Pipeline) SetPolicy(p *vfp.Policy) {
	pl.policy = p
	pl.ports, pl.owners, pl.mappings = map[string]*vfp.Port{}, map[place]*vfp.Port{}, map[home]*vfp.Mapping{}
	pl.subnets, pl.acls = map[encap.VSID]*vfp.Subnet{}, map[string]*vfp.ACL{}
	pl.learnRoutes(p)
	for i := range p.Ports {
		port := &p.Ports[i]
		pl.ports[port.ID] = port
		if pl.states[port.ID] == nil {
			pl.states[port.ID] = &portState{ring: map[uint64]incarnation{}}
		}
		for _, a := range port.Addresses {
			pl.owners[place{a.VSID, a.CA}] = port
		}
	}
	for i := range p.Mappings {
		pl.mappings[home{p.Mappings[i].RDID, p.Mappings[i].CA}] = &p.Mappings[i]
	}
	for i := range p.Subnets {
		pl.subnets[p.Subnets[i].VSID] = &p.Subnets[i]
	}
	for i := range p.ACLs {
		pl.acls[p.ACLs[i].ID] = &p.ACLs[i]
	}
	for key, f := range pl.flows {
		if pl.ports[f.port] == nil { // a port that leaves takes its flows along
			pl.remove(key, f)
		}
	}
	for id := range pl.states {
		if pl.ports[id] == nil {
			delete(pl.states, id)
		}
	}
}

// Counters so far.
func (pl *Pipeline) Counters() vfp.Counters {
	for id, c := range pl.counters.Ports {
		c.Flows.Now = 0
		if s := pl.states[id]; s != nil {
			c.Flows.Now = s.flows
		}
		pl.counters.Ports[id] = c
	}
	return pl.counters
}

// Events since they were asked for last: those of rules with logging. They have no time.
func (pl *Pipeline) Events() []vfp.Event {
	e := pl.events
	pl.events = nil
	return e
}

// TracePort is PortOut without a trace in the state: no flow, no counter, no bandwidth.
func (pl *Pipeline) TracePort(portID string, frame []byte) vfp.Trace {
	pl.tracing = true
	defer func() { pl.tracing = false }()
	return pl.PortOut(portID, frame, 0)
}

// TraceUnderlay is UnderlayIn without a trace in the state.
func (pl *Pipeline) TraceUnderlay(frame []byte) vfp.Trace {
	pl.tracing = true
	defer func() { pl.tracing = false }()
	return pl.UnderlayIn(frame, 0)
}

func addressOf(p *vfp.Port, ca netip.Addr) *vfp.Address {
	for i := range p.Addresses {
		if p.Addresses[i].CA == ca {
			return &p.Addresses[i]
		}
	}
	return nil
}

func step(t *vfp.Trace, s vfp.Step) { t.Steps = append(t.Steps, s) }

// drop ends a packet's walk and charges the port, or the host when port is nil.
func (pl *Pipeline) drop(t *vfp.Trace, port *vfp.Port, reason vfp.DropReason) vfp.Trace {
	t.Verdict, t.Reason, t.Frame = vfp.Drop, reason, nil
	if port != nil {
		t.Port = port.ID
	}
	pl.charge(port, reason)
	return *t
}

// charge counts a drop.
func (pl *Pipeline) charge(port *vfp.Port, reason vfp.DropReason) {
	if pl.tracing {
		return
	}
	if port == nil {
		pl.counters.Host[reason]++
		return
	}
	c := pl.counters.Ports[port.ID]
	if c.Drops == nil {
		c.Drops = map[vfp.DropReason]uint64{}
	}
	c.Drops[reason]++
	pl.counters.Ports[port.ID] = c
}
