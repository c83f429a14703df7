package vfp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-net/fairlead/encap"
)

// LayerView is one layer of a port, as VFP lists it. A packet from the endpoint passes the layers in order, one to it in
// reverse order.
type LayerView struct {
	Name   string // LayerName…
	Groups []GroupView
}

// GroupView is a group of rules for one direction.
type GroupView struct {
	Name      string // the ACL's ID, or what the group does
	Direction Direction
	Type      string // "IPv4", "IPv6" or "both": the packets it is for
	Priority  uint32 // groups of one direction in order: lower first
	Rules     []RuleView
}

// RuleView is one rule. Of a group's rules the first that matches decides.
type RuleView struct {
	ID         string
	Type       string // what kind of decision: "filter", "guard", "meter", "route", "rewrite", "encap", "decap", "nat"
	Priority   uint32
	Conditions []Condition // all must hold; none: every packet
	Action     string
	Logging    bool
	// Packets and Bytes as far as the datapath counts exactly this; nil: it does not.
	Packets, Bytes *uint64
	LastHit        time.Time

	counter counterRef
}

// Condition of a rule, in the words of the policy.
type Condition struct{ Field, Value string }

// counterRef says which counter belongs to a rule.
type counterRef struct {
	rule   RuleKey // a firewall rule's
	meter  int     // MeterClass+1; 0: none
	drop   DropReason
	inward bool // Inbound
}

// The types of groups.
const (
	TypeIPv4 = "IPv4"
	TypeIPv6 = "IPv6"
	TypeBoth = "both"
)

// Layers of a port, outermost last; nil for a port that is not in p. A layer that the port does not need is absent.
func Layers(p *Policy, portID string) []LayerView {
	i := slices.IndexFunc(p.Ports, func(port Port) bool { return port.ID == portID })
	if i < 0 {
		return nil
	}
	v := viewer{p: p, port: &p.Ports[i]}
	v.subnets()
	var layers []LayerView
	for _, l := range []LayerView{
		{LayerNameSecurity, v.security()},
		{LayerNameAdmin, v.firewall(LayerAdmin)},
		{LayerNameController, v.firewall(LayerController)},
		{LayerNameNAT, v.nat()},
		{LayerNameMeter, v.meter()},
		{LayerNameRouter, v.router()},
		{LayerNameRewrite, v.rewrite()},
		{LayerNameEncap, v.encap()},
		{LayerNameDecap, v.decap()},
		{LayerNamePARoute, v.paRoute()},
	} {
		if len(l.Groups) > 0 {
			layers = append(layers, l)
		}
	}
	return layers
}

// CountLayers fills in what a datapath has counted. A firewall rule's counters are of all ports behind its ACL.
func CountLayers(layers []LayerView, portID string, c Counters) {
	port := c.Ports[portID]
	for _, l := range layers {
		for _, g := range l.Groups {
			for i := range g.Rules {
				g.Rules[i].count(&port, c.Rules)
			}
		}
	}
}

func (r *RuleView) count(port *PortCounters, rules map[RuleKey]RuleCounters) {
	set := func(n RuleCounters) { r.Packets, r.Bytes, r.LastHit = &n.Packets, &n.Bytes, n.LastHit }
	switch ref := r.counter; {
	case ref.rule != RuleKey{}:
		set(rules[ref.rule])
	case ref.meter > 0 && ref.inward:
		set(port.Meter[ref.meter-1][Inbound])
	case ref.meter > 0:
		set(port.Meter[ref.meter-1][Outbound])
	case ref.drop != DropNone:
		n := port.Drops[ref.drop] // packets only
		r.Packets = &n
	}
}

// viewer makes the layers of one port.
type viewer struct {
	p     *Policy
	port  *Port
	own   []*Subnet // the port's, by VSID
	reach []*Subnet // of its routing domains and their peers, by VSID
}

func (v *viewer) subnets() {
	mapped := map[encap.VSID]bool{}
	for i := range v.p.Mappings {
		if m := &v.p.Mappings[i]; v.inDomain(m.RDID) {
			mapped[m.VSID] = true
		}
	}
	for i := range v.p.Subnets {
		s := &v.p.Subnets[i]
		if slices.ContainsFunc(v.port.Addresses, func(a Address) bool { return a.VSID == s.VSID }) {
			v.own = append(v.own, s)
		}
		if v.inDomain(s.RDID) || mapped[s.VSID] {
			v.reach = append(v.reach, s)
		}
	}
}

