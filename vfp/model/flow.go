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
}

type flow struct {
	port      string        // the port that keeps it
	direction vfp.Direction // who started it
	state     vfp.FlowState
	last      time.Duration
	policy    *vfp.Policy // by which it was judged
	drop      vfp.DropReason
	rules     []vfp.RuleKey
	peer      vfp.Mapping
	packets   [2]uint64
	bytes     [2]uint64
}

// hop is a packet at one port.
type hop struct {
	packet
	port     *vfp.Port
	vsid     encap.VSID
	dir      vfp.Direction
	outerSrc netip.Addr // invalid when the packet comes from this host
	now      time.Duration
	length   int
}

func (h *hop) key() flowKey {
	k := flowKey{h.vsid, h.proto, h.src, h.dst, h.sport, h.dport}
	if h.dir == vfp.Inbound {
		k.local, k.remote, k.lport, k.rport = h.dst, h.src, h.dport, h.sport
	}
	return k
}

// reusable reports whether p may start a new connection in place of f: a SYN after the end, or after a policy
// forbade the old one.
func (f *flow) reusable(p *packet) bool {
	return p.proto == vfp.ProtocolTCP && p.tcpFlags&(tcpSYN|tcpACK) == tcpSYN && (f.state.Ended() || f.drop != 0)
}

// flowOf finds or makes the flow of a packet at a port. On a drop without a flow, reason says why.
func (pl *Pipeline) flowOf(h *hop, t *vfp.Trace) (*flow, vfp.DropReason) {
	key := h.key()
	f := pl.flows[key]
	if f != nil && (h.now-f.last > vfp.IdleTimeout(h.proto, f.state) || f.reusable(&h.packet)) {
		f = nil
	}
	if f != nil && f.policy == pl.policy {
		return f, vfp.DropNone
	}
	next := flow{direction: h.dir}
	if f != nil {
		next = *f
	}
	at := addressOf(h.port, key.local)
	if at == nil {
		return nil, vfp.DropNoPort
	}
	peer, mapped := pl.mapping(at.RDID, key.remote)
	if h.dir == vfp.Inbound {
		if !mapped {
			return nil, vfp.DropNoMapping
		}
		if h.outerSrc.IsValid() && peer.PA != h.outerSrc {
			return nil, vfp.DropPASpoof
		}
	}
	first := h.packet
	if next.direction != h.dir {
		first = first.reversed()
	}
	next.drop, next.rules = pl.classify(at, &first, next.direction, t)
	if next.drop != 0 && f == nil {
		pl.countRules(next.rules, h.length)
		return nil, next.drop
	}
	if !mapped {
		return nil, vfp.DropNoMapping
	}
	next.port, next.peer, next.policy, next.last = h.port.ID, peer, pl.policy, h.now
	if !pl.tracing {
		pl.flows[key] = &next
	}
	return &next, vfp.DropNone
}

// forbidden books a packet of a flow that the present policy forbids. It keeps the flow in the table: were it forgotten
// while its packets still come, an answer could open it again from the other side.
func (pl *Pipeline) forbidden(h *hop, f *flow) {
	if pl.tracing {
		return
	}
	f.last = h.now
	pl.countRules(f.rules, h.length)
}

// account books an accepted packet.
func (pl *Pipeline) account(h *hop, f *flow) {
	if pl.tracing {
		return
	}
	f.last = h.now
	f.packets[h.dir]++
	f.bytes[h.dir] += uint64(h.length)
	if h.dir != f.direction {
		f.state |= vfp.FlowAnswered
	}
	if h.proto == vfp.ProtocolTCP {
		if h.tcpFlags&tcpFIN != 0 {
			if h.dir == f.direction {
				f.state |= vfp.FlowInitiatorFIN
			} else {
				f.state |= vfp.FlowResponderFIN
			}
		}
		if h.tcpFlags&tcpRST != 0 {
			f.state |= vfp.FlowRST
		}
	}
	pl.countRules(f.rules, h.length)
	c := pl.counters.Ports[h.port.ID]
	if h.dir == vfp.Outbound {
		c.TxPackets++
		c.TxBytes += uint64(h.length)
	} else {
		c.RxPackets++
		c.RxBytes += uint64(h.length)
	}
	pl.counters.Ports[h.port.ID] = c
}

func (pl *Pipeline) countRules(keys []vfp.RuleKey, length int) {
	if pl.tracing {
		return
	}
	for _, k := range keys {
		c := pl.counters.Rules[k]
		c.Packets++
		c.Bytes += uint64(length)
		pl.counters.Rules[k] = c
	}
}

// Flows in no particular order, with transposition and rules as a datapath shows them.
func (pl *Pipeline) Flows() []vfp.Flow {
	var out []vfp.Flow
	for k, f := range pl.flows {
		v := vfp.Flow{Direction: f.direction, Protocol: k.proto, Source: k.local.String(), Destination: k.remote.String(),
			SourcePort: k.lport, DestinationPort: k.rport, State: f.state.Name(k.proto), Packets: f.packets, Bytes: f.bytes,
			Rules: f.rules, Transposition: fmt.Sprintf("%s vsid %d", f.peer.PA, f.peer.VSID)}
		if v.Direction == vfp.Inbound {
			v.Source, v.Destination = v.Destination, v.Source
			v.SourcePort, v.DestinationPort = v.DestinationPort, v.SourcePort
		}
		if f.drop != 0 {
			v.State = "forbidden"
		}
		if to := pl.owners[home{f.peer.RDID, f.peer.CA}]; to != nil {
			v.Transposition = "local port " + to.ID
		}
		v.PortID = f.port
		out = append(out, v)
	}
	return out
}
