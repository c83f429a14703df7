package ebpf

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model"
)

// twoPorts is a policy with two endpoints of one subnet here and one elsewhere; the first is guarded.
func twoPorts() *vfp.Policy {
	ca := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 1, n}) }
	mac := func(n byte) vfp.MAC { return vfp.MAC{0, 0x1d, 0xd8, 0, 0, n} }
	p := &vfp.Policy{Encapsulation: encap.VXLAN, ProviderAddress: hostPA(1),
		Subnets: []vfp.Subnet{{VSID: 5001, RDID: "rd", Prefix: netip.MustParsePrefix("10.0.1.0/24"), Gateway: ca(1)}},
		ACLs: []vfp.ACL{{ID: "/acl", Default: [2]vfp.Action{vfp.Block, vfp.Allow}, Rules: []vfp.Rule{
			{ID: "https", Direction: vfp.Outbound, Priority: 100, Protocol: vfp.ProtocolTCP, DestinationPorts: []vfp.PortRange{{First: 443, Last: 443}}},
		}}},
	}
	for n := byte(4); n <= 6; n++ {
		host := 1
		if n == 6 {
			host = 2
		}
		p.Mappings = append(p.Mappings, vfp.Mapping{RDID: "rd", CA: ca(n), VSID: 5001, MAC: mac(n), PA: hostPA(host)})
		if n < 6 {
			a := vfp.Address{CA: ca(n), VSID: 5001, RDID: "rd"}
			if n == 4 {
				a.ACLs = []string{"/acl"}
			}
			p.Ports = append(p.Ports, vfp.Port{ID: fmt.Sprintf("port%d", n), Device: fmt.Sprintf("p%d", n-3), MAC: mac(n), Addresses: []vfp.Address{a}})
		}
	}
	return p
}

// tcp is a SYN from one endpoint of twoPorts to another.
func tcp(from, to byte, dport uint16) []byte {
	f := make([]byte, 14+20+20)
	copy(f, []byte{0, 0x1d, 0xd8, 0, 0, to})
	copy(f[6:], []byte{0, 0x1d, 0xd8, 0, 0, from})
	f[12] = 8
	ip := f[14:]
	ip[0], ip[3], ip[8], ip[9] = 0x45, 40, 64, 6
	copy(ip[12:], []byte{10, 0, 1, from, 10, 0, 1, to})
	ip[20], ip[21], ip[22], ip[23] = 0x80, 1, byte(dport>>8), byte(dport)
	ip[32], ip[33] = 0x50, 2
	c := ^sum16(ip[:20])
	ip[10], ip[11] = byte(c>>8), byte(c)
	return f
}

