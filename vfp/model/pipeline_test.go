package model

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

// The world of these tests: tenants a and b, both with 10.0.1.0/24 and 10.0.2.0/24. Endpoints a14 (10.0.1.4)
// and a15 are on this host, a16 on host 2, a24 (10.0.2.4) on host 2; b14 and b16 likewise.
func world() *vfp.Policy {
	p := &vfp.Policy{Encapsulation: encap.VXLAN, ProviderAddress: pa(1)}
	for t, tenant := range []string{"a", "b"} {
		for s := 1; s <= 2; s++ {
			p.Subnets = append(p.Subnets, vfp.Subnet{VSID: vsid(tenant, s), RDID: tenant,
				Prefix: netip.PrefixFrom(ca(s, 0), 24), Gateway: ca(s, 1)})
		}
		for _, e := range []struct{ subnet, host, n int }{{1, 1, 4}, {1, 1, 5}, {1, 2, 6}, {2, 2, 4}} {
			p.Mappings = append(p.Mappings, vfp.Mapping{RDID: tenant, CA: ca(e.subnet, e.n), VSID: vsid(tenant, e.subnet), MAC: mac(t, e.subnet, e.n), PA: pa(e.host)})
			if e.host == 1 {
				p.Ports = append(p.Ports, vfp.Port{ID: fmt.Sprintf("%s%d%d", tenant, e.subnet, e.n), MAC: mac(t, e.subnet, e.n),
					Addresses: []vfp.Address{{CA: ca(e.subnet, e.n), VSID: vsid(tenant, e.subnet), RDID: tenant}}})
			}
		}
	}
	return p
}

func pa(host int) netip.Addr      { return netip.AddrFrom4([4]byte{172, 16, 0, byte(host)}) }
func ca(subnet, n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(subnet), byte(n)}) }
func mac(tenant, subnet, n int) vfp.MAC {
	return vfp.MAC{0, 0x1d, 0xd8, byte(tenant), byte(subnet), byte(n)}
}

func vsid(tenant string, subnet int) encap.VSID {
	return encap.VSID(5000 + int(tenant[0]-'a')*100 + subnet)
}

// guard puts a port of the policy behind an ACL with these rules; what they do not match is blocked.
func guard(p *vfp.Policy, port string, rules ...vfp.Rule) *vfp.Policy {
	p.ACLs = append(p.ACLs, vfp.ACL{ID: "/acl/" + port, Rules: rules, Default: [2]vfp.Action{vfp.Block, vfp.Block}})
	for i := range p.Ports {
		if p.Ports[i].ID == port {
			p.Ports[i].Addresses[0].ACLs = append(p.Ports[i].Addresses[0].ACLs, "/acl/"+port)
		}
	}
	return p
}

func allow(dir vfp.Direction, proto uint16, dports ...uint16) vfp.Rule {
	r := vfp.Rule{ID: fmt.Sprintf("allow-%s-%d-%v", dir, proto, dports), Direction: dir, Protocol: proto, Action: vfp.Allow}
	for _, d := range dports {
		r.DestinationPorts = append(r.DestinationPorts, vfp.PortRange{First: d, Last: d})
	}
	return r
}

type frameSpec struct {
	srcMAC, dstMAC vfp.MAC
	src, dst       netip.Addr
	proto          uint8
	sport, dport   uint16
	flags          uint8
	ttl            uint8
	tos            uint8
}

func (s frameSpec) bytes() []byte {
	if s.ttl == 0 {
		s.ttl = 64
	}
	b := make([]byte, 54)
	copy(b, s.dstMAC[:])
	copy(b[6:], s.srcMAC[:])
	b[12] = 8
	ip := b[14:]
	ip[0], ip[1], ip[3], ip[8], ip[9] = 0x45, s.tos, 40, s.ttl, s.proto
	copy(ip[12:], s.src.AsSlice())
	copy(ip[16:], s.dst.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], ^wordsSum(ip[:20]))
	binary.BigEndian.PutUint16(ip[20:], s.sport)
	binary.BigEndian.PutUint16(ip[22:], s.dport)
	switch s.proto {
	case vfp.ProtocolTCP:
		ip[32], ip[33] = 0x50, s.flags
	case vfp.ProtocolUDP:
		ip[25] = 20
	case vfp.ProtocolICMP:
		copy(ip[20:], []byte{8, 0, 0, 0, 0, 7, 0, 1})
		binary.BigEndian.PutUint16(ip[22:], ^wordsSum(ip[20:40]))
	}
	return b
}

