/* SPDX-License-Identifier: Apache-2.0 */
/* Outer headers: VXLAN (RFC 7348), NVGRE (RFC 7637) and, for mirrored copies, ERSPAN type II, over IPv4 and IPv6. */
#pragma once

#include "hop.h"

#define VXLAN_PORT 4789
#define VXLAN_FLAGS 0x08
#define NVGRE_FLAGS 0x2000 /* key present, version 0 */
#define NVGRE_PROTOCOL 0x6558
#define ERSPAN_FLAGS 0x1000 /* sequence number present */
#define ERSPAN_PROTOCOL 0x88be

/* What stands in front of the inner Ethernet header behind IP. */
struct vxlan {
	struct udphdr udp;
	__be32 flags;
	__be32 vni;
} __attribute__((packed));

struct nvgre {
	__be16 flags;
	__be16 protocol;
	__be32 key;
} __attribute__((packed));

struct erspan {
	__be16 flags;
	__be16 protocol;
	__be32 sequence;
	__be16 version_vlan;
	__be16 session;
	__be32 index;
} __attribute__((packed));

/* Built on the stack and copied by words: packed members alone would be moved byte by byte. */
struct headers4 {
	struct ethhdr eth;
	struct iphdr ip;
	union {
		struct vxlan vxlan;
		struct nvgre nvgre;
		struct erspan erspan;
	};
} __attribute__((packed, aligned(8)));

struct headers6 {
	struct ethhdr eth;
	struct ip6hdr ip;
	union {
		struct vxlan vxlan;
		struct nvgre nvgre;
		struct erspan erspan;
	};
} __attribute__((packed, aligned(8)));

/* Outer Ethernet, IP and tunnel header: what lies in front of the inner Ethernet header. */
#define VXLAN_ROOM 50
#define NVGRE_ROOM 42
#define VXLAN6_ROOM 70
#define NVGRE6_ROOM 62

/* Unaligned words are fine on every machine this runs on. */
static __always_inline void copy_ethernet(void *to, const void *from)
{
	*(__u64 *)to = *(const __u64 *)from;
	*(__u32 *)(to + 8) = *(const __u32 *)(from + 8);
	*(__u16 *)(to + 12) = *(const __u16 *)(from + 12);
}

/* copy_headers copies an even number of bytes known at compile time. */
static __always_inline void copy_headers(void *to, const void *from, int bytes)
{
#pragma unroll
	for (int i = 0; i < bytes / 8; i++)
		((__u64 *)to)[i] = ((const __u64 *)from)[i];
	if (bytes & 4)
		*(__u32 *)(to + (bytes & ~7)) = *(const __u32 *)(from + (bytes & ~7));
	if (bytes & 2)
		*(__u16 *)(to + (bytes & ~3)) = *(const __u16 *)(from + (bytes & ~3));
}

/* Sum of a header without options; 0xffff when its checksum is right. */
static __always_inline __u32 ip_sum(const void *ip)
{
	const __u32 *w = ip;
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < 5; i++)
		sum += w[i];
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline struct iphdr outer_ip(__u32 src, __u32 dst, __u8 proto, __u32 len, __u8 ecn)
{
	struct iphdr ip = {};

	ip.version = 4;
	ip.ihl = 5;
	ip.tos = ecn; /* RFC 6040: the network may mark what the tenant allows it to mark */
	ip.tot_len = bpf_htons(len);
	ip.frag_off = bpf_htons(0x4000); /* don't fragment; so the id may be 0: RFC 6864 */
	ip.ttl = 64;
	ip.protocol = proto;
	ip.saddr = src;
	ip.daddr = dst;
	ip.check = ~ip_sum(&ip);
	return ip;
}

static __always_inline void put_vxlan(struct vxlan *v, __u32 vsid, __u32 hash, __u32 len)
{
	v->udp.source = bpf_htons(0xC000 | ((hash >> 16 ^ hash) & 0x3FFF));
	v->udp.dest = bpf_htons(VXLAN_PORT);
	v->udp.len = bpf_htons(len);
	v->udp.check = 0;
	v->flags = bpf_htonl((__u32)VXLAN_FLAGS << 24);
	v->vni = bpf_htonl(vsid << 8);
}

static __always_inline void put_nvgre(struct nvgre *g, __u32 vsid, __u32 hash)
{
	g->flags = bpf_htons(NVGRE_FLAGS);
	g->protocol = bpf_htons(NVGRE_PROTOCOL);
	g->key = bpf_htonl(vsid << 8 | ((hash ^ hash >> 8 ^ hash >> 16 ^ hash >> 24) & 0xff));
}

