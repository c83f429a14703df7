package ebpf

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/fairlead-net/fairlead/vfp"
)

// BenchmarkProgram is the kernel's own figure for one run, without the packet's way to the program and from it.
// Only frames that the program does not change can be run again and again: drops and delivery on this host.
func BenchmarkProgram(b *testing.B) {
	spoofed := tcp(4, 5, 443)
	spoofed[11]++
	own := tcp(4, 5, 443)
	own[14+15] = 99
	back := tcp(5, 4, 443)
	for _, c := range []struct {
		name, port string
		frame      []byte
	}{
		{"mac-spoof", "port4", spoofed},
		{"ca-spoof", "port4", own},
		{"acl-block", "port4", tcp(4, 5, 80)},
		{"deliver-guarded", "port4", tcp(4, 5, 443)},
		{"deliver-open", "port5", back},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := openTest(b, enterHost(b, 2), modeLive)
			mustApply(b, d, twoPorts())
			ctx := skbContext(d.ifindexOf(c.port))
			b.ResetTimer()
			if _, err := d.objs.PortOut.Run(&ebpf.RunOptions{Data: c.frame, Context: ctx, Repeat: uint32(b.N)}); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkSweep walks, and then empties, a flow table of so many flows: the agent does the first every second at most.
func BenchmarkSweep(b *testing.B) {
	for _, n := range []int{1000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			d, err := open(Config{BPFDir: enterHost(b, 2), Underlay: "underlay", FlowTable: uint32(2 * n)}, modeRecord)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = d.Close() })
			mustApply(b, d, twoPorts())
			fill := func() {
				for first := 0; first < n; first += batch {
					keys := make([]vswitchFlowKey, 0, batch)
					vals := make([]vswitchFlow, 0, batch)
					for i := first; i < min(first+batch, n); i++ {
						keys = append(keys, vswitchFlowKey{Remote: vswitchAddr{W: [4]uint32{0, 0, 0, uint32(i)}}, VsidProto: 5001<<8 | vfp.ProtocolUDP})
						vals = append(vals, vswitchFlow{Port: 1, Last: uint64(time.Hour), Packets: [2]uint64{1, 0}, Bytes: [2]uint64{100, 0}})
					}
					if _, err := d.objs.Flows.BatchUpdate(keys, vals, nil); err != nil {
						b.Fatal(err)
					}
				}
			}
			clock := func(now time.Duration) {
				if err := d.objs.TestClock.Put(uint32(0), uint64(now)); err != nil {
					b.Fatal(err)
				}
			}
			var walk, empty time.Duration
			for b.Loop() {
				fill()
				clock(time.Hour)
				start := time.Now()
				run, err := d.runSweep(sweepDead)
				walk += time.Since(start)
				if err != nil || run.Removed != 0 || run.Flows != uint32(n) {
					b.Fatalf("%d flows, %d removed, %v", run.Flows, run.Removed, err)
				}
				clock(time.Hour + vfp.IdleTimeout(vfp.ProtocolUDP, 0) + time.Nanosecond)
				start = time.Now()
				run, err = d.runSweep(sweepDead)
				empty += time.Since(start)
				if err != nil || run.Flows != 0 {
					b.Fatalf("%d flows left, %v", run.Flows, err)
				}
			}
			b.ReportMetric(float64(walk.Microseconds())/1000/float64(b.N), "ms/walk")
			b.ReportMetric(float64(empty.Microseconds())/1000/float64(b.N), "ms/empty")
		})
	}
}

// BenchmarkOneRule changes one rule of an ACL that 200 ports share: by ChangeACL, and by a whole policy.
func BenchmarkOneRule(b *testing.B) {
	const ports, rules = 200, 100_000
	list := func(port uint16) []vfp.Rule {
		out := make([]vfp.Rule, rules)
		for i := range out {
			out[i] = vfp.Rule{ID: fmt.Sprintf("r%06d", i), Direction: vfp.Outbound, Priority: uint32(i), Protocol: vfp.ProtocolTCP, Action: vfp.Block,
				Destinations:     []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1 + byte(i>>16), byte(i >> 8), byte(i)}), 32)},
				DestinationPorts: []vfp.PortRange{{First: 1000, Last: 1000}}}
		}
		out[rules/2].DestinationPorts = []vfp.PortRange{{First: port, Last: port}}
		return out
	}
	p := twoPorts()
	p.ACLs = []vfp.ACL{{ID: "/acl", Rules: list(1000)}}
	p.Ports, p.Mappings = nil, nil
	for i := range ports {
		a := vfp.Address{CA: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), VSID: 5001, RDID: "rd", ACLs: []string{"/acl"}}
		p.Ports = append(p.Ports, vfp.Port{ID: fmt.Sprintf("port%03d", i), Device: fmt.Sprintf("p%d", i+1), MAC: vfp.MAC{2, 0, 0, 0, 0, byte(i)}, Addresses: []vfp.Address{a}})
	}
	// A sub-benchmark has a thread of its own, and a network namespace is a thread's.
	start := func(b *testing.B, p *vfp.Policy) *Datapath {
		d := openTest(b, enterHost(b, ports), modeLive)
		mustApply(b, d, p)
		return d
	}
	b.Run("change", func(b *testing.B) {
		d := start(b, p)
		r := p.ACLs[0].Rules[rules/2]
		for i := 0; b.Loop(); i++ {
			r.DestinationPorts = []vfp.PortRange{{First: uint16(i), Last: uint16(i)}}
			if err := d.ChangeACL(vfp.ACLChange{ACL: "/acl", Remove: []string{r.ID}, Put: []vfp.Rule{r}}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("policy", func(b *testing.B) {
		d := start(b, p)
		next := *p
		next.ACLs = slices.Clone(p.ACLs)
		for i := 0; b.Loop(); i++ {
			changed := slices.Clone(p.ACLs[0].Rules)
			changed[rules/2].DestinationPorts = []vfp.PortRange{{First: uint16(i), Last: uint16(i)}}
			next.ACLs[0].Rules = changed
			mustApply(b, d, &next)
		}
	})
	b.Run("list of 1000", func(b *testing.B) {
		next := *p
		fresh := [2][]vfp.Rule{list(1000)[:1000], list(1000)[:1000]}
		for k := range fresh[1] {
			fresh[1][k].DestinationPorts = []vfp.PortRange{{First: 2000, Last: 2000}}
		}
		next.ACLs = []vfp.ACL{{ID: "/acl", Rules: fresh[1]}}
		d := start(b, &next)
		for i := 0; b.Loop(); i++ {
			next.ACLs = []vfp.ACL{{ID: "/acl", Rules: fresh[i&1]}}
			mustApply(b, d, &next)
		}
	})
}
