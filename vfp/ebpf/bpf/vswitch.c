//go:build ignore
/* SPDX-License-Identifier: Apache-2.0 */
/* The host vSwitch: port_out runs on what an endpoint sends (ingress of the host side of its vNIC),
 * underlay_in on what the underlay NIC receives. For what is rare they end in another program: multicast_out, multicast_in
 * and from_outside (answers to NAT). relay runs on copies on their way to other hosts, sweep when user space says so.
 * vfp/model is the specification. */
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "flow.h"
#include "related.h"
#include "tunnel.h"
#include "nat.h"
#include "reply.h"
#include "nd.h"
#include "dhcp.h"
#include "copy.h"
#include "mss.h"

#define TCX_NEXT (-1)

/* Programs of their own for what is rare: they have a stack of their own. The packet's hop stays in the workbench. */
#define SLOW_MULTICAST_OUT 0
#define SLOW_MULTICAST_IN 1
#define SLOW_FROM_OUTSIDE 2

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 3);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} slow SEC(".maps");

/* epoch_of reads a port's epoch after the slot was chosen. Did the policy change in between, the epoch may be too new for
 * the slot: then what is decided now is judged again by the next packet. */
static __always_inline __u32 epoch_of(const struct control *c, __u32 port, __u32 slot)
{
	__u32 *epoch = bpf_map_lookup_elem(&epochs, &port), value;

	if (!epoch)
		return 0;
	value = *(volatile __u32 *)epoch;
	return (*(volatile __u32 *)&c->active & 1) == slot ? value : value - 1;
}

/* fragment_ports gives a later fragment the ports of its datagram's first, which must have come before; so all
 * get one verdict. */
static __noinline int fragment_ports(struct hop *h, __u32 scope)
{
	struct fragment_key key = {};
	struct fragment *f, first = {};
	struct packet *p;

	if (!h)
		return DROP_INTERNAL;
	p = &h->p;
	key.scope = scope;
	key.src = p->src;
	key.dst = p->dst;
	key.id = p->id;
	key.proto = p->v6 ? 0 : p->proto;
	if (p->fragment == FRAGMENT_FIRST) {
		first.at = h->now;
		first.sport = p->sport;
		first.dport = p->dport;
		first.proto = p->proto;
		first.icmp_type = p->icmp_type;
		first.icmp_code = p->icmp_code;
		if (mode != MODE_TRACE)
			bpf_map_update_elem(&fragments, &key, &first, BPF_ANY);
		return DROP_NONE;
	}
	f = bpf_map_lookup_elem(&fragments, &key);
	if (!f || later_by(h->now, f->at) > 30 * (__s64)SECOND) /* vfp.FragmentTimeout */
		return DROP_FRAGMENT;
	p->sport = f->sport;
	p->dport = f->dport;
	p->proto = f->proto;
	p->icmp_type = f->icmp_type;
	p->icmp_code = f->icmp_code;
	return DROP_NONE;
}

/* deliver hands the frame to the endpoint behind port. */
static __always_inline int deliver(struct __sk_buff *skb, const struct port *port, __u32 index, __u32 flow_hit)
{
	decide(VERDICT_DELIVER, 0, index, flow_hit);
	/* Addressed to the endpoint's MAC, not the host's: without this its stack would ignore it. */
	if (skb->pkt_type != PACKET_HOST)
		bpf_skb_change_type(skb, PACKET_HOST);
	if (port->flags & PORT_VETH)
		return bpf_redirect_peer(port->ifindex, 0);
	return bpf_redirect(port->ifindex, 0);
}

/* route_l2 puts the frame on its next hop; routed frames lose one from their TTL (RFC 1812 5.3.1). */
static __always_inline int route_l2(struct __sk_buff *skb, const __u8 *mac, __u32 v6)
{
	struct ethhdr *eth = data_of(skb);
	struct iphdr *ip = (void *)(eth + 1);
	__u32 check;

	if ((void *)(ip + 1) > end_of(skb))
		return -1;
	mac_copy(eth->h_dest, mac);
	mac_copy(eth->h_source, router_mac);
	if (v6) {
		((struct ip6hdr *)ip)->hop_limit--;
		return 0;
	}
	ip->ttl--;
	/* RFC 1624: the checksum grows by what the TTL word lost */
	check = (__u32)ip->check + bpf_htons(0x0100);
	ip->check = (check & 0xffff) + (check >= 0xffff);
	return 0;
}

