/* SPDX-License-Identifier: Apache-2.0 */
/* The unified flow table: what all layers decided for a flow, kept at the port on either side of it. A flow
 * is classified when it starts and once more after each policy change that concerns its port. Rules, meters and ports are
 * credited with a flow's packets now and then (credit), not packet by packet. */
#pragma once

#include "routing.h"

struct judgement {
	__u32 acls[MAX_ACLS];  /* in: who judges */
	__u32 rules[MAX_ACLS]; /* counters of the rules that decided, 0 ends */
	__u32 logged;          /* bit i: rules[i] logs */
	__u32 pad;
	struct acl_key key;
	struct acl_hit hit;
};

/* What is too large for the stack. A run has its CPU's for itself: nothing interrupts it. */
struct work {
	struct hop hop;   /* the packet at hand */
	struct flow flow; /* under construction */
	struct flow_key key;
	struct flow traced[2]; /* by direction: where a trace keeps the flows that it must not put into the table */
	struct packet first;
	struct judgement judgement;
	struct hop quoted;   /* the packet that an ICMP error quotes */
	struct hop receiver; /* of a copy */
	struct judgement receiving;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} works SEC(".maps");

static __always_inline struct work *workbench(void)
{
	__u32 at = 0;

	return bpf_map_lookup_elem(&works, &at);
}

/* Keep vfp.IdleTimeout in step. */
static __always_inline __u64 idle_limit(__u32 state, __u8 proto)
{
	__u32 fins = state & (FLOW_INITIATOR_FIN | FLOW_RESPONDER_FIN);

	switch (proto) {
	case IPPROTO_TCP:
		if (state & FLOW_RST)
			return SECOND;
		if (fins == (FLOW_INITIATOR_FIN | FLOW_RESPONDER_FIN))
			return 5 * SECOND;
		if (fins)
			return 60 * SECOND;
		return (state & FLOW_ANSWERED) ? 3600 * SECOND : 30 * SECOND;
	case IPPROTO_UDP:
		return (state & FLOW_ANSWERED) ? 180 * SECOND : 30 * SECOND;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6_:
		return 30 * SECOND;
	}
	return 60 * SECOND;
}

