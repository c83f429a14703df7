package overlay

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/encap"
)

// subnetClaim is a subnet that wants a prefix in its network and, unless it is derived, a VSID.
type subnetClaim struct {
	subnet   *Subnet // zero VSID: to be derived
	aclRef   string
	tableRef string
	prev     *Subnet
	tier     int
	bad      *complaint // why the subnet as written is not in force
	lost     *Subnet    // as written, if it is not in force because of another subnet
	// badGateway only matters if the rest of the subnet is in force as written.
	badGateway string
}

// The tiers in which claims are granted. Within a tier the lowest key wins.
const (
	subnetHeldVSID   = iota // good now, and had this VSID before
	subnetHeldPrefix        // good now, and had this prefix before
	subnetNew               // good now
	subnetLastGood          // only good before
	subnetTiers
	subnetOut
)

// subnet reads one subnet. Whether it gets what it wants is decided when all are read.
func (b *builder) subnet(v *VirtualNetwork, it item[cc.Subnet], prev *Subnet) *subnetClaim {
	s := &Subnet{Resource: it.Resource, Network: v}
	c := &subnetClaim{subnet: s, aclRef: it.v.AccessControlList, tableRef: it.v.RouteTable, prev: prev, tier: subnetNew}
	var masked bool
	var err error
	if s.Prefix, masked, err = parsePrefix(it.v.AddressPrefix); err == nil && s.Prefix.IsSingleIP() {
		err = fmt.Errorf("has no room for a gateway and an endpoint")
	}
	if err != nil {
		c.fail("subnet-prefix-invalid", "properties.addressPrefix %s %v", quote(it.v.AddressPrefix), err)
		return c
	}
	if masked {
		b.warnf("prefix-host-bits", s.Ref, "properties.addressPrefix %s has host bits set; %s is in force", quote(it.v.AddressPrefix), s.Prefix)
	}
	if !v.inAddressSpace(s.Prefix) {
		b.warnf("subnet-outside-network", s.Ref, "properties.addressPrefix %s is outside the address space of %s; it is in force all the same",
			quote(it.v.AddressPrefix), v.Ref)
	}
	c.badGateway = s.setGateway(it.v.Gateway, prev)
	if err := b.explicitVSID(s, it.v.VSID); err != "" {
		c.fail("vsid-invalid", "%s", err)
		return c
	}
	switch {
	case prev == nil:
	case s.VSID != 0 && s.VSID == prev.VSID:
		c.tier = subnetHeldVSID
	case s.Prefix == prev.Prefix:
		c.tier = subnetHeldPrefix
	}
	return c
}

// fail makes the claim fall back on the last good version, if there is one and that was not it.
func (c *subnetClaim) fail(code, format string, args ...any) {
	if c.bad == nil {
		c.bad = &complaint{code: code, resource: c.subnet.Ref, text: fmt.Sprintf(format, args...)}
	}
	c.fallBack()
}

func (c *subnetClaim) fallBack() {
	if c.prev == nil || c.tier == subnetLastGood {
		c.tier = subnetOut
		return
	}
	last := *c.prev
	last.Network = c.subnet.Network
	if last.VSIDOrigin == OriginDerived {
		last.VSID = 0
	}
	c.aclRef, c.tableRef = "", ""
	if last.ACL != nil {
		c.aclRef = last.ACL.Ref
	}
	if last.RouteTable != nil {
		c.tableRef = last.RouteTable.Ref
	}
	c.subnet, c.tier = &last, subnetLastGood
}

// setGateway takes the source's word, and returns why it cannot be used.
func (s *Subnet) setGateway(word string, prev *Subnet) string {
	s.Gateway = firstHost(s.Prefix)
	if word == "" {
		return ""
	}
	gw, err := parseAddr(word)
	if err == nil {
		err = hostAddr(s.Prefix, gw)
	}
	if err == nil {
		s.Gateway = gw
		return ""
	}
	if prev != nil && prev.Prefix == s.Prefix {
		s.Gateway = prev.Gateway
	}
	return fmt.Sprintf("properties.defaultGateways %s %v; %s stays in force", quote(word), err, s.Gateway)
}

