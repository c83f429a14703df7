package overlay

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

func (b *builder) virtualNetworks(list []cc.VirtualNetwork) {
	meta := func(v *cc.VirtualNetwork) *cc.Meta { return &v.Meta }
	items := collect(&b.report, nil, "", "/virtualNetworks", list, meta)
	before := cursor[*VirtualNetwork]{b.prev.VirtualNetworks}
	prevs := make([]*VirtualNetwork, len(items))
	for i, it := range items {
		prevs[i] = before.at(it.Key)
	}
	var claims []*subnetClaim
	var subnets []item[cc.Subnet]
	for i, it := range items {
		v := &VirtualNetwork{Resource: it.Resource}
		b.addressPrefixes(v, it.v.AddressPrefixes, prevs[i])
		v.Peerings = peerings(it.v.Peerings)
		b.m.VirtualNetworks = append(b.m.VirtualNetworks, v)

		prev := prevs[i]
		if prev == nil {
			prev = &VirtualNetwork{}
		}
		subnets = collect(&b.report, subnets, v.Ref, "/subnets", it.v.Subnets, func(s *cc.Subnet) *cc.Meta { return &s.Meta })
		prevSubnets := cursor[*Subnet]{prev.Subnets}
		for _, s := range subnets {
			claims = append(claims, b.subnet(v, s, prevSubnets.at(s.Key)))
		}
	}
	b.routingDomains(prevs)
	b.resolveSubnets(claims)
	b.peer(prevs)
}

func (b *builder) addressPrefixes(v *VirtualNetwork, words []string, prev *VirtualNetwork) {
	const field = "properties.addressSpace.addressPrefixes"
	var bad []complaint
	for _, word := range words {
		p, masked, err := parsePrefix(word)
		if err != nil {
			bad = append(bad, complaint{code: "network-prefix-invalid", resource: v.Ref, text: fmt.Sprintf("%s %s %v", field, quote(word), err)})
			continue
		}
		if masked {
			b.warnf("prefix-host-bits", v.Ref, "%s %s has host bits set; %s is in force", field, quote(word), p)
		}
		v.AddressPrefixes = append(v.AddressPrefixes, p)
	}
	outcome := "it is left out"
	if len(bad) > 0 && len(v.AddressPrefixes) == 0 && prev != nil && len(prev.AddressPrefixes) > 0 {
		v.AddressPrefixes = slices.Clone(prev.AddressPrefixes)
		outcome = "the last good address prefixes stay in force"
	}
	for _, c := range bad {
		b.complain(c, outcome)
	}
	slices.SortFunc(v.AddressPrefixes, comparePrefixes)
	v.AddressPrefixes = slices.Compact(v.AddressPrefixes)
}

// routingDomains gives every network an RDID of its own: two networks that share one would see each other.
func (b *builder) routingDomains(prevs []*VirtualNetwork) {
	holder := make(map[string]*VirtualNetwork, len(b.m.VirtualNetworks))
	for _, heldBefore := range []bool{true, false} {
		for i, v := range b.m.VirtualNetworks {
			id := strings.ToLower(strings.TrimSpace(v.InstanceID))
			held := prevs[i] != nil && prevs[i].RDID == id
			if id == "" || held != heldBefore {
				continue
			}
			if holder[id] == nil {
				holder[id], v.RDID = v, id
			}
		}
	}
	for _, v := range b.m.VirtualNetworks {
		for n := 0; v.RDID == ""; n++ {
			if id := derivedGUID(v.Key, n); holder[id] == nil {
				holder[id], v.RDID = v, id
			}
		}
		if id := strings.ToLower(strings.TrimSpace(v.InstanceID)); id != "" && v.RDID != id {
			b.errorf("network-instance-duplicate", v.Ref, "instanceId %s is also that of %s, which keeps it as its routing domain; here the derived routing domain %s is in force",
				quote(v.InstanceID), holder[id].Ref, v.RDID)
		}
	}
}

func derivedGUID(key string, n int) string {
	h := sha256.Sum256(fmt.Appendf(nil, "fairlead rdid %d %s", n, key))
	h[6] = h[6]&0x0f | 0x80 // RFC 9562: version 8, the variant of that document
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// inAddressSpace is true as well for a network without any address space: not every source knows it.
func (v *VirtualNetwork) inAddressSpace(p netip.Prefix) bool {
	return len(v.AddressPrefixes) == 0 || slices.ContainsFunc(v.AddressPrefixes, func(space netip.Prefix) bool {
		return space.Bits() <= p.Bits() && space.Overlaps(p)
	})
}