func sum16(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

func mustApply(t testing.TB, d *Datapath, p *vfp.Policy) {
	t.Helper()
	problems, err := d.Apply(p)
	if err != nil || len(problems) > 0 {
		t.Fatalf("apply: %v %v", err, problems)
	}
}

func send(t *testing.T, d *Datapath, port string, frame []byte) vfp.Trace {
	t.Helper()
	got, err := d.run(d.objs.PortOut, d.ifindexOf(port), frame)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRestartChangesNothing(t *testing.T) {
	dir := enterHost(t, 2)
	d := openTest(t, dir, modeRecord)
	mustApply(t, d, twoPorts())
	if got := send(t, d, "port4", tcp(4, 5, 443)); got.Verdict != vfp.Deliver || got.Port != "port5" {
		t.Fatalf("before: %+v", got)
	}
	before, err := d.Counters()
	if err != nil {
		t.Fatal(err)
	}
	generation := d.generation
	flows, _ := d.Flows()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	d = openTest(t, dir, modeRecord)
	if got := len(d.slot[d.active].ports); got != 2 {
		t.Fatalf("%d ports adopted, want 2", got)
	}
	mustApply(t, d, twoPorts())
	if d.generation != generation {
		t.Errorf("an unchanged policy was applied anew: generation %d, was %d", d.generation, generation)
	}
	after, err := d.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("counters (-before +after restart):\n%s", diff)
	}
	again, _ := d.Flows()
	if len(again) != len(flows) || len(flows) != 2 {
		t.Errorf("flows: %d before, %d after, want 2", len(flows), len(again))
	}
}

func TestChangeTouchesOnlyWhatItConcerns(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	p := twoPorts()
	mustApply(t, d, p)
	epochs := func() map[string]uint32 {
		out := map[string]uint32{}
		for n, id := range d.names.ports {
			out[id] = *d.epochs.at(n)
		}
		return out
	}
	before := epochs()
	p = twoPorts()
	p.ACLs[0].Rules[0].DestinationPorts[0] = vfp.PortRange{First: 444, Last: 444}
	mustApply(t, d, p)
	after := epochs()
	if before["port4"] == after["port4"] || before["port5"] != after["port5"] {
		t.Errorf("an ACL change at port4: epochs %v, then %v", before, after)
	}
	if got := send(t, d, "port4", tcp(4, 5, 443)); got.Reason != vfp.DropACLOutbound {
		t.Errorf("the new ACL is not in force: %+v", got)
	}
}

func TestRefusedPolicyLeavesTheOldInForce(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	mustApply(t, d, twoPorts())
	bad := twoPorts()
	wide := make([]vfp.PortRange, 1024)
	for i := range wide {
		wide[i] = vfp.PortRange{First: uint16(i * 2), Last: uint16(i * 2)}
	}
	bad.ACLs[0].Rules[0].SourcePorts, bad.ACLs[0].Rules[0].DestinationPorts = wide, wide
	_, err := d.Apply(bad)
	if err == nil || !strings.Contains(err.Error(), "/acl") || !strings.Contains(err.Error(), "1048576 combinations of ports") {
		t.Fatalf("apply: %v", err)
	}
	if got := send(t, d, "port4", tcp(4, 5, 443)); got.Verdict != vfp.Deliver {
		t.Errorf("old policy: %+v", got)
	}
	if got := send(t, d, "port4", tcp(4, 5, 80)); got.Reason != vfp.DropACLOutbound {
		t.Errorf("old policy: %+v", got)
	}
	ok := twoPorts()
	ok.ACLs[0].Rules = nil
	mustApply(t, d, ok)
	if got := send(t, d, "port4", tcp(4, 5, 443)); got.Reason != vfp.DropACLOutbound {
		t.Errorf("policy after the refused one: %+v", got)
	}
}

func TestMissingDeviceIsNamedAndTheRestInForce(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	p := twoPorts()
	p.Ports[0].Device = "gone"
	problems, err := d.Apply(p)
	if err != nil || len(problems) != 1 || problems[0].PortID != "port4" || !strings.Contains(problems[0].Message, "gone") {
		t.Fatalf("apply: %v %v", problems, err)
	}
	if got := send(t, d, "port5", tcp(5, 6, 80)); got.Verdict != vfp.Encapsulate {
		t.Errorf("the other port: %+v", got)
	}
	if got := send(t, d, "port5", tcp(5, 4, 80)); got.Reason != vfp.DropNoPort {
		t.Errorf("to the missing port: %+v", got)
	}
}

func TestIdleFlowIsForgotten(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	mustApply(t, d, twoPorts())
	now := uint64(time.Hour)
	reply := tcp(4, 6, 443) // any packet of the flow: a miss shows as a new flow
	rewrite := func(change func(*vswitchFlow)) {
		err := d.eachFlow(func(k *vswitchFlowKey, f *vswitchFlow) {
			change(f)
			if err := d.objs.Flows.Put(*k, *f); err != nil {
				t.Fatal(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	hit := func(change func(*vswitchFlow)) bool {
		send(t, d, "port4", reply) // there is one, whatever the case before left
		rewrite(change)
		send(t, d, "port4", reply)
		var v vswitchDecision
		if err := d.objs.Decisions.Lookup(uint32(0), &v); err != nil {
			t.Fatal(err)
		}
		return v.FlowHit == 1
	}
	for _, c := range []struct {
		state vfp.FlowState
		name  string
	}{{0, "syn"}, {vfp.FlowAnswered, "established"}, {vfp.FlowInitiatorFIN, "closing"}, {vfp.FlowRST, "closed"}} {
		limit := vfp.IdleTimeout(vfp.ProtocolTCP, c.state)
		reply[14+33] = 0x10 // an ACK: a SYN would start over
		for _, idle := range []time.Duration{limit - 5*time.Second, limit + time.Second} {
			now += uint64(2 * time.Hour)
			if err := d.objs.TestClock.Put(uint32(0), now); err != nil {
				t.Fatal(err)
			}
			age := func(f *vswitchFlow) { f.Last, f.State = now-uint64(idle), uint32(c.state) }
			if got := hit(age); got != (idle < limit) {
				t.Errorf("%s, silent for %s of %s: found %v", c.name, idle, limit, got)
			}
			if idle > limit {
				rewrite(age)
				if n, err := d.Sweep(); err != nil || n != 1 {
					t.Errorf("%s, silent for %s: swept %d, %v", c.name, idle, n, err)
				}
			}
		}
	}
}

func TestTraceChangesNothing(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeLive)
	mustApply(t, d, twoPorts())
	pl := model.New(twoPorts())
	for _, dport := range []uint16{443, 80} {
		want := pl.TracePort("port4", tcp(4, 6, dport))
		got, err := d.Trace("port4", tcp(4, 6, dport))
		if err != nil {
			t.Fatal(err)
		}
		if got.Verdict != want.Verdict || got.Reason != want.Reason || !cmp.Equal(got.Frame, want.Frame) {
			t.Errorf("port %d: kernel %+v, model %+v", dport, got, want)
		}
	}
	if st, err := d.Status(); err != nil || st.Flows != 0 {
		t.Errorf("flows after traces: %d, %v", st.Flows, err)
	}
	c, err := d.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Ports["port4"]; n.TxPackets != 0 || len(n.Drops) != 0 {
		t.Errorf("counters after traces: %+v", n)
	}
}

func TestOpenNeedsBPFFS(t *testing.T) {
	enterHost(t, 0)
	_, err := Open(Config{BPFDir: t.TempDir(), Underlay: "underlay"})
	if err == nil || !strings.Contains(err.Error(), "not on a bpf file system") {
		t.Errorf("open: %v", err)
	}
	_, err = Open(Config{BPFDir: t.TempDir(), Underlay: "eth9"})
	if err == nil || !strings.Contains(err.Error(), `underlay device "eth9"`) {
		t.Errorf("open: %v", err)
	}
}

// The C and the Go table of drop reasons are one.
func TestDropReasonsMatchTheHeader(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("bpf", "drop.h"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, m := range regexp.MustCompile(`DROP_(\w+) = (\d+),`).FindAllStringSubmatch(string(src), -1) {
		n, _ := strconv.Atoi(m[2])
		want := strings.ToLower(strings.ReplaceAll(m[1], "_", "-"))
		if got := vfp.DropReason(n).String(); got != want {
			t.Errorf("reason %d is %q in Go, %q in C", n, got, want)
		}
		found++
	}
	if next := vfp.DropReason(found).String(); found < 20 || next != fmt.Sprintf("reason-%d", found) {
		t.Errorf("%d reasons in C, Go knows %q as well", found, next)
	}
}

func BenchmarkApplyMappings(b *testing.B) {
	for _, n := range []int{1000, 20_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			d := openTest(b, enterHost(b, 2), modeLive)
			p := twoPorts()
			for i := range n {
				ca := netip.AddrFrom4([4]byte{10, 1 + byte(i>>16), byte(i >> 8), byte(i)})
				p.Mappings = append(p.Mappings, vfp.Mapping{RDID: "rd", CA: ca, VSID: 5001, MAC: vfp.MAC{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)}, PA: hostPA(2)})
			}
			mustApply(b, d, p)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ { // one mapping of n moves
				p.Mappings[len(p.Mappings)-1].PA = hostPA(2 + i&1)
				mustApply(b, d, p)
			}
		})
	}
}
