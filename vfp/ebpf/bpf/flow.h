/* SPDX-License-Identifier: Apache-2.0 */
/* The unified flow table: what all layers decided for a flow, kept at the port on either side of it. A flow
 * is classified when it starts and once more after each policy change that concerns its port. */
#pragma once

#include "acl.h"

#define MODE_LIVE 0
#define MODE_RECORD 1 /* live, and the decision is written down (tests) */
#define MODE_TRACE 2  /* decide only: no flow, no counter changes */
const volatile __u32 mode = MODE_LIVE;

#define SECOND 1000000000ULL

/* A packet at one port. */
struct hop {
	struct packet p;
	__u64 now;
	__u32 slot;
	__u32 own_pa;
	__u32 outer_src; /* PA the packet came from, 0 when from this host */
	__u32 port;      /* index */
	__u32 epoch;     /* of the port */
	__u32 vsid;      /* of the port's address */
	__u32 dir;       /* of this packet at this port */
	__u32 reason;    /* why there is no flow */
	__u32 flow_hit;
	__u32 packets; /* a super-packet counts as the packets it stands for */
	__u32 bytes;
};

/* Another CPU may have written "then" after this packet looked at the clock: the difference has a sign. */
static __always_inline __s64 later_by(__u64 now, __u64 then)
{
	return (__s64)(now - then);
}

/* fragment_ports gives a later fragment the ports of its datagram's first, which must have come before; so all
 * get one verdict. */
static __noinline int fragment_ports(struct hop *h, __u32 scope)
{
	struct fragment_key key = {};
	struct fragment *f, first = {};
	struct packet *p;

	if (!h)
		return DROP_INTERNAL;
	p = &h->p;
	key.scope = scope;
	key.src = p->src;
	key.dst = p->dst;
	key.id = p->id;
	key.proto = p->proto;
	if (p->fragment == FRAGMENT_FIRST) {
		first.at = h->now;
		first.sport = p->sport;
		first.dport = p->dport;
		first.icmp_type = p->icmp_type;
		if (mode != MODE_TRACE)
			bpf_map_update_elem(&fragments, &key, &first, BPF_ANY);
		return DROP_NONE;
	}
	f = bpf_map_lookup_elem(&fragments, &key);
	if (!f || later_by(h->now, f->at) > 30 * (__s64)SECOND) /* vfp.FragmentTimeout */
		return DROP_FRAGMENT;
	p->sport = f->sport;
	p->dport = f->dport;
	p->icmp_type = f->icmp_type;
	return DROP_NONE;
}

/* Keep vfp.IdleTimeout in step. */
static __always_inline __u64 idle_limit(const struct flow *f, __u8 proto)
{
	__u32 fins = f->state & (FLOW_INITIATOR_FIN | FLOW_RESPONDER_FIN);

	switch (proto) {
	case IPPROTO_TCP:
		if ((f->state & FLOW_RST) || fins == (FLOW_INITIATOR_FIN | FLOW_RESPONDER_FIN))
			return 10 * SECOND;
		if (fins)
			return 60 * SECOND;
		return (f->state & FLOW_ANSWERED) ? 3600 * SECOND : 30 * SECOND;
	case IPPROTO_UDP:
		return (f->state & FLOW_ANSWERED) ? 180 * SECOND : 30 * SECOND;
	case IPPROTO_ICMP:
		return 30 * SECOND;
	}
	return 60 * SECOND;
}

