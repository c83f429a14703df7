package classifier_test

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"testing"

	"github.com/fairlead-net/fairlead/vfp"
	. "github.com/fairlead-net/fairlead/vfp/classifier"
	"github.com/fairlead-net/fairlead/vfp/classifier/internal/rulesets"
)

// Rivals: other classifiers, as plain as they can be, for IPv4 rules with one prefix and one range a side. They are for
// comparison only and know no flags.

type flat struct {
	src, dst       uint32
	smask, dmask   uint32
	sports, dports vfp.PortRange
	proto          uint16
}

func flatten(rules []vfp.Rule) []flat {
	out := make([]flat, len(rules))
	side := func(list []netip.Prefix) (a, m uint32) {
		if list == nil {
			return 0, 0
		}
		m = uint32(^uint64(0) << (32 - list[0].Bits()))
		b := list[0].Addr().As4()
		return binary.BigEndian.Uint32(b[:]) & m, m
	}
	ports := func(list []vfp.PortRange) vfp.PortRange {
		if list == nil {
			return vfp.PortRange{Last: 65535}
		}
		return list[0]
	}
	for i, r := range rules {
		f := &out[i]
		f.src, f.smask = side(r.Sources)
		f.dst, f.dmask = side(r.Destinations)
		f.sports, f.dports, f.proto = ports(r.SourcePorts), ports(r.DestinationPorts), r.Protocol
	}
	return out
}

type packet struct {
	src, dst     uint32
	sport, dport uint16
	proto        uint16
}

func flatPackets(keys []Key) []packet {
	out := make([]packet, len(keys))
	for i, k := range keys {
		s, d := k.Source.As4(), k.Destination.As4()
		out[i] = packet{binary.BigEndian.Uint32(s[:]), binary.BigEndian.Uint32(d[:]), k.SourcePort, k.DestinationPort, uint16(k.Protocol)}
	}
	return out
}

func (f *flat) match(p *packet) bool {
	return (p.src^f.src)&f.smask == 0 && (p.dst^f.dst)&f.dmask == 0 && (f.proto == 256 || f.proto == p.proto) &&
		f.sports.First <= p.sport && p.sport <= f.sports.Last && f.dports.First <= p.dport && p.dport <= f.dports.Last
}

type rival func(p *packet) int

func linearRival(rules []flat) rival {
	return func(p *packet) int {
		for i := range rules {
			if rules[i].match(p) {
				return i
			}
		}
		return -1
	}
}

// tupleSpace keeps a hash table per combination of masks; native tells whether exact ports and protocol are part of it.
func tupleSpace(rules []flat, native bool) rival {
	type tuple struct {
		smask, dmask uint32
		kind         uint8
	}
	type key struct {
		src, dst     uint32
		sport, dport uint16
		proto        uint16
	}
	tables := map[tuple]map[key][]int32{}
	var order []tuple
	lowest := map[tuple]int{}
	reduce := func(k key, kind uint8) key {
		if kind&1 == 0 {
			k.sport = 0
		}
		if kind&2 == 0 {
			k.dport = 0
		}
		if kind&4 == 0 {
			k.proto = 0
		}
		return k
	}
	for i, f := range rules {
		t := tuple{f.smask, f.dmask, 0}
		if native {
			if f.sports.First == f.sports.Last {
				t.kind |= 1
			}
			if f.dports.First == f.dports.Last {
				t.kind |= 2
			}
			if f.proto != 256 {
				t.kind |= 4
			}
		}
		if tables[t] == nil {
			tables[t], lowest[t] = map[key][]int32{}, i
			order = append(order, t)
		}
		k := reduce(key{f.src, f.dst, f.sports.First, f.dports.First, f.proto}, t.kind)
		tables[t][k] = append(tables[t][k], int32(i))
	}
	slices.SortFunc(order, func(a, b tuple) int { return lowest[a] - lowest[b] })
	maps := make([]map[key][]int32, len(order))
	for i, t := range order {
		maps[i] = tables[t]
	}
	return func(p *packet) int {
		best := len(rules)
		for n, t := range order {
			if lowest[t] >= best {
				break
			}
			for _, i := range maps[n][reduce(key{p.src & t.smask, p.dst & t.dmask, p.sport, p.dport, p.proto}, t.kind)] {
				if int(i) >= best {
					break
				}
				if rules[i].match(p) {
					best = int(i)
					break
				}
			}
		}
		if best == len(rules) {
			return -1
		}
		return best
	}
}

