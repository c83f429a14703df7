package model

import (
	"encoding/binary"
	"net/netip"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// outer is what the pipeline reads of an overlay packet's outer headers.
type outer struct {
	src       netip.Addr
	vsid      encap.VSID
	tos       uint8
	inner     []byte
	malformed bool
}

const (
	greFlags    = 0x2000 // key present, version 0
	greProtocol = 0x6558
	vxlanFlags  = 0x08
)

// readOuter reports false for what is not an overlay packet to pa. It is laxer than encap.Decode in one way:
// a packet whose VSID can be read is recognised although it is malformed, because a malformed packet of a
// tenant here is dropped and counted, while one of somebody else's overlay is left alone.
func readOuter(b []byte, pa netip.Addr) (o outer, ok bool) {
	if len(b) < ethLen+ipv4Len {
		return o, false
	}
	ip := b[ethLen:]
	switch etherType(b) {
	case etherIPv4:
		if ip[0] != 0x45 || addr4(ip[16:]) != pa || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			return o, false
		}
		total := int(binary.BigEndian.Uint16(ip[2:]))
		o.src, o.tos = addr4(ip[12:]), ip[1]
		o.malformed = total > len(ip) || sumBytes(ip[:ipv4Len]) != 0xffff
		ok = o.readTunnel(ip[9], ip[ipv4Len:], total-ipv4Len)
	case etherIPv6:
		if len(ip) < ipv6Len || ip[0]>>4 != 6 || addr6(ip[24:]) != pa {
			return o, false
		}
		payload := int(binary.BigEndian.Uint16(ip[4:]))
		o.src, o.tos = addr6(ip[8:]), ip[0]<<4|ip[1]>>4
		o.malformed = ipv6Len+payload > len(ip)
		ok = o.readTunnel(ip[6], ip[ipv6Len:], payload)
	}
	return o, ok
}

// readTunnel reads what the outer IP header carries: payload bytes, says that header, at the start of l4.
func (o *outer) readTunnel(proto uint8, l4 []byte, payload int) bool {
	switch proto {
	case vfp.ProtocolUDP:
		if len(l4) < 16 || binary.BigEndian.Uint16(l4[2:]) != encap.VXLANPort {
			return false
		}
		o.vsid = encap.VSID(binary.BigEndian.Uint32(l4[12:]) >> 8)
		udp := int(binary.BigEndian.Uint16(l4[4:]))
		if l4[8] != vxlanFlags || udp < 16+ethLen || udp != payload {
			o.malformed = true
		}
		o.inner = l4[16:]
		return true
	case protocolGRE:
		if len(l4) < 8 || binary.BigEndian.Uint16(l4) != greFlags || binary.BigEndian.Uint16(l4[2:]) != greProtocol {
			return false
		}
		o.vsid = encap.VSID(binary.BigEndian.Uint32(l4[4:]) >> 8)
		if payload < 8+ethLen {
			o.malformed = true
		}
		o.inner = l4[8:]
		return true
	}
	return false
}
