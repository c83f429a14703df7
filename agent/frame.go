package agent

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/vfp"
)

const (
	ipv4Len   = 20
	ipv6Len   = 40
	hops      = 64    // Linux' TTL and hop limit
	ephemeral = 32768 // the first port of Linux' own choice
)

// frame is the first packet of a new flow as the endpoint would send it: a TCP SYN, a UDP datagram or an echo
// request. It also returns the address it is sent from.
func (a *Agent) frame(port *vfp.Port, req api.TraceRequest) ([]byte, *vfp.Address, error) {
	to, err := netip.ParseAddr(req.To)
	if to = to.Unmap(); err != nil || to.Zone() != "" {
		return nil, nil, api.Errorf(http.StatusBadRequest, "to: %q is not an address", req.To)
	}
	from, sameSubnet := a.sender(port, to)
	if from == nil {
		return nil, nil, api.Errorf(http.StatusBadRequest, "endpoint %q has no address of the family of %s", port.ID, to)
	}
	sport := req.Sport
	if sport == 0 {
		sport = ephemeral + uint16(rand.IntN(ephemeral)) // a flow that lives already would tell of the past
	}
	protocol, err := traceProtocol(req.Proto, to)
	if err != nil {
		return nil, nil, err
	}
	l4 := transport(protocol, sport, req.Dport, from.CA, to)
	next := vfp.RouterMAC
	if mac, ok := groupMAC(to); ok {
		next = mac
	} else if sameSubnet {
		for i := range a.policy.Mappings {
			if m := &a.policy.Mappings[i]; m.RDID == from.RDID && m.CA == to {
				next = m.MAC
			}
		}
	}
	b := append(slices.Clone(next[:]), port.MAC[:]...)
	if to.Is6() {
		b = append(b, 0x86, 0xdd)
		b = append(b, ipv6Header(protocol, len(l4), from.CA, to)...)
	} else {
		b = append(b, 0x08, 0x00)
		b = append(b, ipv4Header(protocol, len(l4), from.CA, to)...)
	}
	return append(b, l4...), from, nil
}

// groupMAC is the address of a multicast group (RFC 1112, RFC 2464) or of the broadcast.
func groupMAC(to netip.Addr) (mac vfp.MAC, ok bool) {
	b := to.As16()
	switch {
	case to == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return vfp.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true
	case !to.IsMulticast():
		return mac, false
	case to.Is4():
		return vfp.MAC{0x01, 0x00, 0x5e, b[13] & 0x7f, b[14], b[15]}, true
	}
	return vfp.MAC{0x33, 0x33, b[12], b[13], b[14], b[15]}, true
}

// traceProtocol is the number of a request's word; "icmp" is that of the destination's family.
func traceProtocol(word string, to netip.Addr) (uint8, error) {
	switch word = strings.ToLower(word); {
	case word == "" || word == "tcp":
		return vfp.ProtocolTCP, nil
	case word == "udp":
		return vfp.ProtocolUDP, nil
	case to.Is6() && (word == "icmp" || word == "icmpv6"):
		return vfp.ProtocolICMPv6, nil
	case word == "icmp":
		return vfp.ProtocolICMP, nil
	case word == "icmpv6":
		return 0, api.Errorf(http.StatusBadRequest, "proto icmpv6: %s is not an IPv6 address", to)
	}
	return 0, api.Errorf(http.StatusBadRequest, "proto %q: want tcp, udp, icmp or icmpv6", word)
}

// transport is the transport header of a flow's first packet, with its checksum.
func transport(protocol uint8, sport, dport uint16, from, to netip.Addr) (l4 []byte) {
	at := 2 // of the checksum
	switch protocol {
	case vfp.ProtocolTCP:
		l4, at = make([]byte, 20), 16
		l4[12], l4[13] = 5<<4, 0x02 // five words, SYN
		binary.BigEndian.PutUint16(l4[14:], 64240)
	case vfp.ProtocolUDP:
		l4, at = make([]byte, 8), 6
		binary.BigEndian.PutUint16(l4[4:], 8)
	default: // echo request
		l4 = make([]byte, 8)
		l4[0] = 8
		if protocol == vfp.ProtocolICMPv6 {
			l4[0] = 128
		}
		binary.BigEndian.PutUint16(l4[4:], sport)
	}
	var sum uint16
	if protocol == vfp.ProtocolICMP {
		sum = ^checksum(l4)
	} else {
		if protocol != vfp.ProtocolICMPv6 {
			binary.BigEndian.PutUint16(l4, sport)
			binary.BigEndian.PutUint16(l4[2:], dport)
		}
		pseudo := append(from.AsSlice(), to.AsSlice()...)
		pseudo = append(pseudo, 0, protocol, 0, byte(len(l4))) // sums up alike for IPv4 and IPv6
		sum = ^checksum(append(pseudo, l4...))
	}
	if protocol == vfp.ProtocolUDP {
		sum = cmp.Or(sum, 0xffff) // 0 would mean: none
	}
	binary.BigEndian.PutUint16(l4[at:], sum)
	return l4
}

func ipv4Header(protocol uint8, payload int, from, to netip.Addr) []byte {
	ip := make([]byte, ipv4Len)
	ip[0], ip[8], ip[9] = 0x45, hops, protocol
	binary.BigEndian.PutUint16(ip[2:], uint16(ipv4Len+payload))
	copy(ip[12:], from.AsSlice())
	copy(ip[16:], to.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], ^checksum(ip))
	return ip
}

func ipv6Header(protocol uint8, payload int, from, to netip.Addr) []byte {
	ip := make([]byte, 8, ipv6Len)
	ip[0], ip[6], ip[7] = 0x60, protocol, hops
	binary.BigEndian.PutUint16(ip[4:], uint16(payload))
	return append(append(ip, from.AsSlice()...), to.AsSlice()...)
}

// sender is the address the endpoint's routes would choose: one of the destination's subnet, else the first.
func (a *Agent) sender(port *vfp.Port, to netip.Addr) (from *vfp.Address, sameSubnet bool) {
	for i := range port.Addresses {
		ad := &port.Addresses[i]
		if ad.CA.BitLen() != to.BitLen() {
			continue
		}
		for j := range a.policy.Subnets {
			if s := &a.policy.Subnets[j]; s.VSID == ad.VSID && s.Prefix.Contains(to) && s.Gateway != to {
				return ad, true
			}
		}
		if from == nil {
			from = ad
		}
	}
	return from, false
}

// checksum is the ones' complement sum (RFC 1071) of an even number of bytes.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}
