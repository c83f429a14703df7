package modeltest

import (
	"encoding/binary"
	"net/netip"

	"github.com/fairlead-net/fairlead/vfp"
)

// TCP flags.
const (
	FIN = 0x01
	SYN = 0x02
	RST = 0x04
	ACK = 0x10
)

// Packet is an Ethernet frame with an IP packet of the family of Src.
type Packet struct {
	SrcMAC, DstMAC   vfp.MAC
	Src, Dst         netip.Addr
	Proto            uint8
	SrcPort, DstPort uint16 // SrcPort is the identifier of an ICMP echo
	Flags            uint8  // TCP
	Type, Code       uint8  // ICMP, ICMPv6
	TTL, TOS         uint8  // TTL 0 means 64, see NoTTL
	NoTTL            bool
	// Options of IPv4, a multiple of 4 bytes.
	Options []byte
	// Extensions of IPv6: each header whole, its first byte is overwritten with what follows.
	Extensions []Extension
	TCPOptions []byte // a multiple of 4 bytes
	Payload    []byte // behind the L4 header
	// Of a fragment: ID of its datagram, Offset in bytes. One with an offset has no L4 header.
	Fragment, More bool
	ID             uint32
	Offset         int
	NoChecksum     bool // of UDP over IPv4
}

// Extension is an IPv6 extension header and its number.
type Extension struct {
	Number uint8
	Bytes  []byte
}

// IsICMP reports whether the packet is of its family's ICMP.
func (p *Packet) IsICMP() bool {
	return p.Src.Is4() && p.Proto == vfp.ProtocolICMP || p.Src.Is6() && p.Proto == vfp.ProtocolICMPv6
}

// IsEcho reports whether the packet is an ICMP echo request or reply.
func (p *Packet) IsEcho() bool {
	if p.Src.Is4() {
		return p.IsICMP() && (p.Type == 8 || p.Type == 0)
	}
	return p.IsICMP() && (p.Type == 128 || p.Type == 129)
}

// Bytes is the frame; lengths and checksums are right.
func (p Packet) Bytes() []byte {
	l4 := p.l4()
	if p.TTL == 0 && !p.NoTTL {
		p.TTL = 64
	}
	b := append(append([]byte(nil), p.DstMAC[:]...), p.SrcMAC[:]...)
	if p.Src.Is4() {
		ip := make([]byte, 20, 20+len(p.Options))
		ip = append(ip, p.Options...)
		ip[0], ip[1], ip[8], ip[9] = 0x40|uint8(len(ip)/4), p.TOS, p.TTL, p.Proto
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(l4)))
		binary.BigEndian.PutUint16(ip[4:], uint16(p.ID))
		if p.Fragment {
			word := uint16(p.Offset / 8)
			if p.More {
				word |= 0x2000
			}
			binary.BigEndian.PutUint16(ip[6:], word)
		}
		copy(ip[12:], p.Src.AsSlice())
		copy(ip[16:], p.Dst.AsSlice())
		binary.BigEndian.PutUint16(ip[10:], ^Sum(ip))
		return append(append(append(b, 8, 0), ip...), l4...)
	}
	chain := p.Extensions
	if p.Fragment {
		f := make([]byte, 8)
		word := uint16(p.Offset) &^ 7
		if p.More {
			word |= 1
		}
		binary.BigEndian.PutUint16(f[2:], word)
		binary.BigEndian.PutUint32(f[4:], p.ID)
		chain = append(append([]Extension(nil), chain...), Extension{44, f})
	}
	ip := make([]byte, 40)
	ip[0], ip[1], ip[6], ip[7] = 0x60|p.TOS>>4, p.TOS<<4, p.Proto, p.TTL
	copy(ip[8:], p.Src.AsSlice())
	copy(ip[24:], p.Dst.AsSlice())
	next := 6 // where the number of what follows stands
	for _, e := range chain {
		ip[next] = e.Number
		next = len(ip)
		ip = append(ip, e.Bytes...)
		ip[next] = p.Proto
	}
	binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40+len(l4)))
	return append(append(append(b, 0x86, 0xdd), ip...), l4...)
}

