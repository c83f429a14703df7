package model

import (
	"net/netip"
	"testing"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

// nd is an ND message that a14 sends; body is what follows the first 8 bytes.
func nd(icmpType uint8, src netip.Addr, body ...byte) modeltest.Packet {
	return modeltest.Packet{SrcMAC: mac(0, 1, 4), DstMAC: vfp.MAC{0x33, 0x33, 0xff, 0, 0, 1}, Src: src, Dst: netip.MustParseAddr("ff02::1:ff00:1"),
		Proto: vfp.ProtocolICMPv6, Type: icmpType, TTL: 255, Payload: body}
}

func solicit(src, target netip.Addr) modeltest.Packet { return nd(icmp6NS, src, target.AsSlice()...) }

func TestNeighbourSolicitation(t *testing.T) {
	own, none := ca6(1, 4), netip.IPv6Unspecified()
	local := modeltest.LinkLocal(mac(0, 1, 4))
	withOption := func(m vfp.MAC) modeltest.Packet {
		p := solicit(own, ca6(1, 6))
		p.Payload = append(append(p.Payload, 1, 1), m[:]...)
		return p
	}
	change := func(p modeltest.Packet, f func(*modeltest.Packet)) modeltest.Packet { f(&p); return p }
	for _, c := range []struct {
		name   string
		p      modeltest.Packet
		answer vfp.MAC
		flags  uint8
		reason vfp.DropReason
	}{
		{"gateway", solicit(own, ca6(1, 1)), vfp.RouterMAC, 0xc0, 0},
		{"router's link-local address", solicit(own, netip.MustParseAddr("fe80::fa:1eff:fead:1")), vfp.RouterMAC, 0xc0, 0},
		{"neighbour here", solicit(own, ca6(1, 5)), mac(0, 1, 5), 0x60, 0},
		{"neighbour elsewhere", solicit(own, ca6(1, 6)), mac(0, 1, 6), 0x60, 0},
		{"from the link-local address", solicit(local, ca6(1, 6)), mac(0, 1, 6), 0x60, 0},
		{"probe for a taken address", solicit(none, ca6(1, 6)), mac(0, 1, 6), 0x20, 0},
		{"probe for the gateway", solicit(none, ca6(1, 1)), vfp.RouterMAC, 0x80, 0},
		{"probe for its own address", solicit(none, own), vfp.MAC{}, 0, vfp.DropNDUnanswered},
		{"nobody", solicit(own, ca6(1, 99)), vfp.MAC{}, 0, vfp.DropNDUnanswered},
		{"other subnet", solicit(own, ca6(2, 4)), vfp.MAC{}, 0, vfp.DropNDUnanswered},
		{"somebody else's source", solicit(ca6(1, 5), ca6(1, 6)), vfp.MAC{}, 0, vfp.DropNDSpoof},
		{"somebody else's link-local source", solicit(modeltest.LinkLocal(mac(0, 1, 5)), ca6(1, 6)), vfp.MAC{}, 0, vfp.DropNDSpoof},
		{"its link-layer option", withOption(mac(0, 1, 4)), mac(0, 1, 6), 0x60, 0},
		{"somebody else's link-layer option", withOption(mac(0, 1, 5)), vfp.MAC{}, 0, vfp.DropNDSpoof},
		{"forwarded", change(solicit(own, ca6(1, 6)), func(p *modeltest.Packet) { p.TTL = 254 }), vfp.MAC{}, 0, vfp.DropMalformed},
		{"code", change(solicit(own, ca6(1, 6)), func(p *modeltest.Packet) { p.Code = 1 }), vfp.MAC{}, 0, vfp.DropMalformed},
		{"short", change(solicit(own, ca6(1, 6)), func(p *modeltest.Packet) { p.Payload = p.Payload[:15] }), vfp.MAC{}, 0, vfp.DropMalformed},
		{"fragment", change(solicit(own, ca6(1, 6)), func(p *modeltest.Packet) { p.Fragment, p.More = true, true }), vfp.MAC{}, 0, vfp.DropMalformed},
		{"advertisement of its own", nd(icmp6NA, own, own.AsSlice()...), vfp.MAC{}, 0, vfp.DropNDUnanswered},
		{"advertisement of its link-local", nd(icmp6NA, own, local.AsSlice()...), vfp.MAC{}, 0, vfp.DropNDUnanswered},
		{"advertisement of somebody else's", nd(icmp6NA, own, ca6(1, 5).AsSlice()...), vfp.MAC{}, 0, vfp.DropNDSpoof},
		{"router advertisement", nd(icmp6RA, own, make([]byte, 8)...), vfp.MAC{}, 0, vfp.DropRAGuard},
		{"router advertisement behind options", change(nd(icmp6RA, own, make([]byte, 8)...), func(p *modeltest.Packet) {
			p.Extensions = []modeltest.Extension{{Number: 60, Bytes: make([]byte, 8)}, {Number: 44, Bytes: make([]byte, 8)}}
		}), vfp.MAC{}, 0, vfp.DropRAGuard},
		{"redirect", nd(icmp6Redirect, own, make([]byte, 32)...), vfp.MAC{}, 0, vfp.DropRAGuard},
		{"router solicitation of somebody else", nd(icmp6RS, ca6(1, 5)), vfp.MAC{}, 0, vfp.DropNDSpoof},
	} {
		pl := New(dual())
		got := pl.PortOut("a14", c.p.Bytes(), 0)
		if c.reason != 0 {
			want(t, c.name, got, vfp.Drop, c.reason)
			continue
		}
		want(t, c.name, got, vfp.Reply, 0)
		b := got.Frame
		if len(b) != 86 || macAt(b[6:]) != c.answer || macAt(b[80:]) != c.answer || b[58] != c.flags || modeltest.CheckSums(b) != nil {
			t.Errorf("%s: answer %x", c.name, b)
		}
		if len(pl.flows) != 0 {
			t.Errorf("%s: left a flow", c.name)
		}
	}
}

// The checksums were computed apart from this code.
func TestNeighbourAdvertisementBytes(t *testing.T) {
	pl := New(dual())
	golden(t, "to a question", pl.PortOut("a14", solicit(ca6(1, 4), ca6(1, 6)).Bytes(), 0).Frame, `
		001dd8000104 001dd8000106 86dd
		60000000 0020 3a ff fd000000000000000000000000010006 fd000000000000000000000000010004
		88 00 456a 60000000 fd000000000000000000000000010006 0201 001dd8000106`)
	golden(t, "to a probe", pl.PortOut("a14", solicit(netip.IPv6Unspecified(), ca6(1, 1)).Bytes(), 0).Frame, `
		333300000001 02fa1ead0001 86dd
		60000000 0020 3a ff fd000000000000000000000000010001 ff020000000000000000000000000001
		88 00 daf1 80000000 fd000000000000000000000000010001 0201 02fa1ead0001`)
}

func TestRouterAdvertisement(t *testing.T) {
	pl := New(dual())
	golden(t, "to its link-local address", pl.PortOut("a14", nd(icmp6RS, modeltest.LinkLocal(mac(0, 1, 4))).Bytes(), 0).Frame, `
		001dd8000104 02fa1ead0001 86dd
		60000000 0040 3a ff fe8000000000000000fa1efffead0001 fe80000000000000021dd8fffe000104
		86 00 9f08 40 00 0708 00000000 00000000 0101 02fa1ead0001 0501 0000 00000578
		0304 70 80 ffffffff ffffffff 00000000 fd000000000000000000000000010000`)
	p := dual()
	p.InnerMTU = 0
	golden(t, "to nobody", New(p).PortOut("a14", nd(icmp6RS, netip.IPv6Unspecified()).Bytes(), 0).Frame, `
		333300000001 02fa1ead0001 86dd
		60000000 0038 3a ff fe8000000000000000fa1efffead0001 ff020000000000000000000000000001
		86 00 8328 40 00 0708 00000000 00000000 0101 02fa1ead0001
		0304 70 80 ffffffff ffffffff 00000000 fd000000000000000000000000010000`)
	subnetOf(p, vsid6(1)).Gateway = netip.Addr{}
	want(t, "no gateway", New(p).PortOut("a14", nd(icmp6RS, netip.IPv6Unspecified()).Bytes(), 0), vfp.Drop, vfp.DropNDUnanswered)
	want(t, "no IPv6", New(world()).PortOut("a14", nd(icmp6RS, netip.IPv6Unspecified()).Bytes(), 0), vfp.Drop, vfp.DropNDUnanswered)
}

func TestNDStaysOutOfTheTunnel(t *testing.T) {
	p := nd(icmp6NA, ca6(1, 6), ca6(1, 6).AsSlice()...)
	p.SrcMAC, p.DstMAC, p.Dst = mac(0, 1, 6), mac(0, 1, 4), ca6(1, 4)
	pl := New(dual())
	want(t, "advertisement", pl.UnderlayIn(wrapped(t, 2, vsid6(1), p.Bytes()), 0), vfp.Drop, vfp.DropNDUnanswered)
	p.Type = icmp6MLDReport
	want(t, "MLD", pl.UnderlayIn(wrapped(t, 2, vsid6(1), p.Bytes()), 0), vfp.Drop, vfp.DropMulticast)
	if pl.Counters().Host[vfp.DropNDUnanswered] != 1 {
		t.Error("not counted at the host")
	}
}
