package classifier

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/vfp"
)

func hostRule(id string, priority uint32, host byte, action vfp.Action) vfp.Rule {
	return vfp.Rule{ID: id, Priority: priority, Protocol: vfp.ProtocolAny, Action: action,
		Destinations: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, host}), 32)}}
}

func toHost(host byte) Key {
	return Key{Source: netip.AddrFrom4([4]byte{10, 9, 9, 9}), Destination: netip.AddrFrom4([4]byte{10, 0, 0, host}), Protocol: 6}
}

func mustChange(t *testing.T, table *Table, ids numbers, remove []string, put ...vfp.Rule) {
	t.Helper()
	if err := table.Change(remove, put, [2]vfp.Action{}, ids.number); err != nil {
		t.Fatal(err)
	}
}

func TestReadersSeeTheirVersion(t *testing.T) {
	mem := make([]byte, 3000*Line)
	table, ids := New(mem), numbers{}
	old := content{rules: []vfp.Rule{hostRule("a", 1, 1, vfp.Allow), hostRule("b", 1, 2, vfp.Block)}}
	if err := table.Build(old.rules, old.defaults, ids.number); err != nil {
		t.Fatal(err)
	}
	if _, ok := Lookup(mem, 0, vfp.Outbound, toHost(1)); ok {
		t.Fatal("content is visible before it is published")
	}
	table.Publish(0)
	table.Publish(1)
	// Slot 1 stays behind for many versions of the same pair, none of which is released.
	for i := range 300 {
		mustChange(t, table, ids, nil, hostRule("a", 1, 1, vfp.Action(i%2)), hostRule(fmt.Sprintf("n%03d", i%20), 0, byte(100+i%20), vfp.Block))
		for slot := range 2 {
			if i == 0 {
				for host := byte(1); host < 4; host++ {
					checkLookup(t, mem, slot, old, ids, vfp.Outbound, toHost(host))
				}
			}
		}
		if i%3 == 0 {
			continue // never published
		}
		table.Publish(0)
		if hit, ok := Lookup(mem, 0, vfp.Outbound, toHost(1)); !ok || hit.Action != vfp.Action(i%2) {
			t.Fatalf("change %d: %+v %v", i, hit, ok)
		}
		for host := byte(1); host < 130; host++ {
			checkLookup(t, mem, 1, old, ids, vfp.Outbound, toHost(host))
		}
	}
	before, _ := table.Used()
	table.Release() // slot 1 still needs the first version
	checkLookup(t, mem, 1, old, ids, vfp.Outbound, toHost(1))
	table.Publish(1)
	table.Release()
	if after, _ := table.Used(); after >= before {
		t.Errorf("%d lines in use, %d before what is old was released", after, before)
	}
}

func TestMemoryComesBack(t *testing.T) {
	mem := make([]byte, 600*Line)
	table, ids := New(mem), numbers{}
	if err := table.Build(nil, [2]vfp.Action{}, ids.number); err != nil {
		t.Fatal(err)
	}
	most := uint32(0)
	for i := range 5000 { // other hosts all the time: keys, bodies, filters and roots come and go
		host := byte(i % 200)
		mustChange(t, table, ids, nil, hostRule("r", 1, host, vfp.Block))
		table.Publish(i % 2)
		table.Publish(1 - i%2)
		table.Release()
		if hit, ok := Lookup(mem, 0, vfp.Outbound, toHost(host)); !ok || hit.Action != vfp.Block {
			t.Fatalf("change %d: %+v %v", i, hit, ok)
		}
		if hit, ok := Lookup(mem, 0, vfp.Outbound, toHost(host+1)); !ok || hit.Action != vfp.Allow {
			t.Fatalf("change %d: the neighbour: %+v %v", i, hit, ok)
		}
		used, _ := table.Used()
		most = max(most, used)
	}
	if most > 120 {
		t.Errorf("one rule took %d lines", most)
	}
}

