package agent

import (
	"net/netip"

	"github.com/fairlead-net/fairlead/agent/api"
	cc "github.com/fairlead-net/fairlead/controller-client"
)

// RouteTables implements api.Backend.
func (a *Agent) RouteTables() []api.RouteTable {
	out := []api.RouteTable{}
	m := a.currentModel()
	if m == nil {
		return out
	}
	users := map[string][]string{}
	for _, s := range m.Subnets() {
		if s.RouteTable != nil {
			users[s.RouteTable.Key] = append(users[s.RouteTable.Key], s.Ref)
		}
	}
	for _, t := range m.RouteTables {
		v := api.RouteTable{ID: t.ID, ResourceRef: t.Ref, Subnets: users[t.Key], Routes: []api.Route{}}
		for i := range t.Routes {
			r := &t.Routes[i]
			v.Routes = append(v.Routes, api.Route{ID: r.ID, Prefix: r.Prefix.String(), Type: r.NextHopType(), NextHop: addressText(r.NextHop)})
		}
		out = append(out, v)
	}
	return out
}

// LoadBalancers implements api.Backend.
func (a *Agent) LoadBalancers() []api.LoadBalancer {
	out := []api.LoadBalancer{}
	m := a.currentModel()
	if m == nil {
		return out
	}
	for _, b := range m.LoadBalancers {
		v := api.LoadBalancer{ID: b.ID, ResourceRef: b.Ref}
		for _, f := range b.Frontends {
			v.Frontends = append(v.Frontends, api.Frontend{ID: f.ID, Address: addressText(f.Address), Subnet: f.Subnet, PublicAddress: f.PublicIPAddress})
		}
		for _, p := range b.BackendPools {
			v.BackendPools = append(v.BackendPools, api.BackendPool{ID: p.ID, IPConfigurations: p.IPConfigurations})
		}
		for _, l := range []struct {
			kind string
			list []cc.LoadBalancingRule
		}{{"balance", b.Rules}, {"inbound-nat", b.InboundNATRules}, {"outbound-nat", b.OutboundNATRules}} {
			for _, r := range l.list {
				v.Rules = append(v.Rules, api.BalancerRule{ID: r.ID, Kind: l.kind, Protocol: r.Protocol, Frontends: r.Frontends, FrontendPort: r.FrontendPort,
					BackendPort: r.BackendPort, BackendPool: r.BackendPool, IPConfiguration: r.IPConfiguration, DirectReturn: r.FloatingIP})
			}
		}
		out = append(out, v)
	}
	return out
}

// PublicAddresses implements api.Backend.
func (a *Agent) PublicAddresses() []api.PublicAddress {
	out := []api.PublicAddress{}
	if m := a.currentModel(); m != nil {
		for _, p := range m.PublicIPAddresses {
			out = append(out, api.PublicAddress{ID: p.ID, Address: addressText(p.Address), AllocationMethod: p.AllocationMethod, IPConfiguration: p.IPConfiguration})
		}
	}
	return out
}

// addressText is "" for no address.
func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
