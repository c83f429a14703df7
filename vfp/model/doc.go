// Package model is the reference pipeline: plain Go that says, packet by packet, what a datapath that
// enforces a vfp.Policy must do. It is the specification. The eBPF programs are run on the same packets and
// must agree with it in verdict, reason, bytes, flow state and counters.
//
// The order of decisions for a packet that an endpoint sends (PortOut):
//
//	port security   source MAC, VLAN, ARP sender, headers, source CA, multicast, DHCP server
//	flow table      a live flow of the present policy skips what follows
//	ACLs            every ACL of the source address, outbound, must allow
//	routing         the destination CA's mapping in the routing domain; destination MAC, TTL
//	delivery        mapping on this host: the destination port's inbound flow table and ACLs, then the port;
//	                elsewhere: encapsulation to the mapping's PA with the destination's VSID
//
// and for a packet from the underlay (UnderlayIn): outer headers, VSID, inner headers, ECN, destination port
// and MAC, the inner source's PA, flow table, inbound ACLs, decapsulation.
package model
