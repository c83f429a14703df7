package classifier

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/fairlead-net/fairlead/vfp"
)

// Bounds of what is multiplied out.
const (
	MaxRulePairs   = 1 << 20 // prefix pairs of one rule
	MaxPairs       = 1 << 22 // of an ACL, summed over its rules
	maxRuleRecords = 1 << 16 // combinations of a rule's ports
)

// rule is one vfp.Rule with its place in the order. It never changes; a new place makes a new rule.
type rule struct {
	vfp.Rule
	born    uint32    // version that it is first in
	seq     uint32    // place among the rules of its ID
	id      [2]uint64 // random; a set of rules is known by the sum of theirs
	order   uint64
	rank    uint32
	verdict uint32
	records []record // by nothing in particular: all have the same order
	pairs   uint32   // at most that many
	sum     [2]uint64
}

// record is one combination of protocol, ports and flags.
type record struct {
	lo, hi      [3]uint16 // by dimension
	mask, value uint8
}

// Dimensions of a record.
const (
	dimProto = 0
	dimDport = 1
	dimSport = 2
)

var anyRecord = record{hi: [3]uint16{255, 0xffff, 0xffff}}

func (r *record) anyProto() bool { return r.lo[dimProto] != r.hi[dimProto] }

// compile multiplies out protocols and ports; no records means that the rule matches nothing.
func compile(r *vfp.Rule) ([]record, error) {
	base := anyRecord
	base.mask, base.value = r.TCPFlags.Mask, r.TCPFlags.Value
	if r.Protocol != vfp.ProtocolAny {
		if r.Protocol > 255 {
			return nil, fmt.Errorf("rule %s: no such protocol: %d", r.ID, r.Protocol)
		}
		base.lo[dimProto], base.hi[dimProto] = r.Protocol, r.Protocol
	}
	protos := []uint16{r.Protocol}
	if r.TCPFlags != (vfp.FlagMatch{}) { // only TCP has flags
		switch r.Protocol {
		case vfp.ProtocolAny, vfp.ProtocolTCP:
			protos = []uint16{vfp.ProtocolTCP}
		default:
			return nil, nil
		}
	}
	ports := r.SourcePorts != nil || r.DestinationPorts != nil
	if ports {
		switch r.Protocol {
		case vfp.ProtocolTCP, vfp.ProtocolUDP:
		case vfp.ProtocolAny:
			if len(protos) == 1 && protos[0] == vfp.ProtocolAny {
				protos = []uint16{vfp.ProtocolTCP, vfp.ProtocolUDP}
			}
		default:
			return nil, nil
		}
	}
	sports, dports := r.SourcePorts, r.DestinationPorts
	if r.ICMP != nil {
		if ports || r.Protocol != vfp.ProtocolICMP && r.Protocol != vfp.ProtocolICMPv6 {
			return nil, nil
		}
		// A packet whose ICMP is the other family's has 1 for its source port: it has no type that a rule could mean.
		sports, dports = []vfp.PortRange{{}}, icmpRanges(r.ICMP)
	}
	if sports == nil {
		sports = []vfp.PortRange{{First: 0, Last: 0xffff}}
	}
	if dports == nil {
		dports = []vfp.PortRange{{First: 0, Last: 0xffff}}
	}
	if n := len(sports) * len(dports) * len(protos); n > maxRuleRecords {
		return nil, fmt.Errorf("rule %s: %d combinations of ports, at most %d are possible", r.ID, n, maxRuleRecords)
	}
	out := make([]record, 0, len(sports)*len(dports)*len(protos))
	for _, p := range protos {
		for _, s := range sports {
			for _, d := range dports {
				c := base
				if p != vfp.ProtocolAny {
					c.lo[dimProto], c.hi[dimProto] = p, p
				}
				c.lo[dimSport], c.hi[dimSport] = s.First, s.Last
				c.lo[dimDport], c.hi[dimDport] = d.First, d.Last
				if s.First <= s.Last && d.First <= d.Last {
					out = append(out, c)
				}
			}
		}
	}
	return out, nil
}

// icmpRanges are the destination "ports", type<<8|code, of ICMP matches.
func icmpRanges(list []vfp.ICMPMatch) []vfp.PortRange {
	out := make([]vfp.PortRange, 0, len(list))
	for _, m := range list {
		first := uint16(m.Type) << 8
		switch {
		case m.Code == vfp.AnyCode:
			out = append(out, vfp.PortRange{First: first, Last: first | 0xff})
		case m.Code >= 0 && m.Code <= 255:
			out = append(out, vfp.PortRange{First: first | uint16(m.Code), Last: first | uint16(m.Code)})
		}
	}
	return out
}

// prefix is one side of a pair.
type prefix struct {
	addr addr128
	bit  uint32 // number of its length
}

// pairKey names a pair of prefixes of one family.
type pairKey struct{ src, dst prefix }

// sides are a rule's prefixes of one family, each once.
type sides struct{ src, dst []prefix }

func prefixesOf(list []netip.Prefix, family int) []prefix {
	if list == nil {
		return []prefix{{bit: zeroBit[family]}}
	}
	out := make([]prefix, 0, len(list))
	for _, p := range list {
		if !p.IsValid() || p.Addr().Is4() != (family == familyV4) {
			continue
		}
		length := uint32(p.Bits())
		a := toAddr(p.Addr()).masked(length)
		if family == familyV6 && length == unusedLen {
			half := bitOf(family, length+1)
			out = append(out, prefix{a, half}, prefix{addr128{hi: a.hi | 1<<62}, half})
			continue
		}
		out = append(out, prefix{a, bitOf(family, length)})
	}
	if len(out) > 1 {
		slices.SortFunc(out, comparePrefix)
		out = slices.Compact(out)
	}
	return out
}

func comparePrefix(a, b prefix) int {
	switch {
	case a.addr.hi != b.addr.hi:
		return compare(a.addr.hi, b.addr.hi)
	case a.addr.lo != b.addr.lo:
		return compare(a.addr.lo, b.addr.lo)
	}
	return int(a.bit) - int(b.bit)
}

func compare(a, b uint64) int {
	if a < b {
		return -1
	}
	return 1
}

// sidesOf are the prefixes whose product is the rule's pairs.
func sidesOf(r *vfp.Rule, family int) sides {
	return sides{prefixesOf(r.Sources, family), prefixesOf(r.Destinations, family)}
}

// countPairs is how many pairs a rule has at most, by family.
func countPairs(r *vfp.Rule) (n [2]int, err error) {
	for family := range n {
		count := func(list []netip.Prefix) int {
			if list == nil {
				return 1
			}
			k := 0
			for _, p := range list {
				if p.Addr().Is4() == (family == familyV4) {
					k++
					if family == familyV6 && p.Bits() == unusedLen {
						k++
					}
				}
			}
			return k
		}
		n[family] = count(r.Sources) * count(r.Destinations)
	}
	if n[0]+n[1] > MaxRulePairs {
		return n, fmt.Errorf("rule %s: %d pairs of source and destination prefix, at most %d are possible", r.ID, n[0]+n[1], MaxRulePairs)
	}
	return n, nil
}
