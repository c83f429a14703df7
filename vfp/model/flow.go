package model

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// flowKey names a flow at the port that owns (vsid, local).
type flowKey struct {
	vsid          encap.VSID
	proto         uint8
	local, remote netip.Addr
	lport, rport  uint16
	transit       string // the port that passes it on; empty: local is the port's own
}

type flow struct {
	port      string     // the port that keeps it
	counted   *portState // of that port
	direction vfp.Direction
	state     vfp.FlowState
	created   time.Duration
	last      time.Duration
	// What the first packet showed besides the key: for judging again.
	tcpFlags, icmpType, icmpCode uint8

	policy  *vfp.Policy // by which it was judged
	drop    vfp.DropReason
	rules   []decision
	peer    vfp.Mapping    // where its packets go: the other end, or an appliance on the way to it
	via     bool           // an appliance
	nowhere vfp.DropReason // why what came in cannot be answered; peer is empty
	nat     bool           // the other end is outside; peer is empty
	natPort uint16         // by which it is known there, for as long as the flow lives
	natAddr netip.Addr
	class   vfp.MeterClass
	packets [2]uint64
	bytes   [2]uint64
}

// hop is a packet at one port.
type hop struct {
	packet
	port     *vfp.Port
	vsid     encap.VSID // of the port's address
	dir      vfp.Direction
	routed   bool       // outbound: it is addressed to the router
	transit  string     // the port, when it passes on what is not its own; see flowKey
	relayed  bool       // inbound from a port here that passes packets on
	outerSrc netip.Addr // invalid when the packet comes from this host
	now      time.Duration
	bytes    int // of the frame
}

func (h *hop) key() flowKey {
	k := flowKey{h.vsid, h.proto, h.src, h.dst, h.sport, h.dport, h.transit}
	if h.dir == vfp.Inbound {
		k.local, k.remote, k.lport, k.rport = h.dst, h.src, h.dport, h.sport
	}
	return k
}

func (f *flow) dead(proto uint8, now time.Duration) bool {
	return now-f.last > vfp.IdleTimeout(proto, f.state)
}

// reusable reports whether p may start a new connection in place of f: a SYN after the end, or after a policy
// forbade the old one.
func (f *flow) reusable(p *packet) bool {
	return p.proto == vfp.ProtocolTCP && p.tcpFlags&(tcpSYN|tcpACK) == tcpSYN && (f.state.Ended() || f.drop != 0)
}

// live is the flow a packet belongs to, whatever policy judged it; or nil.
func (pl *Pipeline) live(key flowKey, p *packet, now time.Duration) *flow {
	f := pl.flows[key]
	if f == nil || f.dead(key.proto, now) || f.reusable(p) {
		return nil
	}
	return f
}

// flowOf finds or makes the flow of a packet at a port. On a drop without a flow, reason says why.
func (pl *Pipeline) flowOf(h *hop, t *vfp.Trace) (*flow, vfp.DropReason) {
	key := h.key()
	old := pl.live(key, &h.packet, h.now)
	if old != nil && old.policy == pl.policy && old.port == h.port.ID {
		return old, vfp.DropNone
	}
	at := guarding(h.port, key)
	if at == nil {
		return nil, vfp.DropNoPort
	}
	if h.dir == vfp.Inbound && !h.relayed {
		if h.outerSrc.IsValid() {
			if reason := pl.comesFrom(at.RDID, key.remote, h.outerSrc); reason != 0 {
				return nil, reason
			}
		} else if pl.mappings[home{at.RDID, key.remote}] == nil {
			return nil, vfp.DropNoMapping
		}
	}
	if old != nil {
		return pl.judgeAgain(h.port, key, old, h.dir, t)
	}
	f := &flow{port: h.port.ID, direction: h.dir, created: h.now, last: h.now,
		tcpFlags: h.tcpFlags, icmpType: h.icmpType, icmpCode: h.icmpCode}
	reason := pl.judge(f, at, key, t)
	if f.drop != 0 { // forbidden flows take no room
		pl.countRules(f.rules, h.bytes)
		pl.logged(h, f.rules)
		return nil, f.drop
	}
	switch {
	case reason == 0:
	case h.dir == vfp.Inbound:
		f.strand(reason)
	case reason == vfp.DropNoMapping:
		if reason := pl.translatable(h, at); reason != 0 {
			return nil, reason
		}
		f.outside()
	default:
		return nil, reason
	}
	if reason := pl.create(h, key, f); reason != 0 {
		return nil, reason
	}
	return f, vfp.DropNone
}

