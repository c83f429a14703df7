package vfp

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/fairlead-net/fairlead/encap"
)

// security is what the endpoint may claim to be, and what may reach it.
func (v *viewer) security() []GroupView {
	all := v.addresses()
	kind := addressType(all)
	out := GroupView{Name: "port-security", Direction: Outbound, Type: kind, Priority: 1}
	guard := func(g *GroupView, id, action string, reason DropReason, conditions ...Condition) {
		g.Rules = append(g.Rules, RuleView{ID: id, Type: "guard", Priority: uint32(len(g.Rules) + 1), Conditions: conditions, Action: action, counter: counterRef{drop: reason}})
	}
	if !v.port.AllowMACSpoofing {
		guard(&out, "source-mac", "block", DropMACSpoof, Condition{"source MAC", "not " + v.port.MAC.String()})
	}
	guard(&out, "vlan", "block", DropVLAN, Condition{"ethertype", "802.1Q,802.1ad"})
	if kind != TypeIPv6 {
		guard(&out, "arp-spoof", "block", DropARPSpoof, Condition{"ARP sender", "not the endpoint's"})
		guard(&out, "arp", "answer", DropNone, Condition{"ARP target", "an address of the subnet"})
	}
	if kind != TypeIPv4 {
		guard(&out, "ra-guard", "block", DropRAGuard, Condition{"icmpv6", "134,137"})
		guard(&out, "nd-spoof", "block", DropNDSpoof, Condition{"ND source", "not the endpoint's"})
		guard(&out, "nd", "answer", DropNone, Condition{"ND target", "an address of the subnet"})
	}
	if v.port.DHCP != nil {
		guard(&out, "dhcp", "answer", DropNone, Condition{"protocol", "udp"}, Condition{"destination port", "67"})
	}
	if !v.port.Forwards {
		guard(&out, "source-address", "block", DropCASpoof, Condition{"source", "not " + texts(all)})
	}
	guard(&out, "dhcp-guard", "block", DropDHCPGuard, Condition{"protocol", "udp"}, Condition{"source port", "67,547"})
	v.multicast(&out, guard)
	v.bandwidth(&out, guard)
	guard(&out, "endpoint", "allow", DropNone)
	in := GroupView{Name: "port-security", Direction: Inbound, Type: kind, Priority: 1}
	v.bandwidth(&in, guard)
	if v.port.Forwards {
		guard(&in, "next-hop", "allow", DropNone)
	} else {
		guard(&in, "endpoint", "allow", DropNone, Condition{"destination", texts(all)})
	}
	return []GroupView{out, in}
}

type guardFunc func(g *GroupView, id, action string, reason DropReason, conditions ...Condition)

func (v *viewer) multicast(g *GroupView, guard guardFunc) {
	for _, s := range v.own {
		action, reason := "block", DropNone
		if s.Multicast == MulticastReplicate {
			action = "replicate"
		} else if !slices.ContainsFunc(v.own, func(o *Subnet) bool { return o.Multicast == MulticastReplicate }) {
			reason = DropMulticast // otherwise the counter is of more than this
		}
		if len(v.own) == 1 || reason == DropNone {
			guard(g, "multicast-"+vsidText(s.VSID), action, reason, Condition{"destination", "multicast"}, Condition{"vsid", vsidText(s.VSID)})
			continue
		}
		guard(g, "multicast", action, reason, Condition{"destination", "multicast"}) // all subnets drop it, one counter
		return
	}
}

func (v *viewer) bandwidth(g *GroupView, guard guardFunc) {
	if b := v.port.Bandwidth[g.Direction]; b.BitsPerSecond != 0 {
		reason := DropNone
		if v.port.Bandwidth[1-g.Direction].BitsPerSecond == 0 {
			reason = DropBandwidth // otherwise the counter is of both directions
		}
		guard(g, "bandwidth", "block", reason, Condition{"rate", fmt.Sprintf("more than %d bit/s", b.BitsPerSecond)})
	}
}

