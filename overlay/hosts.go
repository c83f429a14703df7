package overlay

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

const fieldPA = "properties.providerAddresses"

// paClaim is one address that a host wants, and how strongly.
type paClaim struct {
	host   *Host
	addr   netip.Addr
	origin Origin
	tier   int
}

// The tiers in which addresses are granted.
const (
	paHeld     = iota // good now and in force before
	paNew             // good now
	paLastGood        // only good before; what the source says now is not
	paInstead         // from the config, if the last good one is gone
	paTiers
)

func (b *builder) servers(list []cc.Server) {
	items := collect(&b.report, nil, "", "/servers", list, func(s *cc.Server) *cc.Meta { return &s.Meta })
	b.hosts = newIndex[*Host](len(items))
	config := make(map[string]netip.Addr, len(b.opts.ProviderAddresses))
	for _, name := range slices.Sorted(maps.Keys(b.opts.ProviderAddresses)) { // two spellings of one name: the last wins, always
		config[serverKey(name)] = b.opts.ProviderAddresses[name]
	}
	ids := make(map[string]*Host, len(items))
	var claims []paClaim
	var bad []complaint
	before := cursor[*Host]{b.prev.Hosts}
	for _, it := range items {
		h := &Host{Resource: it.Resource}
		if other := ids[strings.ToLower(h.ID)]; other != nil {
			b.warnf("resource-duplicate", h.Ref, "resourceId %s is also that of %s, which keeps the name", quote(h.ID), other.Ref)
		} else {
			ids[strings.ToLower(h.ID)] = h
		}
		for _, word := range it.v.ProviderAddresses {
			if _, err := parseAddr(word); err != nil {
				bad = append(bad, complaint{code: "provider-address-invalid", resource: h.Key, text: fieldPA + " " + quote(word) + " " + err.Error()})
			}
		}
		claims = append(claims, b.providerAddresses(h, it.v, before.at(it.Key), config)...)
		b.hosts.byKey[h.Key] = h
		b.m.Hosts = append(b.m.Hosts, h)
	}
	b.resolvePAs(claims)
	for _, c := range bad {
		h := b.hosts.byKey[c.resource]
		c.resource = h.Ref
		b.complain(c, "in force is "+h.addressesText())
	}
	for _, h := range b.m.Hosts {
		if len(h.ProviderAddresses) == 0 {
			h.PAOrigin = OriginNone
		}
		b.m.PASource.add(h.PAOrigin)
	}
}

// serverKey lets the config name a server by its id or by its reference.
func serverKey(name string) string {
	if !strings.Contains(name, "/") {
		name = "/servers/" + name
	}
	return cc.RefKey(name)
}

// providerAddresses says which addresses h wants, from the first origin that has any.
func (b *builder) providerAddresses(h *Host, s *cc.Server, prev *Host, config map[string]netip.Addr) (claims []paClaim) {
	want := func(a netip.Addr, origin Origin, tier int) {
		if tier == paNew && prev != nil && slices.Contains(prev.ProviderAddresses, a) {
			tier = paHeld
		}
		if !slices.ContainsFunc(claims, func(c paClaim) bool { return c.addr == a && c.origin == origin }) {
			claims = append(claims, paClaim{h, a, origin, tier})
		}
	}
	for _, word := range s.ProviderAddresses {
		if a, err := parseAddr(word); err == nil {
			want(a, OriginSource, paNew)
		}
	}
	if len(claims) > 0 {
		return claims
	}
	tier := paNew
	if len(s.ProviderAddresses) > 0 && prev != nil && prev.PAOrigin == OriginSource {
		tier = paInstead
		for _, a := range prev.ProviderAddresses {
			want(a, OriginSource, paLastGood)
		}
	}
	if addr, ok := config[h.Key]; ok {
		if err := unicast(addr.Unmap()); err != nil {
			b.errorf("provider-address-invalid", h.Ref, "the config's providerAddresses entry %s for this server %v; it is left out", quote(addr.String()), err)
		} else {
			want(addr.Unmap(), OriginConfig, tier)
		}
	}
	return claims
}

// resolvePAs gives every address to one host: two hosts with one address could speak for each other's endpoints.
func (b *builder) resolvePAs(claims []paClaim) {
	holder := make(map[netip.Addr]*Host, len(claims))
	for tier := range paTiers {
		for _, c := range claims { // a host's are in the order written
			if c.tier != tier || tier == paInstead && c.host.PAOrigin != "" {
				continue
			}
			if holder[c.addr] == nil {
				holder[c.addr] = c.host
				c.host.PAOrigin = c.origin
			}
		}
	}
	for _, c := range claims {
		switch h := holder[c.addr]; {
		case h == c.host && c.origin == h.PAOrigin:
			h.ProviderAddresses = append(h.ProviderAddresses, c.addr)
		case h != nil && h != c.host && (c.tier < paLastGood || c.tier == paInstead && c.host.PAOrigin == ""):
			b.errorf("provider-address-duplicate", c.host.Ref, "%s %s is also that of %s, which keeps it; it is left out here", fieldPA, quote(c.addr.String()), h.Ref)
		}
	}
}

func (h *Host) addressesText() string {
	if len(h.ProviderAddresses) == 0 {
		return "none"
	}
	return fmt.Sprintf("%v from the %s", h.ProviderAddresses, h.PAOrigin)
}

// reportUnreachable names the servers that endpoints live on but nobody can send to.
func (b *builder) reportUnreachable() {
	addresses := make(map[*Host]int)
	for _, ep := range b.m.Endpoints {
		if ep.Host != nil && len(ep.Host.ProviderAddresses) == 0 {
			addresses[ep.Host] += len(ep.Addresses)
		}
	}
	for h, n := range addresses {
		if n == 0 {
			continue
		}
		b.errorf("provider-address-missing", h.Ref, "%s is published neither by the controller nor by the config's providerAddresses; the %d mappings to endpoints on server %s are left out",
			fieldPA, n, quote(h.ID))
	}
}
