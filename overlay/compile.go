package overlay

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// AttachedPort is a port of this host and the network interface it is to be.
type AttachedPort struct {
	ID     string // endpoint name
	Device string // host side of the vNIC
	NIC    string // id or reference of the network interface
	Kind   string // PortVeth (also for "") or PortTap
	// HostNetwork, when not "", is the host-local network the port is in, instead of a NIC's; then MAC and Addresses are
	// what the agent gave it.
	HostNetwork string
	MAC         vfp.MAC
	// Addresses the port may have of the network interface's; nil: all.
	Addresses []netip.Addr
}

// What the host side of a port is.
const (
	PortVeth = "veth" // the agent configures the other side
	PortTap  = "tap"  // a machine of its own is behind it, which asks by DHCP
)

// Compile makes the policy of one host: its ports, the virtual networks they are in with all their mappings and their peers',
// the routes of their subnets, and the ACLs that guard them. A port that cannot be served is left out and named in the problems.
func Compile(m *Model, host HostConfig, ports []AttachedPort) (*vfp.Policy, []cc.Problem) {
	c := &compiler{m: m, config: host, host: m.FindHost(host.Name), name: host.Name, policy: &vfp.Policy{Encapsulation: m.Encapsulation},
		admin: map[string]vfp.ACL{}, used: map[string]usedACL{}, multicast: map[string]vfp.MulticastMode{}, subnets: map[*Subnet]bool{}}
	for ref, mode := range host.MulticastSubnets {
		c.multicast[cc.RefKey(ref)] = mode
	}
	c.providerAddress(host)
	c.checkProvider()
	c.innerMTU()
	c.ports(ports)
	c.networks()
	c.routes()
	c.hostNetworks()
	c.mirrors()
	c.acls()
	return c.policy, c.sorted()
}

type compiler struct {
	report
	m         *Model
	config    HostConfig
	host      *Host // nil: the fabric does not know this host
	name      string
	policy    *vfp.Policy
	nets      []*VirtualNetwork  // with a port here
	subnets   map[*Subnet]bool   // with a port here
	used      map[string]usedACL // by the id in the policy
	admin     map[string]vfp.ACL // the operator's, by id
	local     []localPort
	multicast map[string]vfp.MulticastMode // by subnet key
}

// usedACL is a list and the network of the addresses it guards.
type usedACL struct {
	acl *ACL
	net *VirtualNetwork
}

// innerMTU is what the underlay leaves for a tenant's packet.
func (c *compiler) innerMTU() {
	if c.config.UnderlayMTU == 0 || !c.policy.ProviderAddress.IsValid() {
		return
	}
	mtu, err := encap.InnerMTU(c.m.Encapsulation, c.policy.ProviderAddress.Is6(), c.config.UnderlayMTU)
	if err != nil {
		return // the agent says so where it reads the device
	}
	c.policy.InnerMTU = mtu
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

// networks adds the subnets of every virtual network that has a port here, and of its peers, and to each that has a port
// the mappings of both.
func (c *compiler) networks() {
	byRDID := func(x, y *VirtualNetwork) int { return strings.Compare(x.RDID, y.RDID) }
	slices.SortFunc(c.nets, byRDID)
	c.nets = slices.Compact(c.nets)
	reached, mappings := slices.Clone(c.nets), 0
	for _, v := range c.nets {
		reached = append(reached, v.Peers...)
		mappings += len(v.members)
		for _, p := range v.Peers {
			mappings += len(p.members)
		}
	}
	slices.SortFunc(reached, byRDID)
	reached = slices.Compact(reached)
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
	for _, v := range reached {
		for _, s := range v.Subnets {
			c.policy.Subnets = append(c.policy.Subnets, vfp.Subnet{VSID: s.VSID, RDID: v.RDID, Prefix: s.Prefix, Gateway: s.Gateway, Multicast: c.multicastOf(s.Key)})
		}
	}
	for _, v := range c.nets {
		for _, mb := range v.reached() {
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
			c.policy.Mappings = append(c.policy.Mappings, vfp.Mapping{RDID: v.RDID, CA: mb.addr.CA, VSID: mb.addr.Subnet.VSID, MAC: mb.ep.MAC, PA: pa, Forwards: mb.ep.Forwards})
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
	for id, u := range c.used {
		c.policy.ACLs = append(c.policy.ACLs, vfp.ACL{ID: id, Rules: u.acl.rulesFor(u.net), Default: u.acl.Default})
	}
	for _, a := range c.admin {
		c.policy.ACLs = append(c.policy.ACLs, a)
	}
	slices.SortFunc(c.policy.ACLs, func(x, y vfp.ACL) int { return strings.Compare(x.ID, y.ID) })
}

func (c *compiler) multicastOf(subnetKey string) vfp.MulticastMode {
	if mode, ok := c.multicast[subnetKey]; ok {
		return mode
	}
	return c.config.Multicast
}

// mirrors gives ports their mirrors; one to a port that is not here waits for it.
func (c *compiler) mirrors() {
	for i := range c.policy.Ports {
		p := &c.policy.Ports[i]
		m, ok := c.config.Mirrors[p.ID]
		if !ok {
			continue
		}
		here := slices.ContainsFunc(c.policy.Ports, func(o vfp.Port) bool { return o.ID == m.Port })
		if m.Port != "" && !here {
			c.warnf("mirror-target-missing", p.ID, "mirrors: endpoint %s, which is to see the frames of %s, has no port here; nothing is mirrored", quote(m.Port), quote(p.ID))
			continue
		}
		p.Mirror = &m
	}
}
