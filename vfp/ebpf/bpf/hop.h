/* SPDX-License-Identifier: Apache-2.0 */
/* A packet at one port, and what every part of the pipeline books on it: drops, events, counters. */
#pragma once

#include <linux/pkt_cls.h>

#include "maps.h"
#include "packet.h"

#define MODE_LIVE 0
#define MODE_RECORD 1 /* live, with the clock of the test, and the decision is written down */
#define MODE_TRACE 2  /* decide only: no flow, no counter changes */
const volatile __u32 mode = MODE_LIVE;

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define SECOND 1000000000ULL
#define EVENTS_PER_SECOND 100

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
	__u32 reason;    /* why there is no flow */
	__u32 end;       /* offset in the frame at which the IP packet ends */
	__u32 packets;   /* a super-packet counts as the packets it stands for */
	__u32 bytes;
	__u8 dir;        /* of this packet at this port */
	__u8 routed;     /* to the router's MAC */
	__u8 flow_hit;
	__u8 absent;   /* the table has no entry for it */
	__u8 no_mark;  /* the frame is shared: bandwidth may drop it, not change it */
	__u8 relayed;  /* inbound, and nobody asks whether its source lives where it comes from */
	__u8 congested;
	__u8 pad;
	__u32 room;    /* of the tunnel's headers, for multicast */
	__u32 transit; /* the port, when it passes on what is not its own */
};

static __always_inline __u64 clock(void)
{
	__u32 at = 0;
	__u64 *test;

	if (mode != MODE_RECORD)
		return bpf_ktime_get_coarse_ns();
	test = bpf_map_lookup_elem(&test_clock, &at);
	return test ? *test : 0;
}

/* fine_clock is for rates; the coarse one moves every few milliseconds only. */
static __always_inline __u64 fine_clock(void)
{
	return mode == MODE_LIVE ? bpf_ktime_get_ns() : clock();
}

/* Another CPU may have written "then" after this packet looked at the clock: the difference has a sign. */
static __always_inline __s64 later_by(__u64 now, __u64 then)
{
	return (__s64)(now - then);
}

static __always_inline void decide(__u32 verdict, __u32 reason, __u32 port, __u32 flow_hit)
{
	struct decision *d;
	__u32 at = 0;

	if (mode == MODE_LIVE)
		return;
	d = bpf_map_lookup_elem(&decisions, &at);
	if (d) {
		d->verdict = verdict;
		d->reason = reason;
		d->port = port;
		d->flow_hit = flow_hit;
	}
}

/* pass_limit reports whether an event may be told, and how many before it were not. */
static __always_inline int pass_limit(struct event_limit *l, __u64 now, __u32 *suppressed)
{
	__u64 second = now / SECOND;

	if (l->second != second) {
		l->second = second;
		l->count = 0;
	}
	if (l->count >= EVENTS_PER_SECOND) {
		__sync_fetch_and_add(&l->suppressed, 1);
		return 0;
	}
	l->count++;
	*suppressed = l->suppressed;
	l->suppressed = 0;
	return 1;
}

/* Lets the Go side know the shape. */
const struct event *event_shape __attribute__((unused));

/* new_event takes room for an event; null when nobody reads fast enough. Whoever gets it submits it. */
static __always_inline struct event *new_event(__u8 kind, __u32 port)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	__u32 at = 0;
	__u64 *lost;

	if (!e) {
		lost = bpf_map_lookup_elem(&events_lost, &at);
		if (lost)
			(*lost)++;
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->port = port;
	return e;
}

static __always_inline __u32 watched(void)
{
	__u32 at = 0, *w = bpf_map_lookup_elem(&watching, &at);

	return w ? *w : 0;
}

static __always_inline void event_packet(struct event *e, const struct packet *p)
{
	e->src = p->src;
	e->dst = p->dst;
	e->sport = p->sport;
	e->dport = p->dport;
	e->proto = p->proto;
	e->length = p->len;
}

/* port_may_tell is pass_limit for one port's drops of a reason, or, with reason 0, its flows. */
static __noinline int port_may_tell(__u32 port, __u32 reason, __u64 now, __u32 *suppressed)
{
	__u32 at = port * DROP_REASONS + (reason & (DROP_REASONS - 1));
	struct event_limit *l, none = {};

	l = bpf_map_lookup_elem(&port_events, &at);
	if (!l) {
		bpf_map_update_elem(&port_events, &at, &none, BPF_NOEXIST);
		l = bpf_map_lookup_elem(&port_events, &at);
		if (!l)
			return 0;
	}
	return pass_limit(l, now, suppressed);
}