func (p *Packet) l4() []byte {
	if p.Fragment && p.Offset > 0 {
		return p.Payload
	}
	var b []byte
	check := 0
	switch {
	case p.Proto == vfp.ProtocolTCP:
		b = append(make([]byte, 20), p.TCPOptions...)
		b[12], b[13], b[14], check = uint8(len(b)/4)<<4, p.Flags, 0xff, 16
	case p.Proto == vfp.ProtocolUDP:
		b, check = make([]byte, 8), 6
		binary.BigEndian.PutUint16(b[4:], uint16(8+len(p.Payload)))
	case p.IsICMP():
		b, check = make([]byte, 8), 2
		b[0], b[1] = p.Type, p.Code
		if p.IsEcho() {
			binary.BigEndian.PutUint16(b[4:], p.SrcPort)
		}
	default:
		return p.Payload
	}
	if !p.IsICMP() {
		binary.BigEndian.PutUint16(b, p.SrcPort)
		binary.BigEndian.PutUint16(b[2:], p.DstPort)
	}
	b = append(b, p.Payload...)
	if p.NoChecksum && p.Proto == vfp.ProtocolUDP && p.Src.Is4() {
		return b
	}
	sum := ^l4Sum(p.Src, p.Dst, p.Proto, b)
	if sum == 0 && p.Proto == vfp.ProtocolUDP {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[check:], sum)
	return b
}

// Parse reads a frame that Bytes could have built, without extension headers; false for any other.
func Parse(b []byte) (p Packet, ok bool) {
	if len(b) < 34 {
		return p, false
	}
	p.DstMAC, p.SrcMAC = vfp.MAC(b), vfp.MAC(b[6:])
	ip := b[14:]
	var l4 []byte
	switch binary.BigEndian.Uint16(b[12:]) {
	case 0x0800:
		header, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
		if ip[0]>>4 != 4 || header < 20 || total < header || total > len(ip) || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			return p, false
		}
		p.Src, p.Dst = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
		p.TOS, p.TTL, p.Proto, p.Options, l4 = ip[1], ip[8], ip[9], ip[20:header], ip[header:total]
	case 0x86dd:
		if len(ip) < 40 || ip[0]>>4 != 6 || 40+int(binary.BigEndian.Uint16(ip[4:])) > len(ip) {
			return p, false
		}
		p.Src, p.Dst = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
		switch ip[6] {
		case 0, 43, 44, 51, 60:
			return p, false
		}
		p.TOS, p.TTL, p.Proto, l4 = ip[0]<<4|ip[1]>>4, ip[7], ip[6], ip[40:40+int(binary.BigEndian.Uint16(ip[4:]))]
	default:
		return p, false
	}
	p.NoTTL = p.TTL == 0
	n := 0
	switch {
	case p.Proto == vfp.ProtocolTCP:
		if len(l4) < 20 || int(l4[12]>>4) < 5 || int(l4[12]>>4)*4 > len(l4) {
			return p, false
		}
		n = int(l4[12]>>4) * 4
		p.Flags, p.TCPOptions = l4[13], l4[20:n]
	case p.Proto == vfp.ProtocolUDP || p.IsICMP():
		if n = 8; len(l4) < n {
			return p, false
		}
	}
	p.Payload = l4[n:]
	switch {
	case p.IsICMP():
		p.Type, p.Code = l4[0], l4[1]
		if p.IsEcho() {
			p.SrcPort = binary.BigEndian.Uint16(l4[4:])
		}
	case n > 0:
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
	}
	return p, true
}

// Answer is what the other end says to the packet.
func (p Packet) Answer() Packet {
	p.SrcMAC, p.DstMAC = p.DstMAC, p.SrcMAC
	p.Src, p.Dst = p.Dst, p.Src
	p.TTL, p.TCPOptions = 64, nil
	switch {
	case p.IsEcho() && p.Src.Is4():
		p.Type ^= 8
	case p.IsEcho():
		p.Type ^= 1
	case !p.IsICMP():
		p.SrcPort, p.DstPort = p.DstPort, p.SrcPort
	}
	if p.Proto == vfp.ProtocolTCP {
		p.Flags = p.Flags&(SYN|FIN) | ACK
	}
	return p
}

// Complaint is an ICMP error of a type about the packet that b, a frame, carries; from is who sends it.
func Complaint(b []byte, from netip.Addr, fromMAC vfp.MAC, icmpType uint8) (Packet, bool) {
	q, ok := Parse(b)
	if !ok {
		return q, false
	}
	quote := b[14:]
	e := Packet{SrcMAC: fromMAC, DstMAC: q.SrcMAC, Src: from, Dst: q.Src, Proto: vfp.ProtocolICMP, Type: icmpType,
		Payload: append([]byte(nil), quote[:min(len(quote), 80)]...)}
	if from.Is6() {
		e.Proto = vfp.ProtocolICMPv6
	}
	return e, from.Is4() == q.Src.Is4()
}