/* too_big reports whether the packet, or a segment of it when it is a super-packet, does not fit the underlay. */
static __always_inline int too_big(struct __sk_buff *skb, const struct hop *h, __u32 mtu)
{
	__u32 len = h->p.len;

	if (!mtu || len <= mtu)
		return 0;
	if (!skb->gso_size)
		return 1;
	len = h->p.l4 - ETH_HLEN_ + skb->gso_size;
	if (h->p.proto == IPPROTO_TCP) {
		__u8 offset = 0;

		bpf_skb_load_bytes(skb, h->p.l4 + 12, &offset, 1);
		len += (offset >> 4) * 4;
	} else {
		len += sizeof(struct udphdr);
	}
	return len > mtu;
}

/* reused reports that the flow's memory is another's by now: the table has no grace period for what another CPU replaced
 * or removed. To be asked after what it says was read; another tenant's flow has another port. */
static __always_inline int reused(const struct hop *h, const struct flow *f)
{
	return *(volatile __u32 *)&f->port != h->port;
}

/* to_outside sends a NAT flow's packet. */
static __noinline int to_outside(struct __sk_buff *skb, struct hop *h, const struct host *host, __u32 address, __u16 port)
{
	struct ethhdr *eth;

	if (translate(skb, &h->p, 1, address, port))
		return refuse(h, DROP_INTERNAL);
	eth = data_of(skb);
	if ((void *)(eth + 1) > end_of(skb))
		return refuse(h, DROP_INTERNAL);
	__builtin_memset(eth, 0, 12); /* the redirect fills them in */
	decide(VERDICT_TRANSLATE, 0, h->port, h->flow_hit);
	return bpf_redirect_neigh(host->ifindex, 0, 0, 0);
}

static __always_inline int to_dhcp(const struct packet *p)
{
	__u32 port = bpf_ntohs(p->dport);

	return p->v6 ? port == 546 || port == 547 : port == 67 || port == 68;
}

/* multicast_out replicates a port's multicast, if its subnet wants that. */
SEC("tcx/ingress")
int multicast_out(struct __sk_buff *skb)
{
	struct work *w = workbench();
	struct subnet *s;
	struct address *a;
	struct port *port;
	struct hop *h;
	__u32 reason;

	if (!w)
		return TC_ACT_SHOT;
	h = &w->hop;
	s = subnet_of(h->slot, h->vsid);
	a = address_of(h, &h->p.src);
	port = port_at(h->port, h->slot);
	if (!s || !a || !port || !(s->flags & SUBNET_REPLICATE))
		return refuse(h, DROP_MULTICAST);
	if (h->p.fragment) {
		reason = fragment_ports(h, h->port | 1u << 31);
		if (reason)
			return refuse(h, reason);
	}
	if (h->p.proto == IPPROTO_UDP) {
		if (h->p.sport == bpf_htons(h->p.v6 ? 547 : 67))
			return refuse(h, DROP_DHCP_GUARD);
		if (to_dhcp(&h->p))
			return refuse(h, DROP_MULTICAST);
	}
	if (port->flags & PORT_LIMIT_OUT) {
		reason = bandwidth(skb, h);
		if (reason)
			return refuse(h, reason);
	}
	if (port->flags & PORT_MIRROR)
		mirror(skb, h);
	if (is_icmp_error(&h->p))
		return refuse(h, DROP_ICMP_UNRELATED);
	judge_by(&w->judgement, a);
	reason = classify(&h->p, OUTBOUND, h->slot & 1, &w->judgement);
	book_judgement(h, &w->judgement, OUTBOUND, BOOK_COUNT | (reason ? BOOK_BLOCK | BOOK_LOG : 0));
	if (reason)
		return refuse(h, reason);
	if (mode != MODE_TRACE)
		count_port(h->port, OUTBOUND, 0, h->packets, h->bytes, h->now);
	return replicate(skb, h);
}

/* Neighbour discovery, and multicast listener discovery, are told by the first fragment as well. */
static __always_inline int is_nd(const struct packet *p)
{
	return p->v6 && p->proto == IPPROTO_ICMPV6_ && p->icmp_type >= ICMP6_RS && p->icmp_type <= ICMP6_ND_REDIRECT;
}

static __always_inline int is_mld(const struct packet *p)
{
	return p->v6 && p->proto == IPPROTO_ICMPV6_ &&
	       ((p->icmp_type >= ICMP6_MLD_QUERY && p->icmp_type <= ICMP6_MLD_DONE) || p->icmp_type == ICMP6_MLD2_REPORT);
}

/* port_of_device finds the port at a device; 0: none. Two calls, for each knows its map: one call for both would not be
 * inlined. */
static __always_inline __u32 port_of_device(__u32 ifindex)
{
	__u32 *index;

	if (likely(ifindex < LOW_DEVICES)) {
		index = bpf_map_lookup_elem(&low_devices, &ifindex);
		return index ? *index : 0;
	}
	asm volatile("" ::: "memory");
	index = bpf_map_lookup_elem(&devices, &ifindex);
	return index ? *index : 0;
}

