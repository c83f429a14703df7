package rules

import (
	"net/netip"
	"testing"
)

func (r Rule) overlaps(o Rule) bool {
	return r.Protocol == o.Protocol && r.Source.Overlaps(o.Source) && r.Destination.Overlaps(o.Destination) &&
		r.Ports[0] <= o.Ports[1] && o.Ports[0] <= r.Ports[1] && r.Sources[0] <= o.Sources[1] && o.Sources[0] <= r.Sources[1]
}

func TestNSGRulesDoNotOverlap(t *testing.T) {
	all := NSG(1000)
	for i, r := range all {
		for j := range i {
			if r.overlaps(all[j]) {
				t.Fatalf("rules %d and %d overlap: %+v, %+v", j, i, all[j], r)
			}
		}
	}
}

func TestMeasuredTrafficMatchesOnlyTheGuard(t *testing.T) {
	const measuredPort = 5301
	for name, all := range map[string][]Rule{"NSG": NSG(100_000), "ClassBench": ClassBench(100_000, 1)} {
		if len(all) != 100_000 {
			t.Errorf("%s: %d rules", name, len(all))
		}
		for i, r := range all {
			if r.Ports[0] > r.Ports[1] || r.Sources[0] > r.Sources[1] {
				t.Fatalf("%s: rule %d has an empty range: %+v", name, i, r)
			}
			for _, endpoint := range []string{"10.0.1.11", "10.42.1.1", "10.42.4.2"} {
				a := netip.MustParseAddr(endpoint)
				if r.Source.Contains(a) && r.Destination.Contains(a) && r.Ports[0] <= measuredPort && measuredPort <= r.Ports[1] {
					t.Fatalf("%s: rule %d denies what is measured: %+v", name, i, r)
				}
			}
		}
	}
}
