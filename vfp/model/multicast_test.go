package model

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

// groupWorld replicates in a's first subnet, which has a14 and a15 here, and others on hosts 2 and 3.
func groupWorld() *vfp.Policy {
	p := dual()
	subnetOf(p, vsid("a", 1)).Multicast = vfp.MulticastReplicate
	p.Mappings = append(p.Mappings, vfp.Mapping{RDID: "a", CA: ca(1, 7), VSID: vsid("a", 1), MAC: mac(0, 1, 7), PA: pa(3)},
		vfp.Mapping{RDID: "a", CA: ca(1, 8), VSID: vsid("a", 1), MAC: mac(0, 1, 8), PA: pa(2)})
	return p
}

func hello() modeltest.Packet {
	p := from(ca(1, 4), netip.MustParseAddr("224.0.0.251"), vfp.MAC{1, 0, 0x5e, 0, 0, 0xfb})
	p.Proto, p.SrcPort, p.DstPort, p.TTL, p.TOS = vfp.ProtocolUDP, 5353, 5353, 1, 2
	return p
}

func TestReplication(t *testing.T) {
	pl := New(groupWorld())
	b := hello().Bytes()
	got := pl.PortOut("a14", b, 0)
	want(t, "multicast", got, vfp.Replicate, 0)
	if len(got.Copies) != 3 || got.Copies[0].Port != "a15" || string(got.Copies[0].Frame) != string(b) {
		t.Fatalf("copies %+v", got.Copies)
	}
	for i, host := range []int{2, 3} {
		o, inner, err := encap.Decode(got.Copies[1+i].Frame)
		if err != nil || o.Dst != pa(host) || o.VSID != vsid("a", 1) || o.TOS != 2 || string(inner) != string(b) {
			t.Errorf("copy to host %d: %+v %v", host, o, err)
		}
	}
	c := pl.Counters().Ports
	if c["a14"].TxPackets != 1 || c["a15"].RxPackets != 1 || c["b14"].RxPackets != 0 || c["a14"].Meter[vfp.MeterSubnet][vfp.Outbound].Packets != 1 || len(pl.flows) != 0 {
		t.Errorf("counters %+v", c)
	}

	for name, c := range map[string]struct {
		change func(w *vfp.Policy, p *modeltest.Packet)
		want   vfp.DropReason
	}{
		"the subnet drops": {func(w *vfp.Policy, _ *modeltest.Packet) { subnetOf(w, vsid("a", 1)).Multicast = 0 }, vfp.DropMulticast},
		"DHCP":             {func(_ *vfp.Policy, p *modeltest.Packet) { p.SrcPort, p.DstPort = 68, 67 }, vfp.DropMulticast},
		"DHCP server":      {func(_ *vfp.Policy, p *modeltest.Packet) { p.SrcPort, p.DstPort = 67, 68 }, vfp.DropDHCPGuard},
		"outbound ACL":     {func(w *vfp.Policy, _ *modeltest.Packet) { guard(w, "a14") }, vfp.DropACLOutbound},
		"an ICMP error":    {func(_ *vfp.Policy, p *modeltest.Packet) { p.Proto, p.Type = vfp.ProtocolICMP, icmpUnreachable }, vfp.DropICMPUnrelated},
		"later fragment":   {func(_ *vfp.Policy, p *modeltest.Packet) { p.Fragment, p.Offset = true, 8 }, vfp.DropFragment},
		"another's source": {func(_ *vfp.Policy, p *modeltest.Packet) { p.Src = ca(1, 5) }, vfp.DropCASpoof},
	} {
		w, p := groupWorld(), hello()
		c.change(w, &p)
		want(t, name, New(w).PortOut("a14", p.Bytes(), 0), vfp.Drop, c.want)
	}
}

