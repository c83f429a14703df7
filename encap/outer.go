package encap

import "net/netip"

// Outer is all that the headers in front of an inner Ethernet frame say. What Decode returned, Append takes.
//
//	+----------------+-----------+-------------------+-----------------------+
//	| outer Ethernet | IPv4 (20) | UDP (8) VXLAN (8) | inner Ethernet frame  |
//	|           (14) | IPv6 (40) | GRE with key  (8) | without its FCS       |
//	+----------------+-----------+-------------------+-----------------------+
//	|<------------------ OuterLen ------------------>|
//
// The fields of the outer headers that are not here are constant on encode and, unless Decode says otherwise, ignored
// on decode: identification 0, don't fragment, IPv6 flow label 0, UDP checksum 0, reserved bits 0.
type Outer struct {
	Type Type

	SrcMAC, DstMAC [6]byte

	// Src and Dst are the PAs, both IPv4 or both IPv6. An IPv4-mapped IPv6 address is neither; a zone is ignored,
	// as it never is on the wire.
	Src, Dst netip.Addr

	// VSID has 24 bits. The formats carry every value of them, so 0 and the reserved ones pass in both directions:
	// VSID.Valid is the question of who owns the tenant model.
	VSID VSID

	// SourcePort is VXLAN's entropy, the UDP source port; FlowID is NVGRE's, the low 8 bits of the GRE key. Each
	// is used with its own type only, and 0 after decoding the other one. Spread sets both.
	SourcePort uint16
	FlowID     uint8

	// TOS is the whole IPv4 type of service or IPv6 traffic class byte: DSCP in the upper 6 bits, ECN in the lower 2.
	TOS uint8

	// TTL is IPv4's time to live or IPv6's hop limit; 0 means DefaultTTL on encode.
	TTL uint8
}

// DefaultTTL is the outer time to live where the caller gives none.
const DefaultTTL = 64

// Spread sets SourcePort and FlowID from the inner packet's flow hash (FlowHash), so that the underlay's multipath
// keeps a flow on one path and spreads different ones.
func (o *Outer) Spread(hash uint32) {
	o.SourcePort = VXLANSourcePort(hash)
	o.FlowID = NVGREFlowID(hash)
}
