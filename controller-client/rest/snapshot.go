package rest

import (
	"fmt"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// part is what a snapshot has of one collection.
type part[U any] struct {
	items    []U
	problems []cc.Problem
	due      int64 // unix nanoseconds when it changes by itself; 0: never
}

// parts of the last snapshot. One is made anew only when its collection changed.
type parts struct {
	nics            part[cc.NetworkInterface]
	networks        part[cc.VirtualNetwork]
	acls            part[cc.AccessControlList]
	servers         part[cc.Server]
	routeTables     part[cc.RouteTable]
	logicalNetworks part[cc.LogicalNetwork]
	publicIPs       part[cc.PublicIPAddress]
	balancers       part[cc.LoadBalancer]
	tags            part[cc.SecurityTag]
	manager         part[string]
}

func same[T any](v *T) T { return *v }

// refresh makes a part anew if it is not what the reading says any more. It answers when that is the
// case by itself.
func refresh[T, U any](r *reading[T], p *part[U], now int64, export func(*T) U) (problems []cc.Problem, due int64) {
	if !r.changed && (p.due == 0 || now < p.due) {
		return p.problems, p.due
	}
	*p = part[U]{}
	for _, pg := range r.pages {
		p.problems = append(p.problems, pg.problems...)
	}
	for _, s := range r.singles {
		if s.held != nil && s.held.broken {
			p.problems = append(p.problems, s.held.problems...)
		}
	}
	all := r.all()
	if len(all) > 0 {
		p.items = make([]U, 0, len(all))
	}
	for _, h := range all {
		v, problem, until := r.inForce(h, now)
		if problem != nil {
			p.problems = append(p.problems, *problem)
		}
		if until != 0 && (p.due == 0 || until < p.due) {
			p.due = until
		}
		if v != nil {
			p.problems = append(p.problems, v.problems...)
			p.items = append(p.items, export(&v.item))
		}
	}
	return p.problems, p.due
}

// snapshot puts together what is known and notes its problems.
func (s *Source) snapshot(now int64) *cc.Snapshot {
	k, p := &s.known, &s.parts
	s.problems, s.due = nil, 0
	add := func(problems []cc.Problem, due int64) {
		s.problems = append(s.problems, problems...)
		if due != 0 && (s.due == 0 || due < s.due) {
			s.due = due
		}
	}
	add(refresh(k.networks, &p.networks, now, func(v *virtualNetwork) cc.VirtualNetwork { return v.VirtualNetwork }))
	add(refresh(k.nics, &p.nics, now, same))
	add(refresh(k.servers, &p.servers, now, func(v *server) cc.Server { return v.Server }))
	add(refresh(k.acls, &p.acls, now, same))
	add(refresh(k.routeTables, &p.routeTables, now, same))
	add(refresh(k.logicalNetworks, &p.logicalNetworks, now, same))
	add(refresh(k.publicIPs, &p.publicIPs, now, same))
	add(refresh(k.balancers, &p.balancers, now, same))
	add(refresh(k.tags, &p.tags, now, same))
	add(refresh(k.manager, &p.manager, now, func(m *manager) string { return m.protocol }))
	snap := &cc.Snapshot{
		VirtualNetworks: p.networks.items, NetworkInterfaces: p.nics.items, Servers: p.servers.items, AccessControlLists: p.acls.items,
		RouteTables: p.routeTables.items, LogicalNetworks: p.logicalNetworks.items, PublicIPAddresses: p.publicIPs.items,
		LoadBalancers: p.balancers.items, SecurityTags: p.tags.items,
	}
	if len(p.manager.items) > 0 {
		snap.Encapsulation = p.manager.items[0]
	}
	if !s.whole() {
		snap.Host = s.cfg.Host
	}
	return snap
}

// ownProblems are those of the controller itself, not of a resource.
func (s *Source) ownProblems() (all []cc.Problem) {
	if s.notSaid {
		all = append(all, cc.Problem{Code: "controller-scope", Severity: "warning", Resource: "/servers/" + s.cfg.Host,
			Message: "virtualNetworkInterfaces of the server, or ipConfigurations of its NICs' subnets, are not published: the whole fabric is read instead of what this host needs"})
	}
	if s.distrust != "" {
		all = append(all, cc.Problem{Code: "controller-etag", Severity: "warning", Resource: s.distrust,
			Message: fmt.Sprintf("GET %s gave another body under the same ETag: everything is read at every poll", s.distrust)})
	}
	for _, e := range s.client.all {
		if e.base.Scheme == "http" {
			all = append(all, cc.Problem{Code: "controller-cleartext", Severity: "warning", Resource: s.cfg.Host,
				Message: "controller.rest.url " + e.base.String() + " is not https: whoever is on the way reads along, and can change what is in force here"})
		}
	}
	if s.files != nil {
		if err := s.files.failure(); err != nil {
			all = append(all, cc.Problem{Code: "controller-tls", Severity: "warning", Resource: s.cfg.Host, Message: err.Error() + "; the files before stay in use"})
		}
	}
	return all
}
