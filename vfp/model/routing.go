package model

import (
	"fmt"
	"net/netip"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// station is who has a MAC in a subnet.
type station struct {
	vsid encap.VSID
	mac  vfp.MAC
}

// sender is a host from which packets of any source may come into a routing domain.
type sender struct {
	rdid string
	pa   netip.Addr
}

// learnRoutes makes the tables of a policy that say which way packets go, besides mappings.
func (pl *Pipeline) learnRoutes(p *vfp.Policy) {
	pl.routes, pl.forwarders, pl.senders = map[encap.VSID][]vfp.Route{}, map[station]*vfp.Port{}, map[sender]bool{}
	for _, r := range p.Routes {
		pl.routes[r.VSID] = append(pl.routes[r.VSID], r)
	}
	for i := range p.Ports {
		for _, v6 := range []bool{false, true} {
			if a := firstAddress(&p.Ports[i], v6); p.Ports[i].Forwards && a != nil {
				pl.forwarders[station{a.VSID, p.Ports[i].MAC}] = &p.Ports[i]
			}
		}
	}
	for i := range p.Mappings {
		if m := &p.Mappings[i]; m.Forwards {
			pl.senders[sender{m.RDID, m.PA}] = true
		}
	}
}

// nextHop is where a packet goes that is sent from an address of a port: to the destination itself, or to an appliance (via)
// that passes it on. Without one, reason says why.
func (pl *Pipeline) nextHop(at *vfp.Address, to netip.Addr, t *vfp.Trace) (m *vfp.Mapping, via bool, reason vfp.DropReason) {
	r := pl.userRoute(at.VSID, to)
	if r != nil {
		step(t, vfp.Step{Layer: vfp.LayerNameRouter, Group: vfp.GroupUserRoutes, Rule: r.Name(), Action: r.Action.String(), Note: pl.routeNote(at, r)})
	}
	if r == nil || r.Action == vfp.RouteLocal {
		if m = pl.mappings[home{at.RDID, to}]; m == nil {
			return nil, false, vfp.DropNoMapping
		}
		return m, false, vfp.DropNone
	}
	switch r.Action {
	case vfp.RouteNone:
		return nil, false, vfp.DropRouteNone
	case vfp.RouteInternet:
		return nil, false, vfp.DropNoMapping
	}
	if m = pl.mappings[home{at.RDID, r.NextHop}]; m == nil {
		return nil, false, vfp.DropNextHop
	}
	return m, true, vfp.DropNone
}

// userRoute is the longest route of a subnet that matches; nil when none does.
func (pl *Pipeline) userRoute(id encap.VSID, to netip.Addr) (best *vfp.Route) {
	for i := range pl.routes[id] {
		if r := &pl.routes[id][i]; r.Prefix.Contains(to) && (best == nil || r.Prefix.Bits() > best.Prefix.Bits()) {
			best = r
		}
	}
	return best
}

func (pl *Pipeline) routeNote(at *vfp.Address, r *vfp.Route) string {
	switch {
	case r.Action != vfp.RouteAppliance:
		return r.Prefix.String()
	case pl.mappings[home{at.RDID, r.NextHop}] == nil:
		return fmt.Sprintf("%s by way of %s, which nobody in the routing domain has", r.Prefix, r.NextHop)
	}
	return fmt.Sprintf("%s by way of %s", r.Prefix, r.NextHop)
}

// transitOf is the port itself when it passes on what is for, or from, an address that is not its own.
func transitOf(port *vfp.Port, local netip.Addr) string {
	if port.Forwards && addressOf(port, local) == nil {
		return port.ID
	}
	return ""
}

// guarding is the address of a port by which a flow is judged: its own end, or where the port passes on what is not its own,
// its first address of the family.
func guarding(port *vfp.Port, key flowKey) *vfp.Address {
	if key.transit == "" {
		return addressOf(port, key.local)
	}
	if a := firstAddress(port, key.local.Is6()); port.Forwards && a != nil && a.VSID == key.vsid {
		return a
	}
	return nil
}

// comesFrom says why a host may not send what is from an address of a routing domain: the address must live there, or
// somebody who passes on packets of others.
func (pl *Pipeline) comesFrom(rdid string, src, pa netip.Addr) vfp.DropReason {
	m := pl.mappings[home{rdid, src}]
	switch {
	case m != nil && m.PA == pa, pl.senders[sender{rdid, pa}]:
		return vfp.DropNone
	case m == nil:
		return vfp.DropNoMapping
	}
	return vfp.DropPASpoof
}

// forwardable rules out sources that no router passes on (RFC 1812 section 5.3.7, RFC 4291 section 2.5).
func forwardable(src netip.Addr) bool {
	if src.Is4() {
		return isOutside(src)
	}
	b := src.As16()
	return b[0] != 0xff && (b[0] != 0xfe || b[1]&0xc0 != 0x80) && [12]byte(b[:12]) != [12]byte{}
}
