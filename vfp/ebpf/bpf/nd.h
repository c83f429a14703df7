/* SPDX-License-Identifier: Apache-2.0 */
/* Neighbour discovery (RFC 4861): answered from the mapping table like ARP, and guarded. */
#pragma once

#include "reply.h"

struct nd_message {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__be32 flags;
	struct addr target;
	__u8 option[8]; /* link-layer address */
};


struct ra_message {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__u8 hop_limit;
	__u8 flags;
	__be16 lifetime;
	__be32 reachable;
	__be32 retransmit;
	__u8 source[8];
	__u8 options[40]; /* MTU, when known, and prefix information */
};

/* link_local is the address that goes with a MAC (RFC 4291, appendix A). */
static __always_inline struct addr link_local(const __u8 *mac)
{
	struct addr a = {};
	__u8 *b = (void *)&a;

	b[0] = 0xfe;
	b[1] = 0x80;
	b[8] = mac[0] ^ 2;
	b[9] = mac[1];
	b[10] = mac[2];
	b[11] = 0xff;
	b[12] = 0xfe;
	b[13] = mac[3];
	b[14] = mac[4];
	b[15] = mac[5];
	return a;
}

static __always_inline void to_all_nodes(struct ethhdr *eth, struct ip6hdr *ip)
{
	static const __u8 all[6] __attribute__((aligned(2))) = {0x33, 0x33, 0, 0, 0, 1};

	mac_copy(eth->h_dest, all);
	ip->dst.w[0] = bpf_htonl(0xff020000);
	ip->dst.w[1] = ip->dst.w[2] = 0;
	ip->dst.w[3] = bpf_htonl(1);
}

/* router_advertisement answers a solicitation: the gateway, the MTU, and the prefix as on-link. */
static __always_inline int router_advertisement(struct __sk_buff *skb, struct hop *h, const struct subnet *s)
{
	struct frame *f = answer_room();
	struct host *host = host_of(h->slot);
	struct ethhdr *eth;
	struct ip6hdr *ip;
	struct ra_message *ra;
	__u32 size = 24, n;

	if (!f || !host)
		return refuse(h, DROP_INTERNAL);
	__builtin_memset(f->b, 0, ETH_HLEN_ + sizeof(*ip) + sizeof(*ra));
	eth = (void *)f->b;
	ip = (void *)(eth + 1);
	ra = (void *)(ip + 1);
	if (bpf_skb_load_bytes(skb, 6, eth->h_dest, 6))
		return refuse(h, DROP_INTERNAL);
	mac_copy(eth->h_source, router_mac);
	eth->h_proto = bpf_htons(ETH_P_IPV6);
	ip->src = link_local(router_mac);
	ip->dst = h->p.src;
	if (addr_zero(&h->p.src))
		to_all_nodes(eth, ip);
	ra->type = ICMP6_RA;
	ra->hop_limit = 64;
	ra->lifetime = bpf_htons(1800);
	ra->source[0] = ra->source[1] = 1;
	mac_copy(ra->source + 2, router_mac);
	n = 0;
	if (host->mtu) {
		ra->options[0] = 5;
		ra->options[1] = 1;
		*(__be32 *)(ra->options + 4) = bpf_htonl(host->mtu);
		n = 8;
	}
	__u8 *prefix = ra->options + n;

	prefix[0] = 3;
	prefix[1] = 4;
	prefix[2] = s->bits;
	prefix[3] = 0x80;
	*(__be32 *)(prefix + 4) = 0xffffffff;
	*(__be32 *)(prefix + 8) = 0xffffffff;
	__builtin_memcpy(prefix + 16, &s->network, 16);
	size = 24 + n + 32;
	icmp6_ip(ip, size);
	if (n)
		ra->checksum = icmp6_sum(ip, ra, 24 + 8 + 32);
	else
		ra->checksum = icmp6_sum(ip, ra, 24 + 32);
	return send_frame(skb, h, f, ETH_HLEN_ + sizeof(*ip) + size);
}

