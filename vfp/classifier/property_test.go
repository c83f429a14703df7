package classifier

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/vfp"
)

// Few bits vary, so that prefixes nest and keys hit.
func drawAddr(t *rapid.T, family int, label string) netip.Addr {
	v := rapid.Uint32Range(0, 255).Draw(t, label)
	if family == familyV4 {
		return netip.AddrFrom4([4]byte{10, byte(v >> 4), byte(v), byte(v << 7)})
	}
	a := [16]byte{0xfd, 0, byte(v >> 4), 15: byte(v)}
	a[8] = byte(v << 4)
	return netip.AddrFrom16(a)
}

func drawPrefix(t *rapid.T) netip.Prefix {
	family := rapid.IntRange(0, 1).Draw(t, "family")
	a := drawAddr(t, family, "prefix")
	lengths := []int{0, 1, 8, 12, 13, 16, 20, 21, 22, 23, 24, 25, 31, 32}
	if family == familyV6 {
		lengths = []int{0, 1, 4, 20, 24, 60, 63, 64, 65, 66, 68, 72, 120, 124, 125, 126, 127, 128}
	}
	return netip.PrefixFrom(a, rapid.SampledFrom(lengths).Draw(t, "length"))
}

func drawList[T any](t *rapid.T, label string, most int, draw func(*rapid.T) T) []T {
	n := rapid.IntRange(-2, most).Draw(t, label)
	if n < 0 {
		return nil
	}
	out := make([]T, 0, n)
	for range n {
		out = append(out, draw(t))
	}
	return out
}

func drawPort(t *rapid.T) uint16 {
	return rapid.SampledFrom([]uint16{0, 1, 22, 53, 79, 80, 81, 443, 1023, 1024, 8080, 32767, 32768, 65534, 65535}).Draw(t, "port")
}

func drawRange(t *rapid.T) vfp.PortRange {
	return vfp.PortRange{First: drawPort(t), Last: drawPort(t)} // the wrong way round, too: matches nothing
}

func drawRule(t *rapid.T, id string) vfp.Rule {
	r := vfp.Rule{ID: id, Direction: vfp.Direction(rapid.IntRange(0, 1).Draw(t, "direction")),
		Priority: rapid.SampledFrom([]uint32{0, 1, 2, 100, 1 << 31, 1<<32 - 1}).Draw(t, "priority"),
		Protocol: rapid.SampledFrom([]uint16{vfp.ProtocolAny, 6, 6, 17, 1, 58, 47}).Draw(t, "protocol"),
		Action:   vfp.Action(rapid.IntRange(0, 1).Draw(t, "action")), Logging: rapid.Bool().Draw(t, "logging"),
		Sources:      drawList(t, "sources", 3, drawPrefix),
		Destinations: drawList(t, "destinations", 3, drawPrefix)}
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		r.ICMP = drawList(t, "icmp", 2, func(t *rapid.T) vfp.ICMPMatch {
			return vfp.ICMPMatch{Type: rapid.SampledFrom([]uint8{0, 8, 128}).Draw(t, "type"), Code: rapid.SampledFrom([]int16{vfp.AnyCode, 0, 3}).Draw(t, "code")}
		})
	case 1:
		r.TCPFlags = vfp.FlagMatch{Mask: rapid.SampledFrom([]uint8{0x12, 0x02}).Draw(t, "mask"), Value: 0x02}
	}
	if rapid.Bool().Draw(t, "ports") {
		r.SourcePorts = drawList(t, "sports", 2, drawRange)
		r.DestinationPorts = drawList(t, "dports", 3, drawRange)
	}
	return r
}

