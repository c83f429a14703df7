package agent

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/vfp"
)

const (
	ethernetLen = 14
	ipv4Len     = 20
	ephemeral   = 32768 // the first port of Linux' own choice
)

// frame is the first packet of a new flow as the endpoint would send it: a TCP SYN, a UDP datagram or an echo
// request. It also returns the address it is sent from.
func (a *Agent) frame(port *vfp.Port, req api.TraceRequest) ([]byte, *vfp.Address, error) {
	to, err := netip.ParseAddr(req.To)
	if err != nil || !to.Is4() {
		return nil, nil, api.Errorf(http.StatusBadRequest, "to: %q is not an IPv4 address", req.To)
	}
	from, sameSubnet := a.sender(port, to)
	if from == nil {
		return nil, nil, api.Errorf(http.StatusBadRequest, "endpoint %q has no IPv4 address", port.ID)
	}
	var protocol uint8
	var l4 []byte
	sport := req.Sport
	if sport == 0 {
		sport = ephemeral + uint16(rand.IntN(ephemeral)) // a flow that lives already would tell of the past
	}
	switch strings.ToLower(req.Proto) {
	case "", "tcp":
		protocol, l4 = vfp.ProtocolTCP, make([]byte, 20)
		l4[12], l4[13] = 5<<4, 0x02 // five words, SYN
		binary.BigEndian.PutUint16(l4[14:], 64240)
	case "udp":
		protocol, l4 = vfp.ProtocolUDP, make([]byte, 8)
		binary.BigEndian.PutUint16(l4[4:], 8)
	case "icmp":
		protocol, l4 = vfp.ProtocolICMP, make([]byte, 8)
		l4[0] = 8 // echo
		binary.BigEndian.PutUint16(l4[4:], sport)
		binary.BigEndian.PutUint16(l4[2:], ^checksum(l4))
	default:
		return nil, nil, api.Errorf(http.StatusBadRequest, "proto %q: want tcp, udp or icmp", req.Proto)
	}
	if protocol != vfp.ProtocolICMP {
		binary.BigEndian.PutUint16(l4, sport)
		binary.BigEndian.PutUint16(l4[2:], req.Dport)
		pseudo := append(from.CA.AsSlice(), to.AsSlice()...)
		pseudo = append(pseudo, 0, protocol, 0, byte(len(l4)))
		sum := ^checksum(append(pseudo, l4...))
		if protocol == vfp.ProtocolUDP {
			binary.BigEndian.PutUint16(l4[6:], cmp.Or(sum, 0xffff)) // 0 would mean: none
		} else {
			binary.BigEndian.PutUint16(l4[16:], sum)
		}
	}
	next := vfp.RouterMAC
	if sameSubnet {
		for i := range a.policy.Mappings {
			if m := &a.policy.Mappings[i]; m.RDID == from.RDID && m.CA == to {
				next = m.MAC
			}
		}
	}
	b := make([]byte, ethernetLen+ipv4Len, ethernetLen+ipv4Len+len(l4))
	copy(b, next[:])
	copy(b[6:], port.MAC[:])
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	ip := b[ethernetLen:]
	ip[0], ip[8], ip[9] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(ip[2:], uint16(ipv4Len+len(l4)))
	copy(ip[12:], from.CA.AsSlice())
	copy(ip[16:], to.AsSlice())
	binary.BigEndian.PutUint16(ip[10:], ^checksum(ip))
	return append(b, l4...), from, nil
}

// sender is the address the endpoint's routes would choose: one of the destination's subnet, else the first.
func (a *Agent) sender(port *vfp.Port, to netip.Addr) (from *vfp.Address, sameSubnet bool) {
	for i := range port.Addresses {
		ad := &port.Addresses[i]
		if !ad.CA.Is4() {
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
