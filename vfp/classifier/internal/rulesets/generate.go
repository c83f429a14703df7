// Package rulesets makes rule sets and packets for tests and benchmarks of the classifier: like those of the generator
// ClassBench, shaped like network security groups, or read from ClassBench's own files. Nothing else uses it.
package rulesets

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/classifier"
)

// tree4 draws prefixes as address plans have them: sites, networks, subnets, hosts.
type tree4 struct {
	r     *rand.Rand
	nodes []netip.Prefix
}

func newTree(r *rand.Rand, n int) *tree4 {
	t := &tree4{r: r}
	for len(t.nodes) < n {
		if len(t.nodes) < n/50+4 || r.IntN(20) == 0 {
			length := 8 + r.IntN(17)
			t.nodes = append(t.nodes, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}), length).Masked())
			continue
		}
		parent := t.nodes[r.IntN(len(t.nodes))]
		if parent.Bits() == 32 {
			continue
		}
		length := parent.Bits() + 1 + r.IntN(32-parent.Bits())
		if r.IntN(2) == 0 {
			length = 32
		}
		t.nodes = append(t.nodes, netip.PrefixFrom(inside(r, parent), length).Masked())
	}
	return t
}

// inside draws an address of a prefix.
func inside(r *rand.Rand, p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		if r.IntN(2) == 1 {
			b[i/8] |= 1 << (7 - i%8)
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Like makes n rules of the three families of that generator: mostly hosts and services (acl), wild sides and
// ranges (fw), and something between (ipc).
func Like(seed uint64, n int) []vfp.Rule {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	src, dst := newTree(r, n/3+4), newTree(r, n/4+4)
	ports := []uint16{21, 22, 23, 25, 53, 69, 80, 88, 110, 123, 135, 137, 139, 143, 161, 389, 443, 445, 514, 1433, 1521, 1705, 3306, 3389, 5540, 5632, 6000, 6789, 7648, 8080, 24032, 31000}
	for range 60 {
		ports = append(ports, uint16(r.Uint32()))
	}
	seen := map[string]bool{}
	rules := make([]vfp.Rule, 0, n)
	for len(rules) < n {
		i := len(rules)
		v := vfp.Rule{ID: fmt.Sprintf("rule-%06d", i), Direction: vfp.Outbound, Priority: uint32(i), Action: vfp.Action(r.IntN(2))}
		wild := []float64{0.02, 0.12, 0.05}[i%3]
		if r.Float64() > wild {
			v.Sources = []netip.Prefix{src.nodes[r.IntN(len(src.nodes))]}
		}
		if r.Float64() > wild {
			v.Destinations = []netip.Prefix{dst.nodes[r.IntN(len(dst.nodes))]}
		}
		v.Protocol = []uint16{6, 6, 6, 17, 17, 256, 1}[r.IntN(7)]
		if v.Protocol == 6 || v.Protocol == 17 {
			switch r.IntN(8) {
			case 0:
				v.DestinationPorts = []vfp.PortRange{{First: 1024, Last: 65535}}
			case 1:
				lo := uint16(r.IntN(60000))
				v.DestinationPorts = []vfp.PortRange{{First: lo, Last: lo + uint16(r.IntN(5000))}}
			case 2:
			default:
				p := ports[r.IntN(len(ports))]
				v.DestinationPorts = []vfp.PortRange{{First: p, Last: p}}
			}
			if i%3 == 1 && r.IntN(2) == 0 {
				p := ports[r.IntN(len(ports))]
				v.SourcePorts = []vfp.PortRange{{First: p, Last: p}}
			}
		}
		key := fmt.Sprint(v.Sources, v.Destinations, v.Protocol, v.SourcePorts, v.DestinationPorts)
		if seen[key] && n > 100 {
			v.TCPFlags = vfp.FlagMatch{Mask: uint8(r.Uint32()) & 0x3f}
			v.TCPFlags.Value = uint8(r.Uint32()) & v.TCPFlags.Mask
			v.Protocol = 6
		}
		seen[key] = true
		rules = append(rules, v)
	}
	// The more special comes first, or general rules would hide all others.
	slices.SortStableFunc(rules, func(a, b vfp.Rule) int { return special(&b) - special(&a) })
	for i := range rules {
		rules[i].ID, rules[i].Priority = fmt.Sprintf("rule-%06d", i), uint32(i)
	}
	return rules
}

func special(r *vfp.Rule) int {
	n := 0
	for _, list := range [][]netip.Prefix{r.Sources, r.Destinations} {
		for _, p := range list {
			n += p.Bits()
		}
	}
	return n
}

// NSG is one stage of a network security group: rules of many prefixes, the same ones again and again, with few ports.
func NSG(seed uint64, n, prefixes int) []vfp.Rule {
	r := rand.New(rand.NewPCG(seed, 7))
	t := newTree(r, n*prefixes/10+prefixes)
	rules := make([]vfp.Rule, 0, n)
	var list []netip.Prefix
	for i := range n {
		if i%4 == 0 { // an application security group, used by some rules
			list = nil
			for range prefixes {
				list = append(list, t.nodes[r.IntN(len(t.nodes))])
			}
		}
		p := uint16(r.IntN(10000))
		v := vfp.Rule{ID: fmt.Sprintf("nsg-%d-%05d", seed, i), Direction: vfp.Outbound, Priority: uint32(100 + i), Protocol: []uint16{6, 17}[r.IntN(2)],
			Destinations: list, DestinationPorts: []vfp.PortRange{{First: p, Last: p}}, Action: vfp.Action(r.IntN(2))}
		rules = append(rules, v)
	}
	return rules
}

// Packets draws packets that match rules, or, deep false, most likely none.
func Packets(rules []vfp.Rule, n int, deep bool) []classifier.Key {
	r := rand.New(rand.NewPCG(3, uint64(n)))
	keys := make([]classifier.Key, 0, n)
	pick := func(list []netip.Prefix) netip.Addr {
		if list == nil || !deep {
			return inside(r, netip.MustParsePrefix("0.0.0.0/0"))
		}
		return inside(r, list[r.IntN(len(list))])
	}
	port := func(list []vfp.PortRange) uint16 {
		if list == nil || !deep {
			return uint16(r.Uint32())
		}
		p := list[r.IntN(len(list))]
		return p.First + uint16(r.IntN(int(p.Last-p.First)+1))
	}
	for range n {
		v := &rules[r.IntN(len(rules))]
		k := classifier.Key{Source: pick(v.Sources), Destination: pick(v.Destinations), Protocol: uint8(v.Protocol)}
		if v.Protocol == vfp.ProtocolAny {
			k.Protocol = 6
		}
		if !deep {
			k.Protocol = 17
		}
		if k.Protocol == 6 || k.Protocol == 17 {
			k.SourcePort, k.DestinationPort = port(v.SourcePorts), port(v.DestinationPorts)
		}
		if k.Protocol == 6 {
			k.TCPFlags = v.TCPFlags.Value | 2&^v.TCPFlags.Mask
		}
		keys = append(keys, k)
	}
	return keys
}

// Sizes are the sets that everybody can make.
func Sizes() map[string][]vfp.Rule {
	sets := map[string][]vfp.Rule{"nsg-1000x100": NSG(1, 1000, 100)}
	for _, n := range []int{10, 1000, 10_000, 100_000} {
		sets[fmt.Sprintf("like-%06d", n)] = Like(1, n)
	}
	return sets
}
