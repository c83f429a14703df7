/* SPDX-License-Identifier: Apache-2.0 */
/* What the vSwitch answers itself: ARP, echo requests to the gateway, and ICMP errors in the gateway's name. */
#pragma once

#include "tunnel.h"

static __always_inline int refuse(const struct hop *h, __u32 reason)
{
	return drop(&h->p, h->port, reason, OUTBOUND);
}

static __always_inline int send_back(struct __sk_buff *skb, const struct hop *h)
{
	decide(VERDICT_REPLY, 0, h->port, 0);
	return bpf_redirect(skb->ifindex, 0);
}

struct arp_ipv4 {
	__be16 hardware;
	__be16 protocol;
	__u8 hlen;
	__u8 plen;
	__be16 op;
	__u8 sha[6];
	__u32 spa;
	__u8 tha[6];
	__u32 tpa;
} __attribute__((packed));

/* who_has finds the MAC that the vSwitch answers for target in the subnet of an address. */
static __always_inline int who_has(const struct hop *h, const struct address *a, const struct addr *target, __u16 *mac)
{
	struct subnet *s = subnet_of(h->slot, a->vsid);
	struct mapping *m;

	if (s && (s->flags & SUBNET_GATEWAY) && addr_equal(&s->gateway, target)) {
		mac_copy(mac, router_mac);
		return 1;
	}
	m = mapping_of(h->slot, a->domain, target);
	if (!m || m->vsid != a->vsid || m->port == h->port)
		return 0;
	mac_copy(mac, m->mac);
	return 1;
}

/* arp answers requests from the mapping table; nothing is ever flooded. */
__noinline int arp(struct __sk_buff *skb, struct hop *h)
{
	void *data = data_of(skb), *end = end_of(skb);
	struct ethhdr *eth = data;
	struct arp_ipv4 *a = data + ETH_HLEN_;
	struct address *address;
	struct addr ca;
	struct port *port;
	__u16 mac[3];
	__u32 target;

	if (!h)
		return TC_ACT_SHOT;
	port = port_at(h->port, h->slot & 1);
	if (!port)
		return refuse(h, DROP_PORT_UNKNOWN);
	if ((void *)(a + 1) > end)
		return refuse(h, DROP_MALFORMED);
	if (a->hardware != bpf_htons(ARPHRD_ETHER) || a->protocol != bpf_htons(ETH_P_IP) || a->hlen != 6 ||
	    a->plen != 4)
		return refuse(h, DROP_MALFORMED);
	if (!mac_equal(a->sha, eth->h_source))
		return refuse(h, DROP_ARP_SPOOF);
	/* A probe (RFC 5227) has no sender address yet: it is judged by the port's first. */
	ca = mapped(a->spa ? a->spa : port->ca);
	address = address_of(h, &ca);
	if (!address)
		return refuse(h, DROP_ARP_SPOOF);
	if (a->op != bpf_htons(ARPOP_REQUEST))
		return refuse(h, DROP_ARP_UNANSWERED);
	target = a->tpa;
	ca = mapped(target);
	if (!who_has(h, address, &ca, mac))
		return refuse(h, DROP_ARP_UNANSWERED);
	mac_copy(eth->h_dest, eth->h_source);
	mac_copy(eth->h_source, mac);
	mac_copy(a->tha, a->sha);
	a->tpa = a->spa;
	mac_copy(a->sha, mac);
	a->spa = target;
	a->op = bpf_htons(ARPOP_REPLY);
	return send_back(skb, h);
}

/* gateway_echo reports an echo request to the gateway of the sender's subnet. */
static __always_inline int gateway_echo(const struct hop *h)
{
	struct subnet *s;

	if (!is_echo(&h->p) || h->p.fragment)
		return 0;
	s = subnet_of(h->slot, h->vsid);
	return s && (s->flags & SUBNET_GATEWAY) && addr_equal(&s->gateway, &h->p.dst);
}

/* router_reply answers an echo request to the gateway in place. */
__noinline int router_reply(struct __sk_buff *skb, struct hop *h)
{
	struct ethhdr *eth = data_of(skb);
	__u8 reply, before;

	if (!h)
		return TC_ACT_SHOT;
	if ((void *)(eth + 1) > end_of(skb))
		return refuse(h, DROP_INTERNAL);
	mac_copy(eth->h_dest, eth->h_source);
	mac_copy(eth->h_source, router_mac);
	if (h->p.v6) {
		struct ip6hdr *ip6 = (void *)(eth + 1);

		if ((void *)(ip6 + 1) > end_of(skb))
			return refuse(h, DROP_INTERNAL);
		ip6->src = h->p.dst;
		ip6->dst = h->p.src;
		before = ICMP6_ECHO;
		reply = ICMP6_ECHOREPLY;
	} else {
		struct iphdr *ip = (void *)(eth + 1);

		if ((void *)(ip + 1) > end_of(skb))
			return refuse(h, DROP_INTERNAL);
		ip->saddr = h->p.dst.w[3];
		ip->daddr = h->p.src.w[3];
		before = ICMP_ECHO;
		reply = ICMP_ECHOREPLY;
	}
	if (bpf_skb_store_bytes(skb, h->p.l4, &reply, 1, 0))
		return refuse(h, DROP_INTERNAL);
	struct icmphdr ih;
	__u32 sum;

	if (bpf_skb_load_bytes(skb, h->p.l4, &ih, sizeof(ih)))
		return refuse(h, DROP_INTERNAL);
	sum = (__u16)~ih.checksum + (__u16)~bpf_htons(before << 8 | ih.code) + bpf_htons(reply << 8 | ih.code);
	ih.checksum = ~fold16(sum);
	if (bpf_skb_store_bytes(skb, h->p.l4, &ih, sizeof(ih), 0))
		return refuse(h, DROP_INTERNAL);
	return send_back(skb, h);
}

