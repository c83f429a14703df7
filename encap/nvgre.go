package encap

import "encoding/binary"

const (
	nvgreLen = 8

	greKeyPresent = 0x2000 // the whole flags and version word of NVGRE: key, nothing else, version 0
)

// putNVGRE writes the GRE header (RFC 7637 section 3.2, RFC 2890 section 2).
//
//	+-+-+-+-+-----------------+-----+-------------------------------+
//	|0| |1|0|  reserved = 0   |  0  |       protocol = 0x6558       |
//	+-+-+-+-+-----------------+-----+---------------+---------------+
//	|                     VSID                      |    FlowID     |
//	+-----------------------------------------------+---------------+
func putNVGRE(b []byte, o *Outer) {
	b = b[:nvgreLen]
	binary.BigEndian.PutUint16(b[0:], greKeyPresent)
	binary.BigEndian.PutUint16(b[2:], etherTypeTEB)
	binary.BigEndian.PutUint32(b[4:], uint32(o.VSID)<<8|uint32(o.FlowID))
}

// isNVGRE reports whether a GRE packet, or as much of it as there is, is NVGRE's: it must have a key, and neither
// checksum nor sequence number (RFC 7637 section 3.2). With other flags or another protocol it is some other tunnel of
// the host (gretap with its options, PPTP, GRE over IP), which must go on working.
func isNVGRE(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	return binary.BigEndian.Uint16(b[0:]) == greKeyPresent && binary.BigEndian.Uint16(b[2:]) == etherTypeTEB
}

// parseNVGRE fills o from a whole GRE packet that isNVGRE and returns the inner frame.
func parseNVGRE(o *Outer, b []byte) ([]byte, error) {
	if len(b) < nvgreLen {
		return nil, errShortNVGRE
	}
	key := binary.BigEndian.Uint32(b[4:])
	o.Type = NVGRE
	o.VSID = VSID(key >> 8)
	o.FlowID = uint8(key)
	return b[nvgreLen:], nil
}
