// Package model is the reference pipeline: plain Go that says, packet by packet, what a datapath that
// enforces a vfp.Policy must do. It is the specification. The eBPF programs are run on the same packets and
// must agree with it in verdict, reason, bytes, flow state and counters.
//
// # What an endpoint sends (PortOut)
//
// In this order; the first thing that is wrong decides:
//
//	source MAC      the port's (unless spoofing is allowed); no VLAN tag
//	ARP             sender checked, requests answered from the mapping table (arp.go)
//	headers         IPv4 with its options, IPv6 with at most six extension headers, and the L4 header agree with each
//	                other and with the frame's length; no source routing (ipv4.go, ipv6.go, packet.go)
//	ND, MLD         an endpoint speaks only of its own addresses and is no router; solicitations are answered (nd.go);
//	                MLD goes nowhere, for nobody learns from it
//	DHCPv4          requests are answered where the port has it (dhcp.go)
//	source CA       one of the port's; a port that forwards may send any that can be routed (routing.go)
//	group           multicast and broadcast only where the subnet replicates
//	fragments       a later one takes over what its datagram's first said, which must have come before (fragment.go)
//	DHCP guard      the endpoint is no DHCP server, of either family
//	bandwidth       of the port outbound; may set CE (bandwidth.go)
//	mirror          a copy of the frame as it is now (mirror.go)
//	group           replicated to ports here and hosts elsewhere, every packet classified (multicast.go)
//	ICMP errors     belong to a flow that exists and is allowed, or are dropped (related.go)
//	flow table      a live flow of the present policy skips what follows; one of an earlier policy is judged again by
//	                what its first packet was (flow.go)
//	ACLs            every ACL of the address must allow, admin's first (acl.go)
//	routing         the longest user route of the subnet, if it has any, may name another next hop, or none (routing.go);
//	                else the destination CA's mapping in the routing domain. Without one: the gateway answers an echo, and
//	                a subnet with NAT sends TCP, UDP and echo requests outside (nat.go)
//	limits          the port's flow table and its ring of half-open flows have room for a new flow (ring.go)
//	next hop        destination MAC; TTL, and size when the destination is elsewhere: the router's ICMP errors tell the
//	                sender (icmperror.go). Nothing is booked on the flow before this is settled
//	booking         flow, rules, port and meter (account.go)
//	delivery        elsewhere: MSS of a SYN (mss.go), next hop's MAC and TTL, encapsulation with the destination's VSID.
//	                Here: next hop's MAC and TTL, then the destination port's inbound layers, below.
//	                Outside: address, port and TTL
//
// # Inbound layers
//
// Flow table and ACLs of the receiving port (an ICMP error: its flow), provenance of what comes from the underlay, forbidden
// flows, bandwidth inbound, booking, MSS of a SYN from the underlay, mirror, delivery.
//
// # What the underlay brings (UnderlayIn)
//
//	NAT             answers from outside, and ICMP errors about translated flows
//	outer headers   to this host's PA, VXLAN or NVGRE whatever the policy sends; what is no overlay packet of a subnet
//	                here is left to the host
//	inner headers   as above; no ND, MLD; congestion (RFC 6040); fragments
//	group           only where the subnet replicates, from the host where the source CA lives, to ports here
//	destination     a port here, its MAC; the outer source is not this host, and is where the inner source lives, or a host
//	                with an endpoint that forwards
//	inbound layers
//
// # Flows
//
// A flow is kept at the port at either end. Only one that is allowed is made; one that a later policy forbids is kept while
// its packets come. Its idle timeout (vfp.IdleTimeout) runs from the last packet that was booked on it, forbidden ones
// included, ICMP errors not. A new connection may take the place of one that has ended.
//
// Rule and meter counters grow with every booked packet here; a datapath may keep them in the flow and add them up when
// somebody asks.
package model