// nat is for the host-local subnets of the port.
func (v *viewer) nat() (groups []GroupView) {
	for _, s := range v.own {
		if !s.NAT.IsValid() {
			continue
		}
		n := uint32(len(groups)/2 + 1)
		groups = append(groups,
			GroupView{"source-nat", Outbound, TypeIPv4, n, []RuleView{{ID: "nat-" + vsidText(s.VSID), Type: "nat", Priority: 1,
				Conditions: []Condition{{"vsid", vsidText(s.VSID)}, {"destination", "not " + s.Prefix.String()}, {"protocol", "tcp,udp,icmp echo"}},
				Action:     "source becomes " + s.NAT.String()}}},
			GroupView{"source-nat", Inbound, TypeIPv4, n, []RuleView{{ID: "nat-" + vsidText(s.VSID), Type: "nat", Priority: 1,
				Conditions: []Condition{{"destination", s.NAT.String()}}, Action: "destination becomes the endpoint of the translation"}}})
	}
	return groups
}

// meter counts by who the other end is.
func (v *viewer) meter() (groups []GroupView) {
	for _, d := range []Direction{Outbound, Inbound} {
		g := GroupView{Name: "meter", Direction: d, Type: addressType(v.addresses()), Priority: 1}
		for class := range MeterClass(MeterClasses) {
			if class == MeterNetwork && len(v.reach) < 2 || class == MeterOutside && !v.hasNAT() {
				continue
			}
			g.Rules = append(g.Rules, RuleView{ID: class.String(), Type: "meter", Priority: uint32(class) + 1, Conditions: []Condition{{"other end", class.place()}},
				Action: "count", counter: counterRef{meter: int(class) + 1, inward: d == Inbound}})
		}
		groups = append(groups, g)
	}
	return groups
}

func (c MeterClass) place() string {
	return [...]string{"in the same subnet", "in another subnet of the routing domain", "outside"}[c]
}

func (v *viewer) hasNAT() bool {
	return slices.ContainsFunc(v.own, func(s *Subnet) bool { return s.NAT.IsValid() })
}

// userRoutes are the routes of the own subnets, longest first.
func (v *viewer) userRoutes() []GroupView {
	var routes []*Route
	for i := range v.p.Routes {
		if r := &v.p.Routes[i]; slices.ContainsFunc(v.own, func(s *Subnet) bool { return s.VSID == r.VSID }) {
			routes = append(routes, r)
		}
	}
	if len(routes) == 0 {
		return nil
	}
	slices.SortStableFunc(routes, func(a, b *Route) int { return cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()) })
	g := GroupView{Name: GroupUserRoutes, Direction: Outbound, Type: addressType(v.addresses()), Priority: 1}
	for _, r := range routes {
		rule := RuleView{ID: r.Name(), Type: "route", Priority: uint32(len(g.Rules) + 1),
			Conditions: []Condition{{"destination", r.Prefix.String()}, {"vsid", vsidText(r.VSID)}}, Action: r.what()}
		g.Rules = append(g.Rules, rule)
	}
	return []GroupView{g}
}

// GroupUserRoutes is the group of routes that come before the router's own.
const GroupUserRoutes = "user-routes"

// Name of a route for people.
func (r *Route) Name() string {
	if r.ID == "" {
		return "system"
	}
	return r.ID
}

func (r *Route) what() string {
	switch r.Action {
	case RouteNone:
		return "block"
	case RouteInternet:
		return "outside"
	case RouteAppliance:
		return "to appliance " + r.NextHop.String()
	}
	return "by the router"
}

// router finds the destination: in the own subnet as it is, in another by way of the distributed router.
func (v *viewer) router() []GroupView {
	groups := v.userRoutes()
	g := GroupView{Name: "router", Direction: Outbound, Type: addressType(v.addresses()), Priority: uint32(len(groups) + 1)}
	for _, s := range v.reach {
		action := "route by mapping"
		switch {
		case slices.Contains(v.own, s):
			action = "forward by mapping"
		case !v.inDomain(s.RDID):
			action = "route by mapping, to a peered network"
		}
		g.Rules = append(g.Rules, RuleView{ID: "subnet-" + vsidText(s.VSID), Type: "route", Priority: uint32(len(g.Rules) + 1),
			Conditions: []Condition{{"destination", s.Prefix.String()}, {"rdid", s.RDID}}, Action: action})
	}
	g.Rules = append(g.Rules, RuleView{ID: "no-mapping", Type: "route", Priority: lastPriority, Action: "block", counter: counterRef{drop: DropNoMapping}})
	return append(groups, g)
}

