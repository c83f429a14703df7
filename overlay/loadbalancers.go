package overlay

import (
	"net/netip"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// PublicIPAddress is an address outside all virtual networks. It is shown; nothing of it is in force.
type PublicIPAddress struct {
	Resource
	Address          netip.Addr // invalid: it has none (yet)
	AllocationMethod string     // as written
	IPConfiguration  string     // reference of who has it, or ""
}

// LoadBalancer is shown; nothing of it is in force. Its lists are by key, their words the fabric's.
type LoadBalancer struct {
	Resource
	Frontends        []Frontend
	BackendPools     []cc.BackendAddressPool
	Rules            []cc.LoadBalancingRule
	InboundNATRules  []cc.LoadBalancingRule
	OutboundNATRules []cc.LoadBalancingRule
}

// Frontend is one VIP.
type Frontend struct {
	Resource
	Address         netip.Addr // in a subnet; invalid: it has none
	Subnet          string     // reference, or ""
	PublicIPAddress string     // reference, or ""
}

func (b *builder) publicIPAddresses(list []cc.PublicIPAddress) {
	for _, it := range collect(&b.report, nil, "", "/publicIPAddresses", list, func(p *cc.PublicIPAddress) *cc.Meta { return &p.Meta }) {
		p := &PublicIPAddress{Resource: it.Resource, AllocationMethod: it.v.AllocationMethod, IPConfiguration: it.v.IPConfiguration}
		p.Address = b.shownAddress("public-address-invalid", p.Ref, "properties.ipAddress", it.v.Address)
		b.m.PublicIPAddresses = append(b.m.PublicIPAddresses, p)
	}
}

func (b *builder) loadBalancers(list []cc.LoadBalancer) {
	for _, it := range collect(&b.report, nil, "", "/loadBalancers", list, func(l *cc.LoadBalancer) *cc.Meta { return &l.Meta }) {
		l := &LoadBalancer{Resource: it.Resource}
		for _, f := range collect(&b.report, nil, l.Ref, "/frontendIPConfigurations", it.v.Frontends, func(f *cc.Frontend) *cc.Meta { return &f.Meta }) {
			address := b.shownAddress("frontend-address-invalid", f.Ref, "properties.privateIPAddress", f.v.PrivateIPAddress)
			l.Frontends = append(l.Frontends, Frontend{f.Resource, address, f.v.Subnet, f.v.PublicIPAddress})
		}
		l.BackendPools = shown(b, l.Ref, "/backendAddressPools", it.v.BackendPools, func(p *cc.BackendAddressPool) *cc.Meta { return &p.Meta })
		for i := range l.BackendPools {
			l.BackendPools[i].IPConfigurations = slices.Sorted(slices.Values(l.BackendPools[i].IPConfigurations))
		}
		meta := func(r *cc.LoadBalancingRule) *cc.Meta { return &r.Meta }
		l.Rules = shown(b, l.Ref, "/loadBalancingRules", it.v.Rules, meta)
		l.InboundNATRules = shown(b, l.Ref, "/inboundNatRules", it.v.InboundNATRules, meta)
		l.OutboundNATRules = shown(b, l.Ref, "/outboundNatRules", it.v.OutboundNATRules, meta)
		b.m.LoadBalancers = append(b.m.LoadBalancers, l)
	}
}

// shown are the resources of a list, by key and with their names filled in.
func shown[T any](b *builder, parent, collection string, list []T, meta func(*T) *cc.Meta) (out []T) {
	for _, it := range collect(&b.report, nil, parent, collection, list, meta) {
		v := *it.v
		m := meta(&v)
		m.ID, m.Ref = it.ID, it.Ref
		out = append(out, v)
	}
	return out
}

// shownAddress reads an address that may be absent.
func (b *builder) shownAddress(code, ref, field, word string) netip.Addr {
	if strings.TrimSpace(word) == "" {
		return netip.Addr{}
	}
	a, err := parseAddr(word)
	if err != nil {
		b.warnf(code, ref, "%s %s %v; it is shown without one", field, quote(word), err)
		return netip.Addr{}
	}
	return a
}
