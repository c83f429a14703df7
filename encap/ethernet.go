package encap

import "encoding/binary"

const (
	ethernetLen = 14

	etherTypeIPv4 = 0x0800
	etherTypeIPv6 = 0x86DD
	etherTypeTEB  = 0x6558 // transparent Ethernet bridging: what GRE calls an Ethernet payload
	etherTypeCTag = 0x8100
	etherTypeSTag = 0x88A8
)

func putEthernet(b []byte, dst, src [6]byte, etherType uint16) {
	copy(b[0:6], dst[:])
	copy(b[6:12], src[:])
	binary.BigEndian.PutUint16(b[12:14], etherType)
}

// etherType wants at least ethernetLen bytes.
func etherType(frame []byte) uint16 { return binary.BigEndian.Uint16(frame[12:14]) }

// tagged reports whether an inner frame carries an 802.1Q tag. NVGRE forbids one in both directions (RFC 7637
// section 3.3), VXLAN advises against it (RFC 7348 section 6.1), and a VSID leaves nothing for it to mean: past a
// parser that skips it, it would only be a way around the rules written for untagged packets.
func tagged(inner []byte) bool {
	t := etherType(inner)
	return t == etherTypeCTag || t == etherTypeSTag
}
