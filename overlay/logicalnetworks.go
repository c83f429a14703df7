package overlay

import (
	"fmt"
	"net/netip"
	"slices"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// logicalNetworks learns where provider addresses come from: the subnets of logical networks with network virtualization.
func (b *builder) logicalNetworks(list []cc.LogicalNetwork) {
	items := collect(&b.report, nil, "", "/logicalNetworks", list, func(n *cc.LogicalNetwork) *cc.Meta { return &n.Meta })
	for _, it := range items {
		if !it.v.NetworkVirtualization {
			continue
		}
		for _, s := range collect(&b.report, nil, it.Ref, "/subnets", it.v.Subnets, func(s *cc.LogicalSubnet) *cc.Meta { return &s.Meta }) {
			p, _, err := parsePrefix(s.v.AddressPrefix)
			if err != nil {
				b.warnf("logical-subnet-invalid", s.Ref, "properties.addressPrefix %s %v; no provider address is looked for in it", quote(s.v.AddressPrefix), err)
				continue
			}
			b.m.providerSpace = append(b.m.providerSpace, p)
		}
	}
	b.m.providerSpace = mergePrefixes(b.m.providerSpace)
}

// checkProviders names the hosts that have an address from nowhere.
func (b *builder) checkProviders() {
	for _, h := range b.m.Hosts {
		for _, a := range h.ProviderAddresses {
			if b.m.strangeProvider(a) {
				b.warnf("provider-address-outside", h.Ref, "%s %q of server %s from the %s %s", fieldPA, a, quote(h.ID), h.PAOrigin, b.m.outsideText())
			}
		}
	}
}

// checkProvider does it for the address that only this host's own configuration knows.
func (c *compiler) checkProvider() {
	pa := c.policy.ProviderAddress
	if c.host == nil || slices.Contains(c.host.ProviderAddresses, pa) || !c.m.strangeProvider(pa) {
		return
	}
	c.warnf("provider-address-outside", c.host.Ref, "host.underlay.providerAddress %q of server %s %s", pa, quote(c.host.ID), c.m.outsideText())
}

// strangeProvider says whether an address is outside all subnets that provider addresses come from, where these are known.
func (m *Model) strangeProvider(a netip.Addr) bool {
	return a.IsValid() && len(m.providerSpace) > 0 && !slices.ContainsFunc(m.providerSpace, func(p netip.Prefix) bool { return p.Contains(a) })
}

func (m *Model) outsideText() string {
	return fmt.Sprintf("is in no subnet of a logical network with networkVirtualizationEnabled %s; it is in force all the same", m.providerSpace)
}
