package modeltest

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/vfp"
)

func arpFrame(rt *rapid.T, from, to *endpoint) []byte {
	b := append(bytes.Repeat([]byte{0xff}, 6), from.mac[:]...)
	b = append(b, 8, 6, 0, 1, 8, 0, 6, 4, 0, rapid.SampledFrom([]byte{1, 1, 1, 2}).Draw(rt, "op"))
	b = append(b, from.mac[:]...)
	own := from.addresses[0]
	sender := rapid.SampledFrom([]netip.Addr{own, own, netip.IPv4Unspecified(), to.addresses[0]}).Draw(rt, "sender")
	b = append(b, sender.AsSlice()...)
	b = append(b, make([]byte, 6)...)
	target := rapid.SampledFrom([]netip.Addr{to.addresses[0], from.gateway(own), own}).Draw(rt, "target")
	return append(b, target.AsSlice()...)
}

// LinkLocal is the IPv6 address that an interface with a MAC gives itself.
func LinkLocal(m vfp.MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// ndFrame draws an ND message, mostly one that deserves an answer.
func ndFrame(rt *rapid.T, from, to *endpoint) []byte {
	own := from.addresses[2]
	p := Packet{SrcMAC: from.mac, DstMAC: vfp.MAC{0x33, 0x33, 0xff, 0, 0, 1}, Dst: netip.MustParseAddr("ff02::1:ff00:1"), Proto: vfp.ProtocolICMPv6,
		Type: rapid.SampledFrom([]uint8{133, 135, 135, 135, 136, 134, 137}).Draw(rt, "nd"),
		Src:  rapid.SampledFrom([]netip.Addr{own, own, LinkLocal(from.mac), netip.IPv6Unspecified(), to.addresses[2]}).Draw(rt, "nd source"),
		TTL:  255}
	if one(rt, 10, "hop limit") {
		p.TTL = 64
	}
	if one(rt, 20, "code") {
		p.Code = 1
	}
	if p.Type >= 135 {
		target := rapid.SampledFrom([]netip.Addr{to.addresses[2], to.addresses[2], from.gateway(own), LinkLocal(vfp.RouterMAC), own,
			LinkLocal(from.mac)}).Draw(rt, "target")
		p.Payload = append(p.Payload, target.AsSlice()...)
		if one(rt, 2, "option") {
			mac := rapid.SampledFrom([]vfp.MAC{from.mac, from.mac, to.mac}).Draw(rt, "option mac")
			p.Payload = append(append(p.Payload, 1, 1), mac[:]...)
		}
		if one(rt, 20, "short") {
			p.Payload = p.Payload[:8]
		}
	}
	if one(rt, 10, "extension") {
		p.Extensions = []Extension{{0, []byte{0, 0, 1, 4, 0, 0, 0, 0}}}
	}
	if one(rt, 10, "nd fragment") {
		p.Fragment, p.More, p.ID = true, true, datagrams<<2
	}
	return p.Bytes()
}

// dhcpFrame draws what a DHCPv4 client sends.
func dhcpFrame(rt *rapid.T, from *endpoint) []byte {
	m := make([]byte, 240)
	m[0], m[1], m[2] = rapid.SampledFrom([]byte{1, 1, 1, 1, 1, 2}).Draw(rt, "op"), 1, 6
	binary.BigEndian.PutUint32(m[4:], rapid.Uint32().Draw(rt, "xid"))
	m[10] = rapid.SampledFrom([]byte{0, 0x80}).Draw(rt, "flags")
	own := from.addresses[0]
	addresses := rapid.SampledFrom([]netip.Addr{own, own, netip.IPv4Unspecified(), netip.MustParseAddr("10.9.9.9")})
	if one(rt, 3, "ciaddr") {
		copy(m[12:], addresses.Draw(rt, "client").AsSlice())
	}
	copy(m[28:], from.mac[:])
	if one(rt, 10, "chaddr") {
		m[33]++
	}
	binary.BigEndian.PutUint32(m[236:], 0x63825363)
	options := [][]byte{{53, 1, rapid.SampledFrom([]byte{1, 1, 3, 3, 3, 8, 7, 4}).Draw(rt, "message")}}
	if one(rt, 2, "requested") {
		options = append(options, append([]byte{50, 4}, addresses.Draw(rt, "asked").AsSlice()...))
	}
	options = append(options, rapid.SampledFrom([][]byte{{}, {0, 0, 0}, {55, 3, 1, 3, 6}, {53, 2, 1, 1}, {53, 1, 3}, {61, 200, 1}, append([]byte{12, 110}, make([]byte, 110)...)}).Draw(rt, "other"))
	for _, o := range rapid.Permutation(options).Draw(rt, "options") {
		m = append(m, o...)
	}
	if !one(rt, 6, "no end") {
		m = append(m, 255)
	}
	if one(rt, 15, "short") {
		m = m[:rapid.IntRange(200, 243).Draw(rt, "length")]
	}
	p := Packet{SrcMAC: from.mac, DstMAC: vfp.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, Src: netip.IPv4Unspecified(),
		Dst: netip.MustParseAddr("255.255.255.255"), Proto: vfp.ProtocolUDP, SrcPort: 68, DstPort: 67, Payload: m}
	if one(rt, 3, "renewal") {
		p.Src, p.Dst, p.DstMAC = own, from.gateway(own), vfp.RouterMAC
	}
	return p.Bytes()
}
