/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing of a tenant's IP packet. Only headers that agree with each other and with the frame's length come
 * through. */
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
#include "types.h"

#define ETH_HLEN_ 14
#define IP_FRAGMENT_MASK bpf_htons(0x3fff)
#define IP_OFFSET_MASK 0x1fff

#define FRAGMENT_FIRST 1
#define FRAGMENT_LATER 2

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* linux/icmp.h, linux/ipv6.h and linux/if_arp.h need the C library's headers: what is used of them. */
#define IPPROTO_ICMPV6_ 58
#define ICMP_ECHOREPLY 0
#define ICMP_UNREACHABLE 3
#define ICMP_REDIRECT 5
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER 12
#define ICMP6_UNREACHABLE 1
#define ICMP6_TOO_BIG 2
#define ICMP6_TIME_EXCEEDED 3
#define ICMP6_PARAMETER 4
#define ICMP6_ECHO 128
#define ICMP6_ECHOREPLY 129
#define ICMP6_MLD_QUERY 130
#define ICMP6_MLD_DONE 132
#define ICMP6_RS 133
#define ICMP6_RA 134
#define ICMP6_NS 135
#define ICMP6_NA 136
#define ICMP6_ND_REDIRECT 137
#define ICMP6_MLD2_REPORT 143
struct icmphdr {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__be16 id;
	__be16 sequence;
};
struct ip6hdr {
	__be32 version_class_flow;
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	struct addr src;
	struct addr dst;
};
#define ARPHRD_ETHER 1
#define ARPOP_REQUEST 1
#define ARPOP_REPLY 2

