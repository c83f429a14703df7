package rest

import (
	"context"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// readings are what a poll has of every collection.
type readings struct {
	nics            *reading[cc.NetworkInterface]
	networks        *reading[virtualNetwork]
	acls            *reading[cc.AccessControlList]
	servers         *reading[server]
	routeTables     *reading[cc.RouteTable]
	logicalNetworks *reading[cc.LogicalNetwork]
	publicIPs       *reading[cc.PublicIPAddress]
	balancers       *reading[cc.LoadBalancer]
	tags            *reading[cc.SecurityTag]
	manager         *reading[manager]
}

func nothingKnown(host string) readings {
	return readings{
		nics:     unread("networkInterfaces", false, decodeNetworkInterface, func(n *cc.NetworkInterface) *cc.Meta { return &n.Meta }),
		networks: unread("virtualNetworks", false, decodeVirtualNetwork, func(v *virtualNetwork) *cc.Meta { return &v.Meta }),
		acls:     unread("accessControlLists", false, decodeAccessControlList, func(a *cc.AccessControlList) *cc.Meta { return &a.Meta }),
		servers:  unread("servers", false, decodeServerFor(host), func(s *server) *cc.Meta { return &s.Meta }),
		// Not every controller has what follows.
		routeTables:     unread("routeTables", true, decodeRouteTable, func(t *cc.RouteTable) *cc.Meta { return &t.Meta }),
		logicalNetworks: unread("logicalNetworks", true, decodeLogicalNetwork, func(n *cc.LogicalNetwork) *cc.Meta { return &n.Meta }),
		publicIPs:       unread("publicIPAddresses", true, decodePublicIPAddress, func(a *cc.PublicIPAddress) *cc.Meta { return &a.Meta }),
		balancers:       unread("loadBalancers", true, decodeLoadBalancer, func(b *cc.LoadBalancer) *cc.Meta { return &b.Meta }),
		tags:            unread("securityTags", true, decodeSecurityTag, func(t *cc.SecurityTag) *cc.Meta { return &t.Meta }),
		manager:         unread("virtualNetworkManager", true, decodeManager, func(m *manager) *cc.Meta { return &m.Meta }),
	}
}

func unread[T any](path string, optional bool, decode func(*decoder) (T, bool), meta func(*T) *cc.Meta) *reading[T] {
	return &reading[T]{
		kind:  &kind[T]{path: path, prefix: "/" + strings.ToLower(path) + "/", optional: optional, decode: decode, meta: meta},
		state: state[T]{singles: map[string]*single[T]{}, wanted: map[string]bool{}},
	}
}

// copy is what a poll works on.
func (r readings) copy() readings {
	return readings{nics: r.nics.copy(), networks: r.networks.copy(), acls: r.acls.copy(), servers: r.servers.copy(),
		routeTables: r.routeTables.copy(), logicalNetworks: r.logicalNetworks.copy(), publicIPs: r.publicIPs.copy(),
		balancers: r.balancers.copy(), tags: r.tags.copy(), manager: r.manager.copy()}
}

// collection is a reading without its type.
type collection interface {
	recheck(p *poll) []task
	settleRecheck(ctx context.Context, p *poll) error
	takeFound()
	hasChanged() bool
	whole(ctx context.Context, p *poll) error
}

// each is in an order in which what refers comes before what it refers to: a NIC created together with its subnet
// while we read is then missed until the next poll, not dangling.
func (r *readings) each() []collection {
	return []collection{r.nics, r.networks, r.balancers, r.acls, r.servers, r.routeTables, r.publicIPs, r.tags, r.logicalNetworks, r.manager}
}

// listAll reads the lists that are wanted whole.
func (p *poll) listAll(ctx context.Context) error {
	whole := p.each()
	if !p.all {
		whole = []collection{p.logicalNetworks, p.tags} // there are few, and a name of one may stand anywhere
	}
	for _, c := range whole {
		if c == collection(p.manager) {
			continue // one resource, not a list
		}
		if err := c.whole(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// narrow goes over from all of the fabric to what is needed of it, out of the lists that are there.
func (r *readings) narrow() {
	r.nics.narrow()
	r.networks.narrow()
	r.acls.narrow()
	r.servers.narrow()
	r.routeTables.narrow()
	r.publicIPs.narrow()
	r.balancers.narrow()
}

func (r *reading[T]) narrow() {
	if r.wanted == nil {
		r.wanted, r.changed = map[string]bool{}, true
	}
}

// whole goes over to all of the collection.
func (r *reading[T]) whole(ctx context.Context, p *poll) error {
	if r.listed && r.wanted == nil {
		return nil
	}
	r.wanted = nil
	return r.list(ctx, p)
}

// changed answers whether the poll found anything new.
func (r *readings) changed() bool {
	return slices.ContainsFunc(r.each(), func(c collection) bool { return c.hasChanged() })
}
