/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes of every map. Addresses, ports and MACs are in network byte order, everything else in the
 * host's. A "slot" is one of two complete copies of the policy: programs read the active one, user space
 * writes the other and then flips (control.active), so no packet sees a mixture. */
#pragma once

#include <linux/types.h>

#define MAX_ACLS 12
#define DROP_REASONS 64
#define MAX_REPLICAS 64
#define METER_CLASSES 3

enum direction {
	OUTBOUND = 0,
	INBOUND = 1,
};

enum encap_type {
	ENCAP_VXLAN = 1,
	ENCAP_NVGRE = 2,
	ENCAP_ERSPAN = 3, /* mirrored copies only */
};

/* An IPv6 address, or an IPv4 address mapped into one (::ffff:a.b.c.d). */
struct addr {
	__u32 w[4];
};

/* A provider address inside the policy is one word: the address itself on an IPv4 underlay, an index into pas on an
 * IPv6 one. A host has one family. */
struct host {
	__u32 pa;
	__u32 ifindex; /* of the underlay device */
	__u32 encap;   /* enum encap_type */
	__u32 generation;
	__u32 onlink;  /* mask: IPv4 PAs that agree with ours in these bits are neighbours on the underlay device */
	__u32 mtu;     /* largest inner IP packet, 0: anything goes */
	__u32 relay;   /* ifindex of the device that sends copies on, 0: none */
	__u32 v6;      /* the underlay is IPv6 */
	__u32 nat;     /* some subnet translates to an address of this host */
	__u32 forwards; /* some port here does */
	struct addr pa6;
	__u32 flows_shared;     /* a port may go beyond its share while the table holds fewer flows than this */
	__u32 flows_guaranteed; /* a port's share */
};

struct control {
	__u32 active; /* slot */
	__u32 unsettled; /* the policy has changed and epochs don't say so yet; for user space only */
	struct host host[2];
};

#define PORT_ALLOW_MAC_SPOOFING 1
#define PORT_VETH 2     /* deliver with bpf_redirect_peer */
#define PORT_DHCP 4     /* dhcp[port] answers */
#define PORT_LIMIT_OUT 8
#define PORT_LIMIT_IN 16
#define PORT_MIRROR 32
#define PORT_FORWARDS 64 /* it passes on packets of others */

/* ports[index * 2 + slot]; index 0 stands for the host itself */
struct port {
	__u32 ifindex; /* 0: no such port */
	__u32 vsid;    /* of the first IPv4 address */
	__u32 ca;      /* the first IPv4 address, so that most packets need no address lookup */
	__u32 vsid6;   /* of the first IPv6 address */
	struct addr ca6;
	__u8 mac[6];
	__u8 flags;
	__u8 mirror_type; /* enum encap_type, for a collector */
	__u32 flow_limit;
	__u32 half_open; /* limit */
	__u64 rate[2];   /* bit/s by direction */
	__u64 burst[2];  /* ns by direction */
	__u32 mirror_port; /* index, or 0: to the collector */
	__u32 mirror_pa;
	__u32 mirror_session;
	__u32 pad;
};

/* What a port has seen; written by the programs. */
struct port_state {
	__u64 tat[2]; /* theoretical arrival time by direction, ns */
	__u64 created;
	__u64 evicted;
	__u64 refused;
	__u32 flows;
	__u32 half_open; /* of these: nobody has answered yet */
	__u32 seq;       /* next position in the ring of half-open flows */
	__u32 pad;
};

struct subnet_key {
	__u32 vsid_slot; /* vsid << 1 | slot */
};

#define SUBNET_REPLICATE 1
#define SUBNET_GATEWAY 2

struct subnet {
	__u32 domain;
	__u32 nat; /* IPv4 address of the host, 0: none */
	struct addr network;
	struct addr gateway;
	__u8 bits; /* of the mapped form: IPv4's are 96 more */
	__u8 flags;
	__u8 pad[2];
};

struct mapping_key {
	__u32 domain_slot; /* domain << 1 | slot */
	struct addr ca;
};

struct mapping {
	__u32 pa;
	__u32 vsid;
	__u32 port; /* index when attached here, else 0 */
	__u8 mac[6];
	__u16 pad;
};

struct address_key {
	__u32 port_slot; /* index << 1 | slot */
	struct addr ca;
};

#define ADDRESS_ROUTES 1 /* its subnet has some */

struct address {
	__u32 vsid;
	__u32 domain;
	__u32 flags; /* ADDRESS_* */
	__u32 acls[MAX_ACLS]; /* numbers of ACLs, 0 ends the list */
};

/* The longest prefix of a subnet's that matches. */
struct route_key {
	__u32 prefixlen; /* of what follows */
	__u32 subnet_slot; /* (vsid << 1 | IPv6) << 1 | slot */
	struct addr to;
};

#define ROUTE_LOCAL 0
#define ROUTE_NONE 1
#define ROUTE_INTERNET 2
#define ROUTE_APPLIANCE 3

struct route {
	__u32 action; /* ROUTE_* */
	struct addr next_hop;
};

/* A port that passes on packets of others, by its MAC in a subnet: these are the first bytes of who. And a host from which
 * packets of any source may come into a domain: its PA is the last word of who. */
