package vfp

import "fmt"

// DropReason says why the pipeline dropped a packet. The numbers are shared with the eBPF programs
// (vfp/ebpf/bpf/drop.h): never reuse one.
type DropReason uint8

const (
	DropNone                 DropReason = 0
	DropMalformed            DropReason = 1  // headers that contradict each other or the frame's length
	DropMACSpoof             DropReason = 2  // source MAC is not the port's
	DropCASpoof              DropReason = 3  // source address is not one of the port's
	DropARPSpoof             DropReason = 4  // ARP sender is not the port
	DropARPUnanswered        DropReason = 5  // nobody to answer for, or nothing to answer (gratuitous, replies)
	DropVLAN                 DropReason = 6  // a tagged frame from a port or out of a tunnel
	DropUnsupportedEthertype DropReason = 7  // neither ARP nor a supported IP version
	DropMulticast            DropReason = 8  // multicast or broadcast destination
	DropFragment             DropReason = 9  // a later fragment whose datagram's first was not seen before it
	DropACLOutbound          DropReason = 10 // an ACL of the sending port blocks it
	DropACLInbound           DropReason = 11 // an ACL of the receiving port blocks it
	DropNoMapping            DropReason = 12 // nobody in the routing domain has the address
	DropDestinationMAC       DropReason = 13 // destination MAC fits neither the destination nor the router
	DropTTLExpired           DropReason = 14 // routed with a TTL of 1 or 0
	DropNoPort               DropReason = 15 // the endpoint lives on this host but is not attached
	DropPASpoof              DropReason = 16 // outer source is not the provider address of the inner source
	DropDHCPGuard            DropReason = 17 // the endpoint plays DHCP server
	DropECN                  DropReason = 18 // outer congestion mark on a not-ECN-capable inner packet (RFC 6040)
	DropPortUnknown          DropReason = 19 // the device has a program but no port in the policy
	DropInternal             DropReason = 20 // the kernel refused a header change
	DropFlowLimit            DropReason = 21 // the port's flow table is full of answered flows
	DropMTU                  DropReason = 22 // too big for the underlay; an ICMP error tells the sender
	DropICMPUnrelated        DropReason = 23 // an ICMP error that belongs to no flow
	DropRAGuard              DropReason = 24 // the endpoint plays IPv6 router (RA or redirect)
	DropNDSpoof              DropReason = 25 // ND source or target is not the port
	DropNDUnanswered         DropReason = 26 // nobody to answer for, or nothing to answer
	DropBandwidth            DropReason = 27 // over the port's bandwidth limit
	DropIPOptions            DropReason = 28 // source routing: IPv4 LSRR and SSRR, IPv6 routing header
	DropNAT                  DropReason = 29 // no port left to translate to, or nothing to translate
	DropDHCPUnanswered       DropReason = 30 // a DHCP message the vSwitch has no answer to
	DropRouteNone            DropReason = 31 // a user route leads nowhere
	DropNextHop              DropReason = 32 // nobody in the routing domain has the address of a user route's next hop
)

// LastDropReason is the highest there is.
const LastDropReason = DropNextHop

// DropReasons is how many reasons the kernel counts per port.
const DropReasons = 64

var dropReasonText = map[DropReason]string{
	DropNone:                 "none",
	DropMalformed:            "malformed",
	DropMACSpoof:             "mac-spoof",
	DropCASpoof:              "ca-spoof",
	DropARPSpoof:             "arp-spoof",
	DropARPUnanswered:        "arp-unanswered",
	DropVLAN:                 "vlan",
	DropUnsupportedEthertype: "unsupported-ethertype",
	DropMulticast:            "multicast",
	DropFragment:             "fragment",
	DropACLOutbound:          "acl-outbound",
	DropACLInbound:           "acl-inbound",
	DropNoMapping:            "no-mapping",
	DropDestinationMAC:       "destination-mac",
	DropTTLExpired:           "ttl-expired",
	DropNoPort:               "no-port",
	DropPASpoof:              "pa-spoof",
	DropDHCPGuard:            "dhcp-guard",
	DropECN:                  "ecn",
	DropPortUnknown:          "port-unknown",
	DropInternal:             "internal",
	DropFlowLimit:            "flow-limit",
	DropMTU:                  "mtu",
	DropICMPUnrelated:        "icmp-unrelated",
	DropRAGuard:              "ra-guard",
	DropNDSpoof:              "nd-spoof",
	DropNDUnanswered:         "nd-unanswered",
	DropBandwidth:            "bandwidth",
	DropIPOptions:            "ip-options",
	DropNAT:                  "nat",
	DropDHCPUnanswered:       "dhcp-unanswered",
	DropRouteNone:            "route-none",
	DropNextHop:              "next-hop",
}

func (r DropReason) String() string {
	if s, ok := dropReasonText[r]; ok {
		return s
	}
	return fmt.Sprintf("reason-%d", uint8(r))
}