/* A new connection may take over the ports of one that has ended. */
static __always_inline int reusable(const struct flow *f, const struct packet *p)
{
	__u32 fins = f->state & (FLOW_INITIATOR_FIN | FLOW_RESPONDER_FIN);

	if (p->proto != IPPROTO_TCP || (p->tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return 0;
	return (f->state & FLOW_RST) || f->drop || fins == (FLOW_INITIATOR_FIN | FLOW_RESPONDER_FIN);
}

static __always_inline int alive(const struct flow *f, const struct hop *h)
{
	return later_by(h->now, f->last) <= (__s64)idle_limit(f->state, h->p.proto) && !reusable(f, &h->p);
}

static __always_inline void flow_key_of(const struct hop *h, struct flow_key *key)
{
	key->vsid_proto = h->vsid << 8 | h->p.proto;
	key->transit = h->transit;
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
}

/* count_rules books on the rules that let a flow in, or forbid it. */
static __always_inline void count_rules(const struct flow *f, __u64 packets, __u64 bytes, __u64 now)
{
	for (int i = 0; i < MAX_ACLS; i++) {
		if (!f->rules[i])
			break;
		count_rule(f->rules[i], packets, bytes, now);
	}
}

/* credit books what a flow has carried since the last time on the rules that let it in, its meter and its port. Whoever
 * moves credited_packets does it. */
static __noinline void credit(struct flow *f)
{
	__u64 packets, all_packets = 0, all_bytes = 0, bytes;
	__u32 before, after;

#pragma unroll
	for (int dir = 0; dir < 2; dir++) {
		before = f->credited_packets[dir];
		after = (__u32)f->packets[dir];
		/* A flow that was judged again may owe less than was credited: it was copied while another CPU counted. */
		if ((__s32)(after - before) <= 0 || __sync_val_compare_and_swap(&f->credited_packets[dir], before, after) != before)
			continue;
		packets = after - before;
		bytes = f->bytes[dir] - f->credited_bytes[dir];
		__sync_fetch_and_add(&f->credited_bytes[dir], bytes);
		count_port(f->port, dir, f->meter, packets, bytes, f->last);
		all_packets += packets;
		all_bytes += bytes;
	}
	if (!all_packets)
		return;
	count_rules(f, all_packets, all_bytes, f->last);
}

static __always_inline struct port_state *state_of(__u32 port)
{
	return bpf_map_lookup_elem(&port_states, &port);
}

/* flows_changed books that a port has one flow more or less. */
static __always_inline void flows_changed(__u32 port, int by)
{
	struct port_state *s = state_of(port);
	__u32 at = 0;
	__u64 *total = bpf_map_lookup_elem(&flow_total, &at);

	if (s)
		__sync_fetch_and_add(&s->flows, by);
	if (total)
		__sync_fetch_and_add(total, by);
}

/* half_open_changed books that so many more of a port's flows wait for an answer. */
static __always_inline void half_open_changed(__u32 port, int by)
{
	struct port_state *s = state_of(port);

	if (s)
		__sync_fetch_and_add(&s->half_open, by);
}

static __always_inline void flow_event(const struct flow_key *key, const struct flow *f, __u8 kind)
{
	__u32 suppressed = 0;
	struct event *e;

	if (!port_may_tell(f->port, 0, f->last, &suppressed))
		return;
	e = new_event(kind, f->port);
	if (!e)
		return;
	e->at = f->last;
	e->suppressed = suppressed;
	e->direction = f->direction;
	e->proto = (__u8)key->vsid_proto;
	e->length = (__u32)(f->bytes[0] + f->bytes[1]);
	if (f->direction == OUTBOUND) {
		e->src = key->local;
		e->dst = key->remote;
		e->sport = key->lport;
		e->dport = key->rport;
	} else {
		e->src = key->remote;
		e->dst = key->local;
		e->sport = key->rport;
		e->dport = key->lport;
	}
	bpf_ringbuf_submit(e, 0);
}

static __always_inline void nat_key_of(const struct flow_key *key, __u32 address, __u16 nat_port, struct nat_key *nk)
{
	nk->address = address;
	nk->remote = key->remote.w[3];
	nk->proto = (__u8)key->vsid_proto;
	nk->rport = nk->proto == IPPROTO_ICMP ? 0 : key->rport;
	nk->port = nat_port;
}

static __noinline void nat_forget(const struct flow_key *key, __u32 address, __u16 nat_port)
{
	struct nat_key nk = {};

	nat_key_of(key, address, nat_port, &nk);
	bpf_map_delete_elem(&nats, &nk);
}

/* flow_remove takes the flow that was created then out of the table; returns 1 if it did. */
__noinline int flow_remove(struct flow_key *key, __u64 created)
{
	__u32 nat_address, port;
	__u16 nat_port;
	struct flow *f;

	if (!key)
		return 0;
	f = bpf_map_lookup_elem(&flows, key);
	if (!f || f->created != created) /* another CPU has put a new one there */
		return 0;
	nat_address = f->nat_address;
	nat_port = f->nat_port;
	port = f->port;
	/* Whoever sets the bit books it, an answer or a removal. */
	if (!(__sync_fetch_and_or(&f->state, FLOW_ANSWERED) & FLOW_ANSWERED))
		half_open_changed(port, -1);
	credit(f);
	if (mode == MODE_LIVE && (watched() & WATCH_FLOWS))
		flow_event(key, f, EVENT_FLOW_CLOSED);
	if (bpf_map_delete_elem(&flows, key))
		return 0; /* somebody else did */
	flows_changed(port, -1);
	if (nat_port)
		nat_forget(key, nat_address, nat_port);
	return 1;
}

/* evict removes the flow entered at a position of a port's ring, if it is still the same one and half-open. */
static __always_inline int evict(__u32 port, __u32 position)
{
	struct ring_key rk = {.port = port, .position = position};
	struct ring_entry *e = bpf_map_lookup_elem(&rings, &rk);
	struct flow *f;

	if (!e)
		return 0;
	f = bpf_map_lookup_elem(&flows, &e->flow);
	if (!f || f->created != e->created || f->port != port || (f->state & FLOW_ANSWERED))
		return 0;
	return flow_remove(&e->flow, e->created);
}

struct eviction {
	__u32 port;
	__u32 seq;
	__u32 size;
	__u32 done;
};

static long evict_next(__u64 i, struct eviction *e)
{
	e->done = evict(e->port, (e->seq + (__u32)i) % e->size);
	return e->done != 0;
}

/* A new flow is entered in its port's ring only when a quarter of a limit is reached: usually none is. */
#define NO_POSITION 0x7fffffff

/* make_room keeps the port within its limits before one more flow. A new flow takes the place of the port's own oldest
 * half-open one: a flood of one port never costs another a flow. Returns the new flow's position in the ring, NO_POSITION,
 * or -1 when there is no room. */
__noinline int make_room(__u32 port_index, __u32 slot)
{
	struct port_state *s = state_of(port_index);
	struct port *port = port_at(port_index, slot & 1);
	struct eviction e = {.port = port_index};
	struct host *host = host_of(slot);
	__u32 at = 0, position;
	__u64 *total = bpf_map_lookup_elem(&flow_total, &at);

	if (!s || !port || !total || !host)
		return -1;
	e.size = port->half_open - port->half_open / 4;
	if (!e.size)
		e.size = 1;
	/* Signed: should CPUs ever have counted one too few, the port must not be shut for it. */
	if (unlikely((__s32)s->flows >= (__s64)port->flow_limit ||
		     (*total >= host->flows_shared && (__s32)s->flows >= (__s64)host->flows_guaranteed))) {
		e.seq = s->seq;
		bpf_loop(e.size < 16 ? e.size : 16, evict_next, &e, 0);
		if (!e.done) {
			__sync_fetch_and_add(&s->refused, 1);
			return -1;
		}
		__sync_fetch_and_add(&s->evicted, 1);
	}
	__sync_fetch_and_add(&s->created, 1);
	if (likely((__s32)s->half_open < (__s32)(port->half_open / 4) && (__s32)s->flows < (__s64)(port->flow_limit / 4)))
		return NO_POSITION;
	position = __sync_fetch_and_add(&s->seq, 1) % e.size;
	if (evict(port_index, position))
		__sync_fetch_and_add(&s->evicted, 1);
	return position & 0x3fffffff;
}

/* ring_enter remembers a new flow as its port's youngest half-open one. */
static __noinline void ring_enter(__u32 port, __u32 position, const struct flow_key *key, __u64 created)
{
	struct ring_key rk = {.port = port, .position = position};
	struct ring_entry *e = bpf_map_lookup_elem(&rings, &rk), new;

	if (e) {
		e->flow = *key;
		e->created = created;
		return;
	}
	new.flow = *key;
	new.pad = 0;
	new.created = created;
	bpf_map_update_elem(&rings, &rk, &new, BPF_ANY);
}

/* log_rule tells of a logged rule that decided a packet. */
static __always_inline void log_rule(const struct hop *h, __u32 dir, __u32 rule, __u32 action)
{
	struct event_limit *l = bpf_map_lookup_elem(&rule_events, &rule);
	__u32 suppressed = 0;
	struct event *e;

	if (!l || !pass_limit(l, h->now, &suppressed))
		return;
	e = new_event(EVENT_ACL, h->port);
	if (!e)
		return;
	e->at = h->now;
	e->suppressed = suppressed;
	event_packet(e, &h->p);
	e->length = h->bytes;
	e->direction = dir;
	e->rule = rule;
	e->action = action;
	bpf_ringbuf_submit(e, 0);
}

/* judge_by names the ACLs of an address as those that judge. Global functions take no pointer into a policy map. */
static __always_inline void judge_by(struct judgement *v, const struct address *a)
{
	__builtin_memcpy(v->acls, a->acls, sizeof(v->acls));
}

/* classify judges a flow by its first packet p in direction dir: every ACL must allow. Returns a drop reason. */
__noinline int classify(const struct packet *p, __u32 dir, __u32 slot, struct judgement *v)
{
	struct acl_key *key;

	if (!p || !v)
		return DROP_INTERNAL;
	key = &v->key;
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->src, p->src.w, sizeof(key->src));
	__builtin_memcpy(key->dst, p->dst.w, sizeof(key->dst));
	key->v6 = p->v6;
	key->proto = p->proto;
	if (is_icmp(p)) {
		key->dport = p->icmp_type << 8 | p->icmp_code;
	} else if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6_) {
		key->sport = 1; /* the other family's: it has no type */
	} else {
		key->sport = bpf_ntohs(p->sport);
		key->dport = bpf_ntohs(p->dport);
	}
	key->tcp_flags = p->tcp_flags;
	for (int i = 0; i < MAX_ACLS; i++)
		v->rules[i] = 0;
	v->logged = 0;
	for (int i = 0; i < MAX_ACLS; i++) {
		if (!v->acls[i])
			break;
		if (acl_lookup(v->acls[i], slot, dir, key, &v->hit))
			return DROP_INTERNAL;
		v->rules[i] = v->hit.number;
		if (v->hit.log)
			v->logged |= 1u << i;
		if (v->hit.block)
			return dir == INBOUND ? DROP_ACL_INBOUND : DROP_ACL_OUTBOUND;
	}
	return DROP_NONE;
}

