package encap

import "encoding/binary"

// VXLANPort is the UDP destination port IANA assigned to VXLAN (RFC 7348 section 5).
const VXLANPort = 4789

const (
	udpLen   = 8
	vxlanLen = 8

	vxlanFlagVNI = 0x08 // I: the VNI is valid
)

// putVXLAN writes the UDP and VXLAN headers (RFC 7348 section 5).
//
//	+-------------------------------+-------------------------------+
//	|          source port          |    destination port = 4789    |
//	+-------------------------------+-------------------------------+
//	|            length             |         checksum = 0          |
//	+-+-+-+-+-+-+-+-+---------------+-------------------------------+
//	|R|R|R|R|I|R|R|R|                   reserved                    |
//	+-+-+-+-+-+-+-+-+-------------------------------+---------------+
//	|                      VNI                      |   reserved    |
//	+-----------------------------------------------+---------------+
//
// The checksum is 0, "none", over IPv6 too: UDP there demands one, but RFC 6935 lifts that for tunnels whose inner
// packets bring their own, on the conditions RFC 6936 sets out.
func putVXLAN(b []byte, o *Outer, innerLen int) {
	b = b[:udpLen+vxlanLen]
	binary.BigEndian.PutUint16(b[0:], o.SourcePort)
	binary.BigEndian.PutUint16(b[2:], VXLANPort)
	binary.BigEndian.PutUint16(b[4:], uint16(udpLen+vxlanLen+innerLen))
	binary.BigEndian.PutUint16(b[6:], 0)
	binary.BigEndian.PutUint32(b[8:], vxlanFlagVNI<<24)
	binary.BigEndian.PutUint32(b[12:], uint32(o.VSID)<<8)
}

// isVXLAN reports whether a UDP datagram, or as much of it as there is, addresses VXLAN.
func isVXLAN(b []byte) bool {
	return len(b) >= 4 && binary.BigEndian.Uint16(b[2:]) == VXLANPort
}

// parseVXLAN fills o from a whole UDP datagram and returns the inner frame. The flags other than I are reserved and
// RFC 7348 ignores them on receipt; here they are refused, because today each one set means another format behind it
// (VXLAN-GPE's next protocol, the group policy extension) that would be misread. The two reserved fields are ignored,
// as is the UDP checksum, whose check RFC 7348 section 5 leaves to the receiver.
func parseVXLAN(o *Outer, b []byte) ([]byte, error) {
	if len(b) < udpLen+vxlanLen {
		return nil, errShortVXLAN
	}
	if int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		return nil, errUDPLength
	}
	if b[8] != vxlanFlagVNI {
		return nil, errVXLANFlags
	}
	o.Type = VXLAN
	o.SourcePort = binary.BigEndian.Uint16(b[0:])
	o.VSID = VSID(binary.BigEndian.Uint32(b[12:]) >> 8)
	return b[udpLen+vxlanLen:], nil
}