static __always_inline int to_slow(struct __sk_buff *skb, __u32 program, struct hop *h)
{
	bpf_tail_call(skb, &slow, program);
	return drop(&h->p, h->port, DROP_INTERNAL, h->dir); /* not there: the loader has not got that far */
}

SEC("tcx/ingress")
int port_out(struct __sk_buff *skb)
{
	__u32 zero = 0, ifindex = skb->ifindex, index;
	struct work *w = workbench();
	struct hop *h;
	struct control *c;
	struct host *host;
	struct port *port, *to;
	struct ethhdr *eth;
	struct flow *f, *g;
	__u32 peer_vsid, peer_pa, peer_port, via;
	__u16 dst[3], type;
	int reason, error;

	c = bpf_map_lookup_elem(&control, &zero);
	if (!c || !w)
		return TC_ACT_SHOT;
	h = &w->hop;
	__builtin_memset(h, 0, sizeof(*h));
	index = port_of_device(ifindex);
	if (unlikely(!index))
		return drop(&h->p, 0, DROP_PORT_UNKNOWN, OUTBOUND);
	h->slot = c->active & 1;
	host = &c->host[h->slot];
	h->own_pa = host->pa;
	h->port = index;
	port = port_at(h->port, h->slot);
	if (unlikely(!port || !port->ifindex))
		return drop(&h->p, 0, DROP_PORT_UNKNOWN, OUTBOUND);
	h->epoch = epoch_of(c, h->port, h->slot);

	make_linear(skb, ETH_HLEN_ + sizeof(struct iphdr) + sizeof(struct tcphdr));
	eth = data_of(skb);
	if (unlikely((void *)(eth + 1) > end_of(skb)))
		return refuse(h, DROP_MALFORMED);
	if (unlikely(!(port->flags & PORT_ALLOW_MAC_SPOOFING) && !mac_equal(eth->h_source, port->mac)))
		return refuse(h, DROP_MAC_SPOOF);
	type = eth->h_proto;
	if (unlikely(skb->vlan_present || type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD)))
		return refuse(h, DROP_VLAN);
	mac_copy(dst, eth->h_dest);
	if (type == bpf_htons(ETH_P_IP)) {
		reason = parse(skb, ETH_HLEN_, 0, &h->p);
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		make_linear(skb, ETH_HLEN_ + sizeof(struct ip6hdr) + sizeof(struct tcphdr));
		reason = parse(skb, ETH_HLEN_, 1, &h->p);
	} else if (type == bpf_htons(ETH_P_ARP)) {
		return arp(skb, h);
	} else {
		return refuse(h, DROP_UNSUPPORTED_ETHERTYPE);
	}
	if (unlikely(reason))
		return refuse(h, reason);
	h->now = clock();
	h->packets = skb->gso_segs ? skb->gso_segs : 1;
	h->bytes = skb->len;
	h->end = ETH_HLEN_ + h->p.len;

	if (h->p.v6) {
		if (unlikely(is_nd(&h->p)))
			return nd(skb, h);
		if (unlikely(is_mld(&h->p)))
			return refuse(h, DROP_MULTICAST);
		h->vsid = port->vsid6;
		if (!port->vsid6 || !addr_equal(&h->p.src, &port->ca6))
			h->vsid = 0;
	} else {
		if ((port->flags & PORT_DHCP) && h->p.proto == IPPROTO_UDP && !h->p.fragment && h->p.dport == bpf_htons(67) &&
		    h->p.sport == bpf_htons(68) && (!h->p.src.w[3] || address_of(h, &h->p.src)))
			return dhcp_answer(skb, h);
		h->vsid = h->p.src.w[3] == port->ca ? port->vsid : 0;
	}
	if (unlikely(!h->vsid)) {
		struct address *a = address_of(h, &h->p.src);

		if (a) {
			h->vsid = a->vsid;
		} else {
			if (!(port->flags & PORT_FORWARDS) || (dst[0] & bpf_htons(0x0100)) || is_multicast(&h->p) || !forwardable(&h->p))
				return refuse(h, DROP_CA_SPOOF);
			h->vsid = h->p.v6 ? port->vsid6 : port->vsid;
			if (!h->vsid)
				return refuse(h, DROP_CA_SPOOF);
			h->transit = h->port;
		}
	}
	if (unlikely((dst[0] & bpf_htons(0x0100)) || is_multicast(&h->p)))
		return to_slow(skb, SLOW_MULTICAST_OUT, h);
	if (unlikely(h->p.fragment)) {
		reason = fragment_ports(h, h->port | 1u << 31);
		if (reason)
			return refuse(h, reason);
	}
	if (unlikely(h->p.proto == IPPROTO_UDP && h->p.sport == bpf_htons(h->p.v6 ? 547 : 67)))
		return refuse(h, DROP_DHCP_GUARD);
	if (unlikely(port->flags & (PORT_LIMIT_OUT | PORT_MIRROR))) {
		if (port->flags & PORT_LIMIT_OUT) {
			reason = bandwidth(skb, h);
			if (reason)
				return refuse(h, reason);
		}
		if (unlikely(port->flags & PORT_MIRROR))
			mirror(skb, h);
	}

	h->routed = mac_equal(dst, router_mac);
	h->dir = OUTBOUND;
	error = is_icmp_error(&h->p);
	f = unlikely(error) ? related(skb, h) : flow_of(h);
	if (unlikely(!f)) {
		if (h->reason == DROP_NO_MAPPING && h->routed && gateway_echo(h))
			return router_reply(skb, h);
		return refuse(h, h->reason);
	}
	if (unlikely(f->peer_flags & (PEER_NAT | PEER_VIA))) {
		if ((f->peer_flags & PEER_NAT) && h->p.fragment)
			return refuse(h, DROP_NAT);
		if (f->peer_flags & PEER_VIA) /* whatever MAC the endpoint thought of */
			h->routed = 1;
	}
	if (unlikely(f->drop | f->nowhere)) {
		if (!f->drop)
			return refuse(h, f->nowhere);
		flow_forbidden(h, f);
		return refuse(h, f->drop);
	}
	if (unlikely(!h->routed && (!(f->peer_flags & PEER_SAME_SUBNET) || !mac_equal(dst, f->peer_mac))))
		return refuse(h, DROP_DESTINATION_MAC);
	if (unlikely(h->routed && h->p.ttl <= 1))
		return icmp_error(skb, h, DROP_TTL_EXPIRED);
	peer_pa = f->peer_pa;
	peer_vsid = f->peer_vsid;
	peer_port = f->peer_port;
	if (unlikely(f->peer_flags & PEER_NAT)) {
		flow_account(h, f);
		return to_outside(skb, h, host, f->nat_address, f->nat_port);
	}

	if (likely(peer_pa != h->own_pa)) {
		__u32 hash;

		if (unlikely(too_big(skb, h, host->mtu)))
			return icmp_error(skb, h, DROP_MTU);
		if (unlikely(error)) {
			flow_carry(h, f);
			hash = flow_hash(&h->p);
		} else {
			flow_account(h, f);
			/* The hash is of the flow as sent; a flow that was started from outside gets it now. */
			hash = f->hash;
			if (!hash)
				f->hash = hash = flow_hash(&h->p);
		}
		if (unlikely(starts_connection(&h->p) && host->mtu))
			clamp_mss(skb, h->p.l4, h->end, mss_limit(host->mtu, h->p.v6));
		if (h->routed && route_l2(skb, f->peer_mac, h->p.v6))
			return refuse(h, DROP_INTERNAL);
		if (unlikely(reused(h, f)))
			return refuse(h, DROP_INTERNAL);
		if (likely(!host->v6)) {
			if (unlikely(encapsulate(skb, host->encap, h->own_pa, peer_pa, peer_vsid, hash, h->p.tos & 3)))
				return refuse(h, DROP_INTERNAL);
		} else {
			struct tunnel t = {.slot = h->slot, .type = host->encap, .dst = peer_pa, .vsid = peer_vsid, .hash = hash,
					   .ecn = h->p.tos & 3};

			if (unlikely(encapsulate_any(skb, &t)))
				return refuse(h, DROP_INTERNAL);
		}
		decide(VERDICT_ENCAPSULATE, 0, h->port, h->flow_hit);
		return to_underlay(host, peer_pa);
	}

	/* The destination lives here: its inbound layers in the same run. */
	if (unlikely(error))
		flow_carry(h, f);
	else
		flow_account(h, f);
	to = port_at(peer_port, h->slot);
	if (!peer_port || !to || !to->ifindex)
		return refuse(h, DROP_NO_PORT);
	if (unlikely(h->routed && route_l2(skb, f->peer_mac, h->p.v6)))
		return refuse(h, DROP_INTERNAL);
	via = f->peer_flags & PEER_VIA;
	if (unlikely(reused(h, f)))
		return refuse(h, DROP_INTERNAL);
	h->port = peer_port;
	h->epoch = epoch_of(c, peer_port, h->slot);
	h->vsid = peer_vsid;
	h->dir = INBOUND;
	if (unlikely(via || h->transit)) {
		h->relayed = h->transit != 0;
		h->transit = via ? transit_of(h, &h->p.dst) : 0;
	}
	g = error ? related(skb, h) : flow_of(h);
	if (unlikely(!g))
		return drop(&h->p, h->port, h->reason, INBOUND);
	if (unlikely(g->drop)) {
		flow_forbidden(h, g);
		return drop(&h->p, h->port, g->drop, INBOUND);
	}
	if (unlikely(to->flags & PORT_LIMIT_IN)) {
		reason = bandwidth(skb, h);
		if (reason)
			return drop(&h->p, h->port, reason, INBOUND);
	}
	if (unlikely(error))
		flow_carry(h, g);
	else
		flow_account(h, g);
	if (to->flags & PORT_MIRROR)
		mirror(skb, h);
	return deliver(skb, to, peer_port, h->flow_hit);
}

