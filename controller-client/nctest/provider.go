package nctest

import (
	"net/netip"
	"slices"
)

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
	ranges := 0
	for _, r := range a.underlays {
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
