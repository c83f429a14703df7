package overlay

import (
	"net/netip"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// HostConfig is what the agent's own config says about the host it runs on.
type HostConfig struct {
	Name            string // id of its server (or reference)
	ProviderAddress netip.Addr
	UnderlayMTU     int // bytes of the underlay device; 0: not known

	AdminRules []AdminRule
	// Multicast of every subnet that MulticastSubnets, by subnet reference, does not name.
	Multicast        vfp.MulticastMode
	MulticastSubnets map[string]vfp.MulticastMode
	Mirrors          map[string]vfp.Mirror // by endpoint name
	// Bandwidth by endpoint name: where a direction has a rate it replaces what the controller says.
	Bandwidth    map[string][2]vfp.Bandwidth
	Limits       vfp.FlowLimits // of ports whose network interface says nothing
	HostNetworks []HostNetwork
}

// HostNetwork is a subnet that no other host knows of. Its endpoints reach the outside as from the provider address.
type HostNetwork struct {
	Name    string
	Prefix  netip.Prefix
	Gateway netip.Addr
}

// FindHostNetwork finds one by name; index counts from 0.
func (h *HostConfig) FindHostNetwork(name string) (n *HostNetwork, index int) {
	for i := range h.HostNetworks {
		if h.HostNetworks[i].Name == name {
			return &h.HostNetworks[i], i
		}
	}
	return nil, -1
}

// RDID is the network's routing domain.
func (n *HostNetwork) RDID() string { return "host-local/" + n.Name }

// MaxHostNetworks is how many have a VSID below those of tenants.
const MaxHostNetworks = int(encap.MinVSID) - 1

// VSID of the network when it is the one at index: below encap.MinVSID, never on the wire.
func (n *HostNetwork) VSID(index int) encap.VSID { return encap.VSID(index + 1) }

// Usable says why an endpoint cannot have the address.
func (n *HostNetwork) Usable(a netip.Addr) error {
	s := Subnet{Resource: Resource{Ref: "network " + n.Name}, Prefix: n.Prefix, Gateway: n.Gateway}
	return s.usable(a)
}
