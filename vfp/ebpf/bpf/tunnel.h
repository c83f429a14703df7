/* SPDX-License-Identifier: Apache-2.0 */
/* Outer headers: VXLAN (RFC 7348) and NVGRE (RFC 7637) over IPv4. */
#pragma once

#include "packet.h"
#include "types.h"

#define VXLAN_PORT 4789
#define VXLAN_FLAGS 0x08
#define NVGRE_FLAGS 0x2000 /* key present, version 0 */
#define NVGRE_PROTOCOL 0x6558

/* Built on the stack and copied by words: packed members alone would be moved byte by byte. */
struct vxlan_headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	__be32 flags;
	__be32 vni;
	struct ethhdr inner;
} __attribute__((packed, aligned(8)));

struct nvgre_headers {
	struct ethhdr eth;
	struct iphdr ip;
	__be16 flags;
	__be16 protocol;
	__be32 key;
	struct ethhdr inner;
} __attribute__((packed, aligned(8)));

/* Outer Ethernet, IP and UDP+VXLAN or GRE: what lies in front of the inner Ethernet header. */
#define VXLAN_ROOM 50
#define NVGRE_ROOM 42
#define VXLAN_LEN (VXLAN_ROOM + ETH_HLEN_)
#define NVGRE_LEN (NVGRE_ROOM + ETH_HLEN_)

/* Unaligned words are fine on every machine this runs on. */
static __always_inline void copy_ethernet(void *to, const void *from)
{
	*(__u64 *)to = *(const __u64 *)from;
	*(__u32 *)(to + 8) = *(const __u32 *)(from + 8);
	*(__u16 *)(to + 12) = *(const __u16 *)(from + 12);
}

static __always_inline void copy_words(void *to, const void *from, int words)
{
	__u64 *x = to;
	const __u64 *y = from;

#pragma unroll
	for (int i = 0; i < words; i++)
		x[i] = y[i];
}

static __always_inline __u32 fold16(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
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

/* encapsulate pushes outer headers; the outer MACs stay zero for the neighbour lookup of the redirect. */
static __always_inline int encapsulate(struct __sk_buff *skb, __u32 type, __u32 src, __u32 dst, __u32 vsid,
				       __u32 hash, __u8 ecn)
{
	__u64 flags = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN_) |
		      BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_FIXED_GSO;
	__u32 len = skb->len;

	if (type == ENCAP_NVGRE) {
		struct nvgre_headers h = {};
		void *at = data_of(skb);

		if (at + ETH_HLEN_ > end_of(skb))
			return -1;
		copy_ethernet(&h.inner, at);
		h.eth.h_proto = bpf_htons(ETH_P_IP);
		h.ip = outer_ip(src, dst, IPPROTO_GRE, len + NVGRE_ROOM - ETH_HLEN_, ecn);
		h.flags = bpf_htons(NVGRE_FLAGS);
		h.protocol = bpf_htons(NVGRE_PROTOCOL);
		h.key = bpf_htonl(vsid << 8 | ((hash ^ hash >> 8 ^ hash >> 16 ^ hash >> 24) & 0xff));
		if (bpf_skb_adjust_room(skb, NVGRE_ROOM, BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_ENCAP_L4_GRE))
			return -1;
		at = data_of(skb);
		if (at + sizeof(h) > end_of(skb))
			return -1;
		copy_words(at, &h, sizeof(h) / 8);
		return 0;
	}

	struct vxlan_headers h = {};
	void *at = data_of(skb);

	if (at + ETH_HLEN_ > end_of(skb))
		return -1;
	copy_ethernet(&h.inner, at);
	h.eth.h_proto = bpf_htons(ETH_P_IP);
	h.ip = outer_ip(src, dst, IPPROTO_UDP, len + VXLAN_ROOM - ETH_HLEN_, ecn);
	h.udp.source = bpf_htons(0xC000 | ((hash >> 16 ^ hash) & 0x3FFF));
	h.udp.dest = bpf_htons(VXLAN_PORT);
	h.udp.len = bpf_htons(len + VXLAN_ROOM - ETH_HLEN_ - sizeof(struct iphdr));
	h.flags = bpf_htonl((__u32)VXLAN_FLAGS << 24);
	h.vni = bpf_htonl(vsid << 8);
	if (bpf_skb_adjust_room(skb, VXLAN_ROOM, BPF_ADJ_ROOM_MAC, flags | BPF_F_ADJ_ROOM_ENCAP_L4_UDP))
		return -1;
	at = data_of(skb);
	if (at + sizeof(h) > end_of(skb))
		return -1;
	copy_words(at, &h, sizeof(h) / 8);
	return 0;
}

