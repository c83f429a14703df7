/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP errors belong to the flow of the packet they quote, and to no other (RFC 5927 section 4.1). */
#pragma once

#include "flow.h"

/* quoted reads the packet that the ICMP error at offset l4 quotes. Returns a drop reason. */
__noinline int quoted(struct __sk_buff *skb, __u32 l4, __u32 end, __u32 v6, struct packet *q)
{
	__u8 transport[8];
	__u32 at = l4 + sizeof(struct icmphdr);
	__u8 echo, reply;

	if (!q)
		return DROP_INTERNAL;
	q->v6 = v6;
	if (v6) {
		struct ip6hdr ip;

		if (at + sizeof(ip) + 8 > end || bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) ||
		    bpf_ntohl(ip.version_class_flow) >> 28 != 6)
			return DROP_MALFORMED;
		q->src = ip.src;
		q->dst = ip.dst;
		q->proto = ip.nexthdr;
		at += sizeof(ip);
		if (q->proto == 44)
			return DROP_ICMP_UNRELATED;
		echo = ICMP6_ECHO;
		reply = ICMP6_ECHOREPLY;
	} else {
		struct iphdr ip;

		if (at + sizeof(ip) > end || bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)))
			return DROP_MALFORMED;
		if (ip.version != 4 || ip.ihl < 5 || at + ip.ihl * 4 + 8 > end)
			return DROP_MALFORMED;
		q->src = mapped(ip.saddr);
		q->dst = mapped(ip.daddr);
		q->proto = ip.protocol;
		at += ip.ihl * 4;
		if (ip.frag_off & bpf_htons(IP_OFFSET_MASK))
			return DROP_ICMP_UNRELATED;
		echo = ICMP_ECHO;
		reply = ICMP_ECHOREPLY;
	}
	q->l4 = at;
	if (bpf_skb_load_bytes(skb, at, transport, 8))
		return DROP_MALFORMED;
	if (q->proto == IPPROTO_TCP || q->proto == IPPROTO_UDP) {
		q->sport = *(__u16 *)transport;
		q->dport = *(__u16 *)(transport + 2);
	} else if (is_icmp(q)) {
		q->icmp_type = transport[0];
		q->icmp_code = transport[1];
		if (transport[0] == echo || transport[0] == reply)
			q->sport = q->dport = *(__u16 *)(transport + 4);
	}
	return DROP_NONE;
}

/* related finds the live flow, as the present policy judges it, that an ICMP error at this port is about. It never makes
 * one. */
static __always_inline struct flow *related(struct __sk_buff *skb, struct hop *h)
{
	struct work *w = workbench();
	struct hop *q;
	struct flow *f;

	if (!w)
		return 0;
	q = &w->quoted;
	h->reason = DROP_ICMP_UNRELATED;
	if (h->p.fragment || (!h->p.v6 && h->p.icmp_type == ICMP_REDIRECT))
		return 0;
	*q = *h;
	q->dir = h->dir ^ 1;
	q->outer_src = 0;
	q->relayed = 1;
	q->p.tcp_flags = 0;
	q->p.icmp_type = q->p.icmp_code = 0;
	q->p.sport = q->p.dport = 0;
	h->reason = quoted(skb, h->p.l4, h->end, h->p.v6, &q->p);
	if (h->reason)
		return 0;
	h->reason = DROP_ICMP_UNRELATED;
	if (!addr_equal(&q->p.src, &h->p.dst))
		return 0;
	if (h->dir == OUTBOUND && !addr_equal(&q->p.dst, &h->p.src)) {
		if (!forwards(h)) /* who passes packets on may complain of them */
			return 0;
		q->transit = address_of(q, &q->p.dst) ? 0 : h->port;
	}
	flow_key_of(q, &w->key);
	f = bpf_map_lookup_elem(&flows, &w->key);
	if (!f || !alive(f, q))
		return 0;
	f = flow_of(q);
	if (!f || f->drop || (f->peer_flags & PEER_NAT))
		return 0;
	return f;
}
