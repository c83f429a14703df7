package encap

// Decode takes the overlay's headers off an Ethernet frame without FCS. The inner frame is a part of frame, not a copy,
// without the padding that a short outer frame may have, and without capacity beyond its length. On an error o and
// inner are zero.
//
// Errors wrap one of two, and the order of the checks is what decides between them: a packet is the overlay's as soon
// as its UDP destination port is 4789, or its GRE flags and version are exactly 0x2000 (key present) and its GRE protocol 0x6558.
//
//   - ErrNotOverlay, leave the packet to the host: whatever is not that, and IP in a form the overlay never sends, so
//     that its payload cannot be told: an outer VLAN tag, IPv4 with options (header length other than 20), any
//     IPv4 fragment (also a first one), IPv6 with extension headers.
//   - ErrMalformed, drop it: an IP length beyond the end of the frame, a wrong IPv4 header checksum, an IPv4-mapped
//     IPv6 address, a UDP length other than the IP payload's, VXLAN flags other than exactly 0x08, an inner frame shorter than its 14 byte header or with an 802.1Q tag.
//
// Ignored on receipt: VXLAN's two reserved fields (RFC 7348 section 5), the UDP checksum, IPv4's identification and
// don't fragment, IPv6's flow label. Whether the packet is for this host, and whether its sender may speak for the
// inner source, is for the caller to judge.
func Decode(frame []byte) (o Outer, inner []byte, err error) {
	inner, err = decode(&o, frame)
	if err != nil {
		return Outer{}, nil, err
	}
	return o, inner[:len(inner):len(inner)], nil
}

func decode(o *Outer, frame []byte) (inner []byte, err error) {
	if len(frame) < ethernetLen {
		return nil, errShortFrame
	}
	o.DstMAC, o.SrcMAC = [6]byte(frame[0:6]), [6]byte(frame[6:12])

	var protocol uint8
	var payload []byte
	var fault error
	switch etherType(frame) {
	case etherTypeIPv4:
		protocol, payload, fault, err = parseIPv4(o, frame[ethernetLen:])
	case etherTypeIPv6:
		protocol, payload, fault, err = parseIPv6(o, frame[ethernetLen:])
	default:
		err = errEtherType
	}
	if err != nil {
		return nil, err
	}

	switch {
	case protocol == protocolUDP && !isVXLAN(payload):
		return nil, errUDPPort
	case protocol == protocolGRE && !isNVGRE(payload):
		return nil, errGREProtocol
	case protocol != protocolUDP && protocol != protocolGRE:
		return nil, errProtocol
	}
	// From here on the packet is the overlay's, and what is wrong with it a reason to drop it.
	if fault != nil {
		return nil, fault
	}
	if protocol == protocolUDP {
		inner, err = parseVXLAN(o, payload)
	} else {
		inner, err = parseNVGRE(o, payload)
	}
	if err != nil {
		return nil, err
	}
	if len(inner) < ethernetLen {
		return nil, errInnerShort
	}
	if tagged(inner) {
		return nil, errInnerTag
	}
	return inner, nil
}
