package modeltest

import (
	"encoding/binary"
	"net/netip"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// pick draws an endpoint that suits, and now and then, or when none does, any.
func (w *World) pick(rt *rapid.T, name string, suits func(*endpoint) bool) *endpoint {
	var good []*endpoint
	for i := range w.endpoints {
		if suits(&w.endpoints[i]) {
			good = append(good, &w.endpoints[i])
		}
	}
	if len(good) == 0 || one(rt, 20, name+" any") {
		good = good[:0]
		for i := range w.endpoints {
			good = append(good, &w.endpoints[i])
		}
	}
	return rapid.SampledFrom(good).Draw(rt, name)
}

// fromPort draws what an endpoint here sends.
func (w *World) fromPort(rt *rapid.T) (Step, bool) {
	if len(w.policy.Ports) == 0 {
		return Step{}, false
	}
	from := w.pick(rt, "from", func(e *endpoint) bool { return e.port != "" })
	if from.port == "" {
		return Step{}, false
	}
	to := w.pick(rt, "to", func(e *endpoint) bool {
		return w.reaches(from.tenant, e.tenant) && e != from && (e.host != localHost || e.port != "")
	})
	s := Step{Kind: FromPort, Port: from.port}
	family := rapid.IntRange(0, 2).Draw(rt, "address")
	src, dst := from.addresses[family], to.addresses[family]
	if family < 2 {
		dst = to.addresses[rapid.IntRange(0, 1).Draw(rt, "to address")]
	}
	mac := to.mac
	if from.tenant != to.tenant || subnetOf(src) != subnetOf(dst) || one(rt, 5, "route") {
		mac = vfp.RouterMAC
	}
	p := Packet{SrcMAC: from.mac, DstMAC: mac, Src: src, Dst: dst}
	if from.forwards && one(rt, 2, "in transit") {
		p.Src = w.foreign(rt, from.tenant, family)
	}
	switch rapid.IntRange(0, 19).Draw(rt, "kind") {
	case 19:
		s.Frame = arpFrame(rt, from, to)
	case 17, 18:
		s.Frame = ndFrame(rt, from, to)
	case 16:
		s.Frame = dhcpFrame(rt, from)
	case 14, 15:
		p.DstMAC, p.Dst = drawGroup(rt, src)
		drawL4(rt, &p)
		s.Frame = p.Bytes()
	case 13: // the gateway, or an address nobody has
		p.DstMAC = vfp.RouterMAC
		p.Dst = rapid.SampledFrom([]netip.Addr{gatewayOf(from.tenant, 0), gatewayOf(from.tenant, 1), netip.MustParseAddr("10.0.9.9")}).Draw(rt, "odd")
		if src.Is6() {
			p.Dst = rapid.SampledFrom([]netip.Addr{gatewayOf(from.tenant, 2), gatewayOf(from.tenant, 3), netip.MustParseAddr("2001:db8:9::9")}).Draw(rt, "odd")
		}
		drawL4(rt, &p)
		s.Frame = p.Bytes()
	case 9, 10, 11, 12: // outside
		p.Src, p.DstMAC = from.addresses[0], vfp.RouterMAC
		p.Dst = netip.MustParseAddr(outsideNet + rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "outside"))
		drawL4(rt, &p)
		s.Frame = p.Bytes()
	default:
		drawL4(rt, &p)
		w.fragment(rt, s, &p)
		s.Frame = p.Bytes()
	}
	s.Frame = mutate(rt, s.Frame)
	return s, true
}