struct outer {
	__u32 src;
	__u32 vsid;
	__u32 room; /* bytes between the outer and the inner Ethernet header's end */
	__u8 tos;
	__u8 malformed;
};

/* for_us rules out, at the price of a look, most of what is not an overlay packet: the host's own traffic. */
static __always_inline int for_us(struct __sk_buff *skb, __u32 pa)
{
	struct iphdr *ip = data_of(skb) + ETH_HLEN_;

	if ((void *)(ip + 1) > end_of(skb))
		return 1; /* not linear: read_outer will see */
	return ip->daddr == pa && (ip->protocol == IPPROTO_UDP || ip->protocol == IPPROTO_GRE);
}

/* read_outer returns 1 when the frame is an overlay packet to pa. */
static __always_inline int read_outer(struct __sk_buff *skb, __u32 pa, struct outer *o)
{
	void *data = data_of(skb), *end = end_of(skb);
	struct ethhdr *eth = data;
	struct iphdr *ip = data + ETH_HLEN_;
	__u32 total;

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
		return 0;
	if (ip->version != 4 || ip->ihl != 5 || ip->daddr != pa || (ip->frag_off & IP_FRAGMENT_MASK))
		return 0;
	total = bpf_ntohs(ip->tot_len);
	o->src = ip->saddr;
	o->tos = ip->tos;
	o->malformed = ETH_HLEN_ + total > skb->len || ip_sum(ip) != 0xffff;
	if (ip->protocol == IPPROTO_UDP) {
		struct udphdr *uh = data + ETH_HLEN_ + sizeof(*ip);
		__be32 *vxlan = (void *)(uh + 1);
		__u32 udp;

		if ((void *)(vxlan + 2) > end || uh->dest != bpf_htons(VXLAN_PORT))
			return 0;
		udp = bpf_ntohs(uh->len);
		o->room = VXLAN_ROOM;
		o->vsid = bpf_ntohl(vxlan[1]) >> 8;
		if (bpf_ntohl(vxlan[0]) >> 24 != VXLAN_FLAGS || udp < 16 + ETH_HLEN_ || udp + sizeof(*ip) != total)
			o->malformed = 1;
		return 1;
	}
	if (ip->protocol == IPPROTO_GRE) {
		__be16 *gre = data + ETH_HLEN_ + sizeof(*ip);
		__be32 *key = (void *)(gre + 2);

		if ((void *)(key + 1) > end || gre[0] != bpf_htons(NVGRE_FLAGS) || gre[1] != bpf_htons(NVGRE_PROTOCOL))
			return 0;
		o->room = NVGRE_ROOM;
		o->vsid = bpf_ntohl(*key) >> 8;
		if (total < sizeof(*ip) + 8 + ETH_HLEN_)
			o->malformed = 1;
		return 1;
	}
	return 0;
}

/* decapsulate removes the outer headers; the inner Ethernet header moves to the front. */
static __always_inline int decapsulate(struct __sk_buff *skb, __u32 room)
{
	__u8 inner[16] __attribute__((aligned(8)));
	void *data = data_of(skb);

	if (room == VXLAN_ROOM) {
		if (data + VXLAN_LEN > end_of(skb))
			return -1;
		copy_ethernet(inner, data + VXLAN_ROOM);
		if (bpf_skb_adjust_room(skb, -VXLAN_ROOM, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
			return -1;
	} else {
		if (data + NVGRE_LEN > end_of(skb))
			return -1;
		copy_ethernet(inner, data + NVGRE_ROOM);
		if (bpf_skb_adjust_room(skb, -NVGRE_ROOM, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
			return -1;
	}
	data = data_of(skb);
	if (data + ETH_HLEN_ > end_of(skb))
		return -1;
	copy_ethernet(data, inner);
	return 0;
}
