package classifier

import (
	"net/netip"
	"slices"

	"github.com/fairlead-net/fairlead/vfp"
)

// linear is the specification: the first rule that matches by direction, priority and ID decides. It knows nothing of how
// rules are compiled.
func linear(rules []vfp.Rule, defaults [2]vfp.Action, dir vfp.Direction, k Key) (id string, action vfp.Action, logging bool) {
	best := -1
	for i := range rules {
		r := &rules[i]
		if r.Direction != dir || !linearMatch(r, k) {
			continue
		}
		if best < 0 || r.Priority < rules[best].Priority || r.Priority == rules[best].Priority && r.ID < rules[best].ID {
			best = i
		}
	}
	if best < 0 {
		return vfp.DefaultRule + dir.String(), defaults[dir], false
	}
	return rules[best].ID, rules[best].Action, rules[best].Logging
}

func linearMatch(r *vfp.Rule, k Key) bool {
	in := func(list []netip.Prefix, a netip.Addr) bool {
		return list == nil || slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	port := func(list []vfp.PortRange, v uint16) bool {
		return list == nil || slices.ContainsFunc(list, func(p vfp.PortRange) bool { return p.First <= v && v <= p.Last })
	}
	if r.Protocol != vfp.ProtocolAny && r.Protocol != uint16(k.Protocol) || !in(r.Sources, k.Source) || !in(r.Destinations, k.Destination) {
		return false
	}
	if f := r.TCPFlags; f != (vfp.FlagMatch{}) && (k.Protocol != vfp.ProtocolTCP || k.TCPFlags&f.Mask != f.Value) {
		return false
	}
	if r.SourcePorts != nil || r.DestinationPorts != nil {
		if k.Protocol != vfp.ProtocolTCP && k.Protocol != vfp.ProtocolUDP {
			return false
		}
		if !port(r.SourcePorts, k.SourcePort) || !port(r.DestinationPorts, k.DestinationPort) {
			return false
		}
	}
	if r.ICMP != nil {
		if r.SourcePorts != nil || r.DestinationPorts != nil || r.Protocol != vfp.ProtocolICMP && r.Protocol != vfp.ProtocolICMPv6 {
			return false
		}
		typ, code := uint8(k.DestinationPort>>8), int16(k.DestinationPort&0xff)
		return slices.ContainsFunc(r.ICMP, func(m vfp.ICMPMatch) bool { return m.Type == typ && (m.Code == vfp.AnyCode || m.Code == code) })
	}
	return true
}

// numbers numbers IDs as they come.
type numbers map[string]uint32

func (n numbers) number(id string) (uint32, error) {
	v, ok := n[id]
	if !ok {
		v = uint32(len(n)) + 1
		n[id] = v
	}
	return v, nil
}
