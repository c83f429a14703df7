package model

import (
	"testing"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

func TestIPv6Headers(t *testing.T) {
	ext := func(numbers ...uint8) (chain []modeltest.Extension) {
		for _, n := range numbers {
			b := make([]byte, 8)
			if n == nextAH {
				b = make([]byte, 16)
				b[1] = 2 // (2+2)*4
			}
			chain = append(chain, modeltest.Extension{Number: n, Bytes: b})
		}
		return chain
	}
	for _, c := range []struct {
		name   string
		change func(p *modeltest.Packet)
		raw    func(b []byte) []byte
		want   vfp.DropReason
	}{
		{"plain", nil, nil, 0},
		{"hop-by-hop, destination options, AH", func(p *modeltest.Packet) { p.Extensions = ext(0, 60, 51) }, nil, 0},
		{"atomic fragment", func(p *modeltest.Packet) { p.Extensions = ext(44) }, nil, 0},
		{"two fragment headers", func(p *modeltest.Packet) { p.Extensions = ext(44, 44) }, nil, vfp.DropMalformed},
		{"six", func(p *modeltest.Packet) { p.Extensions = ext(0, 60, 60, 60, 60, 60) }, nil, 0},
		{"seven", func(p *modeltest.Packet) { p.Extensions = ext(0, 60, 60, 60, 60, 60, 60) }, nil, vfp.DropMalformed},
		{"hop-by-hop in second place", func(p *modeltest.Packet) { p.Extensions = ext(60, 0) }, nil, vfp.DropMalformed},
		{"routing header", func(p *modeltest.Packet) { p.Extensions = ext(43) }, nil, vfp.DropIPOptions},
		{"extension beyond the packet", func(p *modeltest.Packet) {
			p.Extensions = ext(60)
			p.Extensions[0].Bytes[1] = 200
		}, nil, vfp.DropMalformed},
		{"payload beyond the frame", nil, func(b []byte) []byte { b[14+4] = 1; return b }, vfp.DropMalformed},
		{"payload length 0", nil, func(b []byte) []byte { b[14+4], b[14+5] = 0, 0; return b }, vfp.DropMalformed},
		{"padding", nil, func(b []byte) []byte { return append(b, 1, 2, 3) }, 0},
		{"version 4", nil, func(b []byte) []byte { b[14] = 0x45; return b }, vfp.DropMalformed},
		{"no next header", func(p *modeltest.Packet) { p.Proto = 59; p.Payload = []byte{1} }, nil, 0},
		{"ICMP of the other family", func(p *modeltest.Packet) { p.Proto = 1; p.Payload = []byte{5} }, nil, 0},
		{"short ICMPv6", func(p *modeltest.Packet) { p.Proto = 58; p.Type = 200 }, func(b []byte) []byte { b[14+5] = 7; return b }, vfp.DropMalformed},
		{"first fragment without its TCP header", func(p *modeltest.Packet) { p.Fragment, p.More = true, true }, func(b []byte) []byte { b[14+5] -= 4; return b }, vfp.DropMalformed},
		{"later fragment before the first", func(p *modeltest.Packet) { p.Fragment, p.Offset, p.Payload = true, 24, make([]byte, 8) }, nil, vfp.DropFragment},
		{"later fragment into the TCP header", func(p *modeltest.Packet) { p.Fragment, p.Offset, p.Payload = true, 16, make([]byte, 8) }, nil, vfp.DropMalformed},
		{"later fragment that goes on with an extension", func(p *modeltest.Packet) { p.Proto, p.Fragment, p.Offset, p.Payload = 60, true, 24, make([]byte, 8) }, nil, vfp.DropMalformed},
		{"link-local source", func(p *modeltest.Packet) { p.Src = modeltest.LinkLocal(p.SrcMAC) }, nil, vfp.DropCASpoof},
		{"multicast", func(p *modeltest.Packet) { p.Dst = allNodes }, nil, vfp.DropMulticast},
		{"DHCPv6 server", func(p *modeltest.Packet) { p.Proto, p.SrcPort = vfp.ProtocolUDP, 547 }, nil, vfp.DropDHCPGuard},
		{"MLD", func(p *modeltest.Packet) { p.Proto, p.Type = vfp.ProtocolICMPv6, 143 }, nil, vfp.DropMulticast},
	} {
		p := from(ca6(1, 4), ca6(1, 6), mac(0, 1, 6))
		if c.change != nil {
			c.change(&p)
		}
		b := p.Bytes()
		if c.raw != nil {
			b = c.raw(b)
		}
		pl := New(dual())
		verdict := vfp.Encapsulate
		if c.want != 0 {
			verdict = vfp.Drop
		}
		want(t, c.name, pl.PortOut("a14", b, 0), verdict, c.want)
		if c.want != 0 && drops(pl, "a14", c.want) != 1 {
			t.Errorf("%s: not counted", c.name)
		}
	}
}

func TestIPv6Routing(t *testing.T) {
	pl := New(dual())
	p := from(ca6(1, 4), ca6(2, 4), vfp.RouterMAC)
	p.TOS = 2
	got := pl.PortOut("a14", p.Bytes(), 0)
	want(t, "routed", got, vfp.Encapsulate, 0)
	o, inner, err := encap.Decode(got.Frame)
	if err != nil || o.VSID != vsid6(2) || o.TOS != 2 || inner[14+7] != 63 || macAt(inner) != mac(0, 2, 4) {
		t.Errorf("%+v %x %v", o, inner, err)
	}
	a := p.Answer()
	a.SrcMAC, a.DstMAC = vfp.RouterMAC, mac(0, 1, 4)
	want(t, "answer", pl.UnderlayIn(wrapped(t, 2, vsid6(1), a.Bytes()), 0), vfp.Deliver, 0)

	// congestion marks travel in the traffic class
	a.TOS = 1
	marked := wrapped(t, 2, vsid6(1), a.Bytes())
	marked[15] = 3
	patchWord(marked[24:26], 0x4500, 0x4503)
	got = pl.UnderlayIn(marked, 0)
	want(t, "marked answer", got, vfp.Deliver, 0)
	if got.Frame[15] != 0x30 {
		t.Errorf("traffic class: %x", got.Frame[14:16])
	}

	ping := modeltest.Packet{SrcMAC: mac(0, 1, 4), DstMAC: vfp.RouterMAC, Src: ca6(1, 4), Dst: ca6(1, 1), Proto: vfp.ProtocolICMPv6, Type: 128, SrcPort: 7}
	got = pl.PortOut("a14", ping.Bytes(), 0)
	want(t, "echo to the gateway", got, vfp.Reply, 0)
	if r, _ := modeltest.Parse(got.Frame); r.Type != 129 || r.Src != ca6(1, 1) || r.Dst != ca6(1, 4) || modeltest.CheckSums(got.Frame) != nil {
		t.Errorf("answer %x", got.Frame)
	}
}

func TestIPv6FragmentsTakeOverTheProtocol(t *testing.T) {
	p := guard(dual(), "a14", allow(vfp.Outbound, vfp.ProtocolUDP, 53))
	portOf(p, "a14").Addresses[1].ACLs = []string{"/acl/a14"}
	pl := New(p)
	first := from(ca6(1, 4), ca6(1, 6), mac(0, 1, 6))
	first.Proto, first.DstPort, first.Payload = vfp.ProtocolUDP, 53, make([]byte, 16)
	first.Fragment, first.More, first.ID = true, true, 0x12345
	later := first
	later.More, later.Offset = false, 24
	later.Proto = 132 // lies; what counts is the first's
	want(t, "first", pl.PortOut("a14", first.Bytes(), 0), vfp.Encapsulate, 0)
	want(t, "later", pl.PortOut("a14", later.Bytes(), 0), vfp.Encapsulate, 0)
	later.ID = 0x2345 // the same lower 16 bits are not enough
	want(t, "another datagram's", pl.PortOut("a14", later.Bytes(), 0), vfp.Drop, vfp.DropFragment)
}

func TestIPv4Options(t *testing.T) {
	for _, c := range []struct {
		options []byte
		want    vfp.DropReason
	}{
		{[]byte{1, 1, 1, 0}, 0},
		{[]byte{148, 4, 0, 0}, 0},
		{[]byte{0, 131, 3, 4}, 0}, // behind the end
		{[]byte{131, 3, 4, 0}, vfp.DropIPOptions},
		{[]byte{1, 1, 1, 137}, vfp.DropIPOptions},
		{[]byte{148, 1, 0, 0}, vfp.DropMalformed},
		{[]byte{148, 5, 0, 0}, vfp.DropMalformed},
		{[]byte{1, 1, 1, 148}, vfp.DropMalformed},
	} {
		p := from(ca(1, 4), ca(1, 6), mac(0, 1, 6))
		p.Options = c.options
		if got := New(dual()).PortOut("a14", p.Bytes(), 0); got.Reason != c.want {
			t.Errorf("options %x: %s, want %s", c.options, got.Reason, c.want)
		}
	}
}

func TestUnderlayIPv6(t *testing.T) {
	p := world()
	p.ProviderAddress = modeltest.HostPA(1, true)
	for i := range p.Mappings {
		p.Mappings[i].PA = modeltest.HostPA(int(p.Mappings[i].PA.As4()[3]), true)
	}
	for _, typ := range []encap.Type{encap.VXLAN, encap.NVGRE} {
		p.Encapsulation = typ
		pl := New(p)
		s := syn(1, 4, 1, 6, 80)
		got := pl.PortOut("a14", s.bytes(), 0)
		want(t, "out", got, vfp.Encapsulate, 0)
		o, _, err := encap.Decode(got.Frame)
		if err != nil || o.Src != modeltest.HostPA(1, true) || o.Dst != modeltest.HostPA(2, true) {
			t.Fatalf("%+v %v", o, err)
		}
		o.Src, o.Dst = o.Dst, o.Src
		frame, err := encap.Append(nil, &o, s.reply().bytes())
		if err != nil {
			t.Fatal(err)
		}
		want(t, "answer", pl.UnderlayIn(frame, 0), vfp.Deliver, 0)
		other := append([]byte(nil), frame...)
		other[14+5]++ // one byte more than there is
		want(t, "too long", pl.UnderlayIn(other, 0), vfp.Drop, vfp.DropMalformed)
		other = append([]byte(nil), frame...)
		other[14+39]++
		want(t, "to another host", pl.UnderlayIn(other, 0), vfp.Pass, 0)
		other = append([]byte(nil), frame...)
		other[14+6] = 0
		want(t, "behind an extension header", pl.UnderlayIn(other, 0), vfp.Pass, 0)
	}
}
