package encap

import (
	"math"
	"slices"
)

const vsidMask VSID = 1<<24 - 1

// Append appends the headers o describes and then inner, an Ethernet frame without FCS, to dst and returns the longer
// slice. It allocates only if dst has no room for OuterLen+len(inner) bytes more. The inner frame must not lie in that
// room: it would be overwritten while it is read. Use PutHeaders to encapsulate in place.
//
// Errors wrap ErrInvalid and leave dst as it was: an unknown type, a VSID of more than 24 bits (it is never truncated
// into another tenant's), addresses of mixed or no family, a VXLAN source port of 0, an inner frame that is shorter
// than 14 bytes, too long for an IP packet, or 802.1Q tagged.
func Append(dst []byte, o *Outer, inner []byte) ([]byte, error) {
	if len(inner) < ethernetLen {
		return dst, errPutShort
	}
	if tagged(inner) {
		return dst, errPutTag
	}
	// Checked before growing, so that a refused packet does not cost a copy of dst.
	if err := check(o, len(inner)); err != nil {
		return dst, err
	}
	outer := OuterLen(o.Type, o.Src.Is6())
	grown := slices.Grow(dst, outer+len(inner))[:len(dst)+outer]
	put(grown[len(dst):], o, len(inner))
	return append(grown, inner...), nil
}

// PutHeaders writes the headers of an inner Ethernet frame of innerLen bytes to the front of b and returns how many
// bytes they are, which is OuterLen(o.Type, o.Src.Is6()). Where the inner frame already stands that far into a buffer,
// this encapsulates it without a copy.
//
// Errors are Append's (except for the 802.1Q tag, which it cannot see) and a b that is too short; nothing is written
// then.
func PutHeaders(b []byte, o *Outer, innerLen int) (int, error) {
	if err := check(o, innerLen); err != nil {
		return 0, err
	}
	n := OuterLen(o.Type, o.Src.Is6())
	if len(b) < n {
		return 0, errBufferLength
	}
	put(b[:n], o, innerLen)
	return n, nil
}

// check returns why there is no packet for o and an inner frame of innerLen bytes.
func check(o *Outer, innerLen int) error {
	if o.Type != VXLAN && o.Type != NVGRE {
		return errType
	}
	if o.VSID > vsidMask {
		return errVSID
	}
	v4, v6 := o.Src.Is4() && o.Dst.Is4(), o.Src.Is6() && o.Dst.Is6()
	if !v4 && !v6 || o.Src.Is4In6() || o.Dst.Is4In6() {
		return errAddresses
	}
	if o.Type == VXLAN && o.SourcePort == 0 {
		return errSourcePort
	}
	if innerLen < ethernetLen {
		return errPutShort
	}
	// IPv4 counts its own header, IPv6 does not.
	longest := math.MaxUint16 - tunnelLen(o.Type)
	if v4 {
		longest -= ipv4Len
	}
	if innerLen > longest {
		return errPutLong
	}
	return nil
}

// put writes the headers of a checked packet; b is exactly as long as they are.
func put(b []byte, o *Outer, innerLen int) {
	protocol := uint8(protocolUDP)
	if o.Type == NVGRE {
		protocol = protocolGRE
	}
	payloadLen := tunnelLen(o.Type) + innerLen
	ip := b[ethernetLen:]
	var tunnel []byte
	if o.Src.Is4() {
		putEthernet(b, o.DstMAC, o.SrcMAC, etherTypeIPv4)
		putIPv4(ip, o, protocol, payloadLen)
		tunnel = ip[ipv4Len:]
	} else {
		putEthernet(b, o.DstMAC, o.SrcMAC, etherTypeIPv6)
		putIPv6(ip, o, protocol, payloadLen)
		tunnel = ip[ipv6Len:]
	}
	if o.Type == NVGRE {
		putNVGRE(tunnel, o)
	} else {
		putVXLAN(tunnel, o, innerLen)
	}
}
