package rest

import (
	"context"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// needs walks from what must be known to what that refers to, as far as it was read.
func (p *poll) needs(ctx context.Context) (*needs, error) {
	n := p.none()
	n.manager.need(p, configuration, suspect{})
	if p.all {
		p.wholeFabric(n)
	} else if err := p.ofHost(ctx, n); err != nil {
		return nil, err
	}
	for key := range n.acls.keys {
		if h, _ := p.acls.find(key); h != nil {
			for i := range h.item.Rules {
				for _, refs := range [2][]string{h.item.Rules[i].SourceSecurityTags, h.item.Rules[i].DestinationSecurityTags} {
					for _, ref := range refs {
						n.tags.need(p, ref, by(p.acls, h))
					}
				}
			}
		}
	}
	for key := range n.balancers.keys {
		if h, _ := p.balancers.find(key); h != nil {
			for i := range h.item.Frontends {
				n.publicIPs.need(p, h.item.Frontends[i].PublicIPAddress, by(p.balancers, h))
			}
		}
	}
	return n, nil
}

// none are demands of nothing.
func (p *poll) none() *needs {
	return &needs{
		nics: demandOf(p.nics), networks: demandOf(p.networks), acls: demandOf(p.acls), servers: demandOf(p.servers),
		routeTables: demandOf(p.routeTables), publicIPs: demandOf(p.publicIPs), balancers: demandOf(p.balancers),
		tags: demandOf(p.tags), manager: demandOf(p.manager),
	}
}

// says answers whether the whole fabric, which was read because the controller did not say what the host
// needs, says it by now.
func (p *poll) says(ctx context.Context) bool {
	own, _ := p.servers.find(cc.RefKey("/servers/" + p.host))
	return own != nil && !own.broken && p.ofHost(ctx, p.none()) == nil
}

// by is h as a referrer.
func by[T any](r *reading[T], h *held[T]) suspect {
	return suspect{of: r, ref: r.meta(&h.item).Ref, seen: h.seen}
}

// wholeFabric looks only for references that lead nowhere: everything is read anyway.
func (p *poll) wholeFabric(n *needs) {
	for _, h := range p.nics.all() {
		n.servers.need(p, h.item.Server, by(p.nics, h))
		for range p.addresses(n, h) {
		}
	}
	for _, h := range p.networks.all() {
		p.guards(n, h)
		p.routes(n, h)
		for _, ref := range h.item.Peerings {
			n.networks.need(p, ref, by(p.networks, h))
		}
	}
	for _, h := range p.acls.all() {
		n.acls.keys[h.key] = true
	}
	for _, h := range p.balancers.all() {
		n.balancers.keys[h.key] = true
	}
}

// ofHost finds what one host needs: its server, that one's NICs, their virtual networks and those
// networks' peers, who lives in them, and on which servers.
func (p *poll) ofHost(ctx context.Context, n *needs) error {
	own := n.servers.need(p, "/servers/"+p.host, suspect{})
	if own == nil {
		switch h, gone := p.servers.find(cc.RefKey("/servers/" + p.host)); {
		case gone:
			return p.isController(ctx)
		case h != nil: // taking it for a server without NICs would take all of the host's tenants down
			what, _, _ := strings.Cut(h.problems[0].Message, ";")
			return &requestError{method: http.MethodGet, path: p.client.use().base.Path + refPath("/servers/"+p.host), state: cc.StateStale, what: what}
		}
		return nil
	}
	interfaces, said := []string(nil), false
	for v := range versions(own) {
		interfaces, said = append(interfaces, v.item.interfaces...), said || v.item.saysInterfaces
	}
	if !said {
		return errNotSaid
	}
	homes := map[*held[virtualNetwork]]bool{}
	for _, ref := range interfaces {
		for nic := range versions(n.nics.need(p, ref, by(p.servers, own))) {
			for network, i := range p.addresses(n, nic) {
				homes[network] = true
				if i >= 0 && !saysResidents(network, network.item.Subnets[i].Ref) {
					return errNotSaid
				}
			}
			p.outside(n, nic)
		}
	}
	// Who lives in the networks is asked for when all NICs of this host are known: then most are missing at once.
	if len(n.nics.missing)+len(n.networks.missing) > 0 {
		return nil
	}
	// Which peerings are in force depends on the peers' peers, so the networks are followed on, but not who lives in them.
	known := map[*held[virtualNetwork]]bool{}
	follow := slices.Collect(maps.Keys(homes))
	for depth := 0; len(follow) > 0; depth++ {
		var peers []*held[virtualNetwork]
		for _, h := range follow {
			if known[h] {
				continue
			}
			known[h] = true
			for v := range versions(h) {
				if depth == 0 {
					p.guards(n, v)
				}
				if depth <= 1 {
					p.residents(n, v)
					p.routes(n, v) // a peer's say which NICs forward
				}
				for _, ref := range v.item.Peerings {
					if peer := n.networks.need(p, ref, by(p.networks, h)); peer != nil {
						peers = append(peers, peer)
					}
				}
			}
		}
		follow = peers
	}
	return nil
}

// versions are a resource and the one before it that may be in force in its place; none of nil.
func versions[T any](h *held[T]) iter.Seq[*held[T]] {
	return func(yield func(*held[T]) bool) {
		for ; h != nil && yield(h); h = h.before {
		}
	}
}

// saysResidents answers whether a network, or the version of it that is in force, shows who lives in a subnet.
func saysResidents(network *held[virtualNetwork], subnet string) bool {
	for v := range versions(network) {
		if i := v.item.subnet(subnet); i >= 0 && v.item.residents[i].said {
			return true
		}
	}
	return false
}

// outside needs what a NIC has beyond its networks.
func (p *poll) outside(n *needs, nic *held[cc.NetworkInterface]) {
	me := by(p.nics, nic)
	for i := range nic.item.IPConfigurations {
		c := &nic.item.IPConfigurations[i]
		n.publicIPs.need(p, c.PublicIPAddress, me)
		for _, refs := range [2][]string{c.BackendAddressPools, c.InboundNATRules} {
			for _, ref := range refs {
				n.balancers.need(p, ref, me)
			}
		}
	}
}

// residents needs who lives in a network, and where.
func (p *poll) residents(n *needs, h *held[virtualNetwork]) {
	me := by(p.networks, h)
	for _, who := range h.item.residents {
		for _, to := range who.targets {
			n.balancers.needTarget(p, to, me) // its front ends live in subnets, too
			for nic := range versions(n.nics.needTarget(p, to, me)) {
				n.servers.need(p, nic.item.Server, by(p.nics, nic))
			}
		}
	}
}

// addresses needs the subnets and lists of a NIC's addresses, and yields the networks with the place of
// the subnet in each.
func (p *poll) addresses(n *needs, nic *held[cc.NetworkInterface]) iter.Seq2[*held[virtualNetwork], int] {
	return func(yield func(*held[virtualNetwork], int) bool) {
		me := by(p.nics, nic)
		for i := range nic.item.IPConfigurations {
			c := &nic.item.IPConfigurations[i]
			n.acls.need(p, c.AccessControlList, me)
			network := n.networks.need(p, c.Subnet, me)
			if network == nil {
				continue
			}
			place := network.item.subnet(c.Subnet)
			if place < 0 {
				p.suspected = append(p.suspected, by(p.networks, network), me)
			}
			if !yield(network, place) {
				return
			}
		}
	}
}

// guards needs the lists in front of a network's subnets.
func (p *poll) guards(n *needs, h *held[virtualNetwork]) {
	for i := range h.item.Subnets {
		n.acls.need(p, h.item.Subnets[i].AccessControlList, by(p.networks, h))
	}
}

// routes needs the tables of a network's subnets.
func (p *poll) routes(n *needs, h *held[virtualNetwork]) {
	for i := range h.item.Subnets {
		n.routeTables.need(p, h.item.Subnets[i].RouteTable, by(p.networks, h))
	}
}

// isController makes sure that "there is no such server" was said by a controller: one that has no
// list of servers at all is something else.
func (p *poll) isController(ctx context.Context) error {
	if p.verified {
		return nil
	}
	_, err := p.client.get(ctx, "/"+p.servers.path, "", func(body io.Reader) error {
		s := newSplitter(body, nil)
		_, err := splitList(s, func(element) error { return nil })
		if err != nil && (s.err == nil || isSyntax(s.err)) {
			return &contentError{err}
		}
		return err
	})
	p.verified = err == nil
	return err
}

// subnet answers the place of a subnet in the network, -1 if there is none of that name.
func (v *virtualNetwork) subnet(ref string) int {
	key := cc.RefKey(ref)
	for i := range v.Subnets {
		if s := &v.Subnets[i]; strings.EqualFold(s.Ref, ref) || cc.RefKey(s.Ref) == key {
			return i
		}
	}
	return -1
}