#define BOOK_BLOCK 1 /* the last rule blocks */
#define BOOK_COUNT 2 /* there is no flow to be credited for */
#define BOOK_LOG 4   /* tell of those that log; without it only of one that blocks */

struct booking {
	struct hop *h;
	struct judgement *v;
	__u32 dir;
	__u32 flags;
};

static long book_rule(__u64 i, struct booking *b)
{
	__u32 rule, blocks;

	if (i >= MAX_ACLS)
		return 1;
	rule = b->v->rules[i];
	if (!rule)
		return 1;
	blocks = (b->flags & BOOK_BLOCK) && (i == MAX_ACLS - 1 || !b->v->rules[i + 1]);
	if (b->flags & BOOK_COUNT)
		count_rule(rule, b->h->packets, b->h->bytes, b->h->now);
	if ((b->v->logged >> i & 1) && (blocks || (b->flags & BOOK_LOG)))
		log_rule(b->h, b->dir, rule, blocks);
	return 0;
}

/* book_judgement counts the rules that decided a packet, and tells of those that log. */
__noinline int book_judgement(struct hop *h, struct judgement *v, __u32 dir, __u32 flags)
{
	struct booking b = {.h = h, .v = v, .dir = dir, .flags = flags};

	if (!h || !v || mode == MODE_TRACE)
		return 0;
	bpf_loop(MAX_ACLS, book_rule, &b, 0);
	return 0;
}

