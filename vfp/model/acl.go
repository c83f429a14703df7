package model

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/fairlead-net/fairlead/vfp"
)

// decision is what one ACL said of a packet.
type decision struct {
	key     vfp.RuleKey
	action  vfp.Action
	logging bool
}

// classify judges the first packet of a flow: every ACL must allow. It returns what decided.
func (pl *Pipeline) classify(at *vfp.Address, p *packet, dir vfp.Direction, t *vfp.Trace) (vfp.DropReason, []decision) {
	var hits []decision
	for _, id := range at.ACLs {
		acl := pl.acls[id]
		d := decision{key: vfp.RuleKey{ACL: id, RuleID: vfp.DefaultRule + dir.String()}, action: acl.Default[dir]}
		note := "no rule matches"
		for i := range acl.Rules {
			if r := &acl.Rules[i]; r.Direction == dir && matches(r, p) {
				d.key.RuleID, d.action, d.logging, note = r.ID, r.Action, r.Logging, fmt.Sprintf("priority %d", r.Priority)
				break
			}
		}
		hits = append(hits, d)
		step(t, vfp.Step{Layer: acl.Layer.String(), Direction: dir, Group: id, Rule: d.key.RuleID, Action: d.action.String(), Note: note})
		if d.action == vfp.Block {
			if dir == vfp.Inbound {
				return vfp.DropACLInbound, hits
			}
			return vfp.DropACLOutbound, hits
		}
	}
	return vfp.DropNone, hits
}

func matches(r *vfp.Rule, p *packet) bool {
	if r.Protocol != vfp.ProtocolAny && r.Protocol != uint16(p.proto) {
		return false
	}
	if !anyPrefix(r.Sources, p.src) || !anyPrefix(r.Destinations, p.dst) {
		return false
	}
	if r.ICMP != nil && !slices.ContainsFunc(r.ICMP, func(m vfp.ICMPMatch) bool {
		return p.isICMP() && m.Type == p.icmpType && (m.Code == vfp.AnyCode || m.Code == int16(p.icmpCode))
	}) {
		return false
	}
	if f := r.TCPFlags; f != (vfp.FlagMatch{}) && (p.proto != vfp.ProtocolTCP || p.tcpFlags&f.Mask != f.Value) {
		return false
	}
	if r.SourcePorts == nil && r.DestinationPorts == nil {
		return true
	}
	return p.hasPorts() && anyPort(r.SourcePorts, p.sport) && anyPort(r.DestinationPorts, p.dport)
}

func anyPrefix(list []netip.Prefix, a netip.Addr) bool {
	return list == nil || slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

func anyPort(list []vfp.PortRange, port uint16) bool {
	return list == nil || slices.ContainsFunc(list, func(r vfp.PortRange) bool { return r.First <= port && port <= r.Last })
}

// logged puts down what rules with logging decided of a flow's first packet.
func (pl *Pipeline) logged(h *hop, hits []decision) {
	if pl.tracing {
		return
	}
	for _, d := range hits {
		if d.logging {
			pl.events = append(pl.events, vfp.Event{Kind: vfp.EventACL, PortID: h.port.ID, Direction: h.dir, Protocol: h.proto,
				Source: h.src, Destination: h.dst, SourcePort: h.sport, DestinationPort: h.dport, Length: h.bytes,
				Rule: d.key, Action: d.action})
		}
	}
}
