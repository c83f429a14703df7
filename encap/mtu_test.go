package encap

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestOverhead(t *testing.T) {
	for _, tc := range []struct {
		t    Type
		v6   bool
		want int
	}{
		{VXLAN, false, 50}, {NVGRE, false, 42}, {VXLAN, true, 70}, {NVGRE, true, 62}, {0, false, 0}, {7, true, 0},
	} {
		if got := Overhead(tc.t, tc.v6); got != tc.want {
			t.Errorf("Overhead(%v, %v) = %d, want %d", tc.t, tc.v6, got, tc.want)
		}
		if got := OuterLen(tc.t, tc.v6); got != tc.want {
			t.Errorf("OuterLen(%v, %v) = %d, want %d", tc.t, tc.v6, got, tc.want)
		}
	}
}

func TestInnerMTU(t *testing.T) {
	for _, tc := range []struct {
		t        Type
		v6       bool
		underlay int
		want     int // 0: an error
	}{
		{VXLAN, false, 1500, 1450}, {NVGRE, false, 1500, 1458}, {VXLAN, true, 1500, 1430}, {NVGRE, true, 1500, 1438},
		{VXLAN, false, 9000, 8950}, {VXLAN, false, 1550, 1500},
		{VXLAN, false, 626, 576}, {VXLAN, false, 625, 0}, {NVGRE, false, 618, 576}, {NVGRE, false, 617, 0},
		{VXLAN, true, 1280, 1210}, {VXLAN, true, 1279, 0}, {NVGRE, true, 1280, 1218}, {NVGRE, true, 1279, 0},
		{VXLAN, true, 1350, MinMTU6},
		{VXLAN, false, 65535, 65485}, {VXLAN, false, 65536, 65485}, {NVGRE, true, math.MaxInt, 65473},
		{VXLAN, false, 0, 0}, {VXLAN, false, -1, 0}, {NVGRE, true, math.MinInt, 0}, {0, false, 1500, 0}, {9, true, 9000, 0},
	} {
		got, err := InnerMTU(tc.t, tc.v6, tc.underlay)
		if got != tc.want || (err != nil) != (tc.want == 0) {
			t.Errorf("InnerMTU(%v, %v, %d) = %d, %v; want %d", tc.t, tc.v6, tc.underlay, got, err, tc.want)
		}
	}
}

func TestMSS(t *testing.T) {
	for _, tc := range []struct {
		mtu  int
		v6   bool
		want int
	}{
		{1450, false, 1410}, {1450, true, 1390}, {576, false, 536}, {1280, true, 1220},
		{40, false, 0}, {39, false, 0}, {60, true, 0}, {59, true, 0}, {61, true, 1}, {-5, false, 0}, {math.MinInt + 100, true, 0},
	} {
		if got := MSS(tc.mtu, tc.v6); got != tc.want {
			t.Errorf("MSS(%d, %v) = %d, want %d", tc.mtu, tc.v6, got, tc.want)
		}
	}
}

// The arithmetic against the encoder: a full inner packet fills the underlay's MTU exactly.
func TestInnerMTUFillsUnderlay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawOuter(t)
		v6 := o.Src.Is6()
		underlay := rapid.IntRange(MinMTU6, 65535).Draw(t, "mtu")
		mtu, err := InnerMTU(o.Type, v6, underlay)
		if err != nil {
			t.Fatal(err)
		}
		frame, err := Append(nil, &o, innerOf(ethernetLen+mtu))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(frame) - ethernetLen; got != underlay {
			t.Fatalf("an inner packet of %d bytes makes an outer one of %d, want %d", mtu, got, underlay)
		}
	})
}