// fromUnderlay draws what the underlay brings.
func (w *World) fromUnderlay(rt *rapid.T) Step {
	s := Step{Kind: FromUnderlay}
	to := w.pick(rt, "to", func(e *endpoint) bool { return e.port != "" })
	from := w.pick(rt, "from", func(e *endpoint) bool { return w.reaches(to.tenant, e.tenant) && e.host != localHost })
	family := rapid.IntRange(0, 2).Draw(rt, "address")
	p := Packet{SrcMAC: from.mac, DstMAC: to.mac, Src: from.addresses[family], Dst: to.addresses[family]}
	if from.tenant != to.tenant || subnetOf(p.Src) != subnetOf(p.Dst) {
		p.SrcMAC = vfp.RouterMAC
	}
	o := encap.Outer{Type: rapid.SampledFrom([]encap.Type{encap.VXLAN, encap.NVGRE}).Draw(rt, "outer"),
		Src: HostPA(from.host, w.v6), Dst: HostPA(localHost, w.v6), VSID: vsid(to.tenant, subnetOf(p.Dst)),
		TOS: rapid.SampledFrom([]uint8{0, 0, 0, 0, 1, 2, 2, 3}).Draw(rt, "ecn")}
	if one(rt, 20, "liar") {
		o.Src = HostPA(rapid.IntRange(1, 4).Draw(rt, "pa"), w.v6)
	}
	if one(rt, 20, "stray") {
		o.VSID = rapid.SampledFrom([]encap.VSID{5000, 5001, 5003, 5010, 7777, 0}).Draw(rt, "vsid")
	}
	if to.forwards && one(rt, 2, "transit") {
		p.Dst = w.foreign(rt, to.tenant, family)
	}
	if one(rt, 4, "relayed") { // by somebody, whose host may do so or not
		p.Src = w.foreign(rt, to.tenant, family)
		o.Src = HostPA(w.pick(rt, "relay", func(e *endpoint) bool { return e.forwards && e.host != localHost && w.reaches(to.tenant, e.tenant) }).host, w.v6)
	}
	var inner []byte
	switch rapid.IntRange(0, 19).Draw(rt, "kind") {
	case 19: // to the NAT, from outside: mostly about nothing
		p.Src, p.Dst, p.DstMAC = netip.MustParseAddr(outsideNet+"1"), natOf(rapid.IntRange(0, 1).Draw(rt, "nat")), vfp.MAC{2}
		drawL4(rt, &p)
		p.DstPort = rapid.SampledFrom([]uint16{22, 61000, 65535}).Draw(rt, "nat port")
		s.Frame = mutate(rt, p.Bytes())
		return s
	case 18:
		inner = ndFrame(rt, from, to)
	case 17:
		inner = arpFrame(rt, from, to)
	case 14, 15, 16:
		o.VSID = vsid(from.tenant, subnetOf(p.Src))
		p.DstMAC, p.Dst = drawGroup(rt, p.Src)
		drawL4(rt, &p)
		inner = p.Bytes()
	default:
		drawL4(rt, &p)
		s.Frame = nil
		w.fragmentIn(rt, o, &p)
		inner = p.Bytes()
	}
	s.Frame = mutate(rt, wrap(rt, o, mutate(rt, inner)))
	return s
}

func drawGroup(rt *rapid.T, src netip.Addr) (vfp.MAC, netip.Addr) {
	if src.Is6() {
		return vfp.MAC{0x33, 0x33, 0, 0, 0, 0xfb}, netip.MustParseAddr("ff02::fb")
	}
	if one(rt, 3, "broadcast") {
		return vfp.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, netip.MustParseAddr("255.255.255.255")
	}
	return vfp.MAC{1, 0, 0x5e, 0, 0, 0xfb}, netip.MustParseAddr("224.0.0.251")
}

func drawFlags(rt *rapid.T) uint8 {
	return rapid.SampledFrom([]uint8{SYN, SYN, SYN | ACK, ACK, FIN | ACK, RST, ACK | 8}).Draw(rt, "flags")
}

func drawTCPOptions(rt *rapid.T) []byte {
	return rapid.SampledFrom([][]byte{nil, {2, 4, 0x05, 0xb4}, {1, 2, 4, 0x23, 0x28, 1, 1, 0}, {2, 4, 0x02, 0x18},
		{4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 0x23, 0x00}, {2, 3, 5, 0xb4}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 0xff, 0xff, 0, 0},
		{0, 0, 0, 0, 2, 4, 0x05, 0xb4}, {3, 0, 0, 0}, {2, 4, 0x05, 0xb4, 2, 4, 0x08, 0x00}, {1, 1, 1, 2, 4, 0x10, 0x01, 0}}).Draw(rt, "tcp options")
}

