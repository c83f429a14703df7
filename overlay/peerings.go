package overlay

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// peerings are references by key, one of each.
func peerings(refs []string) []string {
	refs = slices.Clone(refs)
	slices.Sort(refs) // spellings of one key in an order of their own
	slices.SortStableFunc(refs, func(x, y string) int { return strings.Compare(cc.RefKey(x), cc.RefKey(y)) })
	return slices.CompactFunc(refs, func(x, y string) bool { return cc.RefKey(x) == cc.RefKey(y) })
}

// peeringClaim is two networks, by key, that both want to be peers.
type peeringClaim struct {
	a, b *VirtualNetwork
	held bool // in force before
}

// peer puts the peerings in force that both sides want and that give nobody an address twice. Subnets are known by now.
func (b *builder) peer(prevs []*VirtualNetwork) {
	var claims []peeringClaim
	for i, v := range b.m.VirtualNetworks {
		for _, ref := range v.Peerings {
			other := lookup(b.m.VirtualNetworks, cc.RefKey(ref))
			switch {
			case other == nil:
				b.warnf("peering-unknown", v.Ref, "properties.virtualNetworkPeerings %s is not a known virtual network; it is only shown", quote(ref))
			case other == v:
				b.errorf("peering-self", v.Ref, "properties.virtualNetworkPeerings %s is the virtual network itself; it is left out", quote(ref))
			case !other.wants(v):
				b.warnf("peering-one-sided", v.Ref, "properties.virtualNetworkPeerings names %s, which does not name this one; nothing is routed between them", quote(ref))
			case v.Key < other.Key:
				claims = append(claims, peeringClaim{v, other, prevs[i].hasPeer(other.Key)})
			}
		}
	}
	slices.SortStableFunc(claims, func(x, y peeringClaim) int { // they are by key
		return cmp.Compare(rank(!x.held), rank(!y.held))
	})
	spaces := make(map[*VirtualNetwork][]netip.Prefix, len(claims))
	for _, c := range claims {
		for _, v := range []*VirtualNetwork{c.a, c.b} {
			if spaces[v] == nil {
				spaces[v] = v.everywhere()
			}
		}
		if overlapping(c.a, c.b, spaces) == nil && overlapping(c.b, c.a, spaces) == nil {
			c.a.Peers, c.b.Peers = append(c.a.Peers, c.b), append(c.b.Peers, c.a)
		}
	}
	for _, v := range b.m.VirtualNetworks {
		slices.SortFunc(v.Peers, func(x, y *VirtualNetwork) int { return strings.Compare(x.Key, y.Key) })
	}
	// Only now it is certain who keeps what; the same is said the next time.
	for _, c := range claims {
		if c.a.hasPeer(c.b.Key) {
			continue
		}
		with, other := c.b, overlapping(c.a, c.b, spaces)
		if other == nil {
			with, other = c.a, overlapping(c.b, c.a, spaces)
		}
		b.errorf("peering-overlap", c.a.Ref, "properties.virtualNetworkPeerings between %s and %s: addresses of %s overlap those of %s; nothing is routed between the two",
			c.a.Ref, c.b.Ref, with.Ref, other.Ref)
	}
}

func rank(later bool) int {
	if later {
		return 1
	}
	return 0
}

// overlapping is v, or its peer, that has addresses of another that v would reach.
func overlapping(v, another *VirtualNetwork, spaces map[*VirtualNetwork][]netip.Prefix) *VirtualNetwork {
	for _, has := range append([]*VirtualNetwork{v}, v.Peers...) {
		if overlap(spaces[has], spaces[another]) {
			return has
		}
	}
	return nil
}

func overlap(x, y []netip.Prefix) bool {
	return slices.ContainsFunc(x, func(p netip.Prefix) bool { return slices.ContainsFunc(y, p.Overlaps) })
}

// reached are the members of v and its peers, by CA.
func (v *VirtualNetwork) reached() []member {
	if len(v.Peers) == 0 {
		return v.members
	}
	list := slices.Clone(v.members)
	for _, p := range v.Peers {
		list = append(list, p.members...)
	}
	slices.SortFunc(list, byCA)
	return list
}

func (v *VirtualNetwork) wants(other *VirtualNetwork) bool {
	return slices.ContainsFunc(v.Peerings, func(ref string) bool { return cc.RefKey(ref) == other.Key })
}

// hasPeer says whether a peering is in force; v may be nil.
func (v *VirtualNetwork) hasPeer(key string) bool {
	return v != nil && slices.ContainsFunc(v.Peers, func(p *VirtualNetwork) bool { return p.Key == key })
}

// everywhere is v's address space and that of its subnets, which may lie outside it.
func (v *VirtualNetwork) everywhere() []netip.Prefix {
	list := slices.Clone(v.AddressPrefixes)
	for _, s := range v.Subnets {
		list = append(list, s.Prefix)
	}
	return mergePrefixes(list)
}
