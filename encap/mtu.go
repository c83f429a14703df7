package encap

import "fmt"

// The smallest MTUs IP works with, in bytes of IP packet.
const (
	// MinMTU4 is what every IPv4 host must be able to receive (RFC 791 section 3.1).
	MinMTU4 = 576

	// MinMTU6 is what every IPv6 link must carry (RFC 8200 section 5). A tenant subnet with IPv6 needs it inside.
	MinMTU6 = 1280
)

// maxMTU bounds what an interface may claim: loopback has 65536, one byte more than an IPv4 packet can be long.
const maxMTU = 65535

const tcpLen = 20

// tunnelLen is the length of what stands between the outer IP header and the inner frame; 0 for an unknown type.
func tunnelLen(t Type) int {
	switch t {
	case VXLAN:
		return udpLen + vxlanLen
	case NVGRE:
		return nvgreLen
	}
	return 0
}

// Overhead is how many bytes of the underlay's MTU encapsulation takes: outer IP, tunnel and inner Ethernet header,
// since an MTU counts from the IP header on. 0 for an unknown type.
//
//	        over IPv4             over IPv6
//	VXLAN   20 + 16 + 14 = 50     40 + 16 + 14 = 70
//	NVGRE   20 +  8 + 14 = 42     40 +  8 + 14 = 62
func Overhead(t Type, underlay6 bool) int {
	n := tunnelLen(t)
	if n == 0 {
		return 0
	}
	if underlay6 {
		return ipv6Len + n + ethernetLen
	}
	return ipv4Len + n + ethernetLen
}

// OuterLen is how many bytes stand in front of the inner Ethernet frame: outer Ethernet, outer IP and tunnel header.
// By how much a frame grows, that is, and the headroom encapsulating in place needs. 0 for an unknown type.
//
// It is the same number as Overhead, which counts the inner Ethernet header in place of the equally long outer one.
func OuterLen(t Type, underlay6 bool) int {
	return Overhead(t, underlay6)
}

// InnerMTU is the MTU of a container interface whose packets, once encapsulated, fit the underlay's, both in bytes of
// IP packet. It is an error if the underlay leaves less than MinMTU4, or has less than MinMTU6 although it is IPv6.
// A result below MinMTU6 is for the caller to refuse where the tenant subnet has IPv6.
func InnerMTU(t Type, underlay6 bool, underlayMTU int) (int, error) {
	overhead := Overhead(t, underlay6)
	if overhead == 0 {
		return 0, fmt.Errorf("inner MTU: unknown encapsulation %v", t)
	}
	if underlay6 && underlayMTU < MinMTU6 {
		return 0, fmt.Errorf("inner MTU: underlay MTU %d is less than the %d that IPv6 needs", underlayMTU, MinMTU6)
	}
	inner := min(underlayMTU, maxMTU) - overhead
	if inner < MinMTU4 {
		return 0, fmt.Errorf("inner MTU: underlay MTU %d leaves %d bytes after %d of %v overhead, less than the %d that IPv4 needs",
			underlayMTU, inner, overhead, t, MinMTU4)
	}
	return inner, nil
}

// MSS is the largest TCP segment, in bytes of payload, that fits innerMTU with no IP or TCP options: the value of the
// TCP option, which leaves those out (RFC 9293 section 3.7.1). 0 if the headers alone do not fit.
func MSS(innerMTU int, inner6 bool) int {
	header := ipv4Len + tcpLen
	if inner6 {
		header = ipv6Len + tcpLen
	}
	return max(innerMTU-header, 0)
}