// rewrite is what routing does to a packet.
func (v *viewer) rewrite() []GroupView {
	if len(v.reach) < 2 && !v.hasNAT() {
		return nil
	}
	return []GroupView{{"next-hop", Outbound, addressType(v.addresses()), 1, []RuleView{{ID: "next-hop", Type: "rewrite", Priority: 1,
		Conditions: []Condition{{"destination MAC", RouterMAC.String()}},
		Action:     "source MAC becomes " + RouterMAC.String() + ", destination MAC the endpoint's, TTL minus one"}}}}
}

// onWire are the subnets whose packets leave the host encapsulated.
func (v *viewer) onWire() (list []*Subnet) {
	for _, s := range v.reach {
		if s.VSID >= encap.MinVSID {
			list = append(list, s)
		}
	}
	return list
}

func (v *viewer) encap() []GroupView {
	list := v.onWire()
	if len(list) == 0 {
		return nil
	}
	g := GroupView{Name: "encap", Direction: Outbound, Type: addressType(v.addresses()), Priority: 1}
	for _, s := range list {
		g.Rules = append(g.Rules, RuleView{ID: "subnet-" + vsidText(s.VSID), Type: "encap", Priority: uint32(len(g.Rules) + 1),
			Conditions: []Condition{{"destination", s.Prefix.String()}, {"rdid", s.RDID}, {"host", "another"}},
			Action:     fmt.Sprintf("encapsulate %s vsid %d from %s %s", v.p.Encapsulation, s.VSID, v.p.ProviderAddress, v.providers(s))})
	}
	return []GroupView{g}
}

// providers are where the subnet's addresses live, if that is one other host; otherwise the mapping says.
func (v *viewer) providers(s *Subnet) string {
	var one netip.Addr
	for i := range v.p.Mappings {
		m := &v.p.Mappings[i]
		if m.VSID != s.VSID || m.PA == v.p.ProviderAddress {
			continue
		}
		if one.IsValid() && one != m.PA {
			return "by mapping"
		}
		one = m.PA
	}
	if one.IsValid() {
		return "to " + one.String()
	}
	return "by mapping"
}

func (v *viewer) decap() []GroupView {
	g := GroupView{Name: "decap", Direction: Inbound, Type: addressType(v.addresses()), Priority: 1}
	for _, s := range v.own {
		if s.VSID < encap.MinVSID {
			continue
		}
		g.Rules = append(g.Rules, RuleView{ID: "subnet-" + vsidText(s.VSID), Type: "decap", Priority: uint32(len(g.Rules) + 1),
			Conditions: []Condition{{"outer destination", v.p.ProviderAddress.String()}, {"outer source", "that of the inner source's mapping"}, {"vsid", vsidText(s.VSID)}},
			Action:     "decapsulate " + v.p.Encapsulation.String()})
	}
	if g.Rules == nil {
		return nil
	}
	return []GroupView{g}
}

// paRoute leaves encapsulated packets to the host's routes.
func (v *viewer) paRoute() []GroupView {
	list := v.onWire()
	if len(list) == 0 {
		return nil
	}
	var pas []netip.Addr
	for i := range v.p.Mappings {
		m := &v.p.Mappings[i]
		if m.PA != v.p.ProviderAddress && slices.ContainsFunc(list, func(s *Subnet) bool { return s.VSID == m.VSID }) {
			pas = append(pas, m.PA)
		}
	}
	slices.SortFunc(pas, netip.Addr.Compare)
	pas = slices.Compact(pas)
	value := texts(pas)
	switch {
	case len(pas) == 0:
		value = "none yet"
	case len(pas) > 8:
		value = texts(pas[:8]) + " and " + strconv.Itoa(len(pas)-8) + " more"
	}
	return []GroupView{{"pa-route", Outbound, addressType([]netip.Addr{v.p.ProviderAddress}), 1, []RuleView{{ID: "underlay", Type: "route", Priority: 1,
		Conditions: []Condition{{"outer destination", value}}, Action: "the host's routes and neighbours"}}}}
}
