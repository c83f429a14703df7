//go:build ignore
/* SPDX-License-Identifier: Apache-2.0 */
/* The host vSwitch: port_out runs on what an endpoint sends (ingress of the host side of its vNIC),
 * underlay_in on what the underlay NIC receives. vfp/model is the specification of both. */
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "flow.h"
#include "tunnel.h"

#define TCX_NEXT (-1)
#define AF_INET_ 2 /* sys/socket.h needs the C library */

static __always_inline void decide(__u32 verdict, __u32 reason, __u32 port, __u32 flow_hit)
{
	struct decision *d;
	__u32 at = 0;

	if (mode == MODE_LIVE)
		return;
	d = bpf_map_lookup_elem(&decisions, &at);
	if (d) {
		d->verdict = verdict;
		d->reason = reason;
		d->port = port;
		d->flow_hit = flow_hit;
	}
}

static __always_inline int drop(__u32 port, __u32 reason)
{
	__u32 at = port * DROP_REASONS + (reason & (DROP_REASONS - 1));
	__u64 *n;

	decide(VERDICT_DROP, reason, port, 0);
	if (mode != MODE_TRACE) {
		n = bpf_map_lookup_elem(&drop_counters, &at);
		if (n)
			(*n)++;
	}
	return TC_ACT_SHOT;
}