func TestRulesOfOnePriorityKeepTheirOrder(t *testing.T) {
	mem := make([]byte, 40000*Line)
	table, ids := New(mem), numbers{}
	c := content{rules: []vfp.Rule{hostRule("a", 5, 1, 0), hostRule("z", 5, 1, 0)}}
	if err := table.Build(c.rules, c.defaults, ids.number); err != nil {
		t.Fatal(err)
	}
	// Always into the same gap, right before the last, and in front of all.
	for i := range 700 {
		id := fmt.Sprintf("m%05d", i)
		if i%5 == 0 {
			id = fmt.Sprintf("a-%05d", 10000-i)
		}
		r := hostRule(id, 5, 1, 0)
		r.Protocol = uint16(i % 3)
		mustChange(t, table, ids, nil, r)
		c.rules = append(c.rules, r)
		if i%50 == 0 {
			table.Publish(0)
			table.Release()
			mustChange(t, table, ids, []string{c.rules[0].ID})
			c.rules = c.rules[1:]
			table.Publish(0)
			for proto := range uint8(5) {
				k := toHost(1)
				k.Protocol = proto
				checkLookup(t, mem, 0, c, ids, vfp.Outbound, k)
			}
		}
	}
}

// Many rules of one pair make an index; what kinds of ranges meet decides its shape.
func TestIndexIsLinearSearch(t *testing.T) {
	shapes := map[string]func(*rand.Rand, *vfp.Rule){
		"services": func(r *rand.Rand, v *vfp.Rule) {
			p := uint16(r.IntN(3000))
			v.DestinationPorts = []vfp.PortRange{{First: p, Last: p}}
		},
		"ranges": func(r *rand.Rand, v *vfp.Rule) {
			p := uint16(r.IntN(60000))
			v.DestinationPorts = []vfp.PortRange{{First: p, Last: p + uint16(r.IntN(5000))}}
		},
		"crossing": func(r *rand.Rand, v *vfp.Rule) {
			p := uint16(r.IntN(65536))
			if r.IntN(2) == 0 {
				v.SourcePorts = []vfp.PortRange{{First: p, Last: p}}
			} else {
				v.DestinationPorts = []vfp.PortRange{{First: p, Last: p}}
			}
		},
		"nested": func(r *rand.Rand, v *vfp.Rule) {
			n := uint16(r.IntN(32000))
			v.DestinationPorts = []vfp.PortRange{{First: n, Last: 65535 - n}}
			v.SourcePorts = []vfp.PortRange{{First: n / 2, Last: 65535 - n/3}}
		},
		"all": func(r *rand.Rand, v *vfp.Rule) {
			if r.IntN(300) > 0 {
				v.TCPFlags = vfp.FlagMatch{Mask: uint8(r.Uint32()), Value: uint8(r.Uint32())}
				v.TCPFlags.Value &= v.TCPFlags.Mask
			}
		},
	}
	for name, shape := range shapes {
		for _, n := range []int{9, 60, 900} {
			t.Run(fmt.Sprintf("%s-%d", name, n), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				var c content
				ports := []uint16{0, 65535}
				for i := range n {
					v := vfp.Rule{ID: fmt.Sprintf("r%04d", i), Priority: uint32(r.IntN(1 << 20)), Protocol: []uint16{6, 17, 256}[r.IntN(3)], Action: vfp.Action(i % 2)}
					shape(r, &v)
					for _, p := range slices.Concat(v.SourcePorts, v.DestinationPorts) {
						ports = append(ports, p.First, p.Last, p.Last+1)
					}
					c.rules = append(c.rules, v)
				}
				c = c.sorted()
				mem := make([]byte, 80000*Line)
				table, ids := New(mem), numbers{}
				if err := table.Build(c.rules, c.defaults, ids.number); err != nil {
					t.Fatal(err)
				}
				table.Publish(0)
				for range 3000 {
					k := toHost(1)
					k.Protocol = []uint8{6, 6, 17, 1}[r.IntN(4)]
					if k.Protocol != 1 {
						k.SourcePort, k.DestinationPort = ports[r.IntN(len(ports))], ports[r.IntN(len(ports))]
					}
					k.TCPFlags = uint8(r.Uint32())
					checkLookup(t, mem, 0, c, ids, vfp.Outbound, k)
				}
			})
		}
	}
}

