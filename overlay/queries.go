package overlay

import (
	"net/netip"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// Mapping says where a CA lives.
type Mapping struct {
	Endpoint *Endpoint
	Address  *Address
	PA       netip.Addr // invalid: unreachable, the mapping is not compiled
	Local    bool       // the endpoint is placed on this host
}

// FindEndpoint finds a network interface by its id or reference, in any case; nil if there is none.
func (m *Model) FindEndpoint(idOrRef string) *Endpoint {
	if i, ok := m.byID[strings.ToLower(idOrRef)]; ok {
		return m.Endpoints[i]
	}
	return lookup(m.Endpoints, cc.RefKey(idOrRef))
}

// FindHost finds a server by its id or reference, in any case; nil if there is none.
func (m *Model) FindHost(idOrRef string) *Host {
	for _, h := range m.Hosts {
		if strings.EqualFold(h.ID, idOrRef) {
			return h
		}
	}
	return lookup(m.Hosts, cc.RefKey(idOrRef))
}

// FindNetwork finds a virtual network by its id or reference, in any case; nil if there is none.
func (m *Model) FindNetwork(idOrRef string) *VirtualNetwork {
	for _, v := range m.VirtualNetworks {
		if strings.EqualFold(v.ID, idOrRef) {
			return v
		}
	}
	return lookup(m.VirtualNetworks, cc.RefKey(idOrRef))
}

// FindSubnet finds a subnet of v by its id or reference, in any case; nil if there is none.
func (v *VirtualNetwork) FindSubnet(idOrRef string) *Subnet {
	for _, s := range v.Subnets {
		if strings.EqualFold(s.ID, idOrRef) {
			return s
		}
	}
	return lookup(v.Subnets, cc.RefKey(idOrRef))
}

// Subnets of all virtual networks, by network and key.
func (m *Model) Subnets() []*Subnet {
	var list []*Subnet
	for _, v := range m.VirtualNetworks {
		list = append(list, v.Subnets...)
	}
	return list
}

// Mappings of all virtual networks, by network and CA, as seen from host.
func (m *Model) Mappings(host HostConfig) []Mapping {
	n := 0
	for _, v := range m.VirtualNetworks {
		n += len(v.members)
	}
	list := make([]Mapping, 0, n)
	local := m.FindHost(host.Name)
	pa := local.ownAddress(host)
	for _, v := range m.VirtualNetworks {
		for _, mb := range v.members {
			mapping := Mapping{Endpoint: mb.ep, Address: mb.addr}
			switch h := mb.ep.Host; h {
			case nil:
			case local:
				mapping.PA, mapping.Local = pa, true
			default:
				mapping.PA = h.addressFor(pa)
			}
			list = append(list, mapping)
		}
	}
	return list
}

// ownAddress is the config's, else the controller's; h may be nil.
func (h *Host) ownAddress(config HostConfig) netip.Addr {
	if config.ProviderAddress.IsValid() || h == nil || len(h.ProviderAddresses) == 0 {
		return config.ProviderAddress.Unmap()
	}
	return h.ProviderAddresses[0]
}

// addressFor is where a host with the provider address from reaches h: the first address of the same family.
// It is invalid if there is none. Without a from any address will do (for showing).
func (h *Host) addressFor(from netip.Addr) netip.Addr {
	for _, a := range h.ProviderAddresses {
		if !from.IsValid() || a.BitLen() == from.BitLen() {
			return a
		}
	}
	return netip.Addr{}
}
