package modeltest

import (
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/vfp"
)

// drawRoutes draws the user routes of a few subnets.
func (w *World) drawRoutes(rt *rapid.T) (routes []vfp.Route) {
	for t := range tenants {
		for s := range subnets {
			if !one(rt, 3, "routed") {
				continue
			}
			for n := range rapid.IntRange(1, 4).Draw(rt, "routes") {
				r := vfp.Route{VSID: vsid(t, s), Prefix: w.drawPrefix(rt, t, s)}
				if !one(rt, 4, "system") {
					r.ID = fmt.Sprintf("/routeTables/%d-%d/routes/r%d", t, s, n)
					r.Action = rapid.SampledFrom([]vfp.RouteAction{vfp.RouteAppliance, vfp.RouteAppliance, vfp.RouteAppliance, vfp.RouteLocal,
						vfp.RouteNone, vfp.RouteInternet}).Draw(rt, "route")
				}
				if r.Action == vfp.RouteAppliance {
					r.NextHop = w.drawNextHop(rt, t, s < 2)
				}
				if !slices.ContainsFunc(routes, func(o vfp.Route) bool { return o.VSID == r.VSID && o.Prefix == r.Prefix }) {
					routes = append(routes, r)
				}
			}
		}
	}
	slices.SortFunc(routes, vfp.CompareRoutes)
	return routes
}

// reroute draws other routes, or just another way for some of those that there are: then nothing else tells live flows.
func (w *World) reroute(rt *rapid.T) []vfp.Route {
	if one(rt, 3, "all routes") {
		return w.drawRoutes(rt)
	}
	routes := slices.Clone(w.policy.Routes)
	for i := range routes {
		if r := &routes[i]; one(rt, 2, "other way") {
			r.Action, r.NextHop = rapid.SampledFrom([]vfp.RouteAction{vfp.RouteLocal, vfp.RouteNone, vfp.RouteInternet, vfp.RouteAppliance}).Draw(rt, "way"), netip.Addr{}
			if r.Action == vfp.RouteAppliance {
				r.NextHop = w.drawNextHop(rt, int(r.VSID-5000)/10, r.Prefix.Addr().Is4())
			}
		}
	}
	return routes
}

// drawPrefix draws one of the subnet's family, from all of it to a single endpoint.
func (w *World) drawPrefix(rt *rapid.T, tenant, subnet int) netip.Prefix {
	all, space, outside := "0.0.0.0/0", "10.0.0.0/15", outsideNet+"0/24"
	host := rapid.SampledFrom(w.endpoints).Draw(rt, "to").addresses[0]
	if subnet >= 2 {
		all, space, outside = "::/0", "2001:db8::/47", "2001:db8:9::/48"
		host = rapid.SampledFrom(w.endpoints).Draw(rt, "to").addresses[2]
	}
	parse := netip.MustParsePrefix
	other := prefixOf(rapid.IntRange(0, tenants-1).Draw(rt, "other"), subnet^1)
	return rapid.SampledFrom([]netip.Prefix{parse(all), parse(space), parse(outside), other, other, prefixOf(tenant, subnet),
		netip.PrefixFrom(host, host.BitLen()), netip.PrefixFrom(host, host.BitLen()-1).Masked()}).Draw(rt, "prefix")
}

// drawNextHop draws an address that packets of a tenant are sent to, mostly of who passes them on.
func (w *World) drawNextHop(rt *rapid.T, tenant int, v4 bool) netip.Addr {
	e := w.pick(rt, "appliance", func(e *endpoint) bool { return w.reaches(tenant, e.tenant) && e.forwards })
	if !v4 {
		return e.addresses[2]
	}
	return e.addresses[rapid.IntRange(0, 1).Draw(rt, "appliance address")]
}

// passOn is what an endpoint that forwards does with what came to it for somebody else.
func (w *World) passOn(rt *rapid.T, o output) (Step, bool) {
	p, _, _, ok := o.received()
	if !ok || o.verdict != vfp.Deliver {
		return Step{}, false
	}
	for i := range w.endpoints {
		e := &w.endpoints[i]
		if e.port != o.port || !e.forwards || slices.Contains(e.addresses[:], p.Dst) {
			continue
		}
		p.SrcMAC, p.DstMAC, p.TTL = e.mac, w.macOf(e, p.Dst), max(1, p.TTL-1)
		return Step{Kind: FromPort, Port: e.port, Frame: mutate(rt, p.Bytes())}, true
	}
	return Step{}, false
}

// macOf is whom an endpoint sends a packet to that is for an address.
func (w *World) macOf(from *endpoint, to netip.Addr) vfp.MAC {
	for i := range w.endpoints {
		if e := &w.endpoints[i]; e.tenant == from.tenant && slices.Contains(e.addresses[:], to) && e.n/2 == from.n/2 {
			return e.mac
		}
	}
	return vfp.RouterMAC
}

// foreign draws a source of another's: what an endpoint that forwards may send.
func (w *World) foreign(rt *rapid.T, tenant, family int) netip.Addr {
	if family < 2 && one(rt, 4, "from outside") {
		return netip.MustParseAddr(outsideNet + "1")
	}
	if family == 2 && one(rt, 6, "odd source") {
		return rapid.SampledFrom([]netip.Addr{netip.MustParseAddr("fe80::1"), netip.MustParseAddr("::1"), netip.MustParseAddr("2001:db8:9::9")}).Draw(rt, "source")
	}
	return w.pick(rt, "sender", func(e *endpoint) bool { return w.reaches(tenant, e.tenant) }).addresses[family]
}