/* nd handles what an endpoint says as a neighbour or a router. */
__noinline int nd(struct __sk_buff *skb, struct hop *h)
{
	struct nd_message in = {};
	struct ethhdr *eth;
	struct ip6hdr *ip;
	struct nd_message *out;
	struct addr own, router;
	struct address *a;
	struct subnet *s;
	struct frame *f;
	struct port *port;
	__u16 mac[3], from[3];
	__u32 length;
	int is_router, known;

	if (!h)
		return TC_ACT_SHOT;
	port = port_at(h->port, h->slot & 1);
	f = answer_room();
	if (!port || !f)
		return refuse(h, DROP_PORT_UNKNOWN);
	length = ETH_HLEN_ + h->p.len - h->p.l4; /* of the message */
	if (h->p.icmp_code || h->p.ttl != 255 || h->p.fragment) /* a fragment: RFC 6980 */
		return refuse(h, DROP_MALFORMED);
	if ((h->p.icmp_type == ICMP6_NS || h->p.icmp_type == ICMP6_NA) && length < 24)
		return refuse(h, DROP_MALFORMED);
	if (h->p.icmp_type == ICMP6_RA || h->p.icmp_type == ICMP6_ND_REDIRECT)
		return refuse(h, DROP_RA_GUARD);
	if (bpf_skb_load_bytes(skb, 6, from, 6))
		return refuse(h, DROP_INTERNAL);
	own = link_local(port->mac);
	router = link_local(router_mac);
	a = address_of(h, &h->p.src);
	known = a || addr_equal(&h->p.src, &own);

	if (h->p.icmp_type == ICMP6_RS) {
		if (!known && !addr_zero(&h->p.src))
			return refuse(h, DROP_ND_SPOOF);
		s = port->vsid6 ? subnet_of(h->slot, port->vsid6) : 0;
		if (!s || !(s->flags & SUBNET_GATEWAY))
			return refuse(h, DROP_ND_UNANSWERED);
		return router_advertisement(skb, h, s);
	}
	if (bpf_skb_load_bytes(skb, h->p.l4, &in, 24))
		return refuse(h, DROP_MALFORMED);
	if (h->p.icmp_type == ICMP6_NA) {
		if (addr_equal(&in.target, &own) || (!is_mapped(&in.target) && address_of(h, &in.target)))
			return refuse(h, DROP_ND_UNANSWERED);
		return refuse(h, DROP_ND_SPOOF);
	}
	if (!known && !addr_zero(&h->p.src))
		return refuse(h, DROP_ND_SPOOF);
	if (length >= 32 && !bpf_skb_load_bytes(skb, h->p.l4 + 24, in.option, 8) && in.option[0] == 1 && in.option[1] == 1 &&
	    !mac_equal(in.option + 2, from))
		return refuse(h, DROP_ND_SPOOF);
	if (!a) {
		if (!port->vsid6)
			return refuse(h, DROP_ND_SPOOF);
		a = address_of(h, &port->ca6);
		if (!a)
			return refuse(h, DROP_ND_SPOOF);
	}
	if (addr_equal(&in.target, &router))
		mac_copy(mac, router_mac);
	else if (!who_has(h, a, &in.target, mac))
		return refuse(h, DROP_ND_UNANSWERED);
	is_router = mac_equal(mac, router_mac);

	__builtin_memset(f->b, 0, ETH_HLEN_ + sizeof(*ip) + sizeof(*out));
	eth = (void *)f->b;
	ip = (void *)(eth + 1);
	out = (void *)(ip + 1);
	mac_copy(eth->h_dest, from);
	mac_copy(eth->h_source, mac);
	eth->h_proto = bpf_htons(ETH_P_IPV6);
	icmp6_ip(ip, sizeof(*out));
	ip->src = in.target;
	ip->dst = h->p.src;
	out->type = ICMP6_NA;
	out->target = in.target;
	out->flags = is_router ? bpf_htonl(0x80000000) : bpf_htonl(0x20000000);
	if (addr_zero(&h->p.src))
		to_all_nodes(eth, ip);
	else
		out->flags |= bpf_htonl(0x40000000);
	out->option[0] = 2;
	out->option[1] = 1;
	mac_copy(out->option + 2, mac);
	out->checksum = icmp6_sum(ip, out, sizeof(*out));
	return send_frame(skb, h, f, ETH_HLEN_ + sizeof(*ip) + sizeof(*out));
}
