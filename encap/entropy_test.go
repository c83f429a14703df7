package encap

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// The hash is wire format in a way: an eBPF program computes it too. These values are golden.py's.
func TestFlowHashGolden(t *testing.T) {
	for _, g := range goldens(t) {
		if got := g.flowHash(); got != g.hash {
			t.Errorf("%s: FlowHash is %08x, want %08x", g.name, got, g.hash)
		}
		o := Outer{}
		o.Spread(g.hash)
		if g.outer.Type == VXLAN && o.SourcePort != g.outer.SourcePort {
			t.Errorf("%s: source port %d, want %d", g.name, o.SourcePort, g.outer.SourcePort)
		}
		if g.outer.Type == NVGRE && o.FlowID != g.outer.FlowID {
			t.Errorf("%s: FlowID %d, want %d", g.name, o.FlowID, g.outer.FlowID)
		}
	}
}

func TestEntropyRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := rapid.Uint32().Draw(t, "hash")
		if p := VXLANSourcePort(h); p < 49152 {
			t.Fatalf("VXLANSourcePort(%#x) = %d, want 49152 to 65535", h, p)
		}
		o := outerOf(VXLAN, false)
		o.Spread(h)
		if o.SourcePort != VXLANSourcePort(h) || o.FlowID != NVGREFlowID(h) {
			t.Fatalf("Spread(%#x) set %d and %d", h, o.SourcePort, o.FlowID)
		}
	})
}

// Both ends of both ranges are reached, or a bit of entropy is lost.
func TestEntropyOnto(t *testing.T) {
	ports, ids := map[uint16]bool{}, map[uint8]bool{}
	for h := range uint32(1 << 16) {
		ports[VXLANSourcePort(h)] = true
		ids[NVGREFlowID(h)] = true
	}
	if len(ports) != 1<<14 || len(ids) != 1<<8 {
		t.Errorf("%d source ports and %d FlowIDs are reached, want %d and %d", len(ports), len(ids), 1<<14, 1<<8)
	}
}

// Every bit of a hash has a say in the FlowID; and in the source port, but for the upper two bits of each half, which
// the fold to 14 bits has no room for.
func TestEntropyUsesEveryBit(t *testing.T) {
	for bit := range 32 {
		if bit%16 < 14 && VXLANSourcePort(0) == VXLANSourcePort(1<<bit) {
			t.Errorf("bit %d does not change the source port", bit)
		}
		if NVGREFlowID(0) == NVGREFlowID(1<<bit) {
			t.Errorf("bit %d does not change the FlowID", bit)
		}
	}
}

// chiSquare is Pearson's statistic of counts that should be equal.
func chiSquare(counts []int) float64 {
	var n int
	for _, c := range counts {
		n += c
	}
	want := float64(n) / float64(len(counts))
	var x float64
	for _, c := range counts {
		x += (float64(c) - want) * (float64(c) - want) / want
	}
	return x
}

// Flows that differ in one small thing only, as the flows of real tenants do, spread evenly: over 256 buckets the
// statistic is 255 on average with a deviation of 22.6 if they fell at random, and 400 is more than 6 deviations off.
// An evener spread than random (a counter's) is welcome. The input is fixed, so the test cannot flake.
func TestEntropyDistribution(t *testing.T) {
	const flows, most = 1 << 16, 400.0
	a, b := netip.MustParseAddr("10.1.0.10"), netip.MustParseAddr("10.1.0.11")
	for _, tc := range []struct {
		name string
		hash func(i int) uint32
	}{
		{"client ports", func(i int) uint32 { return FlowHash(a, b, 6, uint16(i), 443) }},
		{"server ports", func(i int) uint32 { return FlowHash(a, b, 17, 40000, uint16(i)) }},
		{"clients", func(i int) uint32 {
			return FlowHash(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), b, 6, 40000, 443)
		}},
		{"servers", func(i int) uint32 {
			return FlowHash(a, netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 6, 40000, 443)
		}},
		{"IPv6 clients", func(i int) uint32 {
			return FlowHash(netip.AddrFrom16([16]byte{0: 0xFD, 14: byte(i >> 8), 15: byte(i)}), netip.IPv6Loopback(), 6, 40000, 443)
		}},
		{"hosts in pairs, no ports", func(i int) uint32 {
			return FlowHash(netip.AddrFrom4([4]byte{10, 1, 0, byte(i >> 8)}), netip.AddrFrom4([4]byte{10, 1, 1, byte(i)}), 1, 0, 0)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// ECMP and RSS look at a port through a hash or its low bits, so both ends of the port are tested.
			low, high, id := make([]int, 256), make([]int, 256), make([]int, 256)
			for i := range flows {
				h := tc.hash(i)
				p := VXLANSourcePort(h)
				low[p&0xFF]++
				high[p>>6&0xFF]++
				id[NVGREFlowID(h)]++
			}
			for name, counts := range map[string][]int{"port, low bits": low, "port, high bits": high, "FlowID": id} {
				x := chiSquare(counts)
				t.Logf("%s: chi-square %.0f", name, x)
				if x > most {
					t.Errorf("%s: chi-square %.0f over 256 buckets, want at most %.0f", name, x, most)
				}
			}
		})
	}
}