func wordsSum(b []byte) uint16 {
	var w []uint16
	for i := 0; i < len(b); i += 2 {
		w = append(w, binary.BigEndian.Uint16(b[i:]))
	}
	return onesSum(w...)
}

// syn is a's connection attempt from (subnet, n) to (subnet, n) on the same subnet, or through the router.
func syn(fromSubnet, from, toSubnet, to int, dport uint16) frameSpec {
	s := frameSpec{srcMAC: mac(0, fromSubnet, from), dstMAC: mac(0, toSubnet, to), src: ca(fromSubnet, from), dst: ca(toSubnet, to),
		proto: vfp.ProtocolTCP, sport: 33000, dport: dport, flags: tcpSYN}
	if fromSubnet != toSubnet {
		s.dstMAC = vfp.RouterMAC
	}
	return s
}

func (s frameSpec) reply() frameSpec {
	s.srcMAC, s.dstMAC = s.dstMAC, s.srcMAC
	s.src, s.dst = s.dst, s.src
	s.sport, s.dport = s.dport, s.sport
	s.flags = tcpSYN | tcpACK
	return s
}

// arriving is the frame as the underlay brings it from a host.
func arriving(t *testing.T, host int, id encap.VSID, s frameSpec) []byte {
	t.Helper()
	o := encap.Outer{Type: encap.VXLAN, Src: pa(host), Dst: pa(1), VSID: id, TOS: s.tos & 3}
	o.Spread(1)
	f, err := encap.Append(nil, &o, s.bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func want(t *testing.T, what string, got vfp.Trace, v vfp.Verdict, r vfp.DropReason) {
	t.Helper()
	if got.Verdict != v || got.Reason != r {
		t.Errorf("%s: %s %s, want %s %s", what, got.Verdict, got.Reason, v, r)
	}
}

func TestDelivery(t *testing.T) {
	pl := New(world())
	got := pl.PortOut("a14", syn(1, 4, 1, 5, 80).bytes(), 0)
	want(t, "same host", got, vfp.Deliver, 0)
	if got.Port != "a15" {
		t.Errorf("delivered to %s, not to the tenant's own a15", got.Port)
	}

	got = pl.PortOut("a14", syn(1, 4, 1, 6, 80).bytes(), 0)
	want(t, "same subnet, other host", got, vfp.Encapsulate, 0)
	o, inner, err := encap.Decode(got.Frame)
	if err != nil || o.VSID != vsid("a", 1) || o.Src != pa(1) || o.Dst != pa(2) {
		t.Errorf("outer %+v, %v", o, err)
	}
	if inner[14+8] != 64 {
		t.Errorf("TTL %d on the same subnet", inner[14+8])
	}

	got = pl.PortOut("a14", syn(1, 4, 2, 4, 80).bytes(), 0)
	want(t, "other subnet", got, vfp.Encapsulate, 0)
	o, inner, _ = encap.Decode(got.Frame)
	if o.VSID != vsid("a", 2) {
		t.Errorf("routed packet carries VSID %d, want the destination's %d", o.VSID, vsid("a", 2))
	}
	if macAt(inner) != mac(0, 2, 4) || macAt(inner[6:]) != vfp.RouterMAC || inner[14+8] != 63 || wordsSum(inner[14:34]) != 0xffff {
		t.Errorf("routed frame %x", inner)
	}
}

func TestEntropyFollowsTheFlow(t *testing.T) {
	pl := New(world())
	seen := map[uint16]bool{}
	for sport := range uint16(50) {
		s := syn(1, 4, 1, 6, 80)
		s.sport = 1000 + sport
		for range 2 {
			o, _, err := encap.Decode(pl.PortOut("a14", s.bytes(), 0).Frame)
			if err != nil || o.SourcePort < 49152 {
				t.Fatalf("source port %d, %v", o.SourcePort, err)
			}
			seen[o.SourcePort] = true
		}
	}
	if len(seen) < 45 || len(seen) > 50 {
		t.Errorf("50 flows used %d source ports", len(seen))
	}
}

func TestPortSecurity(t *testing.T) {
	base := syn(1, 4, 1, 5, 80)
	change := func(f func(*frameSpec)) []byte { s := base; f(&s); return s.bytes() }
	raw := func(f func([]byte)) []byte { b := base.bytes(); f(b); return b }
	for _, c := range []struct {
		name  string
		frame []byte
		want  vfp.DropReason
	}{
		{"source MAC", change(func(s *frameSpec) { s.srcMAC[5]++ }), vfp.DropMACSpoof},
		{"source CA", change(func(s *frameSpec) { s.src = ca(1, 5) }), vfp.DropCASpoof},
		{"nobody there", change(func(s *frameSpec) { s.dst = ca(1, 99) }), vfp.DropNoMapping},
		{"wrong MAC for the destination", change(func(s *frameSpec) { s.dstMAC = mac(0, 1, 6) }), vfp.DropDestinationMAC},
		{"other subnet without the router", change(func(s *frameSpec) { s.dst, s.dstMAC = ca(2, 4), mac(0, 2, 4) }), vfp.DropDestinationMAC},
		{"multicast", change(func(s *frameSpec) { s.dst = netip.MustParseAddr("224.0.0.251") }), vfp.DropMulticast},
		{"broadcast MAC", change(func(s *frameSpec) { s.dstMAC = vfp.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }), vfp.DropMulticast},
		{"DHCP server", change(func(s *frameSpec) { s.proto, s.sport, s.dport = 17, 67, 68 }), vfp.DropDHCPGuard},
		{"VLAN tag", raw(func(b []byte) { b[12], b[13] = 0x81, 0 }), vfp.DropVLAN},
		{"IPv4 that says it is IPv6", raw(func(b []byte) { b[12], b[13] = 0x86, 0xdd }), vfp.DropMalformed},
		{"later fragment of a datagram that never began", raw(func(b []byte) { b[14+7] = 3 }), vfp.DropFragment},
		{"fragment that reaches into the TCP header", raw(func(b []byte) { b[14+7] = 1 }), vfp.DropMalformed},
		{"first fragment without a whole TCP header", raw(func(b []byte) { b[14+3], b[14+6] = 36, 0x20 }), vfp.DropMalformed},
		{"length beyond the frame", raw(func(b []byte) { b[14+2] = 1 }), vfp.DropMalformed},
		{"header beyond the packet", raw(func(b []byte) { b[14] = 0x4f }), vfp.DropMalformed},
		{"TCP offset", raw(func(b []byte) { b[14+32] = 0xf0 }), vfp.DropMalformed},
		{"short frame", base.bytes()[:13], vfp.DropMalformed},
		{"cut in the IP header", base.bytes()[:30], vfp.DropMalformed},
	} {
		pl := New(world())
		want(t, c.name, pl.PortOut("a14", c.frame, 0), vfp.Drop, c.want)
		if n := pl.Counters().Ports["a14"].Drops[c.want]; n != 1 {
			t.Errorf("%s: counted %d times", c.name, n)
		}
		if len(pl.flows) > 0 && c.want != vfp.DropDestinationMAC {
			t.Errorf("%s: left a flow", c.name)
		}
	}
}

func TestStatefulACL(t *testing.T) {
	pl := New(guard(world(), "a14", allow(vfp.Inbound, vfp.ProtocolTCP, 443), allow(vfp.Outbound, vfp.ProtocolUDP, 53)))
	in := syn(1, 6, 1, 4, 443)
	want(t, "inbound 443", pl.UnderlayIn(arriving(t, 2, vsid("a", 1), in), 0), vfp.Deliver, 0)
	want(t, "its answer", pl.PortOut("a14", in.reply().bytes(), 0), vfp.Encapsulate, 0)
	want(t, "inbound 8080", pl.UnderlayIn(arriving(t, 2, vsid("a", 1), syn(1, 6, 1, 4, 8080)), 0), vfp.Drop, vfp.DropACLInbound)
	want(t, "an answer nobody asked for", pl.PortOut("a14", syn(1, 6, 1, 4, 8080).reply().bytes(), 0), vfp.Drop, vfp.DropACLOutbound)
	want(t, "own connection", pl.PortOut("a14", syn(1, 4, 1, 6, 443).bytes(), 0), vfp.Drop, vfp.DropACLOutbound)
	dns := frameSpec{srcMAC: mac(0, 1, 4), dstMAC: mac(0, 1, 6), src: ca(1, 4), dst: ca(1, 6), proto: vfp.ProtocolUDP, sport: 5000, dport: 53}
	want(t, "own query", pl.PortOut("a14", dns.bytes(), 0), vfp.Encapsulate, 0)
	want(t, "its answer", pl.UnderlayIn(arriving(t, 2, vsid("a", 1), dns.reply()), 0), vfp.Deliver, 0)
	want(t, "its answer, too late", pl.UnderlayIn(arriving(t, 2, vsid("a", 1), dns.reply()), 181*time.Second), vfp.Drop, vfp.DropACLInbound)
	if c := pl.Counters().Rules[vfp.RuleKey{ACL: "/acl/a14", RuleID: "allow-inbound-6-[443]"}]; c.Packets != 2 {
		t.Errorf("the 443 rule counted %d packets, want question and answer", c.Packets)
	}
}

func TestPolicyChangeReachesLiveFlows(t *testing.T) {
	open := func() *vfp.Policy {
		return guard(world(), "a14", allow(vfp.Inbound, vfp.ProtocolAny), allow(vfp.Outbound, vfp.ProtocolAny))
	}
	pl := New(open())
	in := syn(1, 6, 1, 4, 443)
	answer := in.reply()
	want(t, "open", pl.UnderlayIn(arriving(t, 2, vsid("a", 1), in), 0), vfp.Deliver, 0)
	in.flags, answer.flags = tcpACK, tcpACK

	pl.SetPolicy(guard(world(), "a14", allow(vfp.Outbound, vfp.ProtocolAny)))
	want(t, "answer of a connection that is now forbidden", pl.PortOut("a14", answer.bytes(), 0), vfp.Drop, vfp.DropACLInbound)
	want(t, "its next packet", pl.UnderlayIn(arriving(t, 2, vsid("a", 1), in), 0), vfp.Drop, vfp.DropACLInbound)
	for at := time.Duration(0); at < 10*time.Minute; at += 20 * time.Second {
		want(t, "minutes later, while it still tries", pl.UnderlayIn(arriving(t, 2, vsid("a", 1), in), at), vfp.Drop, vfp.DropACLInbound)
		want(t, "nor does an answer open it again", pl.PortOut("a14", answer.bytes(), at), vfp.Drop, vfp.DropACLInbound)
	}
	in.flags = tcpSYN
	want(t, "a new attempt", pl.UnderlayIn(arriving(t, 2, vsid("a", 1), in), 0), vfp.Drop, vfp.DropACLInbound)
	in.flags = tcpACK

	pl.SetPolicy(open())
	want(t, "allowed again", pl.UnderlayIn(arriving(t, 2, vsid("a", 1), in), 0), vfp.Deliver, 0)

	moved := open()
	for i := range moved.Mappings {
		if moved.Mappings[i].RDID == "a" && moved.Mappings[i].CA == ca(1, 6) {
			moved.Mappings[i].PA = pa(3)
		}
	}
	pl.SetPolicy(moved)
	got := pl.PortOut("a14", answer.bytes(), 0)
	want(t, "peer moved", got, vfp.Encapsulate, 0)
	if o, _, _ := encap.Decode(got.Frame); o.Dst != pa(3) {
		t.Errorf("sent to %s, the peer is at %s", o.Dst, pa(3))
	}
	want(t, "from where it was", pl.UnderlayIn(arriving(t, 2, vsid("a", 1), in), 0), vfp.Drop, vfp.DropPASpoof)
}

func TestFragmentsShareAVerdict(t *testing.T) {
	datagram := func(id byte, dport uint16) (first, later []byte) {
		s := frameSpec{srcMAC: mac(0, 1, 4), dstMAC: mac(0, 1, 6), src: ca(1, 4), dst: ca(1, 6), proto: vfp.ProtocolUDP, sport: 5000, dport: dport}
		first, later = s.bytes(), s.bytes()
		first[14+5], later[14+5] = id, id
		first[14+6] = 0x20            // more fragments
		first[14+24] = 4              // the datagram is longer than its first fragment
		later[14+7] = 5               // at byte 40
		copy(later[34:], "no ports!") // what stands where the ports would be
		return first, later
	}
	pl := New(guard(world(), "a14", allow(vfp.Outbound, vfp.ProtocolUDP, 53)))
	first, later := datagram(1, 53)
	want(t, "later fragment before the first", pl.PortOut("a14", later, 0), vfp.Drop, vfp.DropFragment)
	a, b := pl.PortOut("a14", first, 0), pl.PortOut("a14", later, time.Second)
	want(t, "first fragment", a, vfp.Encapsulate, 0)
	want(t, "later fragment", b, vfp.Encapsulate, 0)
	x, _, _ := encap.Decode(a.Frame)
	if y, _, _ := encap.Decode(b.Frame); x.SourcePort != y.SourcePort {
		t.Errorf("fragments of a datagram take different ways: source ports %d and %d", x.SourcePort, y.SourcePort)
	}
	want(t, "much later", pl.PortOut("a14", later, 32*time.Second), vfp.Drop, vfp.DropFragment)
	first, later = datagram(2, 54)
	want(t, "blocked", pl.PortOut("a14", first, 0), vfp.Drop, vfp.DropACLOutbound)
	want(t, "and its later fragment", pl.PortOut("a14", later, 0), vfp.Drop, vfp.DropACLOutbound)
}

func TestUnderlay(t *testing.T) {
	a := vsid("a", 1)
	from := syn(1, 6, 1, 4, 80)
	ecn := func(outer, inner uint8) []byte {
		s := from
		s.tos = inner
		f := arriving(t, 2, a, s)
		f[14+1] = outer
		patchWord(f[14+10:14+12], uint16(0x4500)|uint16(inner&3), uint16(0x4500)|uint16(outer))
		return f
	}
	raw := func(f func([]byte)) []byte { b := arriving(t, 2, a, from); f(b); return b }
	tenantB := from
	tenantB.dstMAC = mac(1, 1, 4)
	for _, c := range []struct {
		name   string
		frame  []byte
		v      vfp.Verdict
		reason vfp.DropReason
	}{
		{"good", arriving(t, 2, a, from), vfp.Deliver, 0},
		{"the other tenant's VSID reaches the other tenant", arriving(t, 2, vsid("b", 1), tenantB), vfp.Deliver, 0},
		{"unknown VSID is not ours", arriving(t, 2, 9999, from), vfp.Pass, 0},
		{"to another PA", raw(func(b []byte) { b[14+19]++ }), vfp.Pass, 0},
		{"another UDP port", raw(func(b []byte) { b[14+23]++ }), vfp.Pass, 0},
		{"host 3 speaks for an endpoint of host 2", arriving(t, 3, a, from), vfp.Drop, vfp.DropPASpoof},
		{"our own PA from outside", arriving(t, 1, a, syn(1, 5, 1, 4, 80)), vfp.Drop, vfp.DropPASpoof},
		{"unknown sender", arriving(t, 2, a, syn(1, 77, 1, 4, 80)), vfp.Drop, vfp.DropNoMapping},
		{"nobody there", arriving(t, 2, a, syn(1, 6, 1, 99, 80)), vfp.Drop, vfp.DropNoPort},
		{"lives elsewhere", arriving(t, 2, vsid("a", 2), syn(1, 6, 2, 4, 80)), vfp.Drop, vfp.DropNoPort},
		{"wrong VSID for the address", arriving(t, 2, vsid("a", 2), from), vfp.Drop, vfp.DropNoPort},
		{"inner MAC", raw(func(b []byte) { b[50+5]++ }), vfp.Drop, vfp.DropDestinationMAC},
		{"inner VLAN", raw(func(b []byte) { b[50+12], b[50+13] = 0x81, 0 }), vfp.Drop, vfp.DropVLAN},
		{"inner ARP", raw(func(b []byte) { b[50+13] = 6 }), vfp.Drop, vfp.DropUnsupportedEthertype},
		{"outer checksum", raw(func(b []byte) { b[14+10]++ }), vfp.Drop, vfp.DropMalformed},
		{"VXLAN flags", raw(func(b []byte) { b[42] = 0x0c }), vfp.Drop, vfp.DropMalformed},
		{"UDP length", raw(func(b []byte) { b[14+25]++ }), vfp.Drop, vfp.DropMalformed},
		{"cut in the inner header", arriving(t, 2, a, from)[:60], vfp.Drop, vfp.DropMalformed},
		{"congestion mark on a packet that knows none", ecn(3, 0), vfp.Drop, vfp.DropECN},
	} {
		want(t, c.name, New(world()).UnderlayIn(c.frame, 0), c.v, c.reason)
	}
	got := New(world()).UnderlayIn(ecn(3, 2), 0)
	want(t, "congestion mark", got, vfp.Deliver, 0)
	if got.Frame[14+1]&3 != 3 || wordsSum(got.Frame[14:34]) != 0xffff {
		t.Errorf("the mark did not reach the inner packet: %x", got.Frame[14:34])
	}
}

func TestGatewayAnswersEcho(t *testing.T) {
	pl := New(world())
	ping := frameSpec{srcMAC: mac(0, 1, 4), dstMAC: vfp.RouterMAC, src: ca(1, 4), dst: ca(1, 1), proto: vfp.ProtocolICMP}
	got := pl.PortOut("a14", ping.bytes(), 0)
	want(t, "echo to the gateway", got, vfp.Reply, 0)
	b := got.Frame
	if macAt(b) != mac(0, 1, 4) || macAt(b[6:]) != vfp.RouterMAC || addr4(b[26:]) != ca(1, 1) || addr4(b[30:]) != ca(1, 4) ||
		b[34] != icmpEchoReply || wordsSum(b[34:]) != 0xffff || wordsSum(b[14:34]) != 0xffff {
		t.Errorf("answer %x", b)
	}
	ping.dst = ca(2, 1)
	want(t, "echo to the other subnet's gateway", pl.PortOut("a14", ping.bytes(), 0), vfp.Drop, vfp.DropNoMapping)
}

func TestARP(t *testing.T) {
	request := func(sender, target netip.Addr) []byte {
		m := mac(0, 1, 4)
		b := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, m[:]...)
		b = append(b, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
		b = append(append(append(b, m[:]...), sender.AsSlice()...), 0, 0, 0, 0, 0, 0)
		return append(b, target.AsSlice()...)
	}
	for _, c := range []struct {
		name           string
		sender, target netip.Addr
		answer         vfp.MAC
		reason         vfp.DropReason
	}{
		{"gateway", ca(1, 4), ca(1, 1), vfp.RouterMAC, 0},
		{"neighbour here", ca(1, 4), ca(1, 5), mac(0, 1, 5), 0},
		{"neighbour elsewhere", ca(1, 4), ca(1, 6), mac(0, 1, 6), 0},
		{"probe for a taken address", netip.IPv4Unspecified(), ca(1, 6), mac(0, 1, 6), 0},
		{"probe for its own address", netip.IPv4Unspecified(), ca(1, 4), vfp.MAC{}, vfp.DropARPUnanswered},
		{"gratuitous", ca(1, 4), ca(1, 4), vfp.MAC{}, vfp.DropARPUnanswered},
		{"nobody", ca(1, 4), ca(1, 200), vfp.MAC{}, vfp.DropARPUnanswered},
		{"other subnet", ca(1, 4), ca(2, 4), vfp.MAC{}, vfp.DropARPUnanswered},
		{"somebody else's address", ca(1, 5), ca(1, 6), vfp.MAC{}, vfp.DropARPSpoof},
	} {
		got := New(world()).PortOut("a14", request(c.sender, c.target), 0)
		if c.reason != 0 {
			want(t, c.name, got, vfp.Drop, c.reason)
			continue
		}
		want(t, c.name, got, vfp.Reply, 0)
		if b := got.Frame; macAt(b) != mac(0, 1, 4) || macAt(b[22:]) != c.answer || addr4(b[28:]) != c.target || b[21] != 2 || addr4(b[38:]) != c.sender {
			t.Errorf("%s: answer %x", c.name, b)
		}
	}
}

func TestTraceLeavesNoTrace(t *testing.T) {
	pl := New(guard(world(), "a14", allow(vfp.Outbound, vfp.ProtocolTCP, 80)))
	got := pl.TracePort("a14", syn(1, 4, 2, 4, 80).bytes())
	want(t, "trace", got, vfp.Encapsulate, 0)
	var layers []string
	for _, s := range got.Steps {
		layers = append(layers, s.Layer+" "+s.Action)
	}
	if fmt.Sprint(layers) != "[PORT_SECURITY allow FW_CONTROLLER_LAYER_ID allow VNET_DR_REDIRECTION_LAYER allow VNET_MAC_REWRITE_LAYER rewrite VNET_ENCAP_LAYER encapsulate]" {
		t.Errorf("steps %v", layers)
	}
	pl.TracePort("a14", syn(1, 4, 2, 4, 81).bytes())
	if len(pl.flows) != 0 || len(pl.Counters().Ports) != 0 || len(pl.Counters().Rules) != 0 {
		t.Errorf("a trace changed state: %+v", pl.Counters())
	}
}

// everything is a policy in which every stage of the pipeline has something to do.
func everything() *vfp.Policy {
	p := groupWorld()
	p.Subnets[0].NAT = natAddr
	a := portOf(p, "a14")
	a.DHCP = &vfp.DHCP{PrefixLen: 24, MTU: 1400}
	a.Limits = vfp.FlowLimits{Flows: 2, HalfOpen: 1}
	a.Bandwidth = [2]vfp.Bandwidth{{BitsPerSecond: 1e6}, {BitsPerSecond: 1e6}}
	a.Mirror = &vfp.Mirror{Collector: pa(9), Type: vfp.MirrorERSPAN}
	return p
}

func FuzzPortOut(f *testing.F) {
	f.Add(syn(1, 4, 1, 6, 80).bytes())
	f.Add(syn(1, 4, 2, 4, 80).bytes())
	f.Add(from(ca6(1, 4), ca6(2, 4), vfp.RouterMAC).Bytes())
	f.Add(solicit(ca6(1, 4), ca6(1, 6)).Bytes())
	f.Add(client(53, 1, 1, 255).Bytes())
	f.Add(hello().Bytes())
	f.Add(from(ca(1, 4), outside, vfp.RouterMAC).Bytes())
	f.Fuzz(func(t *testing.T, frame []byte) {
		New(everything()).PortOut("a14", frame[:len(frame):len(frame)], 0)
	})
}

func FuzzUnderlayIn(f *testing.F) {
	o := encap.Outer{Type: encap.NVGRE, Src: pa(2), Dst: pa(1), VSID: vsid("a", 1)}
	for _, inner := range [][]byte{syn(1, 6, 1, 4, 80).bytes(), hello().Bytes()} {
		frame, err := encap.Append(nil, &o, inner)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	pl := New(everything())
	answer, _ := modeltest.Parse(pl.PortOut("a14", from(ca(1, 4), outside, vfp.RouterMAC).Bytes(), 0).Frame)
	f.Add(answer.Answer().Bytes())
	complaint, _ := modeltest.Complaint(answer.Bytes(), outside, vfp.MAC{}, icmpTimeExceeded)
	f.Add(complaint.Bytes())
	f.Fuzz(func(t *testing.T, frame []byte) {
		pl := New(everything())
		pl.PortOut("a14", from(ca(1, 4), outside, vfp.RouterMAC).Bytes(), 0)
		pl.UnderlayIn(frame[:len(frame):len(frame)], 0)
	})
}
