package agent

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/attach"
	"github.com/fairlead-net/fairlead/agent/ports"
	"github.com/fairlead-net/fairlead/overlay"
	"github.com/fairlead-net/fairlead/vfp"
)

// hostNetworkOf is the host-local network that a request names, without a subnet; nil if it names none.
func (a *Agent) hostNetworkOf(req api.AttachRequest) *overlay.HostNetwork {
	if req.NIC != "" || req.Subnet != "" {
		return nil
	}
	n, _ := a.host.FindHostNetwork(req.Network)
	return n
}

// hostRecord gives an endpoint a MAC of its name and an address: the one asked for, else the lowest that is free.
func (a *Agent) hostRecord(r ports.Record, n *overlay.HostNetwork, asked string) (ports.Record, error) {
	if a.model == nil {
		return r, api.Errorf(http.StatusServiceUnavailable, "nothing received from the controller yet: %s", a.status.Message)
	}
	taken := map[netip.Addr]string{}
	for _, other := range a.records {
		if other.Network == n.Name {
			for _, p := range other.Addresses {
				taken[p.Addr()] = other.Name
			}
		}
	}
	r.Network = n.Name
	r.MAC = hostMAC(n.Name, r.Name).String()
	if asked != "" {
		ip, err := netip.ParseAddr(asked)
		if err == nil {
			err = n.Usable(ip)
		}
		if err != nil {
			return r, api.Errorf(http.StatusBadRequest, "ip: %q: want an address of %s for an endpoint", asked, n.Prefix)
		}
		if other, ok := taken[ip]; ok {
			return r, api.Errorf(http.StatusConflict, "ip: %s is that of endpoint %q", ip, other)
		}
		r.Addresses = []netip.Prefix{netip.PrefixFrom(ip, n.Prefix.Bits())}
		return r, nil
	}
	for ip := n.Prefix.Addr(); n.Prefix.Contains(ip); ip = ip.Next() {
		if _, ok := taken[ip]; !ok && n.Usable(ip) == nil {
			r.Addresses = []netip.Prefix{netip.PrefixFrom(ip, n.Prefix.Bits())}
			return r, nil
		}
	}
	return r, api.Errorf(http.StatusConflict, "network %q has no free address left in %s", n.Name, n.Prefix)
}

// hostMAC is the same each time: locally administered, and different for each name as far as 32 bits go.
func hostMAC(network, endpoint string) vfp.MAC {
	sum := sha256.Sum256([]byte(network + "/" + endpoint))
	return vfp.MAC{0x02, 0xfb, sum[0], sum[1], sum[2], sum[3]}
}

// macOf is the MAC that a record holds.
func macOf(r ports.Record) (mac vfp.MAC) {
	if hw, err := net.ParseMAC(r.MAC); err == nil && len(hw) == len(mac) {
		copy(mac[:], hw)
	}
	return mac
}

// wantedHere completes the vNIC of an endpoint in a host-local network. Nothing of it is encapsulated.
func (a *Agent) wantedHere(r ports.Record, s attach.Spec) (attach.Spec, error) {
	n, _ := a.host.FindHostNetwork(r.Network)
	if n == nil {
		return s, api.Errorf(http.StatusConflict, "hostNetworks has no %q any more", r.Network)
	}
	mac := macOf(r)
	s.MAC, s.MTU, s.Gateway = bytes.Clone(mac[:]), a.underlayMTU, n.Gateway
	s.Addresses = slices.Clone(r.Addresses)
	return s, nil
}

// hostMappings are those of the host-local networks, by network and endpoint. a.mu is held.
func (a *Agent) hostMappings() []api.Mapping {
	out := []api.Mapping{}
	for _, name := range slices.Sorted(maps.Keys(a.records)) {
		r := a.records[name]
		n, i := a.host.FindHostNetwork(r.Network)
		if r.Network == "" || n == nil {
			continue
		}
		for _, p := range r.Addresses {
			out = append(out, api.Mapping{Network: n.Name, Subnet: n.Name, VSID: uint32(n.VSID(i)), CA: p.Addr().String(), MAC: r.MAC,
				PA: a.host.ProviderAddress.String(), Host: a.cfg.Host.Name, Local: true})
		}
	}
	slices.SortStableFunc(out, func(x, y api.Mapping) int { return strings.Compare(x.Network, y.Network) })
	return out
}

// homeOf says what an endpoint is connected to.
func homeOf(r ports.Record) string {
	if r.Network != "" {
		return "network " + r.Network
	}
	return "NIC " + r.NIC
}