// resolveSubnets grants the claims, and derives the VSIDs of those that brought none.
func (b *builder) resolveSubnets(claims []*subnetClaim) {
	slices.SortStableFunc(claims, func(x, y *subnetClaim) int {
		return cmp.Or(strings.Compare(x.subnet.Key, y.subnet.Key), strings.Compare(x.subnet.Network.Key, y.subnet.Network.Key))
	})
	granted := make([]*subnetClaim, 0, len(claims))
	prefixes := make(map[*VirtualNetwork]*disjoint, len(b.m.VirtualNetworks))
	vsids := make(map[encap.VSID]*Subnet, len(claims))
	for tier := range subnetTiers {
		for i, c := range claims {
			if c.tier != tier {
				continue
			}
			s := c.subnet
			taken := prefixes[s.Network]
			if taken == nil {
				taken = new(disjoint)
				prefixes[s.Network] = taken
			}
			switch {
			case i > 0 && claims[i-1].subnet.Key == s.Key:
				c.prev = nil
				c.fail("resource-duplicate", "resourceRef %s is also that of a subnet of %s, which keeps it", quote(s.Ref), claims[i-1].subnet.Network.Ref)
			case taken.overlapping(s.Prefix, "") != nil || s.VSID != 0 && vsids[s.VSID] != nil:
				if c.bad == nil && c.lost == nil {
					c.lost = s
				}
				c.fallBack()
			default:
				taken.add(s)
				if s.VSID != 0 {
					vsids[s.VSID] = s
				}
				granted = append(granted, c)
			}
		}
	}
	// Only now it is certain who keeps what; the same is said the next time.
	for _, c := range claims {
		if s := c.lost; s != nil {
			if other := prefixes[s.Network].overlapping(s.Prefix, s.Key); other != nil {
				c.bad = &complaint{code: "subnet-overlap", resource: s.Ref, text: fmt.Sprintf("properties.addressPrefix %q overlaps %s of %s, which keeps it", s.Prefix, other.Prefix, other.Ref)}
			} else {
				c.bad = &complaint{code: "vsid-conflict", resource: s.Ref, text: fmt.Sprintf("VSID %d is also that of %s, which keeps it", s.VSID, vsids[s.VSID].Ref)}
			}
		}
	}
	b.subnets = newIndex[*Subnet](len(claims))
	for _, c := range claims {
		switch s := c.subnet; {
		case c.tier == subnetOut:
			b.complain(*c.bad, "the subnet and its ipConfigurations are left out")
			if _, ok := b.subnets.byKey[s.Key]; !ok {
				b.subnets.byKey[s.Key] = nil
			}
			continue
		case c.bad != nil:
			b.complain(*c.bad, fmt.Sprintf("the last good version (%s) stays in force", s.Prefix))
		case c.badGateway != "":
			b.errorf("subnet-gateway-invalid", s.Ref, "%s", c.badGateway)
		}
		b.subnets.byKey[c.subnet.Key] = c.subnet
	}
	slices.SortFunc(granted, func(x, y *subnetClaim) int { return strings.Compare(x.subnet.Key, y.subnet.Key) })
	b.deriveVSIDs(granted, vsids)
	for _, c := range granted {
		s := c.subnet
		var before *ACL
		var tableBefore *RouteTable
		if c.prev != nil {
			before, tableBefore = c.prev.ACL, c.prev.RouteTable
		}
		if b.scope.coversNetwork(s.Network) {
			s.ACL = b.aclFor(c.aclRef, s.Ref, before)
			s.RouteTable = b.tableFor(c.tableRef, s.Ref, tableBefore)
		} else { // it may name an endpoint here as its next hop
			s.UnreadACL = c.aclRef
			s.RouteTable, _ = b.tables.find(c.tableRef)
		}
		s.Network.Subnets = append(s.Network.Subnets, s)
		b.m.VSIDSource.add(s.VSIDOrigin)
	}
}

// disjoint is a set of subnets that do not overlap, sorted: an overlap can only be with a neighbour.
type disjoint struct{ list []*Subnet }

func (d *disjoint) search(p netip.Prefix) int {
	i, _ := slices.BinarySearchFunc(d.list, p, func(s *Subnet, p netip.Prefix) int { return comparePrefixes(s.Prefix, p) })
	return i
}

// overlapping is the first subnet, but the one named except, that shares addresses with p.
func (d *disjoint) overlapping(p netip.Prefix, except string) *Subnet {
	for i := max(0, d.search(p)-1); i < len(d.list); i++ {
		switch s := d.list[i]; {
		case s.Prefix.Overlaps(p) && s.Key != except:
			return s
		case !s.Prefix.Overlaps(p) && p.Addr().Less(s.Prefix.Addr()):
			return nil
		}
	}
	return nil
}

func (d *disjoint) add(s *Subnet) { d.list = slices.Insert(d.list, d.search(s.Prefix), s) }
