package model

import (
	"encoding/binary"

	"github.com/fairlead-net/fairlead/vfp"
)

// rewriteL2 puts a frame on its next hop: routed frames lose one from their TTL.
func rewriteL2(b []byte, mac vfp.MAC) {
	copy(b, mac[:])
	copy(b[6:], vfp.RouterMAC[:])
	ip := b[ethLen:]
	if etherType(b) == etherIPv6 {
		ip[7]--
		return
	}
	ip[8]--
	// RFC 1141: the checksum grows by what the TTL word lost
	sum := uint32(binary.BigEndian.Uint16(ip[10:])) + 0x0100
	if sum >= 0xffff {
		sum++
	}
	binary.BigEndian.PutUint16(ip[10:], uint16(sum))
}

// markCongestion sets CE in the IP header of a frame (RFC 3168, and RFC 6040 section 4.2).
func markCongestion(b []byte) {
	ip := b[ethLen:]
	if etherType(b) == etherIPv6 {
		ip[1] |= 3 << 4
		return
	}
	before := binary.BigEndian.Uint16(ip)
	ip[1] |= 3
	patchWord(ip[10:12], before, before|3)
}