// judge asks the present policy about a flow. It returns why there is no way to its other end, if there is none.
func (pl *Pipeline) judge(f *flow, at *vfp.Address, key flowKey, t *vfp.Trace) vfp.DropReason {
	first := packet{v6: key.local.Is6(), src: key.local, dst: key.remote, proto: key.proto, sport: key.lport, dport: key.rport,
		tcpFlags: f.tcpFlags, icmpType: f.icmpType, icmpCode: f.icmpCode}
	if f.direction == vfp.Inbound {
		first.src, first.dst, first.sport, first.dport = key.remote, key.local, key.rport, key.lport
	}
	f.drop, f.rules = pl.classify(at, &first, f.direction, t)
	f.policy = pl.policy
	f.class = vfp.MeterNetwork
	// An appliance's own address may be in another subnet than the one it was reached in: that one counts.
	if m := pl.mappings[home{at.RDID, key.remote}]; m != nil && m.VSID == key.vsid {
		f.class = vfp.MeterSubnet
	}
	if f.drop != 0 {
		t = &vfp.Trace{} // the way it would go is no step of its own
	}
	m, via, reason := pl.nextHop(at, key.remote, t)
	if reason != 0 {
		return reason
	}
	f.peer, f.via, f.nowhere, f.nat = *m, via, 0, false
	return vfp.DropNone
}

// outside marks a flow whose other end no mapping knows.
func (f *flow) outside() {
	f.peer, f.via, f.nowhere, f.nat, f.class = vfp.Mapping{}, false, 0, true, vfp.MeterOutside
}

// strand marks a flow that was started from the other end, to which there is no way.
func (f *flow) strand(reason vfp.DropReason) {
	f.peer, f.via, f.nowhere, f.nat = vfp.Mapping{}, false, reason, false
}

// judgeAgain asks the present policy about a flow that an earlier one let in, because of a packet in a direction. The flow
// stays as it was when it has lost the way to its other end, and the packet was to go it.
func (pl *Pipeline) judgeAgain(port *vfp.Port, key flowKey, old *flow, dir vfp.Direction, t *vfp.Trace) (*flow, vfp.DropReason) {
	at := guarding(port, key)
	if at == nil {
		return nil, vfp.DropNoPort
	}
	f := *old
	switch reason := pl.judge(&f, at, key, t); {
	case reason == 0:
	case f.natPort != 0:
		if s := pl.subnets[at.VSID]; reason != vfp.DropNoMapping || s == nil || s.NAT != f.natAddr {
			return nil, reason
		}
		f.outside()
	case dir == vfp.Inbound:
		f.strand(reason)
	default:
		return nil, reason
	}
	if pl.tracing {
		return &f, vfp.DropNone
	}
	if now := pl.states[port.ID]; f.counted != now { // the address moved to another port of this host
		f.counted.flows--
		now.flows++
		f.counted = now
	}
	f.port = port.ID
	pl.flows[key] = &f
	return &f, vfp.DropNone
}

// remove takes a flow out of the table.
func (pl *Pipeline) remove(key flowKey, f *flow) {
	f.counted.flows--
	if f.natPort != 0 {
		delete(pl.natPorts, natKeyOf(key, f.natPort))
	}
	delete(pl.flows, key)
}

// Sweep removes flows that are past their idle timeout, or whose port has left, and returns how many.
func (pl *Pipeline) Sweep(now time.Duration) (removed int) {
	for key, f := range pl.flows {
		if f.dead(key.proto, now) || pl.states[f.port] != f.counted {
			pl.remove(key, f)
			removed++
		}
	}
	for key, f := range pl.fragments {
		if now-f.at > vfp.FragmentTimeout {
			delete(pl.fragments, key)
		}
	}
	return removed
}

// Flows in no particular order, with transposition and rules as a datapath shows them. They have no age.
func (pl *Pipeline) Flows() []vfp.Flow {
	var out []vfp.Flow
	for k, f := range pl.flows {
		v := vfp.Flow{PortID: f.port, Direction: f.direction, Protocol: k.proto, Source: k.local.String(), Destination: k.remote.String(),
			SourcePort: k.lport, DestinationPort: k.rport, State: f.state.Name(k.proto), Packets: f.packets, Bytes: f.bytes,
			Meter: f.class, Transposition: fmt.Sprintf("%s vsid %d", f.peer.PA, f.peer.VSID)}
		for _, d := range f.rules {
			v.Rules = append(v.Rules, d.key)
		}
		if v.Direction == vfp.Inbound {
			v.Source, v.Destination = v.Destination, v.Source
			v.SourcePort, v.DestinationPort = v.DestinationPort, v.SourcePort
		}
		if f.drop != 0 {
			v.State = "forbidden"
		}
		if f.nowhere != 0 {
			v.Transposition = "nowhere: " + f.nowhere.String()
		} else if f.nat {
			v.Transposition = "nat"
			if s := pl.subnets[k.vsid]; s != nil {
				v.Transposition = fmt.Sprintf("nat %s port %d", s.NAT, f.natPort)
			}
		} else if to := pl.owners[place{f.peer.VSID, f.peer.CA}]; to != nil {
			v.Transposition = "local port " + to.ID
		}
		out = append(out, v)
	}
	return out
}