func TestReceiversDecide(t *testing.T) {
	w := guard(groupWorld(), "a15", allow(vfp.Inbound, vfp.ProtocolUDP, 53))
	w.ACLs[0].Rules[0].Logging = true
	pl := New(w)
	got := pl.PortOut("a14", hello().Bytes(), 0)
	if want(t, "blocked at a15", got, vfp.Replicate, 0); len(got.Copies) != 2 || drops(pl, "a15", vfp.DropACLInbound) != 1 || drops(pl, "a14", vfp.DropACLInbound) != 0 {
		t.Errorf("copies %d, %+v", len(got.Copies), pl.Counters().Ports)
	}
	if c := pl.Counters().Rules[vfp.RuleKey{ACL: "/acl/a15", RuleID: vfp.DefaultRule + "inbound"}]; c.Packets != 1 {
		t.Errorf("rule %+v", c)
	}
	w = groupWorld()
	portOf(w, "a15").Bandwidth[vfp.Inbound] = vfp.Bandwidth{BitsPerSecond: 1000, Burst: 1}
	pl = New(w)
	for range 3 {
		got = pl.PortOut("a14", hello().Bytes(), 0)
	}
	if len(got.Copies) != 2 || drops(pl, "a15", vfp.DropBandwidth) != 2 {
		t.Errorf("copies %d, %+v", len(got.Copies), pl.Counters().Ports["a15"])
	}
}

func TestReplicationFromTheUnderlay(t *testing.T) {
	p := hello()
	p.Src, p.SrcMAC = ca(1, 6), mac(0, 1, 6)
	pl := New(groupWorld())
	got := pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), p.Bytes()), 0)
	want(t, "multicast", got, vfp.Replicate, 0)
	if len(got.Copies) != 2 || got.Copies[0].Port != "a14" || got.Copies[1].Port != "a15" {
		t.Errorf("copies %+v", got.Copies)
	}
	for name, c := range map[string]struct {
		host   int
		change func(w *vfp.Policy, p *modeltest.Packet)
		want   vfp.DropReason
	}{
		"from another host": {3, func(*vfp.Policy, *modeltest.Packet) {}, vfp.DropPASpoof},
		"from our own PA":   {1, func(_ *vfp.Policy, p *modeltest.Packet) { p.Src = ca(1, 4) }, vfp.DropPASpoof},
		"unknown sender":    {2, func(_ *vfp.Policy, p *modeltest.Packet) { p.Src = ca(1, 99) }, vfp.DropNoMapping},
		"another subnet's":  {2, func(_ *vfp.Policy, p *modeltest.Packet) { p.Src = ca(2, 4) }, vfp.DropNoMapping},
		"the subnet drops":  {2, func(w *vfp.Policy, _ *modeltest.Packet) { subnetOf(w, vsid("a", 1)).Multicast = 0 }, vfp.DropMulticast},
		"DHCP":              {2, func(_ *vfp.Policy, p *modeltest.Packet) { p.DstPort = 68 }, vfp.DropMulticast},
	} {
		w, q := groupWorld(), p
		c.change(w, &q)
		pl := New(w)
		want(t, name, pl.UnderlayIn(wrapped(t, c.host, vsid("a", 1), q.Bytes()), 0), vfp.Drop, c.want)
		if pl.Counters().Host[c.want] != 1 {
			t.Errorf("%s: not counted at the host", name)
		}
	}
}

func TestReplicasAreBounded(t *testing.T) {
	w := groupWorld()
	for n := range 100 {
		w.Mappings = append(w.Mappings, vfp.Mapping{RDID: "a", CA: netip.AddrFrom4([4]byte{10, 0, 1, byte(100 + n)}), VSID: vsid("a", 1), PA: pa(100 + n)})
		port := vfp.Port{ID: fmt.Sprintf("z%03d", n), Addresses: []vfp.Address{{CA: netip.AddrFrom4([4]byte{10, 0, 1, byte(100 + n)}), VSID: vsid("a", 1), RDID: "a"}}}
		w.Ports = append(w.Ports, port)
	}
	got := New(w).PortOut("a14", hello().Bytes(), 0)
	if len(got.Copies) != vfp.MaxReplicas-1+vfp.MaxReplicas { // the sender is one of the ports
		t.Errorf("%d copies", len(got.Copies))
	}
}
