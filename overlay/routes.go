package overlay

import (
	"net/netip"
	"slices"

	"github.com/fairlead-net/fairlead/vfp"
)

// nextHops finds the appliances of the routes in force. An endpoint that is one may send and receive what is not its own.
func (b *builder) nextHops() {
	for _, v := range b.m.VirtualNetworks {
		reported := map[string]bool{} // routes that several subnets of the network have
		for _, s := range v.Subnets {
			if s.RouteTable == nil {
				continue
			}
			for i := range s.RouteTable.Routes {
				r := &s.RouteTable.Routes[i]
				if r.Action != vfp.RouteAppliance {
					continue
				}
				if ep := v.endpointOf(r.NextHop); ep != nil {
					ep.Forwards = true
				} else if !reported[r.Key] && b.scope.coversNetwork(v) {
					reported[r.Key] = true
					b.errorf("route-next-hop-unknown", r.Ref, "properties.nextHopIPAddress %q is no address in %s or its peers; packets of %s to %s are dropped",
						r.NextHop, v.Ref, s.Ref, r.Prefix)
				}
			}
		}
	}
}

// endpointOf a CA in v or one of its peers; nil if nobody has it.
func (v *VirtualNetwork) endpointOf(ca netip.Addr) *Endpoint {
	for _, n := range append([]*VirtualNetwork{v}, v.Peers...) {
		i, ok := slices.BinarySearchFunc(n.members, ca, func(m member, ca netip.Addr) int { return m.addr.CA.Compare(ca) })
		if ok {
			return n.members[i].ep
		}
	}
	return nil
}

// routes adds those of the subnets that have a port here.
func (c *compiler) routes() {
	for s := range c.subnets {
		if s.RouteTable != nil {
			c.policy.Routes = append(c.policy.Routes, s.routes()...)
		}
	}
	slices.SortFunc(c.policy.Routes, vfp.CompareRoutes)
}

// routes of s: its table's, and where one of these is shorter, the system's own, which are the subnet itself and the
// address prefixes of the network and its peers.
func (s *Subnet) routes() (list []vfp.Route) {
	t := s.RouteTable
	add := func(r vfp.Route) {
		if !slices.ContainsFunc(list, func(o vfp.Route) bool { return o.Prefix == r.Prefix }) {
			r.VSID = s.VSID
			list = append(list, r)
		}
	}
	for i := range t.Routes {
		r := &t.Routes[i]
		add(vfp.Route{ID: r.Ref, Prefix: r.Prefix, Action: r.Action, NextHop: r.NextHop})
	}
	if t.Missing {
		for _, p := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
			add(vfp.Route{ID: t.Ref, Prefix: p, Action: vfp.RouteNone})
		}
		add(vfp.Route{Prefix: s.Prefix})
		return list
	}
	users := list
	system := []netip.Prefix{s.Prefix}
	for _, v := range append([]*VirtualNetwork{s.Network}, s.Network.Peers...) {
		system = append(system, v.prefixes()...)
	}
	for _, p := range system {
		if slices.ContainsFunc(users, func(u vfp.Route) bool { return u.Prefix.Bits() < p.Bits() && u.Prefix.Overlaps(p) }) {
			add(vfp.Route{Prefix: p})
		}
	}
	return list
}
