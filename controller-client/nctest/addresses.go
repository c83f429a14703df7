package nctest

import (
	"net/netip"
	"slices"
	"strings"
)

// address chooses the CA of an ipConfiguration: the one it had in this subnet, or a free one. It
// answers none for a subnet that does not exist, which check refuses.
func (a *allocation) address(by, subnet string, old *resource) (netip.Addr, error) {
	r := a.added[topKey(subnet)]
	if r == nil {
		r = a.c.resources[topKey(subnet)]
	}
	if r == nil {
		return netip.Addr{}, nil
	}
	i := slices.IndexFunc(r.facts.subnets, func(s subnetFacts) bool { return s.key == subnet })
	if i < 0 {
		return netip.Addr{}, nil
	}
	if old != nil {
		for _, cl := range old.facts.claims {
			if cl.by == by && cl.subnet == subnet && a.take(cl) {
				return cl.address, nil
			}
		}
	}
	s := r.facts.subnets[i]
	if !s.prefix.IsValid() {
		return netip.Addr{}, badRequest("InvalidParameterValue", "%s: has no addressPrefix to take an address from", subnet)
	}
	first, last := s.prefix.Addr(), lastOf(s.prefix)
	gateway := s.gateway
	if !gateway.IsValid() {
		gateway = first.Next() // where hosts look for it unless told otherwise
	}
	start := a.c.hints[subnet]
	if !s.prefix.Contains(start) {
		start = first
	}
	for at := start; ; {
		usable := at != first && at != gateway && (at != last || at.Is6())
		if usable && a.take(claim{by: by, subnet: subnet, address: at}) {
			a.c.hints[subnet] = at.Next() // what becomes free is taken again late
			return at, nil
		}
		if at == last {
			at = first
		} else {
			at = at.Next()
		}
		if at == start {
			return netip.Addr{}, exhausted("IPAddressesExhausted", "%s: %s of %s has no free address", by, s.prefix, subnet)
		}
	}
}

// take answers whether the claim's address is free, and takes it.
func (a *allocation) take(cl claim) bool {
	p := cl.place()
	if by, taken := a.addresses[p]; taken && by != cl.by {
		return false
	}
	if a.c.addresses.other(p, a.replaced) != "" {
		return false
	}
	a.addresses[p] = cl.by
	return true
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		if bits := p.Bits() - i*8; bits <= 0 {
			b[i] = 0xff
		} else if bits < 8 {
			b[i] |= 0xff >> bits
		}
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// mac chooses the MAC of a NIC: the one it had, or a free one of the macPools. A draft that is to be
// provisioned later may fail later.
func (a *allocation) mac(d *draft, old *resource) (uint64, error) {
	free := func(mac uint64) bool {
		by, taken := a.macs[mac]
		return (!taken || by == d.key) && a.c.macs.other(mac, a.replaced) == ""
	}
	if old != nil && old.facts.mac != 0 && free(old.facts.mac) {
		a.macs[old.facts.mac] = d.key
		return old.facts.mac, nil
	}
	pools := a.resources("macPools")
	slices.SortFunc(pools, func(x, y *resource) int { return strings.Compare(x.key, y.key) })
	for _, r := range pools {
		for _, pool := range r.facts.pools {
			start := a.c.macHints[r.key]
			if start < pool.first || start > pool.last {
				start = pool.first
			}
			for n := range pool.last - pool.first + 1 {
				mac := start + n
				if mac > pool.last {
					mac -= pool.last - pool.first + 1
				}
				if free(mac) {
					a.macs[mac], a.c.macHints[r.key] = d.key, mac+1
					return mac, nil
				}
			}
		}
	}
	if d.state == updating || d.state == failed {
		return 0, nil
	}
	return 0, exhausted("MacAddressesExhausted", "%s: no free MAC address in %d macPools", d.ref, len(pools))
}

// server chooses the PA of a server: the one it had, or a free one of the logical network for HNV. A
// fabric without such a network gives none.
func (a *allocation) server(d *draft) error {
	properties := d.body["properties"].(tree)
	if list, _ := own(properties)["providerAddresses"].([]any); len(list) > 0 {
		return nil
	}
	free := func(pa netip.Addr) bool {
		by, taken := a.providers[pa]
		return (!taken || by == d.key) && a.c.providers.other(pa, a.replaced) == ""
	}
	give := func(pas ...netip.Addr) error {
		var list []any
		for _, pa := range pas {
			a.providers[pa] = d.key
			list = append(list, pa.String())
		}
		publish(d.body, "providerAddresses", list)
		return nil
	}
	if old := a.c.resources[d.key]; old != nil && len(old.facts.pas) > 0 && !slices.ContainsFunc(old.facts.pas, func(pa netip.Addr) bool { return !free(pa) }) {
		return give(old.facts.pas...)
	}
	networks := a.resources("logicalNetworks")
	slices.SortFunc(networks, func(x, y *resource) int { return strings.Compare(x.key, y.key) })
	ranges := 0
	for _, r := range networks {
		for _, pool := range r.facts.pa {
			ranges++
			for pa := pool.first; pa.Compare(pool.last) <= 0; pa = pa.Next() {
				if free(pa) {
					return give(pa)
				}
			}
		}
	}
	if ranges == 0 {
		return nil
	}
	return exhausted("IPAddressesExhausted", "%s: no free provider address in %d ipPools", d.ref, ranges)
}

// serversWithoutPA are drafts of the servers to which a new pool of provider addresses gives one.
func (c *Controller) serversWithoutPA(drafts []*draft) (more []*draft) {
	if !c.opts.AssignProviderAddresses || !slices.ContainsFunc(drafts, func(d *draft) bool { return d.collection == "logicalNetworks" }) {
		return nil
	}
	for _, r := range c.collections["servers"].sorted {
		if len(r.facts.pas) == 0 && !r.raw && !slices.ContainsFunc(drafts, func(d *draft) bool { return d.key == r.key }) {
			if body, err := parse(r.stored); err == nil {
				more = append(more, &draft{name: r.name, body: body})
			}
		}
	}
	return more
}
