package overlay

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

// AttachedPort is a port of this host and the network interface it is to be.
type AttachedPort struct {
	ID     string // endpoint name
	Device string // host side of the vNIC
	NIC    string // id or reference of the network interface
	// Addresses the port may have of the network interface's; nil: all.
	Addresses []netip.Addr
}

// Compile makes the policy of one host: its ports, the virtual networks they are in with all their mappings, and
// the ACLs that guard them. A port that cannot be served is left out and named in the problems.
func Compile(m *Model, host HostConfig, ports []AttachedPort) (*vfp.Policy, []cc.Problem) {
	c := &compiler{m: m, host: m.FindHost(host.Name), name: host.Name, policy: &vfp.Policy{Encapsulation: m.Encapsulation}}
	c.providerAddress(host)
	c.ports(ports)
	c.networks()
	c.acls()
	return c.policy, c.sorted()
}

type compiler struct {
	report
	m      *Model
	host   *Host // nil: the fabric does not know this host
	name   string
	policy *vfp.Policy
	nets   []*VirtualNetwork // with a port here
	used   []*ACL
}

func (c *compiler) providerAddress(config HostConfig) {
	c.policy.ProviderAddress = c.host.ownAddress(config)
	pa := c.policy.ProviderAddress
	switch {
	case c.host == nil:
		c.errorf("host-unknown", "/servers/"+c.name, "host.name %s is not a server of the fabric; no port can be placed here", quote(c.name))
	case !pa.IsValid():
		c.errorf("provider-address-missing", c.host.Ref, "host.underlay.providerAddress is not set and the controller publishes none; only endpoints of this host can be reached")
	case len(c.host.ProviderAddresses) > 0 && !slices.Contains(c.host.ProviderAddresses, pa):
		c.errorf("provider-address-mismatch", c.host.Ref, "host.underlay.providerAddress %q is not among the addresses that other hosts send to (%s from the %s); %s is in force here",
			pa, c.host.ProviderAddresses, c.host.PAOrigin, pa)
	}
}

// networks adds the subnets and mappings of every virtual network that has a port here.
func (c *compiler) networks() {
	slices.SortFunc(c.nets, func(x, y *VirtualNetwork) int { return strings.Compare(x.RDID, y.RDID) })
	c.nets = slices.Compact(c.nets)
	subnets, mappings := 0, 0
	for _, v := range c.nets {
		subnets += len(v.Subnets)
		mappings += len(v.members)
	}
	c.policy.Subnets = make([]vfp.Subnet, 0, subnets)
	c.policy.Mappings = make([]vfp.Mapping, 0, mappings)
	pas := make(map[*Host]netip.Addr, len(c.m.Hosts))
	for _, h := range c.m.Hosts {
		if h == c.host {
			pas[h] = c.policy.ProviderAddress
		} else if c.policy.ProviderAddress.IsValid() {
			pas[h] = h.addressFor(c.policy.ProviderAddress)
		}
	}
	otherFamily := make(map[*Host]int)
	for _, v := range c.nets {
		for _, s := range v.Subnets {
			c.policy.Subnets = append(c.policy.Subnets, vfp.Subnet{VSID: s.VSID, RDID: v.RDID, Prefix: s.Prefix, Gateway: s.Gateway})
		}
		for _, mb := range v.members {
			h := mb.ep.Host
			if h == nil {
				continue
			}
			pa := pas[h]
			if !pa.IsValid() && h != c.host {
				if len(h.ProviderAddresses) > 0 && c.policy.ProviderAddress.IsValid() {
					otherFamily[h]++
				}
				continue
			}
			c.policy.Mappings = append(c.policy.Mappings, vfp.Mapping{RDID: v.RDID, CA: mb.addr.CA, VSID: mb.addr.Subnet.VSID, MAC: mb.ep.MAC, PA: pa})
		}
	}
	slices.SortFunc(c.policy.Subnets, func(x, y vfp.Subnet) int { return cmp.Compare(x.VSID, y.VSID) })
	for h, n := range otherFamily {
		c.errorf("provider-address-family", h.Ref, "%s %s are not of the family of this host's provider address %s; the %d mappings to endpoints on server %s are left out",
			fieldPA, h.ProviderAddresses, c.policy.ProviderAddress, n, quote(h.ID))
	}
}

// acls adds those that stand in front of a port here.
func (c *compiler) acls() {
	slices.SortFunc(c.used, func(x, y *ACL) int { return strings.Compare(x.Ref, y.Ref) })
	c.used = slices.Compact(c.used)
	for _, a := range c.used {
		c.policy.ACLs = append(c.policy.ACLs, vfp.ACL{ID: a.Ref, Rules: a.Rules, Default: a.Default})
	}
}