/* drop_event tells of a drop, if somebody listens. */
__noinline int drop_event(const struct packet *p, __u32 port, __u32 reason, __u32 dir)
{
	__u64 now = clock();
	__u32 suppressed = 0;
	struct event *e;

	if (!p || !port_may_tell(port, reason, now, &suppressed))
		return 0;
	e = new_event(EVENT_DROP, port);
	if (!e)
		return 0;
	e->at = now;
	e->suppressed = suppressed;
	event_packet(e, p);
	e->direction = dir;
	e->reason = reason;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

static __always_inline void count_drop(__u32 port, __u32 reason)
{
	__u32 at = port * DROP_REASONS + (reason & (DROP_REASONS - 1));
	__u64 *n;

	if (mode == MODE_TRACE)
		return;
	n = bpf_map_lookup_elem(&drop_counters, &at);
	if (n)
		(*n)++;
}

/* drop ends the walk of packet p and charges a port, or the host when port is 0. */
__noinline int drop(const struct packet *p, __u32 port, __u32 reason, __u32 dir)
{
	decide(VERDICT_DROP, reason, port, 0);
	count_drop(port, reason);
	if (mode == MODE_LIVE && (watched() & WATCH_DROPS))
		drop_event(p, port, reason, dir);
	return TC_ACT_SHOT;
}

static __always_inline struct port *port_at(__u32 index, __u32 slot)
{
	__u32 at = index << 1 | slot;

	return bpf_map_lookup_elem(&ports, &at);
}

static __always_inline struct host *host_of(__u32 slot)
{
	__u32 zero = 0;
	struct control *c = bpf_map_lookup_elem(&control, &zero);

	return c ? &c->host[slot & 1] : 0;
}

static __always_inline struct subnet *subnet_of(__u32 slot, __u32 vsid)
{
	struct subnet_key sk = {.vsid_slot = vsid << 1 | slot};

	return bpf_map_lookup_elem(&subnets, &sk);
}

static __noinline struct address *address_of(const struct hop *h, const struct addr *ca)
{
	struct address_key ak = {.port_slot = h->port << 1 | h->slot, .ca = *ca};

	return bpf_map_lookup_elem(&addresses, &ak);
}

static __noinline struct mapping *mapping_of(__u32 slot, __u32 domain, const struct addr *ca)
{
	struct mapping_key mk = {.domain_slot = domain << 1 | slot, .ca = *ca};

	return bpf_map_lookup_elem(&mappings, &mk);
}

static __always_inline struct frame *answer_room(void)
{
	__u32 at = 0;

	return bpf_map_lookup_elem(&answers, &at);
}

/* Counters of a CPU are written by programs that nothing on the CPU interrupts, and by sweep, which they interrupt:
 * sweep's additions are atomic. */
static __always_inline void count(struct stats *s, __u64 packets, __u64 bytes, __u64 now)
{
	__sync_fetch_and_add(&s->packets, packets);
	__sync_fetch_and_add(&s->bytes, bytes);
	if (now > s->last)
		s->last = now;
}

static __always_inline void count_rule(__u32 rule, __u64 packets, __u64 bytes, __u64 now)
{
	struct stats *s = bpf_map_lookup_elem(&rule_counters, &rule);

	if (s)
		count(s, packets, bytes, now);
}

/* count_port books traffic on a port; class METER_CLASSES: on no meter. */
static __always_inline void count_port(__u32 port, __u32 dir, __u32 class, __u64 packets, __u64 bytes, __u64 now)
{
	struct port_stats *s = bpf_map_lookup_elem(&port_counters, &port);

	if (!s)
		return;
	count(dir == OUTBOUND ? &s->tx : &s->rx, packets, bytes, now);
	if (class < METER_CLASSES)
		count(&s->meter[class][dir & 1], packets, bytes, now);
}

/* mark_congestion sets the CE codepoint of the IP header at the front of the frame (RFC 3168). */
static __always_inline int mark_congestion(struct __sk_buff *skb, __u32 v6)
{
	struct iphdr *ip = data_of(skb) + ETH_HLEN_;
	__u16 before, after;
	__u32 sum;

	if ((void *)(ip + 1) > end_of(skb))
		return -1;
	if (v6) {
		((__u8 *)ip)[1] |= 0x30;
		return 0;
	}
	before = *(__u16 *)ip;
	ip->tos |= 3;
	after = *(__u16 *)ip;
	sum = (__u16)~ip->check + (__u16)~before + after;
	ip->check = ~fold16(sum);
	return 0;
}

/* bandwidth enforces the port's limit in the packet's direction by virtual scheduling (GCRA, ITU-T I.371): no queue, so no
 * delay. Returns a drop reason. */
__noinline int bandwidth(struct __sk_buff *skb, struct hop *h)
{
	struct port_state *s;
	struct port *port;
	__u64 now, tat, rate, burst, size;
	__u32 dir, at;

	if (!h)
		return DROP_INTERNAL;
	dir = h->dir & 1;
	at = h->port;
	port = port_at(h->port, h->slot & 1);
	s = bpf_map_lookup_elem(&port_states, &at);
	if (!port || !s || !port->rate[dir])
		return DROP_NONE;
	if (mode == MODE_TRACE)
		return DROP_NONE;
	rate = port->rate[dir];
	burst = port->burst[dir];
	now = fine_clock();
	size = h->bytes > ETH_HLEN_ ? h->bytes - ETH_HLEN_ : 0;
	tat = s->tat[dir];
	if (later_by(tat, now) < 0)
		tat = now;
	if (tat - now > burst)
		return DROP_BANDWIDTH;
	/* Two CPUs may both pass with the last of the burst: an error of one packet. */
	s->tat[dir] = tat + size * 8 * SECOND / rate;
	if (!h->no_mark && s->tat[dir] - now > burst / 2 && ((h->p.tos & 3) == 1 || (h->p.tos & 3) == 2)) {
		if (mark_congestion(skb, h->p.v6))
			return DROP_INTERNAL;
		h->p.tos |= 3;
	}
	return DROP_NONE;
}