static __always_inline void put_erspan(struct erspan *e, __u32 session)
{
	e->flags = bpf_htons(ERSPAN_FLAGS);
	e->protocol = bpf_htons(ERSPAN_PROTOCOL);
	e->sequence = 0;
	e->version_vlan = bpf_htons(0x1000);
	e->session = bpf_htons(session & 0x3ff);
	e->index = 0;
}

#define ENCAP_FLAGS (BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN_) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_FIXED_GSO)

/* linux/bpf.h of some distributions is older than these (Linux 6.3). */
#define DECAP_L3_IPV4 (1ULL << 7)
#define DECAP_L3_IPV6 (1ULL << 8)

/* grow makes room for outer headers. A packet that came out of a tunnel may still carry the kernel's mark that it is in
 * one, and is refused then; a single segment needs no mark. But its protocol has to become the outer one, or the kernel
 * looks for a next hop of the inner family: taking some of the room away says so. */
static __always_inline int grow(struct __sk_buff *skb, __s32 room, __u64 flags)
{
	if (!bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC, flags))
		return 0;
	if (skb->gso_size)
		return -1;
	if (bpf_skb_adjust_room(skb, room + 8, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -1;
	return bpf_skb_adjust_room(skb, -8, BPF_ADJ_ROOM_MAC,
				   BPF_F_ADJ_ROOM_FIXED_GSO | (flags & BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 ? DECAP_L3_IPV6 : DECAP_L3_IPV4));
}

/* PUSH makes room in front of the inner Ethernet header and puts the outer headers there. */
#define PUSH(skb, h, room, flags)                                                                  \
	({                                                                                         \
		__u8 inner_[16] __attribute__((aligned(8)));                                       \
		void *at_ = data_of(skb);                                                          \
		int failed_ = -1;                                                                  \
		if (at_ + ETH_HLEN_ <= end_of(skb)) {                                              \
			copy_ethernet(inner_, at_);                                                \
			if (!grow(skb, room, ENCAP_FLAGS | (flags))) {                             \
				at_ = data_of(skb);                                                \
				if (at_ + (room) + ETH_HLEN_ <= end_of(skb)) {                     \
					copy_headers(at_, h, room);                                \
					copy_ethernet(at_ + (room), inner_);                       \
					failed_ = 0;                                               \
				}                                                                  \
			}                                                                          \
		}                                                                                  \
		failed_;                                                                           \
	})

/* encapsulate pushes outer headers over IPv4; the outer MACs stay zero for the neighbour lookup of the redirect. */
static __always_inline int encapsulate(struct __sk_buff *skb, __u32 type, __u32 src, __u32 dst, __u32 vsid,
				       __u32 hash, __u8 ecn)
{
	struct headers4 h = {};
	__u32 len = skb->len;

	h.eth.h_proto = bpf_htons(ETH_P_IP);
	if (type == ENCAP_NVGRE) {
		h.ip = outer_ip(src, dst, IPPROTO_GRE, len + NVGRE_ROOM - ETH_HLEN_, ecn);
		put_nvgre(&h.nvgre, vsid, hash);
		return PUSH(skb, &h, NVGRE_ROOM, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_GRE);
	}
	h.ip = outer_ip(src, dst, IPPROTO_UDP, len + VXLAN_ROOM - ETH_HLEN_, ecn);
	put_vxlan(&h.vxlan, vsid, hash, len + VXLAN_ROOM - ETH_HLEN_ - sizeof(h.ip));
	return PUSH(skb, &h, VXLAN_ROOM, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP);
}

/* What encapsulate needs to know on its slower ways. */
struct tunnel {
	__u32 slot;
	__u32 type;
	__u32 dst; /* PA */
	__u32 vsid;
	__u32 hash;
	__u32 ecn;
};

/* encapsulate_any pushes the outer headers of either family and any type. */
__noinline int encapsulate_any(struct __sk_buff *skb, const struct tunnel *t)
{
	struct host *host;
	struct addr *dst;
	__u32 len = skb->len, at;

	struct frame *f = answer_room();

	if (!t || !f)
		return -1;
	host = host_of(t->slot);
	if (!host)
		return -1;
	__builtin_memset(f->b, 0, sizeof(struct headers6));
	if (!host->v6) {
		struct headers4 *h = (void *)f->b;

		h->eth.h_proto = bpf_htons(ETH_P_IP);
		if (t->type == ENCAP_NVGRE) {
			h->ip = outer_ip(host->pa, t->dst, IPPROTO_GRE, len + NVGRE_ROOM - ETH_HLEN_, t->ecn);
			put_nvgre(&h->nvgre, t->vsid, t->hash);
			return PUSH(skb, h, NVGRE_ROOM, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_GRE);
		}
		if (t->type == ENCAP_VXLAN) {
			h->ip = outer_ip(host->pa, t->dst, IPPROTO_UDP, len + VXLAN_ROOM - ETH_HLEN_, t->ecn);
			put_vxlan(&h->vxlan, t->vsid, t->hash, len + VXLAN_ROOM - ETH_HLEN_ - sizeof(h->ip));
			return PUSH(skb, h, VXLAN_ROOM, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP);
		}
		h->ip = outer_ip(host->pa, t->dst, IPPROTO_GRE, len + VXLAN_ROOM - ETH_HLEN_, t->ecn);
		put_erspan(&h->erspan, t->vsid);
		return PUSH(skb, h, VXLAN_ROOM, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_GRE);
	}

	struct headers6 *h = (void *)f->b;

	at = t->dst;
	dst = bpf_map_lookup_elem(&pas, &at);
	if (!dst)
		return -1;
	h->eth.h_proto = bpf_htons(ETH_P_IPV6);
	h->ip.version_class_flow = bpf_htonl(6 << 28 | t->ecn << 20);
	h->ip.hop_limit = 64;
	h->ip.src = host->pa6;
	h->ip.dst = *dst;
	if (t->type == ENCAP_NVGRE) {
		h->ip.payload_len = bpf_htons(len + sizeof(struct nvgre));
		h->ip.nexthdr = IPPROTO_GRE;
		put_nvgre(&h->nvgre, t->vsid, t->hash);
		return PUSH(skb, h, NVGRE6_ROOM, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | BPF_F_ADJ_ROOM_ENCAP_L4_GRE);
	}
	h->ip.payload_len = bpf_htons(len + sizeof(struct vxlan));
	if (t->type == ENCAP_ERSPAN) {
		h->ip.nexthdr = IPPROTO_GRE;
		put_erspan(&h->erspan, t->vsid);
		return PUSH(skb, h, VXLAN6_ROOM, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | BPF_F_ADJ_ROOM_ENCAP_L4_GRE);
	}
	/* A zero UDP checksum is what tunnels use: RFC 6935. */
	h->ip.nexthdr = IPPROTO_UDP;
	put_vxlan(&h->vxlan, t->vsid, t->hash, len + sizeof(struct vxlan));
	return PUSH(skb, h, VXLAN6_ROOM, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP);
}

#define AF_INET_ 2 /* sys/socket.h needs the C library */

/* to_underlay sends the frame to a PA: the kernel finds the way, and its neighbours. */
static __always_inline int to_underlay(const struct host *host, __u32 pa)
{
	struct bpf_redir_neigh next = {.nh_family = AF_INET_, .ipv4_nh = pa};

	if (host->v6 || ((pa ^ host->pa) & host->onlink))
		return bpf_redirect_neigh(host->ifindex, 0, 0, 0);
	return bpf_redirect_neigh(host->ifindex, &next, sizeof(next), 0); /* no route lookup */
}

/* A source that no policy knows: no mapping has it, and 0 would mean this host. */
#define PA_UNKNOWN 0xffffffff

struct outer {
	__u32 src; /* PA */
	__u32 vsid;
	__u32 room; /* bytes in front of the inner Ethernet header */
	__u8 tos;
	__u8 malformed;
};

/* for_us rules out, at the price of a look, most of what is not an overlay packet: the host's own traffic. */
static __always_inline int for_us(struct __sk_buff *skb, const struct host *host)
{
	struct iphdr *ip = data_of(skb) + ETH_HLEN_;
	struct ip6hdr *ip6 = data_of(skb) + ETH_HLEN_;

	if (!host->v6) {
		if ((void *)(ip + 1) > end_of(skb))
			return 1; /* not linear: read_outer will see */
		return ip->daddr == host->pa && (ip->protocol == IPPROTO_UDP || ip->protocol == IPPROTO_GRE);
	}
	if ((void *)(ip6 + 1) > end_of(skb))
		return 1;
	return (ip6->nexthdr == IPPROTO_UDP || ip6->nexthdr == IPPROTO_GRE) && addr_equal(&ip6->dst, &host->pa6);
}

/* read_tunnel reads what follows the outer IP header at h; rest is what the IP header says there is. */
static __always_inline int read_tunnel(void *h, void *end, __u8 proto, __u32 rest, struct outer *o, __u32 ip_len)
{
	struct vxlan *v = h;
	struct nvgre *g = h;

	if (proto == IPPROTO_UDP) {
		__u32 udp;

		if ((void *)(v + 1) > end || v->udp.dest != bpf_htons(VXLAN_PORT))
			return 0;
		udp = bpf_ntohs(v->udp.len);
		o->room = ETH_HLEN_ + ip_len + sizeof(*v);
		o->vsid = bpf_ntohl(v->vni) >> 8;
		if (bpf_ntohl(v->flags) >> 24 != VXLAN_FLAGS || udp < sizeof(*v) + ETH_HLEN_ || udp != rest)
			o->malformed = 1;
		return 1;
	}
	if (proto == IPPROTO_GRE) {
		if ((void *)(g + 1) > end || g->flags != bpf_htons(NVGRE_FLAGS) || g->protocol != bpf_htons(NVGRE_PROTOCOL))
			return 0;
		o->room = ETH_HLEN_ + ip_len + sizeof(*g);
		o->vsid = bpf_ntohl(g->key) >> 8;
		if (rest < sizeof(*g) + ETH_HLEN_)
			o->malformed = 1;
		return 1;
	}
	return 0;
}

/* read_outer returns 1 when the frame is an overlay packet to this host. */
static __always_inline int read_outer(struct __sk_buff *skb, const struct host *host, struct outer *o)
{
	void *data = data_of(skb), *end = end_of(skb);
	struct ethhdr *eth = data;
	struct iphdr *ip = data + ETH_HLEN_;
	struct ip6hdr *ip6 = data + ETH_HLEN_;
	__u32 total, *number;
	struct addr src;

	if (!host->v6) {
		if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
			return 0;
		if (ip->version != 4 || ip->ihl != 5 || ip->daddr != host->pa || (ip->frag_off & IP_FRAGMENT_MASK))
			return 0;
		total = bpf_ntohs(ip->tot_len);
		o->src = ip->saddr ? ip->saddr : PA_UNKNOWN;
		o->tos = ip->tos;
		o->malformed = ETH_HLEN_ + total > skb->len || total < sizeof(*ip) || ip_sum(ip) != 0xffff;
		return read_tunnel(ip + 1, end, ip->protocol, total - sizeof(*ip), o, sizeof(*ip));
	}
	if ((void *)(ip6 + 1) > end || eth->h_proto != bpf_htons(ETH_P_IPV6))
		return 0;
	if (bpf_ntohl(ip6->version_class_flow) >> 28 != 6 || !addr_equal(&ip6->dst, &host->pa6))
		return 0;
	total = bpf_ntohs(ip6->payload_len);
	o->tos = bpf_ntohl(ip6->version_class_flow) >> 20;
	o->malformed = ETH_HLEN_ + sizeof(*ip6) + total > skb->len;
	src = ip6->src;
	if (!read_tunnel(ip6 + 1, end, ip6->nexthdr, total, o, sizeof(*ip6)))
		return 0;
	number = bpf_map_lookup_elem(&pa_numbers, &src);
	o->src = number ? *number : PA_UNKNOWN;
	return 1;
}

#define PULL(skb, room)                                                                            \
	({                                                                                         \
		void *at_ = data_of(skb);                                                          \
		int failed_ = -1;                                                                  \
		if (at_ + (room) + ETH_HLEN_ <= end_of(skb)) {                                     \
			copy_ethernet(inner, at_ + (room));                                        \
			failed_ = bpf_skb_adjust_room(skb, -(room), BPF_ADJ_ROOM_MAC, flags);  \
		}                                                                                  \
		failed_;                                                                           \
	})

/* decapsulate removes the outer headers in front of a frame of an IP version; its Ethernet header moves to the front. */
static __always_inline int decapsulate(struct __sk_buff *skb, __u32 room, __u32 v6)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | (v6 ? DECAP_L3_IPV6 : DECAP_L3_IPV4);
	__u8 inner[16] __attribute__((aligned(8)));
	void *data;
	int failed = -1;

	if (room == VXLAN_ROOM)
		failed = PULL(skb, VXLAN_ROOM);
	else if (room == NVGRE_ROOM)
		failed = PULL(skb, NVGRE_ROOM);
	else if (room == VXLAN6_ROOM)
		failed = PULL(skb, VXLAN6_ROOM);
	else if (room == NVGRE6_ROOM)
		failed = PULL(skb, NVGRE6_ROOM);
	if (failed)
		return -1;
	data = data_of(skb);
	if (data + ETH_HLEN_ > end_of(skb))
		return -1;
	copy_ethernet(data, inner);
	return 0;
}
