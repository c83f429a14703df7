package overlay

import (
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// scope is what a snapshot for one host is complete about: its own NICs, and the subnets of the networks they
// are in. What guards the others is for their hosts to enforce, and not in the snapshot. Route tables of peers, where they are in
// it, say which endpoints forward.
type scope struct {
	host  string          // key; "": the snapshot is of the whole fabric
	homes map[string]bool // keys of virtual networks
}

func newScope(snap *cc.Snapshot, prev *Model) scope {
	if snap.Host == "" {
		return scope{}
	}
	s := scope{host: cc.RefKey("/servers/" + snap.Host), homes: map[string]bool{}}
	for i := range snap.NetworkInterfaces {
		n := &snap.NetworkInterfaces[i]
		if !s.here(n.Server) {
			continue
		}
		for j := range n.IPConfigurations {
			if subnet, _, ok := strings.Cut(cc.RefKey(n.IPConfigurations[j].Subnet), "/subnets/"); ok {
				s.homes[subnet] = true
			}
		}
	}
	// An address may stay where it was because where it should go is not usable.
	for _, ep := range prev.Endpoints {
		if keyOf(ep.Host) != s.host {
			continue
		}
		for i := range ep.Addresses {
			s.homes[ep.Addresses[i].Subnet.Network.Key] = true
		}
	}
	return s
}

func (s *scope) here(server string) bool {
	return strings.EqualFold(server, s.host) || len(server) > len(s.host) && cc.RefKey(server) == s.host
}

// covers says whether what guards the addresses of ep is in the snapshot.
func (s *scope) covers(ep *Endpoint) bool { return s.host == "" || keyOf(ep.Host) == s.host }

// coversNetwork says the same of the subnets of v.
func (s *scope) coversNetwork(v *VirtualNetwork) bool { return s.host == "" || s.homes[v.Key] }
