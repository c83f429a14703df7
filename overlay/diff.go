package overlay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/vfp"
)

// Delta names what was added, changed and removed, sorted. Resources are named by their references, mappings by
// their virtual network's reference and the CA ("/virtualNetworks/v 10.0.1.4").
type Delta struct{ Added, Changed, Removed []string }

// Changes between two models.
type Changes struct {
	Networks, Subnets, Endpoints, Mappings, Hosts, ACLs, RouteTables Delta
	// Settings is true when what applies to everything changed: the encapsulation or how ACLs combine.
	Settings bool
}

// Empty says that nothing changed.
func (c Changes) Empty() bool {
	return !c.Settings && c.Networks.empty() && c.Subnets.empty() && c.Endpoints.empty() && c.Mappings.empty() && c.Hosts.empty() && c.ACLs.empty() &&
		c.RouteTables.empty()
}

func (d Delta) empty() bool { return len(d.Added)+len(d.Changed)+len(d.Removed) == 0 }

// String is one line for the log, such as "mappings +1 ~0 -2, acls +0 ~1 -0".
func (c Changes) String() string {
	var parts []string
	for _, k := range []struct {
		name string
		d    Delta
	}{{"networks", c.Networks}, {"subnets", c.Subnets}, {"endpoints", c.Endpoints}, {"mappings", c.Mappings}, {"hosts", c.Hosts}, {"acls", c.ACLs}, {"routeTables", c.RouteTables}} {
		if !k.d.empty() {
			parts = append(parts, fmt.Sprintf("%s +%d ~%d -%d", k.name, len(k.d.Added), len(k.d.Changed), len(k.d.Removed)))
		}
	}
	if c.Settings {
		parts = append(parts, "settings")
	}
	if len(parts) == 0 {
		return "no changes"
	}
	return strings.Join(parts, ", ")
}

// Diff says what is different in new; old may be nil. A network, subnet, endpoint or ACL counts as changed when
// something of its own did: what it contains is counted by itself.
func Diff(old, new *Model) Changes {
	if old == new {
		return Changes{}
	}
	if old == nil {
		old = &Model{Encapsulation: new.Encapsulation, ACLCombine: new.ACLCombine}
	}
	var c Changes
	c.Settings = old.Encapsulation != new.Encapsulation || old.ACLCombine != new.ACLCombine
	merge(old.Hosts, new.Hosts, byKey, sameHost, refOf, &c.Hosts)
	merge(old.ACLs, new.ACLs, byKey, sameACL, refOf, &c.ACLs)
	merge(old.RouteTables, new.RouteTables, byKey, sameRouteTable, refOf, &c.RouteTables)
	merge(old.Endpoints, new.Endpoints, byKey, sameEndpoint, refOf, &c.Endpoints)
	merge(old.VirtualNetworks, new.VirtualNetworks, byKey, sameNetwork, refOf, &c.Networks)
	merge(old.Subnets(), new.Subnets(), byNetworkAndKey, sameSubnet, refOf, &c.Subnets)
	c.mappings(old, new)
	for _, d := range []*Delta{&c.Networks, &c.Subnets, &c.Endpoints, &c.Mappings, &c.Hosts, &c.ACLs, &c.RouteTables} {
		slices.Sort(d.Added)
		slices.Sort(d.Changed)
		slices.Sort(d.Removed)
	}
	return c
}

// merge walks two lists that are sorted by compare.
func merge[T any](old, new []T, compare func(x, y T) int, same func(x, y T) bool, name func(T) string, d *Delta) {
	for len(old) > 0 || len(new) > 0 {
		order := 0
		switch {
		case len(old) == 0:
			order = 1
		case len(new) == 0:
			order = -1
		default:
			order = compare(old[0], new[0])
		}
		switch {
		case order < 0:
			d.Removed = append(d.Removed, name(old[0]))
			old = old[1:]
		case order > 0:
			d.Added = append(d.Added, name(new[0]))
			new = new[1:]
		default:
			if !same(old[0], new[0]) {
				d.Changed = append(d.Changed, name(new[0]))
			}
			old, new = old[1:], new[1:]
		}
	}
}

func byKey[T keyed](x, y T) int { return strings.Compare(x.refKey(), y.refKey()) }

func byNetworkAndKey(x, y *Subnet) int {
	return cmp.Or(strings.Compare(x.Network.Key, y.Network.Key), strings.Compare(x.Key, y.Key))
}

func (r *Resource) ref() string { return r.Ref }

