/* SPDX-License-Identifier: Apache-2.0 */
/* The shapes of every map. Addresses, ports and MACs are in network byte order, everything else in the
 * host's. A "slot" is one of two complete copies of the policy: programs read the active one, user space
 * writes the other and then flips (control.active), so no packet sees a mixture. */
#pragma once

#include <linux/types.h>

#define MAX_ACLS 4
#define DROP_REASONS 32

enum direction {
	OUTBOUND = 0,
	INBOUND = 1,
};

enum encap_type {
	ENCAP_VXLAN = 1,
	ENCAP_NVGRE = 2,
};

struct host {
	__u32 pa;
	__u32 ifindex; /* of the underlay device */
	__u32 encap;   /* enum encap_type */
	__u32 generation;
	__u32 onlink; /* mask: PAs that agree with ours in these bits are neighbours on the underlay device */
};

struct control {
	__u32 active; /* slot */
	__u32 layout;
	struct host host[2];
};

#define PORT_ALLOW_MAC_SPOOFING 1
#define PORT_VETH 2 /* deliver with bpf_redirect_peer */

/* ports[index * 2 + slot]; index 0 stands for the host itself */
struct port {
	__u32 ifindex; /* 0: no such port */
	__u32 epoch;   /* a flow with another epoch is classified again; never reused */
	__u32 vsid;    /* of the first address */
	__u32 ca;      /* the first address, so that most packets need no address lookup */
	__u8 mac[6];
	__u8 flags;
	__u8 pad;
};

struct subnet_key {
	__u32 slot;
	__u32 vsid;
};

struct subnet {
	__u32 domain;
	__u32 network;
	__u32 mask;
	__u32 gateway;
};

struct mapping_key {
	__u32 domain_slot; /* domain << 1 | slot */
	__u32 ca;
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
	__u32 ca;
};

struct address {
	__u32 vsid;
	__u32 domain;
	__u32 acls[MAX_ACLS]; /* index into acls, 0 ends the list */
};

/* An ACL is immutable: a changed one gets a new index. */
struct acl {
	__u32 first[2]; /* by direction: its rules are rules[first..first+count) */
	__u32 count[2];
	__u32 counter[2]; /* of the default */
	__u32 action[2];  /* of the default: 0 allow, 1 block */
};

#define PROTOCOL_ANY 256

struct rule {
	__u32 src;
	__u32 src_mask;
	__u32 dst;
	__u32 dst_mask;
	__u16 sport_first; /* ports here in host byte order */
	__u16 sport_last;
	__u16 dport_first;
	__u16 dport_last;
	__u16 protocol;
	__u8 action;
	__u8 has_ports; /* matches TCP and UDP only */
	__u32 counter;
};

struct flow_key {
	__u32 vsid_proto; /* vsid << 8 | protocol */
	__u32 local;      /* CA of the port that keeps the flow */
	__u32 remote;
	__u16 lport; /* both hold the identifier of an ICMP echo */
	__u16 rport;
};

#define FLOW_INITIATOR_FIN 1
#define FLOW_RESPONDER_FIN 2
#define FLOW_RST 4
#define FLOW_ANSWERED 8

#define PEER_SAME_SUBNET 1

struct flow {
	__u64 created; /* ns, CLOCK_MONOTONIC */
	__u64 last;
	__u64 packets[2]; /* by direction */
	__u64 bytes[2];
	__u32 epoch;
	__u32 state; /* FLOW_* */
	__u32 rules[MAX_ACLS]; /* counters of the rules that decided, 0 ends */
	__u32 port;      /* index of the port that keeps it */
	__u32 peer_pa;   /* where the remote CA lives */
	__u32 peer_vsid;
	__u32 peer_port; /* index when it lives on this host */
	__u32 hash;      /* entropy of what is sent to the remote CA */
	__u8 peer_mac[6];
	__u8 direction; /* who started it */
	__u8 drop;      /* reason, when the present policy forbids it */
	__u8 peer_flags;
	__u8 pad[3];
};

/* Later fragments have no ports: the first one's are remembered for them. */
struct fragment_key {
	__u32 scope; /* VSID, or for what a port sends its index with the upper bit set */
	__u32 src;
	__u32 dst;
	__u16 id;
	__u8 proto;
	__u8 pad;
};

struct fragment {
	__u64 at; /* ns, CLOCK_MONOTONIC */
	__u16 sport;
	__u16 dport;
	__u8 icmp_type;
	__u8 pad[3];
};

struct stats {
	__u64 packets;
	__u64 bytes;
};

struct port_stats {
	struct stats tx; /* sent by the endpoint */
	struct stats rx;
};

/* What the last run decided; written only by the programs loaded for tests and traces. */
struct decision {
	__u32 verdict; /* enum verdict */
	__u32 reason;
	__u32 port;    /* index of the port delivered to, or charged with the drop */
	__u32 flow_hit;
};