static __always_inline int pass(void)
{
	decide(VERDICT_PASS, 0, 0, 0);
	return TCX_NEXT;
}

/* local_port finds the port that owns an address of a subnet; 0 when it is not here. */
static __noinline __u32 local_port(__u32 slot, __u32 vsid, const struct addr *ca)
{
	struct subnet *s = subnet_of(slot, vsid);
	struct mapping *m;

	if (!s)
		return 0;
	m = mapping_of(slot, s->domain, ca);
	return m && m->vsid == vsid ? m->port : 0;
}

/* from_outside delivers packets that answer NAT flows, and leaves all others to the host. */
SEC("tcx/ingress")
int from_outside(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct control *c = bpf_map_lookup_elem(&control, &zero);
	struct work *w = workbench();
	struct hop *h;
	struct hop *q;
	struct nat *n;
	struct subnet *s;
	struct addr local;
	__u32 ca;
	__u16 lport;
	struct ethhdr *eth;
	struct port *port;
	struct flow *f;
	int error, reason;

	if (!c || !w)
		return TCX_NEXT;
	h = &w->hop;
	h->relayed = 1;
	make_linear(skb, ETH_HLEN_ + sizeof(struct iphdr) + sizeof(struct tcphdr));
	__builtin_memset(&h->p, 0, sizeof(h->p));
	if (parse(skb, ETH_HLEN_, 0, &h->p))
		return pass();
	h->end = ETH_HLEN_ + h->p.len;
	q = &w->quoted;
	*q = *h;
	__builtin_memset(&q->p, 0, sizeof(q->p));
	n = nat_of(skb, h, &q->p);
	if (!n)
		return pass();
	ca = n->ca;
	lport = n->lport;
	error = is_icmp_error(&h->p);
	h->vsid = n->vsid;
	s = subnet_of(h->slot, h->vsid);
	if (!s || s->nat != h->p.dst.w[3]) /* it has no NAT any more, or another address */
		return pass();
	local = mapped(ca);
	h->port = local_port(h->slot, h->vsid, &local);
	h->dir = INBOUND;
	h->epoch = epoch_of(c, h->port, h->slot);
	h->packets = skb->gso_segs ? skb->gso_segs : 1;
	h->bytes = skb->len;
	port = port_at(h->port, h->slot);
	if (!h->port || !port || !port->ifindex)
		return drop(&h->p, 0, DROP_NO_PORT, INBOUND);
	if (h->p.ttl <= 1)
		return drop(&h->p, h->port, DROP_TTL_EXPIRED, INBOUND);
	if (error) {
		q->port = h->port;
		q->vsid = h->vsid;
		q->epoch = h->epoch;
		q->dir = OUTBOUND;
		q->p.icmp_type = q->p.icmp_code = 0;
		q->p.src = mapped(ca);
		q->p.sport = lport;
		if (q->p.proto == IPPROTO_ICMP)
			q->p.dport = lport;
	} else {
		h->p.dst = mapped(ca);
		h->p.dport = lport;
		if (h->p.proto == IPPROTO_ICMP)
			h->p.sport = lport;
		*q = *h;
	}
	flow_key_of(q, &w->key);
	f = bpf_map_lookup_elem(&flows, &w->key);
	reason = error ? DROP_ICMP_UNRELATED : DROP_NAT;
	if (!f || !(f->peer_flags & PEER_NAT) || !alive(f, q))
		return drop(&h->p, h->port, reason, INBOUND);
	if (f->epoch != q->epoch || f->port != q->port)
		f = flow_judged(q, 1);
	if (!f || f->drop || !(f->peer_flags & PEER_NAT)) {
		if (f && f->drop && !error) {
			reason = f->drop;
			flow_forbidden(h, f);
		}
		return drop(&h->p, h->port, reason, INBOUND);
	}
	if (port->flags & PORT_LIMIT_IN) {
		reason = bandwidth(skb, h);
		if (reason)
			return drop(&h->p, h->port, reason, INBOUND);
	}
	if (error) {
		__u8 ttl[2], less;

		flow_carry(h, f);
		if (translate_quote(skb, &h->p, &q->p, ca, lport))
			return drop(&h->p, h->port, DROP_INTERNAL, INBOUND);
		if (bpf_skb_load_bytes(skb, ETH_HLEN_ + 8, ttl, 2))
			return drop(&h->p, h->port, DROP_INTERNAL, INBOUND);
		less = ttl[0] - 1;
		bpf_l3_csum_replace(skb, ETH_HLEN_ + 10, h->p.dst.w[3], ca, 4);
		bpf_l3_csum_replace(skb, ETH_HLEN_ + 10, ttl[0] | ttl[1] << 8, less | ttl[1] << 8, 2);
		bpf_skb_store_bytes(skb, ETH_HLEN_ + 16, &ca, 4, 0);
		bpf_skb_store_bytes(skb, ETH_HLEN_ + 8, &less, 1, 0);
		h->p.dst = mapped(ca);
	} else {
		flow_account(h, f);
		if (translate(skb, &h->p, 0, ca, lport))
			return drop(&h->p, h->port, DROP_INTERNAL, INBOUND);
	}
	eth = data_of(skb);
	if ((void *)(eth + 1) > end_of(skb))
		return drop(&h->p, h->port, DROP_INTERNAL, INBOUND);
	port = port_at(h->port, h->slot);
	if (!port)
		return drop(&h->p, h->port, DROP_INTERNAL, INBOUND);
	mac_copy(eth->h_dest, port->mac);
	mac_copy(eth->h_source, router_mac);
	if (port->flags & PORT_MIRROR)
		mirror(skb, h);
	return deliver(skb, port, h->port, 1);
}