struct packet {
	struct addr src;
	struct addr dst;
	__u32 id;    /* of a fragment's datagram, network byte order */
	__u16 sport; /* network byte order; both hold the identifier of an ICMP echo */
	__u16 dport;
	__u16 l4;    /* offset of the transport header in the frame; for later fragments of their data */
	__u16 len;   /* of the IP packet; 65535 at most */
	__u8 proto;
	__u8 tcp_flags;
	__u8 tos;
	__u8 ttl;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 fragment; /* FRAGMENT_*, 0 for a whole packet */
	__u8 v6;
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

static __always_inline struct addr mapped(__u32 v4)
{
	return (struct addr){{0, 0, bpf_htonl(0xffff), v4}};
}

static __always_inline int addr_equal(const struct addr *a, const struct addr *b)
{
	return !((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) | (a->w[3] ^ b->w[3]));
}

static __always_inline int addr_zero(const struct addr *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

/* parse_l4 reads the transport header at h, of which the packet has payload bytes. */
static __always_inline int parse_l4(struct packet *p, void *h, void *end, __u32 payload)
{
	switch (p->proto) {
	case IPPROTO_TCP: {
		struct tcphdr *th = h;

		if (payload < sizeof(*th) || (void *)(th + 1) > end)
			return DROP_MALFORMED;
		if (th->doff < 5 || th->doff * 4 > payload)
			return DROP_MALFORMED;
		p->sport = th->source;
		p->dport = th->dest;
		p->tcp_flags = ((__u8 *)th)[13];
		return DROP_NONE;
	}
	case IPPROTO_UDP: {
		struct udphdr *uh = h;

		if (payload < sizeof(*uh) || (void *)(uh + 1) > end)
			return DROP_MALFORMED;
		if (bpf_ntohs(uh->len) < sizeof(*uh) || (!p->fragment && bpf_ntohs(uh->len) > payload))
			return DROP_MALFORMED;
		p->sport = uh->source;
		p->dport = uh->dest;
		return DROP_NONE;
	}
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6_: {
		struct icmphdr *ih = h;
		__u8 request = p->v6 ? ICMP6_ECHO : ICMP_ECHO, reply = p->v6 ? ICMP6_ECHOREPLY : ICMP_ECHOREPLY;

		if (p->proto != (p->v6 ? IPPROTO_ICMPV6_ : IPPROTO_ICMP))
			return DROP_NONE; /* the other family's: a protocol like any */
		if (payload < sizeof(*ih) || (void *)(ih + 1) > end)
			return DROP_MALFORMED;
		p->icmp_type = ih->type;
		p->icmp_code = ih->code;
		if (ih->type == request || ih->type == reply)
			p->sport = p->dport = ih->id;
		return DROP_NONE;
	}
	}
	return DROP_NONE;
}

struct option_walk {
	struct __sk_buff *skb;
	__u32 at, end; /* offsets in the frame */
	__u32 reason;
};

static long next_ipv4_option(__u64 i, struct option_walk *w)
{
	__u8 option[2];

	if (w->at >= w->end)
		return 1;
	w->reason = DROP_MALFORMED;
	if (bpf_skb_load_bytes(w->skb, w->at, option, 1))
		return 1;
	w->reason = DROP_NONE;
	if (option[0] == 0)
		return 1;
	if (option[0] == 1) {
		w->at++;
		return 0;
	}
	w->reason = DROP_IP_OPTIONS;
	if (option[0] == 131 || option[0] == 137)
		return 1;
	w->reason = DROP_MALFORMED;
	if (w->at + 2 > w->end || bpf_skb_load_bytes(w->skb, w->at, option, 2) || option[1] < 2 || w->at + option[1] > w->end)
		return 1;
	w->reason = DROP_NONE;
	w->at += option[1];
	return 0;
}

/* ipv4_options refuses source routing (RFC 7126 section 4.3) and options that don't fit their header. */
static __always_inline int ipv4_options(struct __sk_buff *skb, __u32 at, __u32 length)
{
	struct option_walk w = {.skb = skb, .at = at, .end = at + length};

	bpf_loop(40, next_ipv4_option, &w, 0);
	return w.reason;
}

/* parse_ipv4 reads the packet whose IPv4 header is at offset l3; returns a drop reason. */
static __always_inline int parse_ipv4(struct __sk_buff *skb, __u32 l3, struct packet *p)
{
	void *data = data_of(skb), *end = end_of(skb);
	struct iphdr *ip = data + l3;
	__u32 header, total;
	int reason;

	if ((void *)(ip + 1) > end || ip->version != 4)
		return DROP_MALFORMED;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (header < sizeof(*ip) || total < header || l3 + total > skb->len)
		return DROP_MALFORMED;
	if (header > sizeof(*ip)) {
		reason = ipv4_options(skb, l3 + sizeof(*ip), header - sizeof(*ip));
		if (reason)
			return reason;
		make_linear(skb, l3 + header + sizeof(struct tcphdr));
		data = data_of(skb);
		end = end_of(skb);
		ip = data + l3;
		if ((void *)(ip + 1) > end)
			return DROP_MALFORMED;
	}
	p->src = mapped(ip->saddr);
	p->dst = mapped(ip->daddr);
	p->proto = ip->protocol;
	p->tos = ip->tos;
	p->ttl = ip->ttl;
	p->len = total;
	p->l4 = l3 + header;
	if (ip->frag_off & IP_FRAGMENT_MASK) {
		__u32 offset = bpf_ntohs(ip->frag_off) & IP_OFFSET_MASK;

		p->id = ip->id;
		p->fragment = offset ? FRAGMENT_LATER : FRAGMENT_FIRST;
		if (offset) /* one that reaches into a TCP header could change it: RFC 1858 */
			return p->proto == IPPROTO_TCP && offset * 8 < sizeof(struct tcphdr) ? DROP_MALFORMED : DROP_NONE;
	}
	return parse_l4(p, data + l3 + (header & 0x3c), end, total - header);
}


static __always_inline int is_extension(__u8 header)
{
	return header == 0 || header == 43 || header == 44 || header == 51 || header == 60;
}

#define MAX_EXTENSIONS 6

struct extension_walk {
	struct __sk_buff *skb;
	__u32 at, end; /* offsets in the frame */
	__u32 reason;
	__u32 id;
	__u8 next;
	__u8 fragment;
	__u8 fragmented; /* a fragment header was there */
	__u8 pad;
};

static long next_extension(__u64 n, struct extension_walk *w)
{
	__u8 header[8];
	__u32 length;

	if (!is_extension(w->next))
		return 1;
	w->reason = DROP_MALFORMED;
	if (n >= MAX_EXTENSIONS || (w->next == 0 && n))
		return 1;
	if (w->next == 43) {
		w->reason = DROP_IP_OPTIONS;
		return 1;
	}
	if (w->at + 8 > w->end || bpf_skb_load_bytes(w->skb, w->at, header, 8))
		return 1;
	length = (header[1] + 1) * 8;
	if (w->next == 51)
		length = (header[1] + 2) * 4;
	if (w->next == 44) {
		__u16 word = bpf_ntohs(*(__u16 *)(header + 2));
		__u32 offset = word & 0xfff8;

		if (w->fragmented)
			return 1;
		w->fragmented = 1;
		length = 8;
		if (word & 0xfff9) {
			w->id = *(__u32 *)(header + 4);
			w->fragment = offset ? FRAGMENT_LATER : FRAGMENT_FIRST;
		}
		if (offset) {
			if (is_extension(header[0]) || (header[0] == IPPROTO_TCP && offset < sizeof(struct tcphdr)))
				return 1;
			w->next = header[0];
			w->at += 8;
			w->reason = DROP_NONE;
			return 1;
		}
	}
	if (w->at + length > w->end)
		return 1;
	w->next = header[0];
	w->at += length;
	w->reason = DROP_NONE;
	return 0;
}

/* ipv6_extensions walks to the transport header (RFC 8200 section 4) and reads it. */
static __noinline int ipv6_extensions(struct __sk_buff *skb, __u32 l3, struct packet *p, __u32 end)
{
	struct extension_walk w = {.skb = skb, .at = l3 + sizeof(struct ip6hdr), .end = end};
	__u8 buffer[20];
	__u32 want;

	if (!p)
		return DROP_INTERNAL;
	w.next = p->proto;
	bpf_loop(MAX_EXTENSIONS + 1, next_extension, &w, 0);
	p->id = w.id;
	p->fragment = w.fragment;
	if (w.reason)
		return w.reason;
	p->proto = w.next;
	p->l4 = w.at;
	if (p->fragment == FRAGMENT_LATER)
		return DROP_NONE;
	/* Only what parse_l4 reads: 20 bytes of TCP, 8 of the others. */
	want = w.next == IPPROTO_TCP ? 20 : w.next == IPPROTO_UDP || w.next == IPPROTO_ICMPV6_ ? 8 : 0;
	if (w.at + want > end)
		return DROP_MALFORMED;
	if (want == 20 && bpf_skb_load_bytes(skb, w.at, buffer, 20))
		return DROP_MALFORMED;
	if (want == 8 && bpf_skb_load_bytes(skb, w.at, buffer, 8))
		return DROP_MALFORMED;
	return parse_l4(p, buffer, buffer + sizeof(buffer), end - w.at);
}

/* Inside, an IPv4 address is an IPv4-mapped one. On the wire there is no such thing (RFC 4038 section 4.2): a packet that has
 * one would pass as what it is not. */
static __always_inline int is_mapped(const struct addr *a)
{
	return !a->w[0] && !a->w[1] && a->w[2] == bpf_htonl(0xffff);
}

/* parse_ipv6 reads the packet whose IPv6 header is at offset l3; returns a drop reason. */
static __always_inline int parse_ipv6(struct __sk_buff *skb, __u32 l3, struct packet *p)
{
	struct ip6hdr *ip = data_of(skb) + l3;
	void *end = end_of(skb);
	__u32 payload;

	if ((void *)(ip + 1) > end || (bpf_ntohl(ip->version_class_flow) >> 28) != 6)
		return DROP_MALFORMED;
	payload = bpf_ntohs(ip->payload_len);
	if (l3 + sizeof(*ip) + payload > skb->len)
		return DROP_MALFORMED;
	p->v6 = 1;
	p->src = ip->src;
	p->dst = ip->dst;
	if (is_mapped(&p->src) || is_mapped(&p->dst))
		return DROP_MALFORMED;
	p->proto = ip->nexthdr;
	p->tos = bpf_ntohl(ip->version_class_flow) >> 20;
	p->ttl = ip->hop_limit;
	p->len = sizeof(*ip) + payload < 65535 ? sizeof(*ip) + payload : 65535;
	p->l4 = l3 + sizeof(*ip);
	if (is_extension(p->proto))
		return ipv6_extensions(skb, l3, p, l3 + sizeof(*ip) + payload);
	return parse_l4(p, (void *)(ip + 1), end, payload);
}

/* parse reads the IP packet at offset l3 of an Ethernet type. */
__noinline int parse(struct __sk_buff *skb, __u32 l3, __u32 v6, struct packet *p)
{
	if (!p || l3 > 128)
		return DROP_INTERNAL;
	return v6 ? parse_ipv6(skb, l3, p) : parse_ipv4(skb, l3, p);
}

/* is_icmp tells ICMP of the packet's own family. */
static __always_inline int is_icmp(const struct packet *p)
{
	return p->proto == (p->v6 ? IPPROTO_ICMPV6_ : IPPROTO_ICMP);
}

static __always_inline int is_echo(const struct packet *p)
{
	return is_icmp(p) && p->icmp_type == (p->v6 ? ICMP6_ECHO : ICMP_ECHO);
}

static __always_inline int is_icmp_error(const struct packet *p)
{
	if (!is_icmp(p))
		return 0;
	if (p->v6)
		return p->icmp_type >= ICMP6_UNREACHABLE && p->icmp_type <= ICMP6_PARAMETER;
	return p->icmp_type == ICMP_UNREACHABLE || p->icmp_type == 4 || p->icmp_type == ICMP_REDIRECT ||
	       p->icmp_type == ICMP_TIME_EXCEEDED || p->icmp_type == ICMP_PARAMETER;
}

static __always_inline int is_multicast(const struct packet *p)
{
	return p->v6 ? (p->dst.w[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000) : bpf_ntohl(p->dst.w[3]) >> 28 >= 0xe;
}

static __always_inline __u32 fold(const struct addr *a, __u8 v6)
{
	return bpf_ntohl(v6 ? a->w[0] ^ a->w[1] ^ a->w[2] ^ a->w[3] : a->w[3]);
}

/* flow_hash is encap.FlowHash. */
static __always_inline __u32 flow_hash(const struct packet *p)
{
	__u32 h = fold(&p->src, p->v6) * 0x9E3779B1u;

	h = (h << 15 | h >> 17) ^ fold(&p->dst, p->v6);
	h *= 0x85EBCA6Bu;
	h ^= h >> 13;
	h = (h ^ ((__u32)bpf_ntohs(p->sport) << 16 | bpf_ntohs(p->dport))) * 0xC2B2AE35u;
	h ^= h >> 16;
	h = (h ^ p->proto) * 0x27D4EB2Fu;
	h ^= h >> 15;
	return h;
}

/* MACs are copied and compared by words of 2 bytes: they are aligned so in every header and map. */
static __always_inline void mac_copy(void *to, const void *from)
{
	__u16 *x = to;
	const __u16 *y = from;

	x[0] = y[0];
	x[1] = y[1];
	x[2] = y[2];
}

static __always_inline int mac_equal(const void *a, const void *b)
{
	const __u16 *x = a, *y = b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

/* vfp.RouterMAC */
static const __u8 router_mac[6] __attribute__((aligned(2))) = {0x02, 0xfa, 0x1e, 0xad, 0x00, 0x01};

static __always_inline __u32 fold16(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}