struct forwarder_key {
	__u32 where_slot; /* vsid << 1 | slot, or domain << 1 | slot */
	struct addr who;
};

/* Who gets a copy of a subnet's multicast. */
struct receiver {
	__u32 port;     /* index */
	struct addr ca; /* its first address in the subnet: the one whose ACLs judge */
};

struct flood {
	__u32 ports;
	__u32 pas;
	struct receiver port[MAX_REPLICAS];
	__u32 pa[MAX_REPLICAS];
};

struct dhcp_key {
	__u32 port_slot;
};

struct dhcp {
	__u32 server;
	__u32 mask;
	__u32 router; /* 0: none */
	__u32 lease;  /* seconds */
	__u32 dns[2];
	__u16 mtu;    /* 0: not offered */
	__u16 dns_count;
};

struct flow_key {
	struct addr local; /* CA of the port that keeps the flow */
	struct addr remote;
	__u32 vsid_proto; /* vsid << 8 | protocol */
	__u16 lport;      /* both hold the identifier of an ICMP echo */
	__u16 rport;
	__u32 transit; /* index of the port when it passes on what is not its own, else 0 */
};

#define FLOW_INITIATOR_FIN 1
#define FLOW_RESPONDER_FIN 2
#define FLOW_RST 4
#define FLOW_ANSWERED 8

#define PEER_SAME_SUBNET 1
#define PEER_NAT 2
#define PEER_VIA 4 /* an appliance on the way to the remote CA */

struct flow {
	__u64 last; /* ns, CLOCK_MONOTONIC */
	__u32 epoch;
	__u32 state; /* FLOW_* */
	__u64 packets[2]; /* by direction */
	__u64 bytes[2];
	__u32 peer_pa;   /* where packets to the remote CA go */
	__u32 peer_vsid;
	__u32 peer_port; /* index when it lives on this host */
	__u32 hash;      /* entropy of what is sent to the remote CA */
	__u8 peer_mac[6];
	__u8 direction; /* who started it */
	__u8 drop;      /* reason, when the present policy forbids it */
	__u8 peer_flags;
	__u8 tcp_flags; /* of the first packet */
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 meter;
	__u8 nowhere; /* reason, when what came in cannot be answered */
	__u16 nat_port; /* network byte order */
	__u32 port;     /* index of the port that keeps it */
	__u32 credited_packets[2]; /* what rules, meters and ports have been credited with */
	__u32 nat_address;
	__u64 credited_bytes[2];
	__u64 created;
	__u32 rules[MAX_ACLS]; /* counters of the rules that decided, 0 ends */
};

/* A port's half-open flows but the first quarter, oldest first: a ring of positions. */
struct ring_key {
	__u32 port;
	__u32 position;
};

struct ring_entry {
	struct flow_key flow;
	__u32 pad;
	__u64 created;
};

/* Later fragments have no ports: the first one's are remembered for them. */
struct fragment_key {
	struct addr src;
	struct addr dst;
	__u32 scope; /* VSID, or for what a port sends its index with the upper bit set */
	__u32 id;
	__u32 proto; /* 0 for IPv6 */
};

struct fragment {
	__u64 at; /* ns, CLOCK_MONOTONIC */
	__u16 sport;
	__u16 dport;
	__u8 proto;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 pad;
};

struct nat_key {
	__u32 address; /* of the host */
	__u32 remote;
	__u16 rport;
	__u16 port; /* that the outside sees */
	__u32 proto;
};

struct nat {
	__u32 port; /* index */
	__u32 vsid;
	__u32 ca;
	__u16 lport;
	__u16 pad;
};

struct stats {
	__u64 packets;
	__u64 bytes;
	__u64 last; /* ns, CLOCK_MONOTONIC */
};

struct port_stats {
	struct stats tx; /* sent by the endpoint */
	struct stats rx;
	struct stats meter[METER_CLASSES][2];
};

#define EVENT_ACL 1
#define EVENT_DROP 2
#define EVENT_FLOW_NEW 3
#define EVENT_FLOW_CLOSED 4

#define WATCH_DROPS 1
#define WATCH_FLOWS 2

struct event {
	__u64 at; /* ns, CLOCK_MONOTONIC */
	struct addr src;
	struct addr dst;
	__u32 port;
	__u32 length;
	__u32 rule;       /* counter */
	__u32 suppressed; /* events like this one since the last */
	__u16 sport;
	__u16 dport;
	__u8 kind;
	__u8 direction;
	__u8 proto;
	__u8 action;
	__u8 reason;
	__u8 pad[7];
};

/* At most EVENTS_PER_SECOND of one rule, or of one reason at one port. */
struct event_limit {
	__u64 second;
	__u32 count;
	__u32 suppressed;
};

/* What the last run decided; written only by the programs loaded for tests and traces. */
struct decision {
	__u32 verdict; /* enum verdict */
	__u32 reason;
	__u32 port;    /* index of the port delivered to, or charged with the drop */
	__u32 flow_hit;
	__u32 copies;
	__u32 mirrored;
};

/* Argument and result of the program sweep. */
struct sweep_run {
	__u64 now;
	__u64 next; /* the earliest time at which a flow may be past its timeout */
	__u32 remove; /* SWEEP_*, 0: only credit */
	__u32 removed;
	__u32 flows; /* that stay */
	__u32 pad;
};