#define NAT_FIRST 61000
#define NAT_PORTS 4536
#define NAT_NEVER 4789 /* VXLAN_PORT */

/* nat_port finds a port of the host's address for a flow to the outside, in network byte order; 0: none is free. */
__noinline int nat_port(struct hop *h, __u32 address)
{
	struct nat n = {};
	struct nat_key nk = {};
	struct flow_key key;
	__u32 start;

	if (!h)
		return 0;
	flow_key_of(h, &key);
	n.port = h->port;
	n.vsid = h->vsid;
	n.ca = h->p.src.w[3];
	n.lport = h->p.sport;
	start = flow_hash(&h->p) % NAT_PORTS;
	for (int i = 0; i < 32; i++) {
		__u16 port = bpf_htons(NAT_FIRST + (start + i * 7) % NAT_PORTS);

		nat_key_of(&key, address, port, &nk);
		if (mode == MODE_TRACE) {
			if (!bpf_map_lookup_elem(&nats, &nk))
				return port;
		} else if (!bpf_map_update_elem(&nats, &nk, &n, BPF_NOEXIST)) {
			return port;
		}
	}
	return 0;
}

/* flow_make judges the packet at its port and puts the flow into the table: a new one, or the one that is there as the
 * present policy sees it. Returns a drop reason. */