// drawL4 draws the protocol and what belongs to it, sizes, and the IP header's other fields.
func drawL4(rt *rapid.T, p *Packet) {
	icmp := uint8(vfp.ProtocolICMP)
	if p.Src.Is6() {
		icmp = vfp.ProtocolICMPv6
	}
	p.Proto = rapid.SampledFrom([]uint8{6, 6, 6, 17, 17, icmp, icmp, 132, 59 - icmp}).Draw(rt, "protocol")
	ports := rapid.SampledFrom([]uint16{22, 80, 80, 443, 443, 1000, 1000, 67, 68, 547})
	p.SrcPort, p.DstPort = ports.Draw(rt, "sport"), ports.Draw(rt, "dport")
	size := rapid.SampledFrom([]int{0, 1, 20, 100, 1300, 1360, 1372, 1380, 1500}).Draw(rt, "size")
	p.Payload = make([]byte, size)
	for i := range p.Payload {
		p.Payload[i] = byte(i * 7)
	}
	switch {
	case p.Proto == vfp.ProtocolTCP:
		p.Flags = drawFlags(rt)
		if p.Flags&SYN != 0 {
			p.TCPOptions = drawTCPOptions(rt)
		}
	case p.Proto == vfp.ProtocolUDP:
		p.NoChecksum = one(rt, 5, "no checksum")
	case p.IsICMP() && p.Src.Is4():
		p.Type = rapid.SampledFrom([]uint8{8, 8, 0, 3, 5, 13}).Draw(rt, "icmp")
	case p.IsICMP():
		p.Type = rapid.SampledFrom([]uint8{128, 128, 129, 1, 131, 135, 200}).Draw(rt, "icmp")
	default:
		p.Payload = append(make([]byte, 20), p.Payload...)
	}
	if p.IsICMP() && !p.IsEcho() && one(rt, 2, "quote") {
		q := Packet{SrcMAC: p.DstMAC, DstMAC: p.SrcMAC, Src: p.Dst, Dst: p.Src, Proto: 17, SrcPort: p.DstPort, DstPort: p.SrcPort, Payload: make([]byte, 20)}
		p.Payload = q.Bytes()[14:]
	}
	p.Code = rapid.SampledFrom([]uint8{0, 0, 0, 1}).Draw(rt, "code")
	p.TOS = rapid.SampledFrom([]uint8{0, 1, 2, 3, 0xb8}).Draw(rt, "tos")
	p.TTL = rapid.SampledFrom([]uint8{64, 64, 64, 255, 2, 1, 0}).Draw(rt, "ttl")
	p.NoTTL = p.TTL == 0
	if p.Src.Is4() {
		p.Options = rapid.SampledFrom([][]byte{nil, nil, nil, nil, {1, 1, 1, 0}, {148, 4, 0, 0}, make([]byte, 40), {131, 3, 4, 0},
			{1, 137, 3, 4}, {7, 9, 4, 0}, {7, 1, 0, 0}}).Draw(rt, "options")
		return
	}
	for range rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2, 7}).Draw(rt, "extensions") {
		p.Extensions = append(p.Extensions, drawExtension(rt, len(p.Extensions)))
	}
}

func drawExtension(rt *rapid.T, at int) Extension {
	number := rapid.SampledFrom([]uint8{60, 60, 51, 44, 0, 43}).Draw(rt, "extension")
	if at == 0 && one(rt, 2, "hop-by-hop") {
		number = 0
	}
	b := make([]byte, 8*rapid.IntRange(1, 3).Draw(rt, "length"))
	b[1] = uint8(len(b)/8 - 1)
	switch number {
	case 51:
		b[1] = uint8(len(b)/4 - 2)
	case 44:
		b = make([]byte, 8) // atomic
	}
	return Extension{number, b}
}

// fragment makes p a first fragment now and then, and keeps later ones for then, or sends one that comes too early.
func (w *World) fragment(rt *rapid.T, s Step, p *Packet) {
	if pieces := cut(rt, p); pieces != nil {
		for _, q := range pieces {
			s.Frame = q.Bytes()
			w.pieces = append(w.pieces, s)
		}
	}
}

// fragmentIn is fragment for packets from the underlay.
func (w *World) fragmentIn(rt *rapid.T, o encap.Outer, p *Packet) {
	for _, q := range cut(rt, p) {
		w.pieces = append(w.pieces, Step{Kind: FromUnderlay, Frame: wrap(rt, o, q.Bytes())})
	}
}

// cut makes a fragment of p, and returns others of the datagram. Nothing for most packets.
func cut(rt *rapid.T, p *Packet) (later []Packet) {
	if !one(rt, 7, "fragment") {
		return nil
	}
	p.Fragment, p.ID = true, datagrams<<2|rapid.Uint32Range(0, 3).Draw(rt, "id")
	offset := rapid.SampledFrom([]int{8, 16, 24, 40, 1480}).Draw(rt, "offset")
	last := *p
	last.Offset, last.Payload, last.TTL = offset, make([]byte, 24), 64
	binary.BigEndian.PutUint32(last.Payload, 0xdeadbeef)
	middle := last
	middle.More = true
	if one(rt, 5, "later one first") {
		*p, last = last, *p
		last.More = true
		return []Packet{last, middle}
	}
	p.More = true
	return []Packet{last, middle}
}
