/* SPDX-License-Identifier: Apache-2.0 */
/* Connections through a tunnel start with segments that fit it, also where PMTU discovery is broken. */
#pragma once

#include "hop.h"

#define TCP_OPTIONS 40

struct mss_scan {
	struct __sk_buff *skb;
	const __u8 *options;
	__u32 at, end; /* in options */
	__u32 tcp;     /* offset of the header in the frame */
	__u16 limit;
	__u16 pad;
};

static long next_tcp_option(__u64 i, struct mss_scan *s)
{
	const __u8 *o = s->options + (s->at & 63);
	__u16 value, limit;

	if (s->at >= s->end || o[0] == 0)
		return 1;
	if (o[0] == 1) {
		s->at++;
		return 0;
	}
	if (s->at + 2 > s->end || o[1] < 2 || s->at + o[1] > s->end)
		return 1;
	value = o[2] | o[3] << 8;
	if (o[0] == 2 && o[1] == 4 && bpf_ntohs(value) > s->limit) {
		limit = bpf_htons(s->limit);
		/* The option may lie at an odd offset: then the checksum sees its bytes swapped. */
		if (s->at & 1)
			bpf_l4_csum_replace(s->skb, s->tcp + 16, value << 8 | value >> 8, (__u16)(limit << 8 | limit >> 8), 2);
		else
			bpf_l4_csum_replace(s->skb, s->tcp + 16, value, limit, 2);
		bpf_skb_store_bytes(s->skb, s->tcp + sizeof(struct tcphdr) + s->at + 2, &limit, 2, 0);
	}
	s->at += o[1];
	return 0;
}

/* clamp_mss bounds the MSS option of the SYN at offset l4. */
__noinline int clamp_mss(struct __sk_buff *skb, __u32 l4, __u32 end, __u32 limit)
{
	struct mss_scan s = {.skb = skb, .tcp = l4, .limit = limit};
	struct frame *f = answer_room();
	__u8 offset;

	if (!f || bpf_skb_load_bytes(skb, l4 + 12, &offset, 1))
		return 0;
	s.end = (offset >> 4) * 4 - sizeof(struct tcphdr);
	if (s.end == 0 || s.end > TCP_OPTIONS || l4 + sizeof(struct tcphdr) + s.end > end)
		return 0;
	if (bpf_skb_load_bytes(skb, l4 + sizeof(struct tcphdr), f->b, s.end))
		return 0;
	s.options = f->b;
	bpf_loop(10, next_tcp_option, &s, 0);
	return 0;
}

static __always_inline int starts_connection(const struct packet *p)
{
	return p->proto == IPPROTO_TCP && (p->tcp_flags & TCP_SYN) && p->fragment != FRAGMENT_LATER;
}

static __always_inline __u32 mss_limit(__u32 mtu, __u32 v6)
{
	return mtu - (v6 ? 60 : 40);
}