/* multicast_in delivers another host's copy of a multicast packet to the subnet's ports here. */
SEC("tcx/ingress")
int multicast_in(struct __sk_buff *skb)
{
	struct work *w = workbench();
	struct subnet *s;
	struct mapping *m;
	struct hop *h;

	if (!w)
		return TC_ACT_SHOT;
	h = &w->hop;
	s = subnet_of(h->slot, h->vsid);
	if (!s || !(s->flags & SUBNET_REPLICATE))
		return drop(&h->p, 0, DROP_MULTICAST, INBOUND);
	if (h->p.proto == IPPROTO_UDP && to_dhcp(&h->p))
		return drop(&h->p, 0, DROP_MULTICAST, INBOUND);
	m = mapping_of(h->slot, s->domain, &h->p.src);
	if (!m || m->vsid != h->vsid)
		return drop(&h->p, 0, DROP_NO_MAPPING, INBOUND);
	if (m->pa != h->outer_src || m->pa == h->own_pa)
		return drop(&h->p, 0, DROP_PA_SPOOF, INBOUND);
	if (is_icmp_error(&h->p))
		return drop(&h->p, 0, DROP_ICMP_UNRELATED, INBOUND);
	if (decapsulate(skb, h->room, h->p.v6) || (h->congested && mark_congestion(skb, h->p.v6)))
		return drop(&h->p, 0, DROP_INTERNAL, INBOUND);
	return replicate(skb, h);
}