static __always_inline struct port *port_at(__u32 index, __u32 slot)
{
	__u32 at = index << 1 | slot;

	return bpf_map_lookup_elem(&ports, &at);
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

/* router_reply answers an echo request to the gateway in place. */
static __always_inline int router_reply(struct __sk_buff *skb, struct hop *h)
{
	void *data = data_of(skb), *end = end_of(skb);
	struct ethhdr *eth = data;
	struct iphdr *ip = data + ETH_HLEN_;
	struct icmphdr *ih;
	__u32 sum;

	if ((void *)(ip + 1) > end)
		return drop(h->port, DROP_INTERNAL);
	ih = data + ETH_HLEN_ + ((ip->ihl * 4) & 0x3c);
	if ((void *)(ih + 1) > end)
		return drop(h->port, DROP_INTERNAL);
	mac_copy(eth->h_dest, eth->h_source);
	mac_copy(eth->h_source, router_mac);
	ip->saddr = h->p.dst;
	ip->daddr = h->p.src;
	ih->type = ICMP_ECHOREPLY;
	sum = (__u16)~ih->checksum + (__u16)~bpf_htons(ICMP_ECHO << 8);
	ih->checksum = ~fold16(sum);
	decide(VERDICT_REPLY, 0, h->port, 0);
	return bpf_redirect(skb->ifindex, 0);
}

static __always_inline int is_router_echo(struct hop *h)
{
	struct subnet_key sk = {.slot = h->slot, .vsid = h->vsid};
	struct subnet *s;

	if (h->p.proto != IPPROTO_ICMP || h->p.icmp_type != ICMP_ECHO || h->p.fragment)
		return 0;
	s = bpf_map_lookup_elem(&subnets, &sk);
	return s && s->gateway == h->p.dst;
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

/* arp answers requests from the mapping table; nothing is ever flooded. */
static __noinline int arp(struct __sk_buff *skb, struct hop *h)
{
	void *data = data_of(skb), *end = end_of(skb);
	struct ethhdr *eth = data;
	struct arp_ipv4 *a = data + ETH_HLEN_;
	struct address_key ak = {};
	struct subnet_key sk = {};
	struct mapping_key mk = {};
	struct address *addr;
	struct subnet *subnet;
	struct mapping *m;
	struct port *port;
	__u16 mac[3];
	__u32 target;

	if (!h)
		return TC_ACT_SHOT;
	port = port_at(h->port, h->slot);
	if (!port)
		return drop(h->port, DROP_PORT_UNKNOWN);
	if ((void *)(a + 1) > end)
		return drop(h->port, DROP_MALFORMED);
	if (a->hardware != bpf_htons(ARPHRD_ETHER) || a->protocol != bpf_htons(ETH_P_IP) || a->hlen != 6 ||
	    a->plen != 4)
		return drop(h->port, DROP_MALFORMED);
	if (!mac_equal(a->sha, eth->h_source))
		return drop(h->port, DROP_ARP_SPOOF);
	/* A probe (RFC 5227) has no sender address yet: it is judged by the port's first. */
	ak.port_slot = h->port << 1 | h->slot;
	ak.ca = a->spa ? a->spa : port->ca;
	addr = bpf_map_lookup_elem(&addresses, &ak);
	if (!addr)
		return drop(h->port, DROP_ARP_SPOOF);
	if (a->op != bpf_htons(ARPOP_REQUEST))
		return drop(h->port, DROP_ARP_UNANSWERED);
	target = a->tpa;
	sk.slot = h->slot;
	sk.vsid = addr->vsid;
	subnet = bpf_map_lookup_elem(&subnets, &sk);
	if (subnet && subnet->gateway == target) {
		mac_copy(mac, router_mac);
	} else {
		mk.domain_slot = addr->domain << 1 | h->slot;
		mk.ca = target;
		m = bpf_map_lookup_elem(&mappings, &mk);
		if (!m || m->vsid != addr->vsid || m->port == h->port)
			return drop(h->port, DROP_ARP_UNANSWERED);
		mac_copy(mac, m->mac);
	}
	mac_copy(eth->h_dest, eth->h_source);
	mac_copy(eth->h_source, mac);
	mac_copy(a->tha, a->sha);
	a->tpa = a->spa;
	mac_copy(a->sha, mac);
	a->spa = target;
	a->op = bpf_htons(ARPOP_REPLY);
	decide(VERDICT_REPLY, 0, h->port, 0);
	return bpf_redirect(skb->ifindex, 0);
}

/* rewrite_l2 puts the frame on its next hop; routed frames lose one from their TTL (RFC 1812 5.3.1). */
static __always_inline int rewrite_l2(struct __sk_buff *skb, const __u8 *mac)
{
	void *data = data_of(skb);
	struct ethhdr *eth = data;
	struct iphdr *ip = data + ETH_HLEN_;
	__u32 check;

	if ((void *)(ip + 1) > end_of(skb))
		return -1;
	mac_copy(eth->h_dest, mac);
	mac_copy(eth->h_source, router_mac);
	ip->ttl--;
	/* RFC 1624: the checksum grows by what the TTL word lost */
	check = (__u32)ip->check + bpf_htons(0x0100);
	ip->check = (check & 0xffff) + (check >= 0xffff);
	return 0;
}

/* to_underlay sends the frame to a PA: the kernel finds the way, and its neighbours. */
static __always_inline int to_underlay(const struct host *host, __u32 pa)
{
	struct bpf_redir_neigh next = {.nh_family = AF_INET_, .ipv4_nh = pa};

	if ((pa ^ host->pa) & host->onlink)
		return bpf_redirect_neigh(host->ifindex, 0, 0, 0);
	return bpf_redirect_neigh(host->ifindex, &next, sizeof(next), 0); /* no route lookup */
}

SEC("tcx/ingress")
int port_out(struct __sk_buff *skb)
{
	__u32 zero = 0, ifindex = skb->ifindex, *index;
	struct hop h = {};
	struct control *c;
	struct host *host;
	struct port *port, *to;
	struct ethhdr *eth;
	struct flow *f, *g;
	__u32 type, hash, peer_vsid, peer_pa;
	__u16 dst[3];
	int reason, routed;

	c = bpf_map_lookup_elem(&control, &zero);
	index = bpf_map_lookup_elem(&devices, &ifindex);
	if (!c || !index)
		return drop(0, DROP_PORT_UNKNOWN);
	h.slot = c->active & 1;
	host = &c->host[h.slot];
	h.own_pa = host->pa;
	h.port = *index;
	port = port_at(h.port, h.slot);
	if (!port || !port->ifindex)
		return drop(0, DROP_PORT_UNKNOWN);

	make_linear(skb, ETH_HLEN_ + sizeof(struct iphdr) + sizeof(struct tcphdr));
	eth = data_of(skb);
	if ((void *)(eth + 1) > end_of(skb))
		return drop(h.port, DROP_MALFORMED);
	if (!(port->flags & PORT_ALLOW_MAC_SPOOFING) && !mac_equal(eth->h_source, port->mac))
		return drop(h.port, DROP_MAC_SPOOF);
	if (skb->vlan_present || eth->h_proto == bpf_htons(ETH_P_8021Q) || eth->h_proto == bpf_htons(ETH_P_8021AD))
		return drop(h.port, DROP_VLAN);
	if (eth->h_proto == bpf_htons(ETH_P_ARP))
		return arp(skb, &h);
	if (eth->h_proto != bpf_htons(ETH_P_IP))
		return drop(h.port, DROP_UNSUPPORTED_ETHERTYPE);
	mac_copy(dst, eth->h_dest);
	reason = parse_ipv4(skb, ETH_HLEN_, &h.p);
	if (reason)
		return drop(h.port, reason);

	if (h.p.src == port->ca) {
		h.vsid = port->vsid;
	} else {
		struct address_key ak = {.port_slot = h.port << 1 | h.slot, .ca = h.p.src};
		struct address *a = bpf_map_lookup_elem(&addresses, &ak);

		if (!a)
			return drop(h.port, DROP_CA_SPOOF);
		h.vsid = a->vsid;
	}
	if ((dst[0] & bpf_htons(0x0100)) || (bpf_ntohl(h.p.dst) >> 28) >= 0xe)
		return drop(h.port, DROP_MULTICAST);
	h.now = bpf_ktime_get_coarse_ns();
	if (h.p.fragment) {
		reason = fragment_ports(&h, h.port | 1u << 31);
		if (reason)
			return drop(h.port, reason);
	}
	if (h.p.proto == IPPROTO_UDP && h.p.sport == bpf_htons(67))
		return drop(h.port, DROP_DHCP_GUARD);

	routed = mac_equal(dst, router_mac);
	h.packets = skb->gso_segs ? skb->gso_segs : 1;
	h.bytes = skb->len;
	h.epoch = port->epoch;
	h.dir = OUTBOUND;
	f = flow_of(&h);
	if (!f) {
		if (h.reason == DROP_NO_MAPPING && routed && is_router_echo(&h))
			return router_reply(skb, &h);
		return drop(h.port, h.reason);
	}
	if (f->drop) {
		flow_forbidden(&h, f);
		return drop(h.port, f->drop);
	}
	if (!routed && (!(f->peer_flags & PEER_SAME_SUBNET) || !mac_equal(dst, f->peer_mac)))
		return drop(h.port, DROP_DESTINATION_MAC);
	if (routed && h.p.ttl <= 1)
		return drop(h.port, DROP_TTL_EXPIRED);
	flow_account(&h, f);
	peer_pa = f->peer_pa;
	peer_vsid = f->peer_vsid;

	if (peer_pa != h.own_pa) {
		/* The hash is of the flow as sent; a flow that was started from outside gets it now. */
		hash = f->hash;
		if (!hash)
			f->hash = hash = flow_hash(&h.p);
		if (routed && rewrite_l2(skb, f->peer_mac))
			return drop(h.port, DROP_INTERNAL);
		type = host->encap;
		if (encapsulate(skb, type, h.own_pa, peer_pa, peer_vsid, hash, h.p.tos & 3))
			return drop(h.port, DROP_INTERNAL);
		decide(VERDICT_ENCAPSULATE, 0, h.port, h.flow_hit);
		return to_underlay(host, peer_pa);
	}

	/* The destination lives here: its inbound layers in the same run. */
	__u32 peer_port = f->peer_port;

	to = port_at(peer_port, h.slot);
	if (!peer_port || !to || !to->ifindex)
		return drop(h.port, DROP_NO_PORT);
	if (routed && rewrite_l2(skb, f->peer_mac))
		return drop(h.port, DROP_INTERNAL);
	h.port = peer_port;
	h.epoch = to->epoch;
	h.vsid = peer_vsid;
	h.dir = INBOUND;
	g = flow_of(&h);
	if (!g)
		return drop(h.port, h.reason);
	if (g->drop) {
		flow_forbidden(&h, g);
		return drop(h.port, g->drop);
	}
	flow_account(&h, g);
	return deliver(skb, to, peer_port, h.flow_hit);
}

/* local_port finds the port that owns an address of a subnet; 0 when it is not here. */
static __noinline __u32 local_port(__u32 slot, __u32 vsid, __u32 ca)
{
	struct subnet_key sk = {.slot = slot, .vsid = vsid};
	struct mapping_key mk = {};
	struct subnet *s = bpf_map_lookup_elem(&subnets, &sk);
	struct mapping *m;

	if (!s)
		return 0;
	mk.domain_slot = s->domain << 1 | slot;
	mk.ca = ca;
	m = bpf_map_lookup_elem(&mappings, &mk);
	return m && m->vsid == vsid ? m->port : 0;
}

/* known reports whether a tenant subnet here has the id; packets of others are not ours to touch. */
static __noinline int known(__u32 slot, __u32 vsid)
{
	struct subnet_key sk = {.slot = slot, .vsid = vsid};

	return bpf_map_lookup_elem(&subnets, &sk) != 0;
}

static __always_inline int pass(void)
{
	decide(VERDICT_PASS, 0, 0, 0);
	return TCX_NEXT;
}

/* inner_ipv4 checks the inner Ethernet header and parses what follows. */
static __always_inline int inner_ipv4(struct __sk_buff *skb, __u32 at, struct packet *p, __u16 *dst)
{
	struct ethhdr *eth = data_of(skb) + at;

	if ((void *)(eth + 1) > end_of(skb))
		return DROP_MALFORMED;
	if (eth->h_proto == bpf_htons(ETH_P_8021Q) || eth->h_proto == bpf_htons(ETH_P_8021AD))
		return DROP_VLAN;
	if (eth->h_proto != bpf_htons(ETH_P_IP))
		return DROP_UNSUPPORTED_ETHERTYPE;
	mac_copy(dst, eth->h_dest);
	return parse_ipv4(skb, at + ETH_HLEN_, p);
}

/* mark_congestion copies the outer CE mark inward (RFC 6040 section 4.2). */
static __always_inline int mark_congestion(struct __sk_buff *skb)
{
	struct iphdr *ip = data_of(skb) + ETH_HLEN_;
	__u16 before, after;
	__u32 sum;

	if ((void *)(ip + 1) > end_of(skb))
		return -1;
	before = *(__u16 *)ip;
	ip->tos |= 3;
	after = *(__u16 *)ip;
	sum = (__u16)~ip->check + (__u16)~before + after;
	ip->check = ~fold16(sum);
	return 0;
}

SEC("tcx/ingress")
int underlay_in(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct flow_key key;
	struct hop h = {};
	struct outer o = {};
	struct control *c;
	struct port *port;
	struct flow *f;
	__u16 dst[3] = {};
	__u8 ecn;
	int reason;

	c = bpf_map_lookup_elem(&control, &zero);
	if (!c)
		return TCX_NEXT;
	h.slot = c->active & 1;
	h.own_pa = c->host[h.slot].pa;
	if (!h.own_pa)
		return TCX_NEXT;
	if (skb->protocol != bpf_htons(ETH_P_IP))
		return pass();
	if (!for_us(skb, h.own_pa))
		return pass();
	if (skb->vlan_present) { /* another VLAN is not the underlay; a priority tag is only in the way */
		if (skb->vlan_tci & 0xfff)
			return pass();
		bpf_skb_vlan_pop(skb);
	}
	make_linear(skb, VXLAN_LEN + sizeof(struct iphdr) + sizeof(struct tcphdr));
	if (!read_outer(skb, h.own_pa, &o))
		return pass();
	if (o.malformed)
		reason = DROP_MALFORMED;
	else if (o.room == VXLAN_ROOM)
		reason = inner_ipv4(skb, VXLAN_ROOM, &h.p, dst);
	else
		reason = inner_ipv4(skb, NVGRE_ROOM, &h.p, dst);
	ecn = o.tos & 3;
	if (!reason && ecn == 3 && (h.p.tos & 3) == 0)
		reason = DROP_ECN;
	if (reason) /* a bad packet of somebody else's overlay is not ours to drop */
		return known(h.slot, o.vsid) ? drop(0, reason) : pass();

	h.vsid = o.vsid;
	h.outer_src = o.src;
	h.now = bpf_ktime_get_coarse_ns();
	if (h.p.fragment) {
		if (!known(h.slot, h.vsid))
			return pass();
		reason = fragment_ports(&h, h.vsid);
		if (reason)
			return drop(0, reason);
	}
	h.packets = skb->gso_segs ? skb->gso_segs : 1;
	h.bytes = skb->len - o.room;
	h.dir = INBOUND;
	f = flow_lookup(&h, &key);
	if (f) {
		h.port = f->port;
	} else {
		if (!known(h.slot, h.vsid))
			return pass();
		h.port = local_port(h.slot, h.vsid, h.p.dst);
	}
	port = port_at(h.port, h.slot);
	if (f && (!port || f->epoch != port->epoch)) {
		/* Judged by an earlier policy: where the address lives now is for the present one to say. */
		if (!known(h.slot, h.vsid))
			return pass();
		h.port = local_port(h.slot, h.vsid, h.p.dst);
		port = port_at(h.port, h.slot);
	}
	if (!h.port || !port || !port->ifindex)
		return drop(0, DROP_NO_PORT);
	if (!mac_equal(dst, port->mac))
		return drop(h.port, DROP_DESTINATION_MAC);
	if (o.src == h.own_pa) /* what is said here never comes from the wire */
		return drop(h.port, DROP_PA_SPOOF);
	h.epoch = port->epoch;
	f = flow_judged(&h, &key, f);
	if (!f)
		return drop(h.port, h.reason);
	if (f->peer_pa != o.src)
		return drop(h.port, DROP_PA_SPOOF);
	if (f->drop) {
		flow_forbidden(&h, f);
		return drop(h.port, f->drop);
	}
	flow_account(&h, f);
	if (decapsulate(skb, o.room))
		return drop(h.port, DROP_INTERNAL);
	if (ecn == 3 && mark_congestion(skb))
		return drop(h.port, DROP_INTERNAL);
	return deliver(skb, port, h.port, h.flow_hit);
}

char _license[] SEC("license") = "Apache-2.0";
