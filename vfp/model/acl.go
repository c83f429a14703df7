package model

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/fairlead-net/fairlead/vfp"
)

// LayerFirewall is VFP's name for the layer that holds the controller's ACLs.
const LayerFirewall = "FW_CONTROLLER_LAYER_ID"

// classify judges the first packet of a flow: every ACL must allow. It returns the rules that decided.
func (pl *Pipeline) classify(at *vfp.Address, p *packet, dir vfp.Direction, t *vfp.Trace) (vfp.DropReason, []vfp.RuleKey) {
	var hits []vfp.RuleKey
	for _, id := range at.ACLs {
		acl := pl.acls[id]
		action, rule, note := acl.Default[dir], vfp.DefaultRule+dir.String(), "no rule matches"
		for i := range acl.Rules {
			if r := &acl.Rules[i]; r.Direction == dir && matches(r, p) {
				action, rule, note = r.Action, r.ID, fmt.Sprintf("priority %d", r.Priority)
				break
			}
		}
		hits = append(hits, vfp.RuleKey{ACL: id, RuleID: rule})
		step(t, vfp.Step{Layer: LayerFirewall, Direction: dir, Group: id, Rule: rule, Action: action.String(), Note: note})
		if action == vfp.Block {
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
	if r.SourcePorts == nil && r.DestinationPorts == nil {
		return true
	}
	if p.proto != vfp.ProtocolTCP && p.proto != vfp.ProtocolUDP {
		return false
	}
	return anyPort(r.SourcePorts, p.sport) && anyPort(r.DestinationPorts, p.dport)
}

func anyPrefix(list []netip.Prefix, a netip.Addr) bool {
	return list == nil || slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

func anyPort(list []vfp.PortRange, port uint16) bool {
	return list == nil || slices.ContainsFunc(list, func(r vfp.PortRange) bool { return r.First <= port && port <= r.Last })
}