func refOf[T interface{ ref() string }](x T) string { return x.ref() }

func (c *Changes) mappings(old, new *Model) {
	olds, news := cursor[*VirtualNetwork]{old.VirtualNetworks}, cursor[*VirtualNetwork]{new.VirtualNetworks}
	none := &VirtualNetwork{}
	for _, v := range new.VirtualNetworks {
		o := cmp.Or(olds.at(v.Key), none)
		merge(o.members, v.members, byCA, sameMapping, memberName, &c.Mappings)
	}
	for _, o := range old.VirtualNetworks {
		if news.at(o.Key) == nil {
			merge(o.members, nil, byCA, sameMapping, memberName, &c.Mappings)
		}
	}
}

func byCA(x, y member) int { return x.addr.CA.Compare(y.addr.CA) }

func memberName(m member) string { return m.addr.Subnet.Network.Ref + " " + m.addr.CA.String() }

func sameMapping(x, y member) bool {
	return x.ep.MAC == y.ep.MAC && x.addr.Subnet.VSID == y.addr.Subnet.VSID && keyOf(x.ep.Host) == keyOf(y.ep.Host) &&
		(x.ep.Host == nil || slices.Equal(x.ep.Host.ProviderAddresses, y.ep.Host.ProviderAddresses))
}

func sameHost(x, y *Host) bool {
	return x.Resource == y.Resource && x.PAOrigin == y.PAOrigin && slices.Equal(x.ProviderAddresses, y.ProviderAddresses)
}

func sameNetwork(x, y *VirtualNetwork) bool {
	return x.Resource == y.Resource && x.RDID == y.RDID && slices.Equal(x.AddressPrefixes, y.AddressPrefixes) && slices.Equal(x.Peerings, y.Peerings) &&
		slices.EqualFunc(x.Peers, y.Peers, func(a, b *VirtualNetwork) bool { return a.Key == b.Key })
}

func sameSubnet(x, y *Subnet) bool {
	return x.Resource == y.Resource && x.Prefix == y.Prefix && x.VSID == y.VSID && x.VSIDOrigin == y.VSIDOrigin && x.Gateway == y.Gateway && keyOf(x.ACL) == keyOf(y.ACL) &&
		keyOf(x.RouteTable) == keyOf(y.RouteTable)
}

func sameEndpoint(x, y *Endpoint) bool {
	return x.Resource == y.Resource && x.MAC == y.MAC && x.Primary == y.Primary && x.AllowMACSpoofing == y.AllowMACSpoofing && x.Forwards == y.Forwards && sameSettings(x, y) && keyOf(x.Host) == keyOf(y.Host) &&
		slices.EqualFunc(x.Addresses, y.Addresses, func(a, b Address) bool {
			return a.Resource == b.Resource && a.CA == b.CA && a.Subnet.Key == b.Subnet.Key && keyOf(a.ACL) == keyOf(b.ACL) && slices.Equal(a.SecurityTags, b.SecurityTags)
		})
}

func sameSettings(x, y *Endpoint) bool {
	return x.FlowLimit == y.FlowLimit && x.Mbps == y.Mbps && slices.Equal(x.DNS, y.DNS)
}

func sameRouteTable(x, y *RouteTable) bool {
	return x == y || x.Resource == y.Resource && x.Missing == y.Missing && slices.Equal(x.Routes, y.Routes)
}

func sameACL(x, y *ACL) bool {
	return x == y || x.Resource == y.Resource && x.Default == y.Default && x.Missing == y.Missing && slices.EqualFunc(x.tags, y.tags, sameTags) && slices.EqualFunc(x.Rules, y.Rules, sameRule)
}

func sameRule(x, y vfp.Rule) bool {
	return x.ID == y.ID && x.Direction == y.Direction && x.Priority == y.Priority && x.Protocol == y.Protocol && x.Action == y.Action && x.Logging == y.Logging &&
		slices.Equal(x.Sources, y.Sources) && slices.Equal(x.Destinations, y.Destinations) &&
		slices.Equal(x.SourcePorts, y.SourcePorts) && slices.Equal(x.DestinationPorts, y.DestinationPorts) &&
		slices.Equal(x.ICMP, y.ICMP) && x.TCPFlags == y.TCPFlags
}

// keyOf is "" for nil.
func keyOf[T interface {
	comparable
	keyed
}](x T) string {
	var none T
	if x == none {
		return ""
	}
	return x.refKey()
}