/* not_overlay leaves a packet to the host, unless it answers a NAT flow. */
static __always_inline int not_overlay(struct __sk_buff *skb, const struct host *host)
{
	if (host->nat && skb->protocol == bpf_htons(ETH_P_IP) && !skb->vlan_present)
		bpf_tail_call(skb, &slow, SLOW_FROM_OUTSIDE);
	return pass();
}

/* inner reads the frame that lies room bytes into a tunnel's; dst gets its destination MAC. */
static __always_inline int inner(struct __sk_buff *skb, struct packet *p, __u32 room, __u16 *dst)
{
	struct ethhdr *eth = data_of(skb) + (room & 0x7f);
	__u16 type;

	if ((void *)(eth + 1) > end_of(skb))
		return DROP_MALFORMED;
	mac_copy(dst, eth->h_dest);
	type = eth->h_proto;
	if (type == bpf_htons(ETH_P_IP))
		return parse(skb, room + ETH_HLEN_, 0, p);
	if (type == bpf_htons(ETH_P_IPV6)) {
		make_linear(skb, room + ETH_HLEN_ + sizeof(struct ip6hdr) + sizeof(struct tcphdr));
		return parse(skb, room + ETH_HLEN_, 1, p);
	}
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD) ? DROP_VLAN : DROP_UNSUPPORTED_ETHERTYPE;
}

