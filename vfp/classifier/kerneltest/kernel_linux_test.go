package kerneltest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/classifier"
)

func open(t testing.TB) *Kernel {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root to load eBPF programs")
		}
		t.Skip("needs root to load eBPF programs")
	}
	k, err := Open()
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// source draws rules and packets that meet often, reproducibly.
type source struct{ *rand.Rand }

func (s source) addr(v6 bool) netip.Addr {
	v := s.Uint32()
	if !v6 {
		return netip.AddrFrom4([4]byte{10, byte(v & 3), byte(v >> 8 & 15), byte(v >> 16 & 31)})
	}
	return netip.AddrFrom16([16]byte{0xfd, byte(v & 1), 7: byte(v >> 8 & 3), 8: byte(v >> 16 & 3 << 6), 15: byte(v >> 24 & 15)})
}

func (s source) prefixes() []netip.Prefix {
	if s.IntN(4) == 0 {
		return nil
	}
	var out []netip.Prefix
	for range 1 + s.IntN(4) {
		if s.IntN(2) == 0 {
			out = append(out, netip.PrefixFrom(s.addr(false), s.IntN(33)))
		} else {
			out = append(out, netip.PrefixFrom(s.addr(true), s.IntN(129)))
		}
	}
	return out
}

func (s source) ports() []vfp.PortRange {
	if s.IntN(3) == 0 {
		return nil
	}
	first := uint16(s.IntN(2000))
	return []vfp.PortRange{{First: first, Last: first + uint16(s.IntN(2)*s.IntN(3000))}}
}

func (s source) rule(id string) vfp.Rule {
	r := vfp.Rule{ID: id, Direction: vfp.Direction(s.IntN(2)), Priority: uint32(s.IntN(1000)), Protocol: []uint16{6, 6, 17, 256, 1, 58}[s.IntN(6)],
		Sources: s.prefixes(), Destinations: s.prefixes(), Action: vfp.Action(s.IntN(2)), Logging: s.IntN(2) == 0}
	switch {
	case r.Protocol == 1 || r.Protocol == 58:
		r.ICMP = []vfp.ICMPMatch{{Type: uint8(s.IntN(3)), Code: int16(s.IntN(3) - 1)}}
	case s.IntN(4) == 0:
		r.TCPFlags = vfp.FlagMatch{Mask: 2, Value: 2}
	default:
		r.SourcePorts, r.DestinationPorts = s.ports(), s.ports()
	}
	if s.IntN(3) == 0 { // many at one pair: an index
		r.Sources, r.Destinations = nil, nil
	}
	return r
}

func (s source) key() classifier.Key {
	v6 := s.IntN(2) == 0
	k := classifier.Key{Source: s.addr(v6), Destination: s.addr(v6), Protocol: []uint8{6, 6, 17, 1, 58, 47}[s.IntN(6)]}
	switch k.Protocol {
	case 6, 17:
		k.SourcePort, k.DestinationPort = uint16(s.IntN(2500)), uint16(s.IntN(2500))
		if k.Protocol == 6 {
			k.TCPFlags = uint8(2 + 16*s.IntN(2))
		}
	case 1, 58:
		k.DestinationPort = uint16(s.IntN(3))<<8 | uint16(s.IntN(3))
	}
	return k
}

func number(ids map[string]uint32) classifier.Numbers {
	return func(id string) (uint32, error) {
		if ids[id] == 0 {
			ids[id] = uint32(len(ids)) + 1
		}
		return ids[id], nil
	}
}

// TestKernelAgrees compares the kernel's answer with Go's, which other tests compare with a linear search, over changes
// that are staged, published and released.
func TestKernelAgrees(t *testing.T) {
	k := open(t)
	for seed := range uint64(6) {
		s := source{rand.New(rand.NewPCG(seed, 1))}
		acl := uint32(seed)
		mem, err := k.Memory(acl, 60000)
		if err != nil {
			t.Fatal(err)
		}
		var rules []vfp.Rule
		for i := range []int{0, 3, 40, 400, 1500, 1500}[seed] {
			rules = append(rules, s.rule(fmt.Sprintf("r%d", i)))
		}
		ids := map[string]uint32{}
		table := classifier.New(mem)
		if err := table.Build(rules, [2]vfp.Action{vfp.Block, vfp.Allow}, number(ids)); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := k.Lookup(acl, 0, vfp.Outbound, s.key()); ok || err != nil {
			t.Fatalf("before the first publish: %v %v, want a refusal", ok, err)
		}
		hits := map[uint32]bool{}
		for step := range 12 {
			switch step % 4 {
			case 0:
				table.Publish(0)
			case 1:
				table.Publish(1)
			case 3:
				table.Release()
			}
			for range 500 {
				key, slot, dir := s.key(), s.IntN(2), vfp.Direction(s.IntN(2))
				want, wantOK := classifier.Lookup(mem, slot, dir, key)
				got, ok, err := k.Lookup(acl, slot, dir, key)
				if err != nil {
					t.Fatal(err)
				}
				if ok != wantOK || ok && got != want {
					t.Fatalf("seed %d step %d slot %d %v %+v: kernel %+v %v, Go %+v %v", seed, step, slot, dir, key, got, ok, want, wantOK)
				}
				hits[got.Number] = true
			}
			var put []vfp.Rule
			for range s.IntN(20) {
				put = append(put, s.rule(fmt.Sprintf("r%d", s.IntN(2000))))
			}
			if err := table.Change(nil, put, [2]vfp.Action{vfp.Action(s.IntN(2)), vfp.Allow}, number(ids)); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%d rules: %d different counters hit", len(rules), len(hits))
	}
}

// TestKernelRefusesCorruptMemory: whatever the memory holds, the programs end; what they answer does not matter.
func TestKernelRefusesCorruptMemory(t *testing.T) {
	k := open(t)
	s := source{rand.New(rand.NewPCG(1, 2))}
	mem, err := k.Memory(1, 20000)
	if err != nil {
		t.Fatal(err)
	}
	var rules []vfp.Rule
	for i := range 400 {
		rules = append(rules, s.rule(fmt.Sprintf("r%d", i)))
	}
	table := classifier.New(mem)
	if err := table.Build(rules, [2]vfp.Action{}, number(map[string]uint32{})); err != nil {
		t.Fatal(err)
	}
	table.Publish(0)
	used, _ := table.Used()
	for range 3000 {
		mem[s.IntN(int(used))*classifier.Line+s.IntN(classifier.Line)] = byte(s.Uint32())
		if _, _, err := k.Lookup(1, 0, vfp.Direction(s.IntN(2)), s.key()); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := k.Lookup(77, 0, vfp.Outbound, s.key()); ok || err != nil {
		t.Errorf("an ACL that does not exist: %v %v, want a refusal", ok, err)
	}
}