__noinline int flow_make(struct hop *h)
{
	struct work *w = workbench();
	struct flow_key *key;
	struct address *a;
	struct mapping *m;
	struct flow *f, *found;
	__u32 reason, old = 0, lost = DROP_NONE;
	int position = 0;

	if (!h || !w)
		return DROP_INTERNAL;
	f = &w->flow;
	key = &w->key;
	flow_key_of(h, key);
	found = h->absent ? 0 : bpf_map_lookup_elem(&flows, key);
	if (found && alive(found, h)) {
		*f = *found;
		old = 1;
	} else {
		__builtin_memset(f, 0, sizeof(*f));
		f->created = h->now;
		f->direction = h->dir;
		f->tcp_flags = h->p.tcp_flags;
		f->icmp_type = h->p.icmp_type;
		f->icmp_code = h->p.icmp_code;
	}
	a = guarding(h, &key->local);
	if (!a)
		return DROP_NO_PORT;
	m = mapping_of(h->slot, a->domain, &key->remote);
	if (h->dir == INBOUND && !h->relayed) {
		if (!h->outer_src && !m)
			return DROP_NO_MAPPING;
		reason = h->outer_src ? comes_from(h->slot, a->domain, m, h->outer_src) : DROP_NONE;
		if (reason)
			return reason;
	}
	w->first = h->p;
	w->first.tcp_flags = f->tcp_flags;
	w->first.icmp_type = f->icmp_type;
	w->first.icmp_code = f->icmp_code;
	if (f->direction != h->dir) {
		w->first.src = h->p.dst;
		w->first.dst = h->p.src;
		w->first.sport = h->p.dport;
		w->first.dport = h->p.sport;
	}
	judge_by(&w->judgement, a);
	reason = classify(&w->first, f->direction & 1, h->slot & 1, &w->judgement);
	f->drop = reason;
	if (reason && !old) { /* forbidden flows take no room */
		book_judgement(h, &w->judgement, f->direction & 1, BOOK_BLOCK | BOOK_COUNT | BOOK_LOG);
		return reason;
	}
	if (old && found) {
		credit(found); /* by the rules of before */
		f->credited_packets[0] = found->credited_packets[0];
		f->credited_packets[1] = found->credited_packets[1];
		f->credited_bytes[0] = found->credited_bytes[0];
		f->credited_bytes[1] = found->credited_bytes[1];
	}
	__builtin_memcpy(f->rules, w->judgement.rules, sizeof(f->rules));
	f->meter = m && m->vsid == h->vsid ? 0 : 1;
	f->nowhere = DROP_NONE;
	f->peer_flags = m && m->vsid == h->vsid ? PEER_SAME_SUBNET : 0;
	if (!m)
		lost = DROP_NO_MAPPING;
	if (unlikely(a->flags & ADDRESS_ROUTES)) {
		struct route *r = route_of(h, a->vsid, &key->remote);

		if (r && r->action != ROUTE_LOCAL) {
			m = 0;
			lost = r->action == ROUTE_NONE ? DROP_ROUTE_NONE : DROP_NO_MAPPING;
			if (r->action == ROUTE_APPLIANCE) {
				m = mapping_of(h->slot, a->domain, &r->next_hop);
				lost = m ? DROP_NONE : DROP_NEXT_HOP;
				f->peer_flags = PEER_VIA;
			}
		}
	}
	if (m) {
		f->peer_pa = m->pa;
		f->peer_vsid = m->vsid;
		f->peer_port = m->port;
		mac_copy(f->peer_mac, m->mac);
	} else if (h->dir == INBOUND && !(old && f->nat_port)) {
		f->peer_pa = f->peer_vsid = f->peer_port = 0;
		f->peer_flags = 0;
		f->nowhere = lost;
	} else {
		struct subnet *s = subnet_of(h->slot, a->vsid);

		if (lost != DROP_NO_MAPPING)
			return lost;
		if (!s || !s->nat || h->p.v6)
			return DROP_NO_MAPPING;
		if (old && f->nat_port && f->nat_address == s->nat) {
			/* keeps its port */
		} else {
			__u32 mask = s->bits <= 96 ? 0 : bpf_htonl(~0u << ((128 - s->bits) & 31));

			if (old || h->transit || !h->routed || !is_outside(h->p.dst.w[3]) || !((h->p.dst.w[3] ^ s->network.w[3]) & mask))
				return DROP_NO_MAPPING;
			if (h->p.proto != IPPROTO_TCP && h->p.proto != IPPROTO_UDP && !is_echo(&h->p))
				return DROP_NO_MAPPING;
			/* A tunnel from this host's address would speak for all endpoints here. */
			if (h->p.fragment || (h->p.proto == IPPROTO_UDP && h->p.dport == bpf_htons(NAT_NEVER)))
				return DROP_NAT;
		}
		f->peer_pa = s->nat;
		f->peer_vsid = 0;
		f->peer_port = 0;
		f->peer_flags = PEER_NAT;
		f->meter = 2;
	}
	if (!old) {
		if (found && mode != MODE_TRACE)
			flow_remove(key, found->created);
		if (f->peer_flags & PEER_NAT) {
			f->nat_address = f->peer_pa;
			f->nat_port = nat_port(h, f->nat_address);
			if (!f->nat_port)
				return DROP_NAT;
		}
		if (mode != MODE_TRACE) {
			position = make_room(h->port, h->slot);
			if (position < 0) {
				if (f->peer_flags & PEER_NAT)
					nat_forget(key, f->nat_address, f->nat_port);
				return DROP_FLOW_LIMIT;
			}
		}
	}
	f->epoch = h->epoch;
	if (!old)
		f->last = h->now;
	if (h->dir == OUTBOUND)
		f->hash = flow_hash(&h->p);
	else
		f->hash = 0;
	if (mode == MODE_TRACE) {
		f->port = h->port;
		w->traced[h->dir & 1] = *f;
		return DROP_NONE;
	}
	/* Has its address moved to another port, the CPU that says so in the old flow counts it there. */
	if (old && found && f->port != h->port && __sync_val_compare_and_swap(&found->port, f->port, h->port) == f->port) {
		flows_changed(f->port, -1);
		flows_changed(h->port, 1);
		if (!(f->state & FLOW_ANSWERED)) {
			half_open_changed(f->port, -1);
			half_open_changed(h->port, 1);
		}
	}
	f->port = h->port;
	/* Replaced as a whole: another CPU that still works with the old slot can't leave its mapping under
	 * the new epoch. */
	if (bpf_map_update_elem(&flows, key, f, old ? BPF_EXIST : BPF_NOEXIST)) {
		/* Another CPU was faster with the same flow, or there is no memory. */
		if (!old && f->nat_port)
			nat_forget(key, f->nat_address, f->nat_port);
		return bpf_map_lookup_elem(&flows, key) ? DROP_NONE : DROP_INTERNAL;
	}
	if (!old) {
		flows_changed(h->port, 1);
		half_open_changed(h->port, 1);
		if (position != NO_POSITION)
			ring_enter(h->port, position, key, h->now);
		if (w->judgement.logged)
			book_judgement(h, &w->judgement, f->direction & 1, BOOK_LOG);
		if (mode == MODE_LIVE && (watched() & WATCH_FLOWS))
			flow_event(key, f, EVENT_FLOW_NEW);
	}
	return DROP_NONE;
}

