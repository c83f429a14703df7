package overlay

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/vfp"
)

func (c *compiler) ports(ports []AttachedPort) {
	ports = slices.Clone(ports)
	slices.SortFunc(ports, func(x, y AttachedPort) int {
		return cmp.Or(strings.Compare(x.ID, y.ID), strings.Compare(x.NIC, y.NIC), strings.Compare(x.Device, y.Device), slices.CompareFunc(x.Addresses, y.Addresses, netip.Addr.Compare))
	})
	c.policy.Ports = make([]vfp.Port, 0, len(ports))
	holder := make(map[*Address]string, len(ports))
	for i := range ports {
		p := &ports[i]
		if i > 0 && ports[i-1].ID == p.ID {
			c.errorf("port-duplicate", p.NIC, "endpoint %s is attached twice; device %s is left out", quote(p.ID), quote(p.Device))
			continue
		}
		if p.HostNetwork != "" {
			c.hostPort(p)
			continue
		}
		ep := c.endpointOf(p)
		if ep == nil {
			continue
		}
		port := vfp.Port{ID: p.ID, Device: p.Device, MAC: ep.MAC, AllowMACSpoofing: ep.AllowMACSpoofing, Forwards: ep.Forwards,
			Limits: ep.limits(c.config.Limits), Bandwidth: c.bandwidth(p.ID, ep.bandwidth())}
		for _, a := range c.addressesOf(p, ep) {
			if other, taken := holder[a]; taken {
				c.errorf("port-address-duplicate", a.Ref, "address %s of endpoint %s is already attached as endpoint %s, which keeps it", a.CA, quote(p.ID), quote(other))
				continue
			}
			holder[a] = p.ID
			port.Addresses = append(port.Addresses, c.address(p.ID, a))
			c.nets = append(c.nets, a.Subnet.Network)
			c.subnets[a.Subnet] = true
		}
		if len(port.Addresses) == 0 {
			c.errorf("port-address-missing", ep.Ref, "properties.ipConfigurations leaves endpoint %s without a usable address; it is left out", quote(p.ID))
			continue
		}
		slices.SortFunc(port.Addresses, func(x, y vfp.Address) int {
			return cmp.Or(x.CA.Compare(y.CA), cmp.Compare(x.VSID, y.VSID))
		})
		if p.Kind == PortTap {
			port.DHCP = c.dhcp(&port, ep)
		}
		c.policy.Ports = append(c.policy.Ports, port)
	}
}

// bandwidth is what the operator says, else what the controller says, per direction.
func (c *compiler) bandwidth(endpoint string, b [2]vfp.Bandwidth) [2]vfp.Bandwidth {
	for d, own := range c.config.Bandwidth[endpoint] {
		if own.BitsPerSecond != 0 {
			b[d] = own
		}
	}
	return b
}

func (c *compiler) endpointOf(p *AttachedPort) *Endpoint {
	ep := c.m.FindEndpoint(p.NIC)
	switch {
	case ep == nil:
		c.errorf("port-nic-unknown", p.NIC, "network interface %s of endpoint %s does not exist or is not usable; the endpoint is left out", quote(p.NIC), quote(p.ID))
		return nil
	case ep.Host != nil && ep.Host == c.host:
		return ep
	}
	where := "on no server"
	if ep.Host != nil {
		where = "on server " + quote(ep.Host.ID)
	}
	c.errorf("port-nic-elsewhere", ep.Ref, "properties.server places the network interface of endpoint %s %s, not on this host %s; the endpoint is left out", quote(p.ID), where, quote(c.name))
	return nil
}

// addressesOf are those of ep's addresses that the port may have.
func (c *compiler) addressesOf(p *AttachedPort, ep *Endpoint) []*Address {
	list := make([]*Address, 0, len(ep.Addresses))
	for i := range ep.Addresses {
		if p.Addresses == nil || slices.Contains(p.Addresses, ep.Addresses[i].CA) {
			list = append(list, &ep.Addresses[i])
		}
	}
	for _, want := range p.Addresses {
		if !slices.ContainsFunc(ep.Addresses, func(a Address) bool { return a.CA == want }) {
			c.errorf("port-address-unknown", ep.Ref, "address %s of endpoint %s is not among properties.ipConfigurations in force; it is left out", want, quote(p.ID))
		}
	}
	return list
}

// address puts the operator's ACL first, then the subnet's, then the address's own, for both directions.
func (c *compiler) address(endpoint string, a *Address) vfp.Address {
	subnetACL := a.Subnet.ACL
	if c.m.ACLCombine == CombineNIC && a.ACL != nil {
		subnetACL = nil
	}
	out := vfp.Address{CA: a.CA, VSID: a.Subnet.VSID, RDID: a.Subnet.Network.RDID}
	if id := c.adminFor(endpoint); id != "" {
		out.ACLs = append(out.ACLs, id)
	}
	for _, acl := range []*ACL{subnetACL, a.ACL} {
		if acl == nil {
			continue
		}
		if id := acl.instanceID(a.Subnet.Network); !slices.Contains(out.ACLs, id) {
			out.ACLs = append(out.ACLs, id)
			c.used[id] = usedACL{acl, a.Subnet.Network}
		}
	}
	return out
}
