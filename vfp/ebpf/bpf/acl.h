/* SPDX-License-Identifier: Apache-2.0 */
/* Classification: the first rule that matches decides, ACL by ACL; every ACL must allow. */
#pragma once

#include "maps.h"
#include "packet.h"

struct match {
	__u32 src, dst;
	__u32 first;
	__u16 sport, dport; /* host byte order */
	__u16 proto;
	__u8 has_ports;
	__u8 action;
	__u32 counter;
};

static long match_rule(__u64 i, struct match *m)
{
	__u32 at = m->first + (__u32)i;
	struct rule *r = bpf_map_lookup_elem(&rules, &at);

	if (!r)
		return 1;
	if (((m->src ^ r->src) & r->src_mask) | ((m->dst ^ r->dst) & r->dst_mask))
		return 0;
	if (r->protocol != PROTOCOL_ANY && r->protocol != m->proto)
		return 0;
	if (r->has_ports) {
		if (!m->has_ports)
			return 0;
		if (m->sport < r->sport_first || m->sport > r->sport_last)
			return 0;
		if (m->dport < r->dport_first || m->dport > r->dport_last)
			return 0;
	}
	m->action = r->action;
	m->counter = r->counter;
	return 1;
}

/* classify judges the first packet p of a flow in direction dir; hits gets the counters of the rules that
 * decided. Returns a drop reason. */
static __noinline int classify(const struct address *a, const struct packet *p, __u32 dir, __u32 *hits)
{
	struct match m = {};

	if (!a || !p || !hits)
		return DROP_INTERNAL;
	m.src = p->src;
	m.dst = p->dst;
	m.sport = bpf_ntohs(p->sport);
	m.dport = bpf_ntohs(p->dport);
	m.proto = p->proto;
	m.has_ports = p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP;
	for (int i = 0; i < MAX_ACLS; i++)
		hits[i] = 0;
	for (int i = 0; i < MAX_ACLS; i++) {
		__u32 index = a->acls[i];
		struct acl *acl;

		if (!index)
			break;
		acl = bpf_map_lookup_elem(&acls, &index);
		if (!acl)
			return DROP_INTERNAL;
		m.first = acl->first[dir & 1];
		m.action = acl->action[dir & 1];
		m.counter = acl->counter[dir & 1];
		bpf_loop(acl->count[dir & 1], match_rule, &m, 0);
		hits[i] = m.counter;
		if (m.action)
			return dir == INBOUND ? DROP_ACL_INBOUND : DROP_ACL_OUTBOUND;
	}
	return DROP_NONE;
}