/* flow_judged judges the packet's flow, which is there already or not, by the present policy. */
static __always_inline struct flow *flow_judged(struct hop *h, int there)
{
	struct work *w = workbench();

	h->flow_hit = 0;
	h->absent = !there;
	h->reason = flow_make(h);
	if (h->reason)
		return 0;
	h->reason = DROP_INTERNAL;
	if (!w)
		return 0;
	if (mode == MODE_TRACE)
		return &w->traced[h->dir & 1];
	return bpf_map_lookup_elem(&flows, &w->key);
}

/* flow_of returns the packet's flow as the present policy judges it; null with h->reason when there is none. */
static __always_inline struct flow *flow_of(struct hop *h)
{
	struct flow_key key;
	struct flow *f;

	flow_key_of(h, &key);
	f = bpf_map_lookup_elem(&flows, &key);
	if (likely(f && f->epoch == h->epoch && f->port == h->port && alive(f, h))) {
		h->flow_hit = 1;
		return f;
	}
	return flow_judged(h, f != 0);
}

/* flow_forbidden books a packet of a flow that the present policy forbids. It keeps the flow in the table: were
 * it forgotten while its packets still come, an answer could open it again from the other side. */
static __always_inline void flow_forbidden(struct hop *h, struct flow *f)
{
	if (mode == MODE_TRACE)
		return;
	f->last = h->now;
	count_rules(f, h->packets, h->bytes, h->now);
}

/* flow_carry books an accepted packet on its flow. */
static __always_inline void flow_carry(struct hop *h, struct flow *f)
{
	if (mode == MODE_TRACE)
		return;
	__sync_fetch_and_add(&f->packets[h->dir & 1], h->packets);
	__sync_fetch_and_add(&f->bytes[h->dir & 1], h->bytes);
}

/* flow_account books an accepted packet on its flow, and what it says of the flow's state. */
static __always_inline void flow_account(struct hop *h, struct flow *f)
{
	__u32 state = 0;

	if (mode == MODE_TRACE)
		return;
	f->last = h->now;
	flow_carry(h, f);
	if (h->dir != f->direction)
		state |= FLOW_ANSWERED;
	if (h->p.proto == IPPROTO_TCP) {
		if (h->p.tcp_flags & TCP_FIN)
			state |= h->dir == f->direction ? FLOW_INITIATOR_FIN : FLOW_RESPONDER_FIN;
		if (h->p.tcp_flags & TCP_RST)
			state |= FLOW_RST;
	}
	if (state & ~f->state) {
		state &= ~__sync_fetch_and_or(&f->state, state);
		if (state & FLOW_ANSWERED)
			half_open_changed(f->port, -1);
	}
}