// bitVectors keeps, per dimension and elementary interval, which rules hold there.
func bitVectors(rules []flat) rival {
	words := (len(rules) + 63) / 64
	type dim struct {
		starts []uint32
		sets   [][]uint64
	}
	dims := make([]dim, 5)
	ranges := func(f *flat) [5][2]uint32 {
		proto := [2]uint32{uint32(f.proto), uint32(f.proto)}
		if f.proto == 256 {
			proto = [2]uint32{0, 255}
		}
		return [5][2]uint32{{f.src, f.src | ^f.smask}, {f.dst, f.dst | ^f.dmask}, {uint32(f.sports.First), uint32(f.sports.Last)}, {uint32(f.dports.First), uint32(f.dports.Last)}, proto}
	}
	for d := range dims {
		starts := []uint32{0}
		for i := range rules {
			r := ranges(&rules[i])[d]
			starts = append(starts, r[0])
			if r[1] != ^uint32(0) {
				starts = append(starts, r[1]+1)
			}
		}
		slices.Sort(starts)
		dims[d].starts = slices.Compact(starts)
		dims[d].sets = make([][]uint64, len(dims[d].starts))
		for i := range dims[d].sets {
			dims[d].sets[i] = make([]uint64, words)
		}
		for i := range rules {
			r := ranges(&rules[i])[d]
			at, _ := slices.BinarySearch(dims[d].starts, r[0])
			for ; at < len(dims[d].starts) && dims[d].starts[at] <= r[1]; at++ {
				dims[d].sets[at][i/64] |= 1 << (i % 64)
			}
		}
	}
	return func(p *packet) int {
		var sets [5][]uint64
		for d, v := range [5]uint32{p.src, p.dst, uint32(p.sport), uint32(p.dport), uint32(p.proto)} {
			at, found := slices.BinarySearch(dims[d].starts, v)
			if !found {
				at--
			}
			sets[d] = dims[d].sets[at]
		}
		for w := range words {
			if x := sets[0][w] & sets[1][w] & sets[2][w] & sets[3][w] & sets[4][w]; x != 0 {
				return w*64 + bits.TrailingZeros64(x)
			}
		}
		return -1
	}
}

func withoutFlags(rules []vfp.Rule) []vfp.Rule {
	out := slices.Clone(rules)
	for i := range out {
		out[i].TCPFlags = vfp.FlagMatch{}
	}
	return out
}

func rivals(rules []flat) map[string]rival {
	out := map[string]rival{"linear": linearRival(rules), "tss-native": tupleSpace(rules, true), "tss-pairs": tupleSpace(rules, false)}
	if len(rules) <= 10_000 {
		out["bit-vectors"] = bitVectors(rules)
	}
	return out
}

func TestRivalsAgree(t *testing.T) {
	rules := withoutFlags(rulesets.Like(1, 1000))
	_, mem := built(t, rules)
	all := rivals(flatten(rules))
	keys := rulesets.Packets(rules, 2000, true)
	for i, p := range flatPackets(keys) {
		want := all["linear"](&p)
		for name, f := range all {
			if got := f(&p); got != want {
				t.Fatalf("%s: %+v: rule %d, linear search %d", name, p, got, want)
			}
		}
		hit, ok := Lookup(mem, 0, vfp.Outbound, keys[i])
		if want >= 0 && (!ok || hit.Number != uint32(want)+3) { // the defaults have 1 and 2
			t.Fatalf("%+v: %+v %v, linear search %d", p, hit, ok, want)
		}
	}
}

func BenchmarkRivals(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000, 100_000} {
		rules := withoutFlags(rulesets.Like(1, n))
		packets := flatPackets(rulesets.Packets(rules, 4096, true))
		all := rivals(flatten(rules))
		_, mem := built(b, rules)
		keys := rulesets.Packets(rules, 4096, true)
		b.Run(fmt.Sprintf("flat-%06d", n), func(b *testing.B) {
			i := 0
			for b.Loop() {
				Lookup(mem, 0, vfp.Outbound, keys[i&4095])
				i++
			}
		})
		for _, name := range []string{"linear", "tss-native", "tss-pairs", "bit-vectors"} {
			if f := all[name]; f != nil {
				b.Run(fmt.Sprintf("%s-%06d", name, n), func(b *testing.B) {
					i := 0
					for b.Loop() {
						f(&packets[i&4095])
						i++
					}
				})
			}
		}
	}
}

func TestLinesAreEnough(t *testing.T) {
	for name, rules := range rulesets.Sizes() {
		if len(rules) > 10_000 {
			continue
		}
		mem := make([]byte, Lines(rules)*Line)
		table := New(mem)
		if err := table.Build(rules, [2]vfp.Action{}, anyNumber); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		table.Publish(0)
		for i := range 30 { // and for changes before anything is released
			r := rules[i*31%len(rules)]
			r.Action ^= 1
			if err := table.Change(nil, []vfp.Rule{r}, [2]vfp.Action{}, anyNumber); err != nil {
				t.Errorf("%s: change %d: %v", name, i, err)
				break
			}
		}
	}
}