/* send_frame sends the first len bytes of f back to the endpoint in place of the frame it sent. */
static __always_inline int send_frame(struct __sk_buff *skb, const struct hop *h, struct frame *f, __u32 len)
{
	if (len < ETH_HLEN_ || len > sizeof(f->b))
		return refuse(h, DROP_INTERNAL);
	if (bpf_skb_change_tail(skb, len, 0) || bpf_skb_store_bytes(skb, 0, f->b, len, BPF_F_RECOMPUTE_CSUM))
		return refuse(h, DROP_INTERNAL);
	return send_back(skb, h);
}

/* ones_sum of a buffer; size is a multiple of 4. */
static __always_inline __u32 ones_sum(void *b, __u32 size, __u32 seed)
{
	__s64 sum = bpf_csum_diff(0, 0, b, size, seed);

	return fold16((__u32)sum);
}

/* icmp6_sum is the checksum of an ICMPv6 message of size bytes behind an IPv6 header. */
static __always_inline __u16 icmp6_sum(struct ip6hdr *ip, void *message, __u32 size)
{
	__u32 sum = ones_sum(&ip->src, 32, 0);

	sum += bpf_htons(size) + bpf_htons(IPPROTO_ICMPV6_);
	return ~fold16(ones_sum(message, size, 0) + sum);
}

static __always_inline void icmp6_ip(struct ip6hdr *ip, __u32 size)
{
	ip->version_class_flow = bpf_htonl(6 << 28);
	ip->payload_len = bpf_htons(size);
	ip->nexthdr = IPPROTO_ICMPV6_;
	ip->hop_limit = 255;
}

#define QUOTE4 64
#define QUOTE6 96

/* icmp_error tells the sender why its packet went no further, in the name of its gateway (RFC 792, RFC 4443); the packet
 * counts as dropped for the reason. */
__noinline int icmp_error(struct __sk_buff *skb, struct hop *h, __u32 reason)
{
	struct frame *f = answer_room();
	struct subnet *s;
	struct ethhdr *eth;
	struct icmphdr *ih;
	struct host *host;
	__u32 q, at;

	if (!h)
		return TC_ACT_SHOT;
	s = subnet_of(h->slot, h->vsid);
	host = host_of(h->slot);
	if (!f || !host || !s || !(s->flags & SUBNET_GATEWAY) || h->p.fragment == FRAGMENT_LATER || is_icmp_error(&h->p))
		return refuse(h, reason);
	__builtin_memset(f->b, 0, ETH_HLEN_ + sizeof(struct ip6hdr) + sizeof(*ih));
	eth = (void *)f->b;
	if (bpf_skb_load_bytes(skb, 6, eth->h_dest, 6))
		return refuse(h, reason);
	mac_copy(eth->h_source, router_mac);
	count_drop(h->port, reason);
	if (!h->p.v6) {
		struct iphdr *ip = (void *)(eth + 1);

		q = (h->p.len < QUOTE4 ? h->p.len : QUOTE4) & 0x7c;
		at = ETH_HLEN_ + sizeof(*ip) + sizeof(*ih);
		if (q < 20 || bpf_skb_load_bytes(skb, ETH_HLEN_, f->b + at, q))
			return refuse(h, DROP_INTERNAL);
		eth->h_proto = bpf_htons(ETH_P_IP);
		*ip = outer_ip(s->gateway.w[3], h->p.src.w[3], IPPROTO_ICMP, sizeof(*ip) + sizeof(*ih) + q, 0);
		ip->frag_off = 0;
		ip->check = 0;
		ip->check = ~ip_sum(ip);
		ih = (void *)(ip + 1);
		ih->type = reason == DROP_MTU ? ICMP_UNREACHABLE : ICMP_TIME_EXCEEDED;
		ih->code = reason == DROP_MTU ? 4 : 0;
		ih->sequence = reason == DROP_MTU ? bpf_htons(host->mtu) : 0;
		ih->checksum = ~ones_sum(ih, sizeof(*ih) + q, 0);
	} else {
		struct ip6hdr *ip = (void *)(eth + 1);

		q = (h->p.len < QUOTE6 ? h->p.len : QUOTE6) & 0x7c;
		at = ETH_HLEN_ + sizeof(*ip) + sizeof(*ih);
		if (q < 40 || bpf_skb_load_bytes(skb, ETH_HLEN_, f->b + at, q))
			return refuse(h, DROP_INTERNAL);
		eth->h_proto = bpf_htons(ETH_P_IPV6);
		icmp6_ip(ip, sizeof(*ih) + q);
		ip->src = s->gateway;
		ip->dst = h->p.src;
		ih = (void *)(ip + 1);
		ih->type = reason == DROP_MTU ? ICMP6_TOO_BIG : ICMP6_TIME_EXCEEDED;
		ih->sequence = reason == DROP_MTU ? bpf_htons(host->mtu) : 0;
		ih->checksum = icmp6_sum(ip, ih, sizeof(*ih) + q);
	}
	if (bpf_skb_change_tail(skb, at + q, 0) || bpf_skb_store_bytes(skb, 0, f->b, at + q, BPF_F_RECOMPUTE_CSUM))
		return refuse(h, DROP_INTERNAL);
	decide(VERDICT_REPLY, reason, h->port, 0);
	if (mode == MODE_LIVE && (watched() & WATCH_DROPS))
		drop_event(&h->p, h->port, reason, OUTBOUND);
	return bpf_redirect(skb->ifindex, 0);
}
