/* SPDX-License-Identifier: Apache-2.0 */
/* User routes, and the endpoints that pass on packets of others because a route names them. */
#pragma once

#include "hop.h"

/* is_outside rules out what NAT must not reach in the host's name: its loopback, and the services of its own link, such as a
 * cloud's metadata. */
static __always_inline int is_outside(__u32 address)
{
	__u32 a = bpf_ntohl(address);

	return a >> 24 != 0 && a >> 24 != 127 && a >> 16 != 0xa9fe && a >> 28 < 0xe;
}

/* forwardable rules out sources that no router passes on (RFC 1812 section 5.3.7, RFC 4291 section 2.5). */
static __always_inline int forwardable(const struct packet *p)
{
	__u32 first = bpf_ntohl(p->src.w[0]);

	if (!p->v6)
		return is_outside(p->src.w[3]);
	return first >> 24 != 0xff && first >> 22 != 0xfe80 >> 6 && (p->src.w[0] | p->src.w[1] | p->src.w[2]);
}

/* route_of finds the longest route of a subnet; null when none matches. */
static __noinline struct route *route_of(const struct hop *h, __u32 vsid, const struct addr *to)
{
	struct route_key k = {.prefixlen = 160, .subnet_slot = (vsid << 1 | h->p.v6) << 1 | h->slot, .to = *to};

	return bpf_map_lookup_elem(&routes, &k);
}

static __always_inline int forwards(const struct hop *h)
{
	struct port *port = port_at(h->port, h->slot);

	return port && (port->flags & PORT_FORWARDS);
}

/* transit_of is the port when it passes on what is for an address that is not its own. */
static __always_inline __u32 transit_of(const struct hop *h, const struct addr *local)
{
	return forwards(h) && !address_of(h, local) ? h->port : 0;
}

/* guarding finds the address of the port by which a flow is judged: its own end, or where the port passes on what is not its
 * own, its first of the family. */
static __noinline struct address *guarding(const struct hop *h, const struct addr *local)
{
	struct port *port;
	struct addr first;
	__u32 vsid;

	if (likely(!h->transit))
		return address_of(h, local);
	port = port_at(h->port, h->slot);
	if (!port || !(port->flags & PORT_FORWARDS))
		return 0;
	vsid = h->p.v6 ? port->vsid6 : port->vsid;
	if (!vsid || vsid != h->vsid)
		return 0;
	first = h->p.v6 ? port->ca6 : mapped(port->ca);
	return address_of(h, &first);
}

/* forwarder finds the port that passes on packets of others and has the MAC in the packet's subnet. */
static __noinline __u32 forwarder(struct hop *h, const __u16 *mac)
{
	struct forwarder_key k = {.where_slot = h->vsid << 1 | h->slot};
	__u32 *port;

	mac_copy(&k.who, mac);
	port = bpf_map_lookup_elem(&forwarders, &k);
	if (!port)
		return 0;
	h->port = *port;
	h->transit = transit_of(h, &h->p.dst);
	return *port;
}

/* comes_from says why a host may not send what is from an address with the mapping m: it must live there, or somebody who
 * passes on packets of others. */
static __noinline __u32 comes_from(__u32 slot, __u32 domain, const struct mapping *m, __u32 pa)
{
	struct forwarder_key k = {.where_slot = domain << 1 | slot};

	if (m && m->pa == pa)
		return DROP_NONE;
	k.who.w[3] = pa;
	if (bpf_map_lookup_elem(&forward_hosts, &k))
		return DROP_NONE;
	return m ? DROP_PA_SPOOF : DROP_NO_MAPPING;
}

/* provenance is comes_from for a packet of the underlay. */
static __noinline __u32 provenance(const struct hop *h)
{
	struct subnet *s = subnet_of(h->slot, h->vsid);

	if (!s)
		return DROP_NO_PORT;
	return comes_from(h->slot, s->domain, mapping_of(h->slot, s->domain, &h->p.src), h->outer_src);
}
