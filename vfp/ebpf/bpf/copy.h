/* SPDX-License-Identifier: Apache-2.0 */
/* Copies: mirrored ports, and multicast that is replicated at its head end. Copies to other hosts go by way of the relay
 * device, whose program finds the next hop; what a collector gets is encapsulated there, too, because a packet can be
 * encapsulated only once. */
#pragma once

#include "flow.h"
#include "reply.h"

/* On the relay device only copies carry these marks: what a stranger tunnels to the device's own VNI does not. */
#define MARK_ENCAPSULATED 0xfa1e0000
#define MARK_MIRRORED 0xfa1f0000 /* and the index of the mirrored port */

static __always_inline void decide_copy(__u32 mirrored)
{
	struct decision *d;
	__u32 at = 0;

	if (mode == MODE_LIVE)
		return;
	d = bpf_map_lookup_elem(&decisions, &at);
	if (!d)
		return;
	if (mirrored)
		d->mirrored++;
	else
		d->copies++;
}

static __always_inline __u32 room_of(__u32 type, __u32 v6)
{
	if (type == ENCAP_NVGRE)
		return v6 ? NVGRE6_ROOM : NVGRE_ROOM;
	return v6 ? VXLAN6_ROOM : VXLAN_ROOM;
}

/* hand_over gives a copy of the frame to the program of the relay device. */
static __always_inline void hand_over(struct __sk_buff *skb, const struct host *host, __u32 mark)
{
	__u32 own = skb->mark, relay = host->relay;

	if (!relay)
		return;
	skb->mark = mark;
	bpf_clone_redirect(skb, relay, BPF_F_INGRESS);
	skb->mark = own;
}

/* mirror sends a copy of the frame to where the port is mirrored. */
__noinline int mirror(struct __sk_buff *skb, struct hop *h)
{
	struct port *port, *to;
	struct host *host;

	if (!h || mode == MODE_TRACE)
		return 0;
	port = port_at(h->port, h->slot & 1);
	if (!port)
		return 0;
	if (port->mirror_port) {
		to = port_at(port->mirror_port, h->slot & 1);
		if (!to || !to->ifindex)
			return 0;
		decide_copy(1);
		bpf_clone_redirect(skb, to->ifindex, 0);
		return 0;
	}
	host = host_of(h->slot);
	if (!port->mirror_pa || !host)
		return 0;
	/* A copy that does not fit the underlay is not made. */
	if (host->mtu && !skb->gso_size &&
	    skb->len - ETH_HLEN_ + room_of(port->mirror_type, host->v6) > host->mtu + room_of(host->encap, host->v6))
		return 0;
	decide_copy(1);
	hand_over(skb, host, MARK_MIRRORED | (h->port & 0xffff));
	return 0;
}

struct replication {
	struct __sk_buff *skb;
	struct flood *flood;
	struct hop *receiver; /* the packet at the port that gets a copy */
	struct judgement *v;
	struct tunnel t;
	__u32 sender; /* port, 0: the underlay */
};

static long replicate_port(__u64 i, struct replication *r)
{
	struct hop *to = r->receiver;
	struct receiver *at;
	struct address *a;
	struct port *port;
	__u32 reason;

	if (i >= MAX_REPLICAS)
		return 1;
	at = &r->flood->port[i & (MAX_REPLICAS - 1)];
	if (at->port == r->sender)
		return 0;
	to->port = at->port;
	port = port_at(to->port, to->slot & 1);
	a = address_of(to, &at->ca);
	if (!port || !port->ifindex || !a)
		return 0;
	judge_by(r->v, a);
	reason = classify(&to->p, INBOUND, to->slot & 1, r->v);
	book_judgement(to, r->v, INBOUND, BOOK_COUNT | (reason ? BOOK_BLOCK | BOOK_LOG : 0));
	if (!reason && (port->flags & PORT_LIMIT_IN))
		reason = bandwidth(r->skb, to);
	if (reason) {
		drop(&to->p, to->port, reason, INBOUND);
		return 0;
	}
	if (mode != MODE_TRACE)
		count_port(to->port, INBOUND, 0, to->packets, to->bytes, to->now);
	decide_copy(0);
	if (mode != MODE_TRACE)
		bpf_clone_redirect(r->skb, port->ifindex, 0);
	return 0;
}

static long replicate_host(__u64 i, struct replication *r)
{
	struct host *host = host_of(r->t.slot);
	struct addr *to;
	__u32 pa;

	if (i >= MAX_REPLICAS || !host)
		return 1;
	pa = r->flood->pa[i & (MAX_REPLICAS - 1)];
	decide_copy(0);
	if (mode == MODE_TRACE)
		return 0;
	if (!i) {
		r->t.dst = pa;
		if (encapsulate_any(r->skb, &r->t))
			return 1;
	} else if (host->v6) {
		to = bpf_map_lookup_elem(&pas, &pa);
		if (!to || bpf_skb_store_bytes(r->skb, ETH_HLEN_ + 24, to, sizeof(*to), 0))
			return 1;
	} else {
		if (bpf_l3_csum_replace(r->skb, ETH_HLEN_ + 10, r->t.dst, pa, 4) ||
		    bpf_skb_store_bytes(r->skb, ETH_HLEN_ + 16, &pa, 4, 0))
			return 1;
		r->t.dst = pa;
	}
	hand_over(r->skb, host, MARK_ENCAPSULATED);
	return 0;
}

/* replicate sends copies of a multicast packet to every port of the subnet here, and, when it comes from one, to every
 * host that has endpoints in the subnet. */
static __always_inline int replicate(struct __sk_buff *skb, struct hop *h)
{
	struct subnet_key sk = {};
	struct replication r = {.skb = skb};
	struct work *w = workbench();
	struct host *host;

	if (!h || !w)
		return TC_ACT_SHOT;
	sk.vsid_slot = h->vsid << 1 | h->slot;
	r.flood = bpf_map_lookup_elem(&floods, &sk);
	host = host_of(h->slot);
	if (r.flood && host) {
		w->receiver = *h;
		w->receiver.dir = INBOUND;
		w->receiver.no_mark = 1;
		r.receiver = &w->receiver;
		r.v = &w->receiving;
		r.sender = h->dir == OUTBOUND ? h->port : 0;
		bpf_loop(r.flood->ports, replicate_port, &r, 0);
		r.t.slot = h->slot;
		r.t.type = host->encap;
		r.t.vsid = h->vsid;
		r.t.hash = flow_hash(&h->p);
		r.t.ecn = h->p.tos & 3;
		if (h->dir == OUTBOUND)
			bpf_loop(r.flood->pas, replicate_host, &r, 0);
	}
	decide(VERDICT_REPLICATE, 0, h->port, 0);
	return TC_ACT_SHOT;
}