func TestErrorsChangeNothing(t *testing.T) {
	mem := make([]byte, 300*Line)
	table, ids := New(mem), numbers{}
	c := content{rules: []vfp.Rule{hostRule("a", 1, 1, vfp.Block)}}
	if err := table.Build(c.rules, c.defaults, ids.number); err != nil {
		t.Fatal(err)
	}
	table.Publish(0)
	sum, image := table.Sum(), slices.Clone(mem[:Line])
	wide := hostRule("wide", 1, 1, 0)
	for i := range 1100 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 32)
		wide.Sources, wide.Destinations = append(wide.Sources, p), append(wide.Destinations, p)
	}
	var many []vfp.Rule
	for i := range 250 {
		many = append(many, hostRule(fmt.Sprintf("m%d", i), 2, byte(i), vfp.Block))
	}
	failing := func(id string) (uint32, error) {
		if id == "b" {
			return 0, errors.New("no numbers left")
		}
		return ids.number(id)
	}
	for _, tc := range []struct {
		name   string
		remove []string
		put    []vfp.Rule
		want   string
	}{
		{"unknown", []string{"x"}, nil, "rule x"},
		{"pairs", nil, []vfp.Rule{wide}, "rule wide: 1211100 pairs"},
		{"full", []string{"a"}, many, "lines, 300 are there"},
		{"number", []string{"a"}, []vfp.Rule{hostRule("b", 1, 1, 0)}, "rule b: no numbers left"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := table.Change(tc.remove, tc.put, [2]vfp.Action{}, failing)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if errors.Is(err, ErrFull) != (tc.name == "full") {
				t.Errorf("ErrFull: %v", err)
			}
			if table.Sum() != sum || !slices.Equal(image, mem[:Line]) {
				t.Error("something has changed")
			}
			for host := range byte(5) {
				checkLookup(t, mem, 0, c, ids, vfp.Outbound, toHost(host))
			}
		})
	}
	// What failed leaves room for what follows.
	for i := range 50 {
		r := hostRule("a", 1, byte(i), vfp.Block)
		mustChange(t, table, ids, nil, r)
		table.Publish(0)
		table.Release()
		checkLookup(t, mem, 0, content{rules: []vfp.Rule{r}}, ids, vfp.Outbound, toHost(byte(i)))
	}
	if err := table.Build(nil, [2]vfp.Action{}, ids.number); err == nil {
		t.Error("a published ACL was built anew")
	}
}

func TestDiffLeadsFromOneToTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) []vfp.Rule {
			var out []vfp.Rule
			for range rapid.IntRange(0, 12).Draw(t, label) {
				out = append(out, drawRule(t, fmt.Sprintf("r%d", rapid.IntRange(0, 6).Draw(t, "id"))))
			}
			return out
		}
		common := draw("common")
		before := content{rules: append(draw("before"), common...)}.sorted().rules
		after := content{rules: append(draw("after"), common...)}.sorted().rules
		remove, put := Diff(before, after)
		got := content{rules: put}
		for _, r := range before {
			if !slices.Contains(remove, r.ID) && !slices.ContainsFunc(put, func(p vfp.Rule) bool { return p.ID == r.ID }) {
				got.rules = append(got.rules, r)
			}
		}
		if Sum(got.sorted().rules, [2]vfp.Action{}) != Sum(after, [2]vfp.Action{}) {
			t.Fatalf("remove %v put %v", remove, put)
		}
		for _, id := range remove {
			if !slices.ContainsFunc(before, func(r vfp.Rule) bool { return r.ID == id }) {
				t.Fatalf("%s is to be removed but was not there", id)
			}
		}
		if r, p := Diff(after, slices.Clone(after)); r != nil || p != nil {
			t.Fatalf("equal lists differ: %v %v", r, p)
		}
	})
}

func FuzzLookupOfCorruptMemory(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint16(0), []byte{4, 5})
	f.Fuzz(func(t *testing.T, noise []byte, at uint16, addr []byte) {
		mem := make([]byte, 400*Line)
		table := New(mem)
		rules := []vfp.Rule{hostRule("a", 1, 1, 0), hostRule("b", 2, 1, 1), {ID: "v6", Protocol: 256, Sources: []netip.Prefix{netip.MustParsePrefix("fd00::/8")}}}
		for i := range 20 {
			rules = append(rules, vfp.Rule{ID: fmt.Sprint(i), Protocol: 6, DestinationPorts: []vfp.PortRange{{First: uint16(i), Last: uint16(2 * i)}}})
		}
		if err := table.Build(rules, [2]vfp.Action{}, (numbers{}).number); err != nil {
			t.Fatal(err)
		}
		table.Publish(0)
		for i, b := range noise { // spread over the lines in use
			mem[(int(at)+i*37)%(200*Line)] = b
		}
		k := toHost(1)
		if len(addr) > 3 {
			k.Destination = netip.AddrFrom4([4]byte(addr[:4]))
		}
		Lookup(mem, 0, vfp.Outbound, k)
		k.Source, k.Destination = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
		Lookup(mem, int(at), vfp.Direction(at>>1&1), k)
	})
}
