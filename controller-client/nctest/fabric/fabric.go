package fabric

import "iter"

// Fabric is a Spec that is possible. It holds no resources: they are made when asked for.
type Fabric struct{ spec Spec }

// New checks the spec.
func New(spec Spec) (*Fabric, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	return &Fabric{spec}, nil
}

// Resources yields the ref and the body of every top-level resource, in an order in which nothing
// refers to a later one, but for peered virtual networks, which refer to each other.
func (f *Fabric) Resources() iter.Seq2[string, []byte] {
	return f.sequence(false)
}

// Puts yields requests for a controller that takes one resource at a time: those of Resources, where a
// peered network comes once without its peering, and again with it when all networks are there.
func (f *Fabric) Puts() iter.Seq2[string, []byte] {
	return f.sequence(true)
}

func (f *Fabric) sequence(oneByOne bool) iter.Seq2[string, []byte] {
	s := f.spec
	return func(yield func(string, []byte) bool) {
		each := func(n int, nth func(int) resource) bool {
			for i := range n {
				r := nth(i)
				if !yield(r.Ref, encode(r)) {
					return false
				}
			}
			return true
		}
		network := func(tenant int) resource { return s.virtualNetwork(tenant, !oneByOne) }
		again := 0
		if oneByOne {
			again = 2 * s.pairs()
		}
		_ = each(1, s.networkManager) &&
			each(1, s.macPool) &&
			each(1, s.logicalNetwork) &&
			each(s.Servers, s.server) &&
			each(securityTags, s.securityTag) &&
			each(s.lists(), s.accessControlList) &&
			each(s.routeTables(), s.routeTable) &&
			each(s.publicAddresses(), s.publicIPAddress) &&
			each(s.Tenants, network) &&
			each(again, func(tenant int) resource { return s.virtualNetwork(tenant, true) }) &&
			each(s.balancers(), s.loadBalancer) &&
			each(s.NICs, s.networkInterface)
	}
}

// Servers answers the refs of all servers.
func (f *Fabric) Servers() []string {
	refs := make([]string, f.spec.Servers)
	for i := range refs {
		refs[i] = serverRef(i)
	}
	return refs
}

// NICsOf answers the refs of the NICs placed on a server, which are numbered from 0 as in Servers.
func (f *Fabric) NICsOf(server int) []string {
	var refs []string
	for nic := range f.on(server) {
		refs = append(refs, nicRef(nic))
	}
	return refs
}

// NetworksOf answers the refs of the virtual networks that have a NIC on a server: those its agent
// needs, beside what they are peered with.
func (f *Fabric) NetworksOf(server int) []string {
	has := make([]bool, f.spec.Tenants)
	for nic := range f.on(server) {
		has[f.spec.tenantOf(nic)] = true
	}
	var refs []string
	for tenant, yes := range has {
		if yes {
			refs = append(refs, networkRef(tenant))
		}
	}
	return refs
}

func (f *Fabric) on(server int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for nic := range f.spec.NICs {
			if f.spec.serverOf(nic) == server && !yield(nic) {
				return
			}
		}
	}
}
