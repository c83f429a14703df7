package model

import (
	"encoding/binary"
	"net/netip"

	"github.com/fairlead-net/fairlead/vfp"
)

// Offsets and values of the headers the pipeline reads.
const (
	ethLen = 14

	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherVLAN = 0x8100
	etherQinQ = 0x88a8

	tcpFIN = 0x01
	tcpSYN = 0x02
	tcpRST = 0x04
	tcpACK = 0x10

	icmpEchoReply = 0
	icmpEcho      = 8

	portDHCPServer = 67
)

// packet is what the layers match on.
type packet struct {
	src, dst     netip.Addr
	sport, dport uint16 // both hold the identifier of an ICMP echo
	proto        uint8
	tcpFlags     uint8
	tos, ttl     uint8
	icmpType     uint8
	fragment     fragmentKind
	id           uint16 // of the datagram
}

type fragmentKind uint8

const (
	whole fragmentKind = iota
	firstFragment
	laterFragment
)

func macAt(b []byte) vfp.MAC { return vfp.MAC(b[:6]) }

func etherType(frame []byte) uint16 { return binary.BigEndian.Uint16(frame[12:]) }

func isVLAN(t uint16) bool { return t == etherVLAN || t == etherQinQ }

func addr4(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b[:4])) }

// parseIPv4 reads the packet at the start of b, which ends with the frame. Headers that contradict each
// other or the frame's length make it malformed.
func parseIPv4(b []byte) (p packet, reason vfp.DropReason) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return p, vfp.DropMalformed
	}
	header := int(b[0]&0xf) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || total < header || total > len(b) {
		return p, vfp.DropMalformed
	}
	p.src, p.dst = addr4(b[12:]), addr4(b[16:])
	p.proto, p.tos, p.ttl = b[9], b[1], b[8]
	l4 := b[header:total]
	if word := binary.BigEndian.Uint16(b[6:]); word&0x3fff != 0 {
		p.id, p.fragment = binary.BigEndian.Uint16(b[4:]), firstFragment
		if offset := int(word&0x1fff) * 8; offset > 0 {
			p.fragment = laterFragment
			if p.proto == vfp.ProtocolTCP && offset < 20 { // it could change the header: RFC 1858
				return p, vfp.DropMalformed
			}
			return p, vfp.DropNone
		}
	}
	switch p.proto {
	case vfp.ProtocolTCP:
		if len(l4) < 20 {
			return p, vfp.DropMalformed
		}
		if offset := int(l4[12]>>4) * 4; offset < 20 || offset > len(l4) {
			return p, vfp.DropMalformed
		}
		p.sport, p.dport = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
		p.tcpFlags = l4[13]
	case vfp.ProtocolUDP:
		if len(l4) < 8 {
			return p, vfp.DropMalformed
		}
		if n := int(binary.BigEndian.Uint16(l4[4:])); n < 8 || n > len(l4) && p.fragment == whole {
			return p, vfp.DropMalformed
		}
		p.sport, p.dport = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
	case vfp.ProtocolICMP:
		if len(l4) < 8 {
			return p, vfp.DropMalformed
		}
		p.icmpType = l4[0]
		if p.icmpType == icmpEcho || p.icmpType == icmpEchoReply {
			p.sport = binary.BigEndian.Uint16(l4[4:])
			p.dport = p.sport
		}
	}
	return p, vfp.DropNone
}

// reversed is the packet as the other side would send it.
func (p packet) reversed() packet {
	p.src, p.dst = p.dst, p.src
	p.sport, p.dport = p.dport, p.sport
	return p
}

// onesSum adds 16 bit words with end-around carry (RFC 1071).
func onesSum(words ...uint16) uint16 {
	sum := uint32(0)
	for _, w := range words {
		sum += uint32(w)
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// patchWord changes a header word and the checksum over it (RFC 1624, equation 3).
func patchWord(check []byte, before, after uint16) {
	binary.BigEndian.PutUint16(check, ^onesSum(^binary.BigEndian.Uint16(check), ^before, after))
}