func (v *viewer) inDomain(rdid string) bool {
	return slices.ContainsFunc(v.port.Addresses, func(a Address) bool { return a.RDID == rdid })
}

// addressType is the group type that fits all addresses.
func addressType(list []netip.Addr) string {
	four, six := false, false
	for _, a := range list {
		four, six = four || a.Is4(), six || a.Is6()
	}
	switch {
	case four && six:
		return TypeBoth
	case six:
		return TypeIPv6
	}
	return TypeIPv4
}

func (v *viewer) addresses() (all []netip.Addr) {
	for _, a := range v.port.Addresses {
		all = append(all, a.CA)
	}
	return all
}

func texts[T interface{ String() string }](list []T) string {
	words := make([]string, len(list))
	for i := range list {
		words[i] = list[i].String()
	}
	return strings.Join(words, ",")
}

// firewall has a group for each ACL of the layer and direction, in the order the addresses name them.
func (v *viewer) firewall(layer Layer) (groups []GroupView) {
	behind := map[string][]netip.Addr{}
	var order []string
	for _, a := range v.port.Addresses {
		for _, id := range a.ACLs {
			if behind[id] == nil {
				order = append(order, id)
			}
			behind[id] = append(behind[id], a.CA)
		}
	}
	for n, id := range order {
		i := slices.IndexFunc(v.p.ACLs, func(a ACL) bool { return a.ID == id })
		if i < 0 || v.p.ACLs[i].Layer != layer {
			continue
		}
		for _, d := range []Direction{Outbound, Inbound} {
			g := GroupView{Name: id, Direction: d, Type: addressType(behind[id]), Priority: uint32(n + 1)}
			acl := &v.p.ACLs[i]
			var guarded []Condition
			if len(behind[id]) < len(v.port.Addresses) { // others of the port are not behind it
				guarded = []Condition{{endField(d), texts(behind[id])}}
			}
			for j := range acl.Rules {
				if r := &acl.Rules[j]; r.Direction == d {
					g.Rules = append(g.Rules, RuleView{ID: r.ID, Type: "filter", Priority: r.Priority, Conditions: append(slices.Clip(guarded), conditions(r)...),
						Action: r.Action.String(), Logging: r.Logging, counter: counterRef{rule: RuleKey{id, r.ID}}})
				}
			}
			name := DefaultRule + d.String()
			g.Rules = append(g.Rules, RuleView{ID: name, Type: "filter", Priority: lastPriority, Conditions: guarded, Action: acl.Default[d].String(),
				counter: counterRef{rule: RuleKey{id, name}}})
			groups = append(groups, g)
		}
	}
	return groups
}

// lastPriority is that of what happens when nothing else matches.
const lastPriority = 1<<32 - 1

// endField is where a packet of the direction carries the endpoint's own address.
func endField(d Direction) string {
	if d == Inbound {
		return "endpoint destination"
	}
	return "endpoint source"
}

// conditions of a firewall rule.
func conditions(r *Rule) (list []Condition) {
	add := func(field, value string) { list = append(list, Condition{field, value}) }
	if r.Protocol != ProtocolAny {
		add("protocol", ProtocolName(r.Protocol))
	}
	if r.Sources != nil {
		add("source", texts(r.Sources))
	}
	if r.Destinations != nil {
		add("destination", texts(r.Destinations))
	}
	if r.SourcePorts != nil {
		add("source port", PortWords(r.SourcePorts))
	}
	if r.DestinationPorts != nil {
		add("destination port", PortWords(r.DestinationPorts))
	}
	if r.ICMP != nil {
		add("icmp", ICMPWords(r.ICMP))
	}
	if r.TCPFlags.Mask != 0 {
		add("tcp flags", r.TCPFlags.String())
	}
	return list
}

func vsidText(v encap.VSID) string { return strconv.FormatUint(uint64(v), 10) }
