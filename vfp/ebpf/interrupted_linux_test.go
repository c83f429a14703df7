package ebpf

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/fairlead-net/fairlead/vfp"
)

// What happens between two CPUs, or between two lines of a process that dies.

func eachFlow(t *testing.T, d *Datapath, change func(*vswitchFlow)) (n int) {
	t.Helper()
	err := d.eachFlow(func(k *vswitchFlowKey, f *vswitchFlow) {
		n++
		change(f)
		if err := d.objs.Flows.Put(*k, *f); err != nil {
			t.Fatal(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A flow judged again is a copy: while it is made, another CPU may count and credit packets on the old one.
func TestFlowThatOwesLessThanItWasCredited(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	mustApply(t, d, twoPorts())
	send(t, d, "port4", tcp(4, 6, 443))
	if _, err := d.Counters(); err != nil {
		t.Fatal(err)
	}
	eachFlow(t, d, func(f *vswitchFlow) { f.Packets[0], f.Bytes[0] = 0, 0 })
	c, err := d.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Ports["port4"].TxPackets; n != 1 {
		t.Errorf("port4 sent %d packets, it was one", n)
	}
	if n := c.Rules[vfp.RuleKey{ACL: "/acl", RuleID: "https"}].Packets; n != 1 {
		t.Errorf("the rule has had %d packets, it was one", n)
	}
}

func TestMiscountedPortIsNotShut(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	mustApply(t, d, twoPorts())
	n, _ := d.idents.find(kindPort, "port5")
	if err := d.objs.PortStates.Put(n, vswitchPortState{Flows: math.MaxUint32}); err != nil {
		t.Fatal(err)
	}
	if got := send(t, d, "port5", tcp(5, 6, 80)); got.Verdict != vfp.Encapsulate {
		t.Errorf("%+v", got)
	}
}

// fromUnderlay puts a frame into a VXLAN packet of a host.
func fromUnderlay(src netip.Addr, inner []byte) []byte {
	f := make([]byte, 50, 50+len(inner))
	f[12] = 8
	ip := f[14:]
	total := 36 + len(inner)
	ip[0], ip[2], ip[3], ip[8], ip[9] = 0x45, byte(total>>8), byte(total), 64, 17
	copy(ip[12:], src.AsSlice())
	copy(ip[16:], hostPA(1).AsSlice())
	c := ^sum16(ip[:20])
	ip[10], ip[11] = byte(c>>8), byte(c)
	udp := ip[20:]
	udp[0], udp[2], udp[3], udp[4], udp[5] = 0xc0, 4789>>8, 4789&0xff, byte((total-20)>>8), byte(total-20)
	udp[8], udp[13], udp[14] = 8, 5001>>8, 5001&0xff
	return append(f, inner...)
}

// An outer source of 0.0.0.0 is not this host: no flow is made for it.
func TestNobodyIsNotThisHost(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	mustApply(t, d, twoPorts())
	for _, src := range []netip.Addr{netip.IPv4Unspecified(), hostPA(3)} {
		got, err := d.run(d.objs.UnderlayIn, d.underlay, fromUnderlay(src, tcp(6, 5, 80)))
		if err != nil || got.Reason != vfp.DropPASpoof {
			t.Errorf("from %s: %+v %v", src, got, err)
		}
		if st, _ := d.Status(); st.Flows != 0 {
			t.Errorf("from %s: a flow was made", src)
		}
	}
	if got, err := d.run(d.objs.UnderlayIn, d.underlay, fromUnderlay(hostPA(2), tcp(6, 5, 80))); err != nil || got.Verdict != vfp.Deliver {
		t.Errorf("from where it lives: %+v %v", got, err)
	}
}

// A process that dies between a change of an ACL and telling the flows of it leaves no flow to the old content.
func TestDeathInAChangeOfAnACL(t *testing.T) {
	dir := enterHost(t, 2)
	d := openTest(t, dir, modeRecord)
	mustApply(t, d, twoPorts())
	send(t, d, "port4", tcp(4, 5, 443))
	h := d.acls.held["/acl"]
	d.idents.begin()
	if err := d.acls.change("/acl", h, []string{"https"}, nil, h.def); err != nil {
		t.Fatal(err)
	}
	d.epochs.begin()
	d.acls.publish(h, d.active)
	// Here it dies.
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, modeRecord)
	p := twoPorts()
	p.ACLs[0].Rules = nil
	mustApply(t, d, p)
	ack := tcp(4, 5, 443)
	ack[47] = 0x10
	if got := send(t, d, "port4", ack); got.Reason != vfp.DropACLOutbound {
		t.Errorf("a flow of the old ACL goes on: %+v", got)
	}
}

func TestAllDevicesAreNew(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	mustApply(t, d, twoPorts())
	for round := range uint32(3) {
		want := map[uint32]uint32{}
		for n := range uint32(3000) {
			want[1000+round*3000+n] = n + 1
		}
		if err := d.putDevices(want); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

// A process that dies between the two maps of devices leaves no port unknown.
func TestDeathBetweenTheMapsOfDevices(t *testing.T) {
	dir := enterHost(t, 2)
	d := openTest(t, dir, modeRecord)
	mustApply(t, d, twoPorts())
	if err := d.objs.LowDevices.Put(d.ifindexOf("port5"), uint32(0)); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, modeRecord)
	mustApply(t, d, twoPorts())
	if got := send(t, d, "port5", tcp(5, 6, 80)); got.Verdict != vfp.Encapsulate {
		t.Errorf("%+v", got)
	}
}

// Rules that come and go one by one, without another policy, must not use up the numbers of counters.
func TestChangesOfAnACLUseUpNoNumbers(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	p := twoPorts()
	mustApply(t, d, p)
	d.idents.limit[kindRule] = 16
	last := "https"
	for n := range 100 {
		r := p.ACLs[0].Rules[0]
		r.ID = fmt.Sprintf("rule-%d", n)
		if err := d.ChangeACL(vfp.ACLChange{ACL: "/acl", Remove: []string{last}, Put: []vfp.Rule{r}}); err != nil {
			t.Fatalf("change %d: %v", n, err)
		}
		last = r.ID
		if got := send(t, d, "port4", tcp(4, 6, 443)); got.Verdict != vfp.Encapsulate {
			t.Fatalf("change %d: %+v", n, got)
		}
	}
}

// Without its program the relay device is an open door to the host's stack.
func TestRelayIsDownWithoutItsProgram(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	p := twoPorts()
	if err := d.findRelay(p); err != nil {
		t.Fatal(err)
	}
	up := func() bool {
		dev, err := netlink.LinkByName(relayDevice)
		if err != nil {
			t.Fatal(err)
		}
		return dev.Attrs().Flags&net.FlagUp != 0
	}
	if up() {
		t.Error("it is up before its program is there")
	}
	mustApply(t, d, p)
	if !up() || attached(t, relayDevice) != 1 {
		t.Error("it does not work")
	}
}

func udp(dport uint16) []byte {
	f := tcp(4, 5, dport)
	copy(f, vfp.RouterMAC[:])
	ip := f[14:]
	ip[9] = 17
	copy(ip[16:], []byte{198, 51, 100, 7})
	ip[24], ip[25], ip[26], ip[27] = 0, 20, 0, 0
	ip[10], ip[11] = 0, 0
	c := ^sum16(ip[:20])
	ip[10], ip[11] = byte(c>>8), byte(c)
	return f
}

func natPolicy(nat netip.Addr) *vfp.Policy {
	p := twoPorts()
	p.Subnets[0].NAT = nat
	p.Ports[0].Addresses[0].ACLs = nil
	return p
}

// A tunnel packet from the host's own address would be believed by every other host.
func TestNATIsNoTunnel(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	mustApply(t, d, natPolicy(hostPA(1)))
	if got := send(t, d, "port4", udp(53)); got.Verdict != vfp.Translate {
		t.Errorf("to port 53: %+v", got)
	}
	if got := send(t, d, "port4", udp(4789)); got.Reason != vfp.DropNAT {
		t.Errorf("to port 4789: %+v", got)
	}
}

// back is the answer to a translated frame.
func back(f []byte) []byte {
	f = append([]byte(nil), f...)
	ip := f[14:]
	copy(ip[12:], append(append([]byte(nil), ip[16:20]...), ip[12:16]...))
	copy(ip[20:], append(append([]byte(nil), ip[22:24]...), ip[20:22]...))
	return f
}

func TestNATFollowsThePolicy(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	nat := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n}) }
	p := natPolicy(nat(1))
	mustApply(t, d, p)
	answer := back(send(t, d, "port4", udp(53)).Frame)
	in := func() vfp.Trace {
		got, err := d.run(d.objs.UnderlayIn, d.underlay, answer)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := in(); got.Verdict != vfp.Deliver || got.Port != "port4" {
		t.Errorf("answer: %+v", got)
	}
	// The address moves to the other port.
	p = natPolicy(nat(1))
	p.Ports[1].Addresses = append(p.Ports[1].Addresses, p.Ports[0].Addresses...)
	p.Ports[0].Addresses = []vfp.Address{{CA: netip.MustParseAddr("10.0.1.9"), VSID: 5001, RDID: "rd"}}
	mustApply(t, d, p)
	if got := in(); got.Verdict != vfp.Deliver || got.Port != "port5" {
		t.Errorf("answer after the address has moved: %+v", got)
	}
	for _, n := range []uint64{0, 1} { // flows are counted where they are
		index, _ := d.idents.find(kindPort, []string{"port4", "port5"}[n])
		var s vswitchPortState
		if err := d.objs.PortStates.Lookup(index, &s); err != nil || uint64(s.Flows) != n {
			t.Errorf("port %d: %d flows, %v", n, s.Flows, err)
		}
	}
	// Another address: the old one is the host's again, and nothing leaves by it.
	mustApply(t, d, natPolicy(nat(2)))
	if got := in(); got.Verdict != vfp.Pass {
		t.Errorf("answer to the old address: %+v", got)
	}
	if got := send(t, d, "port4", udp(53)); got.Verdict == vfp.Translate {
		t.Errorf("from the old address: %x", got.Frame[26:30])
	}
}

func TestTheOtherGracePeriod(t *testing.T) {
	enterHost(t, 0)
	otherGracePeriod()
}

func TestNothingPanicsAfterClose(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	p := twoPorts()
	mustApply(t, d, p)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	q := twoPorts()
	q.ACLs[0].Rules = nil
	for _, p := range []*vfp.Policy{p, q, {ProviderAddress: hostPA(1)}} {
		if _, err := d.Apply(p); err == nil {
			t.Error("applied after Close")
		}
	}
	if err := d.ChangeACL(vfp.ACLChange{ACL: "/acl", Remove: []string{"https"}}); err == nil {
		t.Error("changed after Close")
	}
}

// A process that dies between giving a provider address its number and writing down what that stands for.
func TestDeathBeforeANumberStandsForAPA(t *testing.T) {
	dir := enterHost(t, 2)
	six := func(n byte) netip.Addr { return netip.AddrFrom16([16]byte{0xfd, 15: n}) }
	p := twoPorts()
	p.ProviderAddress = six(1)
	for i := range p.Mappings {
		p.Mappings[i].PA = six(p.Mappings[i].PA.As4()[3])
	}
	d := openTest(t, dir, modeRecord)
	mustApply(t, d, p)
	n, _ := d.idents.find(kindPA, six(2).String())
	if err := d.objs.Pas.Put(n, addr(six(9))); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, modeRecord)
	mustApply(t, d, p)
	if got := send(t, d, "port5", tcp(5, 6, 80)); got.Verdict != vfp.Encapsulate || netip.AddrFrom16([16]byte(got.Frame[38:54])) != six(2) {
		t.Errorf("%s to %x", got.Verdict, got.Frame[38:54])
	}
}