/* A new connection may take over the ports of one that has ended. */
static __always_inline int ended(const struct flow *f, const struct packet *p)
{
	__u32 fins = f->state & (FLOW_INITIATOR_FIN | FLOW_RESPONDER_FIN);

	if (p->proto != IPPROTO_TCP || (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return 0;
	return (f->state & FLOW_RST) || f->drop || fins == (FLOW_INITIATOR_FIN | FLOW_RESPONDER_FIN);
}

static __always_inline void count(struct stats *s, __u64 packets, __u64 bytes)
{
	s->packets += packets;
	s->bytes += bytes;
}

static __always_inline void count_rules(const struct hop *h, const __u32 *hits)
{
	if (mode == MODE_TRACE)
		return;
	for (int i = 0; i < MAX_ACLS; i++) {
		__u32 at = hits[i];
		struct stats *s;

		if (!at)
			break;
		s = bpf_map_lookup_elem(&rule_counters, &at);
		if (s)
			count(s, h->packets, h->bytes);
	}
}

/* flow_new classifies: old is the flow as an earlier policy judged it, or null. */
static __noinline struct flow *flow_new(struct hop *h, const struct flow_key *key, const struct flow *old)
{
	struct packet initiator;
	struct flow f = {};
	struct address_key ak;
	struct mapping_key mk;
	struct address *a;
	struct mapping *m;
	__u32 drop;

	if (!h || !key)
		return 0;
	if (old) {
		f = *old;
	} else {
		f.created = h->now;
		f.direction = h->dir;
	}
	ak.port_slot = h->port << 1 | h->slot;
	ak.ca = key->local;
	a = bpf_map_lookup_elem(&addresses, &ak);
	if (!a) {
		h->reason = DROP_NO_PORT;
		return 0;
	}
	mk.domain_slot = a->domain << 1 | h->slot;
	mk.ca = key->remote;
	m = bpf_map_lookup_elem(&mappings, &mk);
	if (h->dir == INBOUND) {
		if (!m) {
			h->reason = DROP_NO_MAPPING;
			return 0;
		}
		if (h->outer_src && m->pa != h->outer_src) {
			h->reason = DROP_PA_SPOOF;
			return 0;
		}
	}
	initiator = h->p;
	if (f.direction != h->dir) {
		initiator.src = h->p.dst;
		initiator.dst = h->p.src;
		initiator.sport = h->p.dport;
		initiator.dport = h->p.sport;
	}
	drop = classify(a, &initiator, f.direction, f.rules);
	f.drop = drop;
	if (drop && !old) {
		/* Forbidden flows take no room. */
		count_rules(h, f.rules);
		h->reason = drop;
		return 0;
	}
	if (!m) {
		h->reason = DROP_NO_MAPPING;
		return 0;
	}
	f.port = h->port;
	f.epoch = h->epoch;
	f.last = h->now;
	f.peer_pa = m->pa;
	f.peer_vsid = m->vsid;
	f.peer_port = m->port;
	mac_copy(f.peer_mac, m->mac);
	f.peer_flags = m->vsid == h->vsid ? PEER_SAME_SUBNET : 0;
	if (h->dir == OUTBOUND)
		f.hash = flow_hash(&h->p);
	else
		f.hash = 0;
	if (mode == MODE_TRACE) {
		__u32 at = h->dir & 1;
		struct flow *t = bpf_map_lookup_elem(&trace_flows, &at);

		if (t)
			*t = f;
		return t;
	}
	/* Replaced as a whole: another CPU that still works with the old slot can't leave its mapping under
	 * the new epoch. */
	if (bpf_map_update_elem(&flows, key, &f, BPF_ANY)) {
		h->reason = DROP_INTERNAL;
		return 0;
	}
	h->reason = DROP_INTERNAL;
	return bpf_map_lookup_elem(&flows, key);
}

/* flow_lookup finds the live flow of the packet at this port, whatever policy judged it. */
static __always_inline struct flow *flow_lookup(struct hop *h, struct flow_key *key)
{
	struct flow *f;

	key->vsid_proto = h->vsid << 8 | h->p.proto;
	if (h->dir == OUTBOUND) {
		key->local = h->p.src;
		key->remote = h->p.dst;
		key->lport = h->p.sport;
		key->rport = h->p.dport;
	} else {
		key->local = h->p.dst;
		key->remote = h->p.src;
		key->lport = h->p.dport;
		key->rport = h->p.sport;
	}
	f = bpf_map_lookup_elem(&flows, key);
	if (f && (later_by(h->now, f->last) > (__s64)idle_limit(f, h->p.proto) || ended(f, &h->p)))
		return 0;
	return f;
}

/* flow_judged returns the flow as the present policy judges it; null with h->reason when there is none. */
static __always_inline struct flow *flow_judged(struct hop *h, struct flow_key *key, struct flow *f)
{
	if (f && f->epoch == h->epoch) {
		h->flow_hit = 1;
		return f;
	}
	return flow_new(h, key, f);
}

static __always_inline struct flow *flow_of(struct hop *h)
{
	struct flow_key key;
	struct flow *f = flow_lookup(h, &key);

	return flow_judged(h, &key, f);
}

/* flow_forbidden books a packet of a flow that the present policy forbids. It keeps the flow in the table: were
 * it forgotten while its packets still come, an answer could open it again from the other side. */
static __always_inline void flow_forbidden(struct hop *h, struct flow *f)
{
	if (mode == MODE_TRACE)
		return;
	f->last = h->now;
	count_rules(h, f->rules);
}

/* flow_account books an accepted packet on its flow, rules and port. */
static __always_inline void flow_account(struct hop *h, struct flow *f)
{
	struct port_stats *ps;
	__u32 state = 0;
	__u32 at = h->port;

	if (mode == MODE_TRACE)
		return;
	f->last = h->now;
	__sync_fetch_and_add(&f->packets[h->dir & 1], h->packets);
	__sync_fetch_and_add(&f->bytes[h->dir & 1], h->bytes);
	if (h->dir != f->direction)
		state |= FLOW_ANSWERED;
	if (h->p.proto == IPPROTO_TCP) {
		if (h->p.tcp_flags & TCP_FIN)
			state |= h->dir == f->direction ? FLOW_INITIATOR_FIN : FLOW_RESPONDER_FIN;
		if (h->p.tcp_flags & TCP_RST)
			state |= FLOW_RST;
	}
	if (state & ~f->state)
		__sync_fetch_and_or(&f->state, state);
	count_rules(h, f->rules);
	ps = bpf_map_lookup_elem(&port_counters, &at);
	if (ps)
		count(h->dir == OUTBOUND ? &ps->tx : &ps->rx, h->packets, h->bytes);
}
