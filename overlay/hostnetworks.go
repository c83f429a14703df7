package overlay

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/vfp"
)

// localPort is a port of a host-local network.
type localPort struct {
	net   *HostNetwork
	index int
	port  vfp.Port
}

// hostPort takes a port of a host-local network. Its MAC and addresses are what the agent gave it.
func (c *compiler) hostPort(p *AttachedPort) {
	n, index := c.config.FindHostNetwork(p.HostNetwork)
	if n == nil {
		c.errorf("port-network-unknown", p.ID, "hostNetworks has no %s, which endpoint %s is in; the endpoint is left out", quote(p.HostNetwork), quote(p.ID))
		return
	}
	port := vfp.Port{ID: p.ID, Device: p.Device, MAC: p.MAC, Limits: c.config.Limits, Bandwidth: c.bandwidth(p.ID, [2]vfp.Bandwidth{})}
	for _, ca := range p.Addresses {
		other := slices.IndexFunc(c.local, func(l localPort) bool {
			return l.index == index && slices.ContainsFunc(l.port.Addresses, func(a vfp.Address) bool { return a.CA == ca })
		})
		switch err := n.Usable(ca); {
		case err != nil:
			c.errorf("port-address-unknown", p.ID, "address %s of endpoint %s %v; it is left out", ca, quote(p.ID), err)
		case other >= 0:
			c.errorf("port-address-duplicate", p.ID, "address %s of endpoint %s is already that of endpoint %s, which keeps it", ca, quote(p.ID), quote(c.local[other].port.ID))
		default:
			a := vfp.Address{CA: ca, VSID: n.VSID(index), RDID: n.RDID()}
			if id := c.adminFor(p.ID); id != "" {
				a.ACLs = []string{id}
			}
			port.Addresses = append(port.Addresses, a)
		}
	}
	if len(port.Addresses) == 0 {
		c.errorf("port-address-missing", p.ID, "host-local network %s leaves endpoint %s without a usable address; it is left out", quote(n.Name), quote(p.ID))
		return
	}
	slices.SortFunc(port.Addresses, func(x, y vfp.Address) int { return x.CA.Compare(y.CA) })
	c.local = append(c.local, localPort{n, index, port})
	c.policy.Ports = append(c.policy.Ports, port)
}

// hostNetworks adds the host-local subnets that have a port, and where their addresses are: here.
func (c *compiler) hostNetworks() {
	if len(c.local) == 0 {
		return
	}
	pa := c.policy.ProviderAddress
	if !pa.Is4() {
		c.errorf("host-network-no-nat", c.name, "host-local networks leave as from an IPv4 provider address, this host has %s; their endpoints only reach each other", paText(pa))
	}
	for _, l := range c.local {
		vsid := l.net.VSID(l.index)
		if !slices.ContainsFunc(c.policy.Subnets, func(s vfp.Subnet) bool { return s.VSID == vsid }) {
			s := vfp.Subnet{VSID: vsid, RDID: l.net.RDID(), Prefix: l.net.Prefix, Gateway: l.net.Gateway, Multicast: c.config.Multicast}
			if pa.Is4() {
				s.NAT = pa
			}
			c.policy.Subnets = append(c.policy.Subnets, s)
		}
		for _, a := range l.port.Addresses {
			c.policy.Mappings = append(c.policy.Mappings, vfp.Mapping{RDID: a.RDID, CA: a.CA, VSID: a.VSID, MAC: l.port.MAC, PA: pa})
		}
	}
	slices.SortFunc(c.policy.Subnets, func(x, y vfp.Subnet) int { return cmp.Compare(x.VSID, y.VSID) })
	slices.SortFunc(c.policy.Mappings, func(x, y vfp.Mapping) int {
		return cmp.Or(strings.Compare(x.RDID, y.RDID), x.CA.Compare(y.CA))
	})
}

func paText(a netip.Addr) string {
	if !a.IsValid() {
		return "none"
	}
	return a.String()
}