SEC("tcx/ingress")
int underlay_in(struct __sk_buff *skb)
{
	__u32 zero = 0, mtu;
	struct work *w = workbench();
	struct hop *h;
	struct outer o = {};
	struct control *c;
	struct host *host;
	struct port *port;
	struct flow *f = 0;
	__u32 owner = 0;
	__u16 dst[3] = {};
	int reason, error, congested, judged, there = 0;

	c = bpf_map_lookup_elem(&control, &zero);
	if (!c || !w)
		return TCX_NEXT;
	h = &w->hop;
	__builtin_memset(h, 0, sizeof(*h));
	h->slot = c->active & 1;
	host = &c->host[h->slot];
	h->own_pa = host->pa;
	mtu = host->mtu;
	if (!h->own_pa)
		return TCX_NEXT;
	h->now = clock();
	if (unlikely(skb->protocol != (host->v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP)) || !for_us(skb, host)))
		return not_overlay(skb, host);
	if (unlikely(skb->vlan_present)) { /* another VLAN is not the underlay; a priority tag is only in the way */
		if (skb->vlan_tci & 0xfff)
			return pass();
		bpf_skb_vlan_pop(skb);
	}
	make_linear(skb, (host->v6 ? VXLAN6_ROOM : VXLAN_ROOM) + ETH_HLEN_ + sizeof(struct iphdr) + sizeof(struct tcphdr));
	if (unlikely(!read_outer(skb, host, &o)))
		return not_overlay(skb, host);
	h->vsid = o.vsid;
	h->outer_src = o.src;
	reason = o.malformed ? DROP_MALFORMED : inner(skb, &h->p, o.room, dst);
	congested = (o.tos & 3) == 3;
	if (!reason && is_nd(&h->p))
		reason = DROP_ND_UNANSWERED;
	if (!reason && is_mld(&h->p))
		reason = DROP_MULTICAST;
	if (!reason && congested && (h->p.tos & 3) == 0)
		reason = DROP_ECN;
	if (reason) /* a bad packet of somebody else's overlay is not ours to drop */
		return subnet_of(h->slot, o.vsid) ? drop(&h->p, 0, reason, INBOUND) : pass();

	h->end = o.room + ETH_HLEN_ + h->p.len;
	h->packets = skb->gso_segs ? skb->gso_segs : 1;
	h->bytes = skb->len - o.room;
	h->dir = INBOUND;
	if (unlikely(h->p.fragment)) {
		/* Only who may speak for the source says which ports its datagrams have. */
		if (!subnet_of(h->slot, h->vsid))
			return pass();
		reason = provenance(h);
		if (reason)
			return drop(&h->p, 0, reason, INBOUND);
		reason = fragment_ports(h, h->vsid);
		if (unlikely(reason))
			return drop(&h->p, 0, reason, INBOUND);
	}
	if (unlikely(dst[0] & bpf_htons(0x0100))) {
		if (!subnet_of(h->slot, h->vsid))
			return pass();
		h->room = o.room;
		h->congested = congested;
		return to_slow(skb, SLOW_MULTICAST_IN, h);
	}
	error = is_icmp_error(&h->p);
	if (unlikely(host->forwards))
		owner = forwarder(h, dst);
	if (likely(!error)) {
		flow_key_of(h, &w->key);
		f = bpf_map_lookup_elem(&flows, &w->key);
		there = f != 0;
		if (f && !alive(f, h))
			f = 0;
	}
	if (f) {
		h->port = owner ? owner : f->port;
		h->epoch = epoch_of(c, h->port, h->slot);
	}
	judged = f && f->epoch == h->epoch && f->port == h->port;
	if (unlikely(!judged)) {
		/* New, or judged by an earlier policy: where the address lives now is for the present one to say. */
		if (!subnet_of(h->slot, h->vsid))
			return pass();
		h->port = owner ? owner : local_port(h->slot, h->vsid, &h->p.dst);
		h->epoch = epoch_of(c, h->port, h->slot);
	}
	port = port_at(h->port, h->slot);
	if (unlikely(!h->port || !port || !port->ifindex))
		return drop(&h->p, 0, DROP_NO_PORT, INBOUND);
	if (unlikely(!mac_equal(dst, port->mac)))
		return drop(&h->p, h->port, DROP_DESTINATION_MAC, INBOUND);
	if (o.src == h->own_pa) /* what is said here never comes from the wire */
		return drop(&h->p, h->port, DROP_PA_SPOOF, INBOUND);
	if (unlikely(error)) {
		f = related(skb, h);
	} else if (likely(judged)) {
		h->flow_hit = 1;
	} else {
		f = flow_judged(h, there);
	}
	if (unlikely(!f))
		return drop(&h->p, h->port, h->reason, INBOUND);
	if (unlikely(error || f->peer_pa != o.src)) {
		reason = provenance(h);
		if (reason)
			return drop(&h->p, h->port, reason, INBOUND);
	}
	if (unlikely(f->drop)) {
		flow_forbidden(h, f);
		return drop(&h->p, h->port, f->drop, INBOUND);
	}
	if (unlikely(decapsulate(skb, o.room, h->p.v6)))
		return drop(&h->p, h->port, DROP_INTERNAL, INBOUND);
	if (unlikely(congested && mark_congestion(skb, h->p.v6)))
		return drop(&h->p, h->port, DROP_INTERNAL, INBOUND);
	if (unlikely(port->flags & PORT_LIMIT_IN)) {
		reason = bandwidth(skb, h);
		if (reason)
			return drop(&h->p, h->port, reason, INBOUND);
	}
	if (unlikely(error))
		flow_carry(h, f);
	else
		flow_account(h, f);
	if (unlikely(starts_connection(&h->p) && mtu))
		clamp_mss(skb, h->p.l4 - o.room, h->end - o.room, mss_limit(mtu, h->p.v6));
	if (unlikely(port->flags & PORT_MIRROR))
		mirror(skb, h);
	return deliver(skb, port, h->port, h->flow_hit);
}

