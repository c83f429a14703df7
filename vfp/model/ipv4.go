package model

import (
	"encoding/binary"

	"github.com/fairlead-net/fairlead/vfp"
)

// IPv4 options.
const (
	optionEnd  = 0
	optionNop  = 1
	optionLSRR = 131
	optionSSRR = 137
)

// parseIPv4 reads the packet at the start of b, which ends with the frame. Headers that contradict each
// other or the frame's length make it malformed.
func parseIPv4(b []byte) (p packet, reason vfp.DropReason) {
	if len(b) < ipv4Len || b[0]>>4 != 4 {
		return p, vfp.DropMalformed
	}
	header := int(b[0]&0xf) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if header < ipv4Len || total < header || total > len(b) {
		return p, vfp.DropMalformed
	}
	p.src, p.dst = addr4(b[12:]), addr4(b[16:])
	p.proto, p.tos, p.ttl = b[9], b[1], b[8]
	p.l4, p.length = header, total
	if reason := checkOptions(b[ipv4Len:header]); reason != 0 {
		return p, reason
	}
	if word := binary.BigEndian.Uint16(b[6:]); word&0x3fff != 0 {
		p.id, p.fragment = uint32(binary.BigEndian.Uint16(b[4:])), firstFragment
		if offset := int(word&0x1fff) * 8; offset > 0 {
			p.fragment = laterFragment
			if p.proto == vfp.ProtocolTCP && offset < 20 { // it could change the header: RFC 1858
				return p, vfp.DropMalformed
			}
			return p, vfp.DropNone
		}
	}
	return p, p.parseL4(b[header:total])
}

// checkOptions refuses source routing, which would lead replies past the policy (RFC 7126 section 4.3 and 4.4).
func checkOptions(b []byte) vfp.DropReason {
	for len(b) > 0 {
		switch b[0] {
		case optionEnd:
			return vfp.DropNone
		case optionNop:
			b = b[1:]
			continue
		case optionLSRR, optionSSRR:
			return vfp.DropIPOptions
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return vfp.DropMalformed
		}
		b = b[b[1]:]
	}
	return vfp.DropNone
}
