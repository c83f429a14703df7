package model

import (
	"time"

	"github.com/fairlead-net/fairlead/vfp"
)

// ringLook bounds how far a full table looks for a half-open flow that can give way.
const ringLook = 16

// incarnation names a flow that was created at a time: a later one may have the same key.
type incarnation struct {
	key     flowKey
	created time.Duration
}

// create enters a new flow into the table. A port that tries many destinations that don't answer (a scan, a flood) pushes
// out its own older attempts, never the flows that have an answer, nor another port's.
func (pl *Pipeline) create(h *hop, key flowKey, f *flow) vfp.DropReason {
	if old := pl.flows[key]; old != nil && !pl.tracing { // dead, or it would not be replaced
		pl.remove(key, old)
	}
	if f.nat {
		f.natAddr = pl.subnets[h.vsid].NAT
		if f.natPort = pl.freeNATPort(key); f.natPort == 0 {
			return vfp.DropNAT
		}
	}
	if pl.tracing {
		return vfp.DropNone
	}
	limit := uint64(h.port.Limits.Flows)
	if limit == 0 {
		limit = vfp.DefaultFlows
	}
	size := uint64(h.port.Limits.HalfOpen)
	if size == 0 {
		size = vfp.DefaultHalfOpen
	}
	size = min(size, vfp.MaxHalfOpen, limit)
	s := pl.states[h.port.ID]
	if s.flows >= limit && !pl.makeRoom(h.port, size) {
		pl.countFlows(h.port, func(c *vfp.FlowCounters) { c.Refused++ })
		return vfp.DropFlowLimit
	}
	if pl.halfOpen(s) >= size/4 || s.flows >= limit/4 { // until then there is room for all
		n := s.seq % ringSize(size)
		s.seq++
		pl.evict(h.port, s.ring[n])
		s.ring[n] = incarnation{key, f.created}
	}
	s.flows++
	f.counted = s
	pl.flows[key] = f
	if f.natPort != 0 {
		pl.natPorts[natKeyOf(key, f.natPort)] = key
	}
	pl.countFlows(h.port, func(c *vfp.FlowCounters) { c.Created++ })
	pl.logged(h, f.rules)
	return vfp.DropNone
}

// ringSize is how many places the ring of a port has.
func ringSize(halfOpen uint64) uint64 { return max(1, halfOpen-halfOpen/4) }

// halfOpen counts the port's flows that nobody has answered.
func (pl *Pipeline) halfOpen(s *portState) (n uint64) {
	for _, f := range pl.flows {
		if f.counted == s && f.state&vfp.FlowAnswered == 0 {
			n++
		}
	}
	return n
}

// makeRoom evicts the oldest half-open flow the ring shows.
func (pl *Pipeline) makeRoom(port *vfp.Port, size uint64) bool {
	s := pl.states[port.ID]
	n := ringSize(size)
	for i := range min(n, ringLook) {
		if pl.evict(port, s.ring[(s.seq+i)%n]) {
			return true
		}
	}
	return false
}

// evict removes a flow if it still is the one that was entered, and nobody answered it.
func (pl *Pipeline) evict(port *vfp.Port, e incarnation) bool {
	f := pl.flows[e.key]
	if f == nil || f.created != e.created || f.state&vfp.FlowAnswered != 0 {
		return false
	}
	pl.remove(e.key, f)
	pl.countFlows(port, func(c *vfp.FlowCounters) { c.Evicted++ })
	return true
}

func (pl *Pipeline) countFlows(port *vfp.Port, f func(*vfp.FlowCounters)) {
	c := pl.counters.Ports[port.ID]
	f(&c.Flows)
	pl.counters.Ports[port.ID] = c
}
