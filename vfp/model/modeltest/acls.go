package modeltest

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/vfp"
)

// drawACLs draws the lists of both layers, sorted by ID. Most let most through, or deep stages would see little.
func drawACLs(rt *rapid.T) (acls []vfp.ACL) {
	n := rapid.SampledFrom([]int{0, 1, 2, 3, 3, vfp.MaxACLs}).Draw(rt, "acls")
	for i := range n {
		a := vfp.ACL{ID: fmt.Sprintf("/acl/%02d", i), Default: [2]vfp.Action{drawAction(rt, n), drawAction(rt, n)}}
		if one(rt, 4, "admin") {
			a.ID, a.Layer = fmt.Sprintf("/admin/%02d", i), vfp.LayerAdmin
		}
		for r := range rapid.IntRange(0, 5).Draw(rt, "rules") {
			a.Rules = append(a.Rules, drawRule(rt, fmt.Sprintf("r%d", r), n))
		}
		slices.SortFunc(a.Rules, func(x, y vfp.Rule) int {
			return cmp.Or(cmp.Compare(x.Direction, y.Direction), cmp.Compare(x.Priority, y.Priority), cmp.Compare(x.ID, y.ID))
		})
		acls = append(acls, a)
	}
	slices.SortFunc(acls, func(a, b vfp.ACL) int { return cmp.Compare(a.ID, b.ID) })
	return acls
}

// drawGuards draws an address's lists: the admin layer's first.
func drawGuards(rt *rapid.T, acls []vfp.ACL) (ids []string) {
	all := one(rt, 6, "all")
	for _, layer := range []vfp.Layer{vfp.LayerAdmin, vfp.LayerController} {
		for _, a := range acls {
			if a.Layer == layer && (all || one(rt, 3, "guarded")) {
				ids = append(ids, a.ID)
			}
		}
	}
	return ids
}

// drawAction blocks less the more lists there are.
func drawAction(rt *rapid.T, acls int) vfp.Action {
	if one(rt, 3+acls, "block") {
		return vfp.Block
	}
	return vfp.Allow
}

func drawRule(rt *rapid.T, id string, acls int) vfp.Rule {
	prefix := netip.MustParsePrefix
	prefixes := rapid.SampledFrom([][]netip.Prefix{nil, nil, nil,
		{prefix("10.0.1.0/24")}, {prefix("10.0.1.4/32"), prefix("10.0.2.6/31")}, {prefix("0.0.0.0/0")},
		{prefix("2001:db8::/32")}, {prefix("2001:db8:0:3::/64"), prefix("10.0.0.0/8")}, {prefix("::/0")}, {prefix("2001:db8:0:3::4/127")}})
	r := vfp.Rule{ID: id, Direction: vfp.Direction(rapid.IntRange(0, 1).Draw(rt, "direction")),
		Priority: rapid.Uint32Range(100, 102).Draw(rt, "priority"),
		Protocol: rapid.SampledFrom([]uint16{vfp.ProtocolAny, vfp.ProtocolTCP, vfp.ProtocolTCP, vfp.ProtocolUDP, vfp.ProtocolICMP, vfp.ProtocolICMPv6, 132}).Draw(rt, "proto"),
		Sources:  prefixes.Draw(rt, "src"), Destinations: prefixes.Draw(rt, "dst"),
		Action: drawAction(rt, acls), Logging: one(rt, 4, "logging")}
	if r.Action == vfp.Allow && one(rt, 2, "turn") {
		r.Action = vfp.Block
	}
	switch r.Protocol {
	case vfp.ProtocolICMP, vfp.ProtocolICMPv6:
		r.ICMP = rapid.SampledFrom([][]vfp.ICMPMatch{nil, {{Type: 8, Code: vfp.AnyCode}}, {{Type: 128, Code: 0}, {Type: 129, Code: 0}}, {{Type: 0, Code: 0}, {Type: 8, Code: 1}}}).Draw(rt, "icmp")
		return r
	case vfp.ProtocolTCP:
		r.TCPFlags = rapid.SampledFrom([]vfp.FlagMatch{{}, {}, {Mask: SYN | ACK, Value: SYN}, {Mask: SYN}, {Mask: RST | FIN, Value: 0}}).Draw(rt, "flags")
	case 132:
		return r
	}
	ports := rapid.SampledFrom([][]vfp.PortRange{nil, nil, {{First: 80, Last: 80}}, {{First: 22, Last: 443}},
		{{First: 1, Last: 79}, {First: 81, Last: 65535}}, {{First: 0, Last: 65535}}})
	r.SourcePorts, r.DestinationPorts = ports.Draw(rt, "sports"), ports.Draw(rt, "dports")
	return r
}
