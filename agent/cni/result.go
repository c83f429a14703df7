package cni

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/fairlead-net/fairlead/agent/api"
)

// result describes an endpoint: the host's device, the container's, its addresses and the default route.
func result(ctx context.Context, agent *api.Client, e *api.Endpoint) (*current.Result, error) {
	var subnets api.List[api.Subnet]
	if err := agent.Get(ctx, "/v1/subnets", &subnets); err != nil {
		return nil, err
	}
	inside := 1
	r := &current.Result{CNIVersion: current.ImplementedSpecVersion, Interfaces: []*current.Interface{
		{Name: e.Device, Mtu: e.MTU}, {Name: e.Ifname, Mac: e.MAC, Mtu: e.MTU, Sandbox: e.Netns}}}
	for _, text := range e.Addresses {
		ca, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("endpoint %s: address %q: %w", e.Name, text, err)
		}
		prefix, gateway, err := home(subnets.Items, e.Network, ca)
		if err != nil {
			return nil, fmt.Errorf("endpoint %s: %w", e.Name, err)
		}
		r.IPs = append(r.IPs, &current.IPConfig{Interface: &inside, Gateway: gateway,
			Address: net.IPNet{IP: ca.AsSlice(), Mask: net.CIDRMask(prefix.Bits(), ca.BitLen())}})
		if first := !slices.ContainsFunc(r.Routes, func(route *types.Route) bool { return len(route.Dst.IP) == ca.BitLen()/8 }); first {
			any := net.IPNet{IP: make(net.IP, ca.BitLen()/8), Mask: net.CIDRMask(0, ca.BitLen())}
			r.Routes = append(r.Routes, &types.Route{Dst: any, GW: gateway})
		}
	}
	return r, nil
}

// home is the subnet of an address.
func home(subnets []api.Subnet, network string, ca netip.Addr) (netip.Prefix, net.IP, error) {
	for _, s := range subnets {
		prefix, err := netip.ParsePrefix(s.Prefix)
		if err != nil || s.Network != network || !prefix.Contains(ca) {
			continue
		}
		return prefix, net.ParseIP(s.Gateway), nil
	}
	return netip.Prefix{}, nil, fmt.Errorf("address %s is in no subnet of network %s", ca, network)
}
