package ebpf

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// word is an IPv4 address as the programs see it: network byte order in memory.
func word(a netip.Addr) uint32 {
	b := a.As4()
	return binary.NativeEndian.Uint32(b[:])
}

func addrOf(w uint32) netip.Addr {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], w)
	return netip.AddrFrom4(b)
}

func maskWord(bits int) uint32 {
	if bits == 0 {
		return 0
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], ^uint32(0)<<(32-bits))
	return binary.NativeEndian.Uint32(b[:])
}

// addr is an address in the shape of the programs' struct addr.
func addr(a netip.Addr) (v vswitchAddr) {
	b := a.As16()
	for i := range v.W {
		v.W[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return v
}

func (v vswitchAddr) addr() netip.Addr {
	var b [16]byte
	for i, w := range v.W {
		binary.NativeEndian.PutUint32(b[4*i:], w)
	}
	return netip.AddrFrom16(b).Unmap()
}

// tables is a whole policy in the shape of the maps, without the slot.
type tables struct {
	host      vswitchHost // Generation is filled in by swap
	subnets   rows[vswitchSubnet]
	floods    rows[vswitchFlood]
	mappings  rows[vswitchMapping]
	addresses rows[vswitchAddress]
	dhcps     rows[vswitchDhcp]
	routes    rows[vswitchRoute]
	// Ports by VSID and MAC, and provider addresses by domain, that pass on packets of others.
	forwarders, forwardHosts rows[uint32]
	ports                    map[uint32]vswitchPort // by index
	acls                     map[uint32]*heldACL    // by number; nil for what was read back
}

// device is what a port's device turned out to be.
type device struct {
	ifindex uint32
	veth    bool
}

// place is a CA in its own subnet.
type place struct {
	vsid encap.VSID
	ca   netip.Addr
}

// compiler turns a policy into tables.
type compiler struct {
	*Datapath
	p      *vfp.Policy
	t      *tables
	index  map[string]uint32 // of the ports whose device exists
	owner  map[place]uint32
	domain map[string]uint32
	pas    map[netip.Addr]uint32
	routed map[encap.VSID]bool // subnets with routes
	// forwardHosts are the keys of those in t.
	forwardHosts map[rowKey]bool
}

// compile turns a policy into tables. devices holds the ports whose device exists.
func (d *Datapath) compile(p *vfp.Policy, devices map[string]device) (*tables, error) {
	c := &compiler{Datapath: d, p: p, index: map[string]uint32{}, owner: map[place]uint32{}, domain: map[string]uint32{}, pas: map[netip.Addr]uint32{}, routed: map[encap.VSID]bool{}, forwardHosts: map[rowKey]bool{},
		t: &tables{ports: map[uint32]vswitchPort{}, acls: map[uint32]*heldACL{}}}
	for i := range p.Routes {
		c.routed[p.Routes[i].VSID] = true
	}
	for _, step := range []func() error{c.host, func() error { return c.ports(devices) }, c.subnets, c.mappings} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	c.floods()
	c.routes()
	c.t.forwarders.sort()
	c.t.forwardHosts.sort()
	c.t.subnets.sort()
	c.t.floods.sort()
	c.t.mappings.sort()
	c.t.addresses.sort()
	c.t.dhcps.sort()
	return c.t, nil
}

func (c *compiler) host() (err error) {
	h := &c.t.host
	*h = vswitchHost{Ifindex: c.underlay, Encap: uint32(c.p.Encapsulation), Mtu: uint32(c.p.InnerMTU), Relay: c.relay}
	if c.p.ProviderAddress.Is6() {
		h.V6, h.Pa6 = 1, addr(c.p.ProviderAddress)
	} else {
		h.Onlink = maskWord(c.onlinkBits(c.p.ProviderAddress))
	}
	// A quarter of the table is kept for ports that have little in it.
	most := c.objs.Flows.MaxEntries()
	h.FlowsShared = most / 4 * 3
	h.FlowsGuaranteed = most / 4 / uint32(max(1, len(c.p.Ports)))
	h.Pa, err = c.pa(c.p.ProviderAddress)
	return err
}

// pa is a provider address as the programs know it: itself, or on an IPv6 underlay its number.
func (c *compiler) pa(a netip.Addr) (uint32, error) {
	if !c.p.ProviderAddress.Is6() {
		if !a.Is4() {
			return 0, nil
		}
		return word(a), nil
	}
	if !a.Is6() {
		return 0, nil
	}
	if n, ok := c.pas[a]; ok {
		return n, nil
	}
	_, known := c.idents.look(kindPA, a.String())
	n, err := c.idents.get(kindPA, a.String())
	if err != nil {
		return 0, err
	}
	if !known || !c.upgraded { // an earlier process may have died before it was in its maps
		v := addr(a)
		if err := c.objs.Pas.Put(n, v); err != nil {
			return 0, fmt.Errorf("map pas: %w", err)
		}
		if err := c.objs.PaNumbers.Put(v, n); err != nil {
			return 0, fmt.Errorf("map pa_numbers: %w", err)
		}
	}
	c.pas[a] = n
	return n, nil
}

func (c *compiler) domainOf(rdid string) (uint32, error) {
	if n, ok := c.domain[rdid]; ok {
		return n, nil
	}
	n, err := c.idents.get(kindDomain, rdid)
	c.domain[rdid] = n
	return n, err
}

func (c *compiler) ports(devices map[string]device) error {
	acls := make(map[string]*vfp.ACL, len(c.p.ACLs))
	for i := range c.p.ACLs {
		acls[c.p.ACLs[i].ID] = &c.p.ACLs[i]
	}
	for i := range c.p.Ports {
		port := &c.p.Ports[i]
		if _, ok := devices[port.ID]; !ok {
			continue
		}
		index, err := c.idents.get(kindPort, port.ID)
		if err != nil {
			return fmt.Errorf("port %s: %w", port.ID, err)
		}
		c.index[port.ID] = index
	}
	loaded := map[string]uint32{}
	for i := range c.p.Ports {
		port := &c.p.Ports[i]
		index, ok := c.index[port.ID]
		if !ok {
			continue
		}
		v, err := c.port(port, devices[port.ID])
		if err != nil {
			return fmt.Errorf("port %s: %w", port.ID, err)
		}
		for _, a := range port.Addresses {
			row, err := c.address(&a, acls, loaded)
			if err != nil {
				return fmt.Errorf("port %s: %w", port.ID, err)
			}
			c.t.addresses = append(c.t.addresses, row2(rowKey{high: index, ca: mapped(a.CA)}, row))
			c.owner[place{a.VSID, a.CA}] = index
			switch {
			case a.CA.Is4() && v.Vsid == 0:
				v.Vsid, v.Ca = uint32(a.VSID), word(a.CA)
			case a.CA.Is6() && v.Vsid6 == 0:
				v.Vsid6, v.Ca6 = uint32(a.VSID), addr(a.CA)
			}
		}
		c.t.ports[index] = v
		c.forwarder(port, index, &v)
		if port.DHCP != nil && v.Vsid != 0 {
			c.t.dhcps = append(c.t.dhcps, row2(rowKey{high: index}, c.dhcp(port)))
		}
	}
	return nil
}

func (c *compiler) address(a *vfp.Address, acls map[string]*vfp.ACL, loaded map[string]uint32) (row vswitchAddress, err error) {
	row.Vsid = uint32(a.VSID)
	if c.routed[a.VSID] {
		row.Flags = addressRoutes
	}
	if row.Domain, err = c.domainOf(a.RDID); err != nil {
		return row, err
	}
	if len(a.ACLs) > vfp.MaxACLs {
		return row, fmt.Errorf("%d ACLs on %s, at most %d", len(a.ACLs), a.CA, vfp.MaxACLs)
	}
	for n, id := range a.ACLs {
		acl, ok := acls[id]
		if !ok {
			return row, fmt.Errorf("ACL %s is not in the policy", id)
		}
		number, ok := loaded[id]
		if !ok {
			h, err := c.acls.load(acl, c.active)
			if err != nil {
				return row, fmt.Errorf("ACL %s: %w", id, err)
			}
			number = h.number
			loaded[id], c.t.acls[number] = number, h
		}
		row.Acls[n] = number
	}
	return row, nil
}

const (
	portAllowMACSpoofing = 1
	portVeth             = 2
	portDHCP             = 4
	portLimitOut         = 8
	portLimitIn          = 16
	portMirror           = 32
	portForwards         = 64

	encapERSPAN = 3
)

func (c *compiler) port(p *vfp.Port, dev device) (v vswitchPort, err error) {
	v = vswitchPort{Ifindex: dev.ifindex, Mac: p.MAC, FlowLimit: vfp.DefaultFlows, HalfOpen: vfp.DefaultHalfOpen}
	set := func(on bool, flag uint8) {
		if on {
			v.Flags |= flag
		}
	}
	set(dev.veth, portVeth)
	set(p.AllowMACSpoofing, portAllowMACSpoofing)
	set(p.Forwards, portForwards)
	set(p.DHCP != nil, portDHCP)
	set(p.Bandwidth[vfp.Outbound].BitsPerSecond > 0, portLimitOut)
	set(p.Bandwidth[vfp.Inbound].BitsPerSecond > 0, portLimitIn)
	if p.Limits.Flows > 0 {
		v.FlowLimit = p.Limits.Flows
	}
	if p.Limits.HalfOpen > 0 {
		v.HalfOpen = min(p.Limits.HalfOpen, vfp.MaxHalfOpen)
	}
	// The rings of all ports fit their map, so that no flood of one leaves another without.
	v.HalfOpen = max(1, min(v.HalfOpen, v.FlowLimit, c.objs.Rings.MaxEntries()/uint32(max(1, len(c.p.Ports)))))
	for dir, b := range p.Bandwidth {
		if b.BitsPerSecond == 0 {
			continue
		}
		burst := b.Burst
		if burst == 0 {
			burst = vfp.DefaultBurst(b.BitsPerSecond)
		}
		high, low := bits.Mul64(uint64(burst)*8, 1e9)
		v.Rate[dir] = b.BitsPerSecond
		v.Burst[dir] = math.MaxInt64
		if high < b.BitsPerSecond {
			ns, _ := bits.Div64(high, low, b.BitsPerSecond)
			v.Burst[dir] = min(ns, math.MaxInt64)
		}
	}
	if m := p.Mirror; m != nil {
		v.MirrorType, v.MirrorSession = uint8(encap.VXLAN), m.Session
		if m.Type == vfp.MirrorERSPAN {
			v.MirrorType = encapERSPAN
		}
		v.MirrorPort = c.index[m.Port]
		if m.Port == "" {
			if v.MirrorPa, err = c.pa(m.Collector); err != nil {
				return v, err
			}
			if m.Type == vfp.MirrorVXLAN && m.Session >= 1<<24 {
				v.MirrorPa = 0 // not a VNI
			}
		}
		set(v.MirrorPort != 0 || v.MirrorPa != 0, portMirror)
	}
	return v, nil
}

func (c *compiler) dhcp(p *vfp.Port) (v vswitchDhcp) {
	o := p.DHCP
	v = vswitchDhcp{Mask: maskWord(int(min(o.PrefixLen, 32))), Lease: o.Lease, Mtu: o.MTU}
	if o.Gateway.Is4() {
		v.Server, v.Router = word(o.Gateway), word(o.Gateway)
	} else {
		for i := range c.p.Subnets {
			if s := &c.p.Subnets[i]; s.VSID == firstIPv4(p).VSID && s.Gateway.Is4() {
				v.Server = word(s.Gateway)
			}
		}
	}
	for _, a := range o.DNS {
		if a.Is4() && v.DnsCount < vfp.MaxDNS {
			v.Dns[v.DnsCount] = word(a)
			v.DnsCount++
		}
	}
	return v
}

func firstIPv4(p *vfp.Port) *vfp.Address {
	for i := range p.Addresses {
		if p.Addresses[i].CA.Is4() {
			return &p.Addresses[i]
		}
	}
	return &vfp.Address{}
}

const (
	subnetReplicate = 1
	subnetGateway   = 2
)

func (c *compiler) subnets() error {
	c.t.subnets = make(rows[vswitchSubnet], 0, len(c.p.Subnets))
	for i := range c.p.Subnets {
		s := &c.p.Subnets[i]
		domain, err := c.domainOf(s.RDID)
		if err != nil {
			return err
		}
		v := vswitchSubnet{Domain: domain, Network: addr(s.Prefix.Masked().Addr()), Bits: uint8(s.Prefix.Bits())}
		if s.Prefix.Addr().Is4() {
			v.Bits += 96
		}
		if s.Gateway.IsValid() {
			v.Gateway = addr(s.Gateway)
			v.Flags |= subnetGateway
		}
		if s.Multicast == vfp.MulticastReplicate {
			v.Flags |= subnetReplicate
		}
		if s.NAT.Is4() {
			v.Nat = word(s.NAT)
			c.t.host.Nat = 1
		}
		c.t.subnets = append(c.t.subnets, row2(rowKey{high: uint32(s.VSID)}, v))
	}
	return nil
}

// mappings come sorted by RDID and CA, which is nearly the order of the rows: only the domains' numbers differ.
func (c *compiler) mappings() error {
	blocks := map[uint32]rows[vswitchMapping]{}
	all := make(rows[vswitchMapping], 0, len(c.p.Mappings))
	for i := 0; i < len(c.p.Mappings); {
		rdid, start := c.p.Mappings[i].RDID, len(all)
		domain, err := c.domainOf(rdid)
		if err != nil {
			return err
		}
		for ; i < len(c.p.Mappings) && c.p.Mappings[i].RDID == rdid; i++ {
			m := &c.p.Mappings[i]
			pa, err := c.pa(m.PA)
			if err != nil {
				return err
			}
			if pa == 0 {
				continue // of the other family: nobody can be reached there
			}
			if m.Forwards {
				c.forwardHost(domain, pa)
			}
			v := vswitchMapping{Pa: pa, Vsid: uint32(m.VSID), Mac: m.MAC, Port: c.owner[place{m.VSID, m.CA}]}
			all = append(all, row2(rowKey{high: domain, ca: mapped(m.CA)}, v))
		}
		blocks[domain] = append(blocks[domain], all[start:]...)
	}
	if len(blocks) == 1 {
		c.t.mappings = all
		return nil
	}
	domains := make([]uint32, 0, len(blocks))
	for n := range blocks {
		domains = append(domains, n)
	}
	slices.Sort(domains)
	all = all[:0]
	for _, n := range domains {
		all = append(all, blocks[n]...)
	}
	c.t.mappings = all
	return nil
}

// floods says who gets copies of a replicating subnet's multicast.
func (c *compiler) floods() {
	for i := range c.p.Subnets {
		s := &c.p.Subnets[i]
		if s.Multicast != vfp.MulticastReplicate {
			continue
		}
		var f vswitchFlood
		for k := range c.p.Ports {
			p := &c.p.Ports[k]
			at := slices.IndexFunc(p.Addresses, func(a vfp.Address) bool { return a.VSID == s.VSID })
			index, there := c.index[p.ID]
			if at < 0 || !there || f.Ports == vfp.MaxReplicas {
				continue
			}
			f.Port[f.Ports] = vswitchReceiver{Port: index, Ca: addr(p.Addresses[at].CA)}
			f.Ports++
		}
		var pas []netip.Addr
		for k := range c.p.Mappings {
			m := &c.p.Mappings[k]
			if m.RDID == s.RDID && m.VSID == s.VSID && m.PA != c.p.ProviderAddress && m.PA.BitLen() == c.p.ProviderAddress.BitLen() {
				pas = append(pas, m.PA)
			}
		}
		slices.SortFunc(pas, netip.Addr.Compare)
		for _, pa := range slices.Compact(pas) {
			if n, err := c.pa(pa); err == nil && f.Pas < vfp.MaxReplicas {
				f.Pa[f.Pas] = n
				f.Pas++
			}
		}
		c.t.floods = append(c.t.floods, row2(rowKey{high: uint32(s.VSID)}, f))
	}
}

func row2[V comparable](key rowKey, val V) row[V] { return row[V]{key, val} }

// sortedIndexes of a port table, for deterministic writes.
func sortedIndexes(ports map[uint32]vswitchPort) []uint32 {
	out := make([]uint32, 0, len(ports))
	for i := range ports {
		out = append(out, i)
	}
	slices.Sort(out)
	return out
}
