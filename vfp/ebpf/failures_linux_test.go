package ebpf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/fairlead-net/fairlead/vfp"
)

// Policies that are refused, devices that vanish, maps that are wiped: nothing opens, and nobody else is blocked.

// tooMany is a policy whose ACL needs more room than there is.
func tooMany() *vfp.Policy {
	p := twoPorts()
	wide := make([]vfp.PortRange, 800)
	for i := range wide {
		wide[i] = vfp.PortRange{First: uint16(i * 2), Last: uint16(i * 2)}
	}
	r := &p.ACLs[0].Rules[0]
	r.SourcePorts, r.DestinationPorts, r.Action = wide, wide, vfp.Block
	p.ACLs[0].Default = [2]vfp.Action{vfp.Block, vfp.Block}
	return p
}

func TestRefusedACLIsNoOpenDoorAfterARestart(t *testing.T) {
	dir := enterHost(t, 2)
	d := openTest(t, dir, modeRecord)
	if _, err := d.Apply(tooMany()); err == nil {
		t.Fatal("640,000 combinations accepted")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, modeRecord)
	if _, err := d.Apply(tooMany()); err == nil {
		t.Fatal("640,000 combinations accepted after a restart")
	}
	if n := len(d.idents.number); n != 0 {
		t.Errorf("a refused policy left %d numbers", n)
	}
}

func TestRefusedPoliciesTakeNoRoom(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	mustApply(t, d, twoPorts())
	for n := range 5 {
		p := twoPorts()
		r := &p.ACLs[0].Rules[0]
		for i := range 200 {
			r.SourcePorts = append(r.SourcePorts, vfp.PortRange{First: uint16(i*2 + n), Last: uint16(i*2 + n)})
		}
		r.DestinationPorts = r.SourcePorts // 40,000 combinations: fits
		p.Ports[1].Addresses[0].ACLs = []string{"/no/such/acl"}
		if _, err := d.Apply(p); err == nil {
			t.Fatal("a policy with an unknown ACL was accepted")
		}
		p.Ports[1].Addresses[0].ACLs = nil
		if n < 2 {
			continue
		}
		mustApply(t, d, p)
	}
}

func attached(t *testing.T, device string) int {
	t.Helper()
	l, err := netlink.LinkByName(device)
	if err != nil {
		t.Fatal(err)
	}
	r, err := link.QueryPrograms(link.QueryOptions{Target: l.Attrs().Index, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		t.Fatal(err)
	}
	return len(r.Programs)
}

func TestPortThatLeavesThePolicyStaysShut(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	mustApply(t, d, twoPorts())
	ifindex := d.ifindexOf("port5")
	p := twoPorts()
	p.Ports = p.Ports[:1]
	mustApply(t, d, p)
	if n := attached(t, "p2"); n != 1 {
		t.Fatalf("%d programs on a device whose port is gone: its frames reach the host's stack", n)
	}
	got, err := d.run(d.objs.PortOut, ifindex, tcp(5, 6, 80))
	if err != nil || got.Reason != vfp.DropPortUnknown {
		t.Errorf("%+v, %v", got, err)
	}
	remove(t, "p2")
	mustApply(t, d, p)
	if _, held := d.links.held["p2"]; held {
		t.Error("the attachment outlives its device")
	}
}

func remove(t *testing.T, device string) {
	t.Helper()
	l, err := netlink.LinkByName(device)
	if err == nil {
		err = netlink.LinkDel(l)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDeviceThatVanishesAfterOpenBlocksNobody(t *testing.T) {
	dir := enterHost(t, 2)
	d := openTest(t, dir, modeRecord)
	mustApply(t, d, twoPorts())
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, modeRecord)
	remove(t, "p1")
	problems, err := d.Apply(twoPorts())
	if err != nil || len(problems) != 1 || problems[0].PortID != "port4" {
		t.Fatalf("apply: %v %v", problems, err)
	}
	if got := send(t, d, "port5", tcp(5, 6, 80)); got.Verdict != vfp.Encapsulate {
		t.Errorf("the other port: %+v", got)
	}
}

func TestPolicyChangesWithoutTheUnderlay(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	mustApply(t, d, twoPorts())
	remove(t, "underlay")
	p := twoPorts()
	p.ACLs[0].Rules = nil
	problems, err := d.Apply(p)
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].Message, "underlay") {
		t.Fatalf("apply: %v %v", problems, err)
	}
	if got := send(t, d, "port4", tcp(4, 5, 443)); got.Reason != vfp.DropACLOutbound {
		t.Errorf("the tighter policy is not in force: %+v", got)
	}
}

func TestWipedPinsAreMadeAgain(t *testing.T) {
	dir := enterHost(t, 2)
	d := openTest(t, dir, modeRecord)
	p := twoPorts()
	p.Ports = p.Ports[:1]
	mustApply(t, d, p)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	mustApply(t, d, twoPorts())
	for _, name := range []string{"p1", "p2", underlayPin} {
		if _, err := os.Stat(filepath.Join(dir, "links", name)); err != nil {
			t.Error(err)
		}
	}
	ifindex := d.ifindexOf("port4")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, modeRecord)
	if got, err := d.run(d.objs.PortOut, ifindex, tcp(4, 5, 443)); err != nil || got.Verdict != vfp.Deliver {
		t.Errorf("after a restart: %+v, %v", got, err)
	}
}

// Another CPU's clock may be a tick ahead.
func TestFlowFromTheFutureIsAlive(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	mustApply(t, d, twoPorts())
	send(t, d, "port4", tcp(4, 5, 443))
	err := d.eachFlow(func(k *vswitchFlowKey, f *vswitchFlow) {
		f.Last = monotonic() + 1e9
		if err := d.objs.Flows.Put(*k, *f); err != nil {
			t.Fatal(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	answer := tcp(5, 4, 1)
	answer[34], answer[35], answer[36], answer[37] = 1, 0xbb, 0x80, 1
	answer[47] = 0x12
	if got := send(t, d, "port5", answer); got.Verdict != vfp.Deliver {
		t.Errorf("answer: %+v", got)
	}
}
