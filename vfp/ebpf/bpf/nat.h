/* SPDX-License-Identifier: Apache-2.0 */
/* Outbound NAT of host-local subnets: their endpoints' connections leave as from an address of the host. */
#pragma once

#include "related.h"
#include "tunnel.h"

static __always_inline __u32 checksum_at(const struct packet *p)
{
	return p->l4 + (p->proto == IPPROTO_TCP ? 16 : p->proto == IPPROTO_UDP ? 6 : 2);
}

/* translate puts another address (at the IP header's offset 12 or 16) and another port or identifier into a packet whose
 * IP header is at offset 14, takes one from its TTL, and keeps the checksums right. */
__noinline int translate(struct __sk_buff *skb, const struct packet *p, __u32 source, __u32 address, __u32 port)
{
	__u32 at = ETH_HLEN_ + (source ? 12 : 16), old, check, port_at;
	__u64 udp = 0;
	__u16 old_port, new_port = port;
	__u8 word[2], ttl;

	if (!p)
		return -1;
	if (p->proto == IPPROTO_UDP)
		udp = BPF_F_MARK_MANGLED_0;
	check = checksum_at(p);
	port_at = p->l4 + (p->proto == IPPROTO_ICMP ? 4 : source ? 0 : 2);
	if (bpf_skb_load_bytes(skb, at, &old, 4) || bpf_skb_load_bytes(skb, port_at, &old_port, 2) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN_ + 8, word, 2))
		return -1;
	if (p->proto != IPPROTO_ICMP && bpf_l4_csum_replace(skb, check, old, address, BPF_F_PSEUDO_HDR | udp | 4))
		return -1;
	if (bpf_l4_csum_replace(skb, check, old_port, new_port, udp | 2))
		return -1;
	ttl = word[0] - 1;
	if (bpf_l3_csum_replace(skb, ETH_HLEN_ + 10, old, address, 4) ||
	    bpf_l3_csum_replace(skb, ETH_HLEN_ + 10, word[0] | word[1] << 8, ttl | word[1] << 8, 2))
		return -1;
	if (bpf_skb_store_bytes(skb, at, &address, 4, 0) || bpf_skb_store_bytes(skb, port_at, &new_port, 2, 0) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN_ + 8, &ttl, 1, 0))
		return -1;
	return 0;
}

static __always_inline int in_nat_range(__u16 port)
{
	__u32 p = bpf_ntohs(port);

	return p >= NAT_FIRST && p < NAT_FIRST + NAT_PORTS;
}

/* nat_of finds whose packet from the outside this is: by its destination port, or by the source port of the packet that an
 * ICMP error quotes (then q holds that packet). */
static __noinline struct nat *nat_of(struct __sk_buff *skb, const struct hop *h, struct packet *q)
{
	struct nat_key nk = {.address = h->p.dst.w[3]};

	if (h->p.fragment)
		return 0;
	if (is_icmp_error(&h->p)) {
		if (h->p.icmp_type == ICMP_REDIRECT || quoted(skb, h->p.l4, h->end, 0, q) || !in_nat_range(q->sport) ||
		    !addr_equal(&q->src, &h->p.dst))
			return 0;
		nk.remote = q->dst.w[3];
		nk.proto = q->proto;
		nk.port = q->sport;
		nk.rport = q->proto == IPPROTO_ICMP ? 0 : q->dport;
	} else {
		if (h->p.proto != IPPROTO_TCP && h->p.proto != IPPROTO_UDP &&
		    !(h->p.proto == IPPROTO_ICMP && h->p.icmp_type == ICMP_ECHOREPLY))
			return 0;
		if (!in_nat_range(h->p.dport))
			return 0;
		nk.remote = h->p.src.w[3];
		nk.proto = h->p.proto;
		nk.port = h->p.dport;
		nk.rport = h->p.proto == IPPROTO_ICMP ? 0 : h->p.sport;
	}
	return bpf_map_lookup_elem(&nats, &nk);
}

/* translate_quote makes the packet that an ICMP error quotes look as its sender knows it. */
__noinline int translate_quote(struct __sk_buff *skb, const struct packet *p, const struct packet *q, __u32 ca, __u32 lport)
{
	__u32 ip, check, ports, old;
	__u16 old_port, new_port = lport, before, after;

	if (!p || !q)
		return -1;
	ip = p->l4 + sizeof(struct icmphdr);
	check = p->l4 + 2;
	ports = q->l4 + (q->proto == IPPROTO_ICMP ? 4 : 0);
	if (bpf_skb_load_bytes(skb, ip + 12, &old, 4) || bpf_skb_load_bytes(skb, ports, &old_port, 2) ||
	    bpf_skb_load_bytes(skb, ip + 10, &before, 2))
		return -1;
	if (bpf_l3_csum_replace(skb, ip + 10, old, ca, 4) || bpf_skb_load_bytes(skb, ip + 10, &after, 2))
		return -1;
	if (bpf_skb_store_bytes(skb, ip + 12, &ca, 4, 0) || bpf_skb_store_bytes(skb, ports, &new_port, 2, 0))
		return -1;
	if (bpf_l4_csum_replace(skb, check, before, after, 2) || bpf_l4_csum_replace(skb, check, old, ca, 4) ||
	    bpf_l4_csum_replace(skb, check, old_port, new_port, 2))
		return -1;
	return 0;
}