/* relay sends copies on to other hosts and collectors; nothing else has business on its device. */
SEC("tcx/ingress")
int relay(struct __sk_buff *skb)
{
	__u32 zero = 0, mark = skb->mark;
	struct control *c = bpf_map_lookup_elem(&control, &zero);
	struct work *w = workbench();
	struct tunnel t = {};
	struct port *port;
	struct host *host;

	if (!c || !w)
		return TC_ACT_SHOT;
	t.slot = c->active & 1;
	host = &c->host[t.slot];
	if ((mark & 0xffff0000) == MARK_MIRRORED) {
		port = port_at(mark & 0xffff, t.slot);
		if (!port || !port->mirror_pa)
			return TC_ACT_SHOT;
		t.type = port->mirror_type;
		t.dst = port->mirror_pa;
		t.vsid = port->mirror_session;
		__builtin_memset(&w->hop.p, 0, sizeof(w->hop.p));
		if (skb->protocol == bpf_htons(ETH_P_IP) || skb->protocol == bpf_htons(ETH_P_IPV6)) {
			make_linear(skb, ETH_HLEN_ + sizeof(struct ip6hdr) + sizeof(struct tcphdr));
			if (!parse(skb, ETH_HLEN_, skb->protocol == bpf_htons(ETH_P_IPV6), &w->hop.p))
				t.hash = flow_hash(&w->hop.p);
		}
		if (encapsulate_any(skb, &t))
			return TC_ACT_SHOT;
	} else if (mark != MARK_ENCAPSULATED) {
		return TC_ACT_SHOT;
	}
	skb->mark = 0;
	return bpf_redirect_neigh(host->ifindex, 0, 0, 0);
}

#define SWEEP_GONE 1
#define SWEEP_DEAD 2

struct sweeping {
	__u64 now;
	__u64 next;
	__u32 remove;
	__u32 removed;
	__u32 kept;
	__u32 slot;
	__u32 pad;
};

static long sweep_flow(void *map, struct flow_key *key, struct flow *f, struct sweeping *s)
{
	__u64 limit = idle_limit(f->state, (__u8)key->vsid_proto);
	struct port *port = port_at(f->port, s->slot);
	struct flow_key copy;

	if ((s->remove >= SWEEP_GONE && (!port || !port->ifindex)) ||
	    (s->remove >= SWEEP_DEAD && later_by(s->now, f->last) > (__s64)limit)) {
		copy = *key;
		s->removed += flow_remove(&copy, f->created);
		return 0;
	}
	if (s->remove != SWEEP_DEAD) /* which is often: it reads no more of a flow than it must */
		credit(f);
	s->kept++;
	if (f->last + limit < s->next)
		s->next = f->last + limit;
	return 0;
}

/* sweep walks the flow table: it credits what flows have carried, and forgets those that are past their idle timeout or
 * whose port is gone. It may be interrupted and holds nothing up. */
SEC("syscall")
int sweep(void *unused)
{
	__u32 at = 0;
	struct sweep_run *run = bpf_map_lookup_elem(&sweeps, &at);
	struct control *c = bpf_map_lookup_elem(&control, &at);
	struct sweeping s = {};

	if (!run || !c)
		return 0;
	s.slot = c->active & 1;
	s.now = run->now;
	s.next = run->now + 10 * SECOND;
	s.remove = run->remove;
	bpf_for_each_map_elem(&flows, sweep_flow, &s, 0);
	run->removed = s.removed;
	run->flows = s.kept;
	run->next = s.next;
	return 0;
}

char _license[] SEC("license") = "Apache-2.0";
