/* SPDX-License-Identifier: Apache-2.0 */
/* The DHCPv4 server of a port (RFC 2131): it offers the NIC's own address and nothing else, so there is no lease to
 * remember. */
#pragma once

#include "reply.h"

#define DHCP_COOKIE 0x63825363
#define DHCP_OPTIONS_SCANNED 128
#define DHCP_FRAME 342

enum dhcp_type {
	DHCP_DISCOVER = 1,
	DHCP_OFFER = 2,
	DHCP_REQUEST = 3,
	DHCP_ACK = 5,
	DHCP_NAK = 6,
	DHCP_INFORM = 8,
};

struct bootp {
	__u8 op, htype, hlen, hops;
	__u32 xid;
	__u16 secs, flags;
	__u32 ciaddr, yiaddr, siaddr, giaddr;
	__u8 chaddr[16];
	__u8 sname[64];
	__u8 file[128];
	__be32 cookie;
	__u8 options[60];
} __attribute__((packed));

struct dhcp_frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	struct bootp bootp;
} __attribute__((packed));

struct dhcp_scan {
	struct __sk_buff *skb;
	__u32 at, end; /* offsets in the frame */
	__u32 asked;
	__u8 type;
};

static long next_option(__u64 i, struct dhcp_scan *s)
{
	__u8 head[2], type;
	__u32 address;

	if (s->at >= s->end || bpf_skb_load_bytes(s->skb, s->at, head, 1) || head[0] == 255)
		return 1;
	if (head[0] == 0) {
		s->at++;
		return 0;
	}
	if (s->at + 2 > s->end || bpf_skb_load_bytes(s->skb, s->at, head, 2) || s->at + 2 + head[1] > s->end)
		return 1;
	if (head[0] == 53 && head[1] == 1 && !bpf_skb_load_bytes(s->skb, s->at + 2, &type, 1))
		s->type = type;
	if (head[0] == 50 && head[1] == 4 && !bpf_skb_load_bytes(s->skb, s->at + 2, &address, 4))
		s->asked = address;
	s->at += 2 + head[1];
	return 0;
}

/* put_option appends an option of 4 bytes. */
static __always_inline __u32 put_option(__u8 *o, __u32 n, __u8 code, __u32 value)
{
	if (n > 48)
		return n;
	o[n] = code;
	o[n + 1] = 4;
	__builtin_memcpy(o + n + 2, &value, 4);
	return n + 6;
}

__noinline int dhcp_answer(struct __sk_buff *skb, struct hop *h)
{
	struct dhcp_key dk = {};
	struct dhcp_frame *out;
	struct dhcp_scan scan = {.skb = skb};
	struct frame *f = answer_room();
	struct bootp *b;
	struct dhcp *d;
	struct port *port;
	struct udphdr udp;
	__u32 n, asked, end;
	__u8 type, *o;

	if (!h || !f)
		return TC_ACT_SHOT;
	port = port_at(h->port, h->slot & 1);
	dk.port_slot = h->port << 1 | (h->slot & 1);
	d = bpf_map_lookup_elem(&dhcps, &dk);
	if (!port || !d)
		return refuse(h, DROP_DHCP_UNANSWERED);
	if (bpf_skb_load_bytes(skb, h->p.l4, &udp, sizeof(udp)))
		return refuse(h, DROP_MALFORMED);
	end = h->p.l4 + bpf_ntohs(udp.len);
	if (h->p.l4 + sizeof(struct udphdr) + 240 > end)
		return refuse(h, DROP_MALFORMED);
	out = (void *)f->b;
	b = &out->bootp;
	if (bpf_skb_load_bytes(skb, h->p.l4 + sizeof(struct udphdr), b, 240) || bpf_skb_load_bytes(skb, 6, out->eth.h_dest, 6))
		return refuse(h, DROP_MALFORMED);
	if (b->op != 1 || b->htype != 1 || b->hlen != 6 || b->cookie != bpf_htonl(DHCP_COOKIE))
		return refuse(h, DROP_MALFORMED);
	if (!mac_equal(b->chaddr, port->mac))
		return refuse(h, DROP_DHCP_GUARD);
	if (!port->ca)
		return refuse(h, DROP_DHCP_UNANSWERED);
	scan.at = h->p.l4 + sizeof(struct udphdr) + 240;
	scan.end = scan.at + DHCP_OPTIONS_SCANNED < end ? scan.at + DHCP_OPTIONS_SCANNED : end;
	bpf_loop(DHCP_OPTIONS_SCANNED, next_option, &scan, 0);
	asked = scan.asked ? scan.asked : b->ciaddr;
	switch (scan.type) {
	case DHCP_DISCOVER:
		type = DHCP_OFFER;
		break;
	case DHCP_REQUEST:
		type = !asked || asked == port->ca ? DHCP_ACK : DHCP_NAK;
		break;
	case DHCP_INFORM:
		type = DHCP_ACK;
		break;
	default:
		return refuse(h, DROP_DHCP_UNANSWERED);
	}
	mac_copy(out->eth.h_source, router_mac);
	out->eth.h_proto = bpf_htons(ETH_P_IP);
	out->ip = outer_ip(d->server, 0xffffffff, IPPROTO_UDP, DHCP_FRAME - ETH_HLEN_, 0);
	out->udp.source = bpf_htons(67);
	out->udp.dest = bpf_htons(68);
	out->udp.len = bpf_htons(DHCP_FRAME - ETH_HLEN_ - sizeof(struct iphdr));
	out->udp.check = 0;
	b->op = 2;
	b->hops = 0;
	b->secs = 0;
	b->ciaddr = type == DHCP_NAK ? 0 : b->ciaddr;
	b->yiaddr = type == DHCP_NAK || scan.type == DHCP_INFORM ? 0 : port->ca;
	b->siaddr = d->server;
	b->giaddr = 0;
	__builtin_memset(b->sname, 0, sizeof(b->sname) + sizeof(b->file));
	__builtin_memset(b->options, 0, sizeof(b->options));
	o = b->options;
	o[0] = 53;
	o[1] = 1;
	o[2] = type;
	n = put_option(o, 3, 54, d->server);
	if (type != DHCP_NAK) {
		if (scan.type != DHCP_INFORM)
			n = put_option(o, n, 51, bpf_htonl(d->lease));
		n = put_option(o, n, 1, d->mask);
		if (d->router)
			n = put_option(o, n, 3, d->router);
		if (d->mtu && n <= 48) {
			o[n] = 26;
			o[n + 1] = 2;
			o[n + 2] = d->mtu >> 8;
			o[n + 3] = d->mtu & 0xff;
			n += 4;
		}
		if (d->dns_count && n <= 48) {
			o[n] = 6;
			o[n + 1] = d->dns_count > 1 ? 8 : 4;
			__builtin_memcpy(o + n + 2, d->dns, 8);
			n += d->dns_count > 1 ? 10 : 6;
			if (d->dns_count == 1 && n <= 52)
				__builtin_memset(o + n, 0, 4);
		}
	}
	if (n < sizeof(b->options))
		o[n] = 255;
	return send_frame(skb, h, f, DHCP_FRAME);
}
