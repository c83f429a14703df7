/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing of a tenant's IPv4 packet. Only headers that agree with each other and with the frame's length
 * come through. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "drop.h"

#define ETH_HLEN_ 14
#define IP_FRAGMENT_MASK bpf_htons(0x3fff)
#define IP_OFFSET_MASK 0x1fff

#define FRAGMENT_FIRST 1
#define FRAGMENT_LATER 2

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* linux/icmp.h and linux/if_arp.h need the C library's headers: what is used of them. */
#define ICMP_ECHOREPLY 0
#define ICMP_ECHO 8
struct icmphdr {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__be16 id;
	__be16 sequence;
};
#define ARPHRD_ETHER 1
#define ARPOP_REQUEST 1
#define ARPOP_REPLY 2

struct packet {
	__u32 src;
	__u32 dst;
	__u16 sport; /* network byte order; both hold the identifier of an ICMP echo */
	__u16 dport;
	__u8 proto;
	__u8 tcp_flags;
	__u8 tos;
	__u8 ttl;
	__u8 icmp_type;
	__u8 fragment; /* FRAGMENT_*, 0 for a whole packet */
	__u16 id;      /* of the datagram, network byte order */
};

/* Volatile: the compiler must not make one value of a pointer here and of a number in make_linear. */
static __always_inline void *data_of(struct __sk_buff *skb)
{
	return (void *)(long)*(volatile __u32 *)&skb->data;
}

static __always_inline void *end_of(struct __sk_buff *skb)
{
	return (void *)(long)*(volatile __u32 *)&skb->data_end;
}

/* make_linear lets at least need bytes (or the whole frame) be read directly. Ask for no more than is read: a
 * TCP super-packet has just its headers there, and pulling one byte more copies them all. */
static __always_inline void make_linear(struct __sk_buff *skb, __u32 need)
{
	__u32 have = skb->data_end - skb->data;

	if (have < need && have < skb->len)
		bpf_skb_pull_data(skb, need < skb->len ? need : skb->len);
}

/* parse_ipv4 reads the packet whose IPv4 header is at offset l3; returns a drop reason. */
static __always_inline int parse_ipv4(struct __sk_buff *skb, __u32 l3, struct packet *p)
{
	void *data = data_of(skb), *end = end_of(skb);
	struct iphdr *ip = data + l3;
	__u32 header, total, payload;
	void *l4;

	if ((void *)(ip + 1) > end || ip->version != 4)
		return DROP_MALFORMED;
	header = ip->ihl * 4;
	if (header > sizeof(*ip)) {
		make_linear(skb, l3 + header + sizeof(struct tcphdr));
		data = data_of(skb);
		end = end_of(skb);
		ip = data + l3;
		if ((void *)(ip + 1) > end)
			return DROP_MALFORMED;
	}
	total = bpf_ntohs(ip->tot_len);
	if (header < sizeof(*ip) || total < header || l3 + total > skb->len)
		return DROP_MALFORMED;
	p->src = ip->saddr;
	p->dst = ip->daddr;
	p->proto = ip->protocol;
	p->tos = ip->tos;
	p->ttl = ip->ttl;
	payload = total - header;
	if (ip->frag_off & IP_FRAGMENT_MASK) {
		__u32 offset = bpf_ntohs(ip->frag_off) & IP_OFFSET_MASK;

		p->id = ip->id;
		p->fragment = offset ? FRAGMENT_LATER : FRAGMENT_FIRST;
		if (offset) /* one that reaches into a TCP header could change it: RFC 1858 */
			return p->proto == IPPROTO_TCP && offset * 8 < sizeof(struct tcphdr) ? DROP_MALFORMED : DROP_NONE;
	}
	l4 = data + l3 + (header & 0x3c);
	switch (p->proto) {
	case IPPROTO_TCP: {
		struct tcphdr *th = l4;

		if (payload < sizeof(*th) || (void *)(th + 1) > end)
			return DROP_MALFORMED;
		if (th->doff < 5 || th->doff * 4 > payload)
			return DROP_MALFORMED;
		p->sport = th->source;
		p->dport = th->dest;
		p->tcp_flags = ((__u8 *)th)[13];
		break;
	}
	case IPPROTO_UDP: {
		struct udphdr *uh = l4;

		if (payload < sizeof(*uh) || (void *)(uh + 1) > end)
			return DROP_MALFORMED;
		if (bpf_ntohs(uh->len) < sizeof(*uh) || (!p->fragment && bpf_ntohs(uh->len) > payload))
			return DROP_MALFORMED;
		p->sport = uh->source;
		p->dport = uh->dest;
		break;
	}
	case IPPROTO_ICMP: {
		struct icmphdr *ih = l4;

		if (payload < sizeof(*ih) || (void *)(ih + 1) > end)
			return DROP_MALFORMED;
		p->icmp_type = ih->type;
		if (ih->type == ICMP_ECHO || ih->type == ICMP_ECHOREPLY)
			p->sport = p->dport = ih->id;
		break;
	}
	}
	return DROP_NONE;
}

/* flow_hash is encap.FlowHash. */
static __always_inline __u32 flow_hash(const struct packet *p)
{
	__u32 h = bpf_ntohl(p->src) * 0x9E3779B1u;

	h = (h << 15 | h >> 17) ^ bpf_ntohl(p->dst);
	h *= 0x85EBCA6Bu;
	h ^= h >> 13;
	h = (h ^ ((__u32)bpf_ntohs(p->sport) << 16 | bpf_ntohs(p->dport))) * 0xC2B2AE35u;
	h ^= h >> 16;
	h = (h ^ p->proto) * 0x27D4EB2Fu;
	h ^= h >> 15;
	return h;
}

/* MACs are always at even offsets here: three halfwords instead of six bytes. */
static __always_inline int mac_equal(const void *a, const void *b)
{
	const __u16 *x = a, *y = b;

	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

static __always_inline void mac_copy(void *to, const void *from)
{
	__u16 *x = to;
	const __u16 *y = from;

	x[0] = y[0];
	x[1] = y[1];
	x[2] = y[2];
}

static const __u8 router_mac[6] __attribute__((aligned(2))) = {0x02, 0xfa, 0x1e, 0xad, 0x00, 0x01};
