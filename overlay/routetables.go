package overlay

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

// RouteTable is a list of user-defined routes.
type RouteTable struct {
	Resource
	Routes []Route // by Key; those in force
	// Missing: a subnet refers to this table but it does not exist; nothing leaves the subnet.
	Missing bool
}

// Route is one user-defined route.
type Route struct {
	Resource
	Prefix  netip.Prefix
	Action  vfp.RouteAction
	NextHop netip.Addr // CA of an appliance

	degraded bool // it was not readable as a whole and leads nowhere: never a "last good version"
}

// The fabric's words for what a route does, by vfp.RouteAction.
var nextHopTypes = [...]string{"VnetLocal", "None", "Internet", "VirtualAppliance"}

// NextHopType of the route, in the fabric's words.
func (r *Route) NextHopType() string { return nextHopTypes[r.Action] }

func (b *builder) routeTables(list []cc.RouteTable) {
	items := collect(&b.report, nil, "", "/routeTables", list, func(t *cc.RouteTable) *cc.Meta { return &t.Meta })
	b.tables = newIndex[*RouteTable](len(items))
	before := cursor[*RouteTable]{b.prev.RouteTables}
	var routes []item[cc.Route]
	for _, it := range items {
		t, prev := &RouteTable{Resource: it.Resource}, before.at(it.Key)
		routes = collect(&b.report, routes, t.Ref, "/routes", it.v.Routes, func(r *cc.Route) *cc.Meta { return &r.Meta })
		for _, r := range routes {
			if route, ok := b.route(r, prev.route(r.Key)); ok {
				t.Routes = append(t.Routes, route)
			}
		}
		b.distinctRoutes(t, prev)
		b.internetRoutes(t)
		b.tables.byKey[t.Key] = t
		b.m.RouteTables = append(b.m.RouteTables, t)
	}
}

// route finds one that was good; t may be nil.
func (t *RouteTable) route(key string) *Route {
	if t == nil {
		return nil
	}
	i := slices.IndexFunc(t.Routes, func(r Route) bool { return r.Key == key && !r.degraded })
	if i < 0 {
		return nil
	}
	return &t.Routes[i]
}

// route reads one; false when nothing of it can be in force. One whose next hop cannot be read leads nowhere: what it is
// for must not go another way.
func (b *builder) route(it item[cc.Route], prev *Route) (Route, bool) {
	r := Route{Resource: it.Resource}
	var masked bool
	var err error
	if r.Prefix, masked, err = parsePrefix(it.v.AddressPrefix); err != nil {
		c := complaint{code: "route-prefix-invalid", resource: r.Ref, text: fmt.Sprintf("properties.addressPrefix %s %v", quote(it.v.AddressPrefix), err)}
		if prev != nil {
			b.complain(c, fmt.Sprintf("the last good version (%s) stays in force", prev.Prefix))
			return *prev, true
		}
		b.complain(c, "the route is left out")
		return r, false
	}
	if masked {
		b.warnf("prefix-host-bits", r.Ref, "properties.addressPrefix %s has host bits set; %s is in force", quote(it.v.AddressPrefix), r.Prefix)
	}
	field, value := "properties.nextHopType", it.v.NextHopType
	if r.Action, err = parseNextHopType(value); err == nil && r.Action == vfp.RouteAppliance {
		field, value = "properties.nextHopIPAddress", it.v.NextHopIPAddress
		if r.NextHop, err = parseAddr(value); err == nil && r.NextHop.Is4() != r.Prefix.Addr().Is4() {
			err = fmt.Errorf("is not of the family of %s", r.Prefix)
		}
	}
	if err == nil {
		return r, true
	}
	c := complaint{code: "route-next-hop-invalid", resource: r.Ref, text: fmt.Sprintf("%s %s %v", field, quote(value), err)}
	if prev != nil {
		b.complain(c, fmt.Sprintf("the last good version (%s to %s) stays in force", prev.Prefix, prev.NextHopType()))
		return *prev, true
	}
	b.complain(c, fmt.Sprintf("packets to %s are dropped", r.Prefix))
	r.Action, r.NextHop, r.degraded = vfp.RouteNone, netip.Addr{}, true
	return r, true
}

func parseNextHopType(word string) (vfp.RouteAction, error) {
	for a, name := range nextHopTypes {
		if strings.EqualFold(strings.TrimSpace(word), name) {
			return vfp.RouteAction(a), nil
		}
	}
	return 0, errors.New("is none of VirtualAppliance, VnetLocal, Internet and None")
}

// distinctRoutes leaves one route of each prefix: the one that was in force before, else the one with the lowest reference.
func (b *builder) distinctRoutes(t *RouteTable, prev *RouteTable) {
	holder := make(map[netip.Prefix]int, len(t.Routes))
	for _, held := range []bool{true, false} {
		for i := range t.Routes {
			r := &t.Routes[i]
			before := prev.route(r.Key)
			if _, taken := holder[r.Prefix]; !taken && (!held || before != nil && before.Prefix == r.Prefix) {
				holder[r.Prefix] = i
			}
		}
	}
	kept := make([]Route, 0, len(holder))
	for i, r := range t.Routes {
		if n := holder[r.Prefix]; n != i {
			b.errorf("route-duplicate", r.Ref, "properties.addressPrefix %q is also that of %s, which is in force; this one is left out", r.Prefix, t.Routes[n].Ref)
			continue
		}
		kept = append(kept, r)
	}
	t.Routes = kept
}

// internetRoutes says once what they do.
func (b *builder) internetRoutes(t *RouteTable) {
	first, n := -1, 0
	for i := range t.Routes {
		if t.Routes[i].Action == vfp.RouteInternet {
			if n++; first < 0 {
				first = i
			}
		}
	}
	if n > 0 {
		b.warnf("route-internet", t.Routes[first].Ref, "properties.nextHopType Internet: there is no way to the Internet here, packets to %s are dropped (%d such routes in this table)",
			t.Routes[first].Prefix, n)
	}
}

// tableFor resolves a subnet's reference. One that dangles opens no way: the last good table stays, or nothing leaves the subnet.
func (b *builder) tableFor(ref, owner string, before *RouteTable) *RouteTable {
	if ref == "" {
		return nil
	}
	if t, ok := b.tables.find(ref); ok {
		return t
	}
	key := cc.RefKey(ref)
	const text = "properties.routeTable %s does not exist; "
	last := lookup(b.prev.RouteTables, key)
	if last == nil || last.Missing {
		last = before
	}
	if last != nil && !last.Missing {
		b.errorf("route-table-unknown", owner, text+"the last good one, %s, stays in force", quote(ref), last.Ref)
		if t, ok := b.tables.byKey[last.Key]; ok {
			return t
		}
		return b.keepTable(last)
	}
	b.errorf("route-table-unknown", owner, text+"nothing leaves the subnet", quote(ref))
	return b.keepTable(&RouteTable{Resource: Resource{ID: key[strings.LastIndexByte(key, '/')+1:], Ref: key, Key: key}, Missing: true})
}

// keepTable puts a table that is not in the snapshot into the model.
func (b *builder) keepTable(t *RouteTable) *RouteTable {
	i, ok := slices.BinarySearchFunc(b.m.RouteTables, t.Key, func(x *RouteTable, key string) int { return strings.Compare(x.Key, key) })
	if ok {
		return b.m.RouteTables[i]
	}
	b.m.RouteTables = slices.Insert(b.m.RouteTables, i, t)
	return t
}