func drawKey(t *rapid.T, rules []vfp.Rule) Key {
	k := Key{Protocol: rapid.SampledFrom([]uint8{6, 6, 17, 1, 58, 47}).Draw(t, "protocol")}
	family := rapid.IntRange(0, 1).Draw(t, "family")
	k.Source, k.Destination = drawAddr(t, family, "source"), drawAddr(t, family, "destination")
	if len(rules) > 0 { // an address of a rule's own prefix
		r := &rules[rapid.IntRange(0, len(rules)-1).Draw(t, "rule")]
		for _, p := range r.Sources {
			if p.Addr().Is4() == (family == familyV4) {
				k.Source = p.Addr()
			}
		}
		for _, p := range r.Destinations {
			if p.Addr().Is4() == (family == familyV4) {
				k.Destination = p.Addr()
			}
		}
	}
	switch k.Protocol {
	case 6, 17:
		k.SourcePort, k.DestinationPort = drawPort(t), drawPort(t)
		if k.Protocol == 6 {
			k.TCPFlags = rapid.SampledFrom([]uint8{0x02, 0x12, 0x10}).Draw(t, "flags")
		}
	case 1, 58:
		k.DestinationPort = uint16(rapid.SampledFrom([]uint8{0, 8, 128}).Draw(t, "type"))<<8 | uint16(rapid.SampledFrom([]uint8{0, 3, 4}).Draw(t, "code"))
	}
	return k
}

// content is what the test believes an ACL to be.
type content struct {
	rules    []vfp.Rule
	defaults [2]vfp.Action
}

func (c content) sorted() content {
	c.rules = slices.Clone(c.rules)
	slices.SortStableFunc(c.rules, func(a, b vfp.Rule) int {
		return cmp.Or(cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	return c
}

type errorer interface {
	Helper()
	Fatalf(string, ...any)
}

func checkLookup(t errorer, mem []byte, slot int, c content, ids numbers, dir vfp.Direction, k Key) {
	t.Helper()
	got, ok := Lookup(mem, slot, dir, k)
	id, action, logging := linear(c.rules, c.defaults, dir, k)
	if want := (Hit{ids[id], action, logging}); !ok || got != want {
		t.Fatalf("slot %d %v %+v: got %+v %v, want %+v (%s)", slot, dir, k, got, ok, want, id)
	}
}

func TestEveryVersionIsLinearSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := numbers{}
		lines := rapid.SampledFrom([]int{2000, 20000}).Draw(t, "lines")
		mem := make([]byte, lines*Line)
		draw := func(most int) (out []vfp.Rule) {
			for range rapid.IntRange(0, most).Draw(t, "rules") {
				out = append(out, drawRule(t, fmt.Sprintf("r%02d", rapid.IntRange(0, 40).Draw(t, "id"))))
			}
			return out
		}
		defaults := func() [2]vfp.Action {
			return [2]vfp.Action{vfp.Action(rapid.IntRange(0, 1).Draw(t, "out")), vfp.Action(rapid.IntRange(0, 1).Draw(t, "in"))}
		}
		newest := content{draw(60), defaults()}
		var slots [2]content
		var published [2]bool
		table := New(mem)
		if err := table.Build(newest.sorted().rules, newest.defaults, ids.number); err != nil {
			t.Fatal(err)
		}
		newest = newest.sorted()
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0, 1:
				slot := rapid.IntRange(0, 1).Draw(t, "slot")
				table.Publish(slot)
				slots[slot], published[slot] = newest, true
			case 2:
				table.Release()
			default:
				put := content{rules: draw(6)}.sorted().rules
				var remove []string
				if len(newest.rules) > 0 {
					for range rapid.IntRange(0, 2).Draw(t, "removals") {
						remove = append(remove, newest.rules[rapid.IntRange(0, len(newest.rules)-1).Draw(t, "remove")].ID)
					}
				}
				next := content{defaults: defaults()}
				for _, r := range newest.rules {
					if !slices.Contains(remove, r.ID) && !slices.ContainsFunc(put, func(p vfp.Rule) bool { return p.ID == r.ID }) {
						next.rules = append(next.rules, r)
					}
				}
				next.rules = append(next.rules, put...)
				err := table.Change(remove, put, next.defaults, ids.number)
				switch {
				case err == nil:
					newest = next.sorted()
				case !errors.Is(err, ErrFull):
					t.Fatal(err)
				}
			}
			if got, want := table.Sum(), Sum(newest.rules, newest.defaults); got != want {
				t.Fatalf("sum %x, want %x", got, want)
			}
			for slot, c := range slots {
				if !published[slot] {
					continue
				}
				if got, want := SlotSum(mem, slot), Sum(c.rules, c.defaults); got != want {
					t.Fatalf("slot %d: sum %x, want %x", slot, got, want)
				}
				for range 12 {
					checkLookup(t, mem, slot, c, ids, vfp.Direction(rapid.IntRange(0, 1).Draw(t, "direction")), drawKey(t, c.rules))
				}
			}
		}
	})
}
