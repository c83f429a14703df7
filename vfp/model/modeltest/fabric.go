package modeltest

import (
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// MaxPorts is how many ports a drawn policy has at most; their devices are p1, p2, ...
const MaxPorts = 6

const (
	tenants    = 3 // the first two have the same addresses, the last may be the peer of either
	peer       = 2
	perTenant  = 4
	subnets    = 4 // of a tenant: two IPv4 ones, two IPv6 ones
	hosts      = 3 // this one is the first
	localHost  = 1
	outsideNet = "198.51.100." // addresses nobody has: what NAT is for
)

// endpoint has two IPv4 addresses in one subnet, and an IPv6 address in another.
type endpoint struct {
	tenant, n int
	mac       vfp.MAC
	addresses [3]netip.Addr
	host      int
	port      string // ID, when attached here
	forwards  bool
}

// GoString is what rapid shows of a drawn endpoint.
func (e *endpoint) GoString() string {
	return fmt.Sprintf("%s of %s at host %d %s", e.addresses[0], rdid(e.tenant), e.host, e.port)
}

func rdid(tenant int) string { return fmt.Sprintf("rd-%d", tenant) }

func vsid(tenant, subnet int) encap.VSID { return encap.VSID(5000 + tenant*10 + subnet) }

// subnetOf is the number of an address's subnet.
func subnetOf(a netip.Addr) int {
	if a.Is4() {
		return int(a.As4()[2]) - 1
	}
	return int(a.As16()[7]) - 1
}

func prefixOf(tenant, subnet int) netip.Prefix {
	space := byte(tenant / peer * peer)
	if subnet < 2 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, space, byte(subnet + 1), 0}), 24)
	}
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, space, 0, byte(subnet + 1)}), 64)
}

func gatewayOf(tenant, subnet int) netip.Addr { return prefixOf(tenant, subnet).Addr().Next() }

// gateway of an endpoint in the subnet of one of its addresses.
func (e *endpoint) gateway(own netip.Addr) netip.Addr { return gatewayOf(e.tenant, subnetOf(own)) }

func natOf(subnet int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + subnet)}) }

// HostPA is the provider address of a host, 1 being this one.
func HostPA(host int, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0xfd, 15: byte(host)})
	}
	return netip.AddrFrom4([4]byte{172, 16, 0, byte(host)})
}

func drawEndpoints() (list []endpoint) {
	for t := range tenants {
		for n := range perTenant {
			s := n / 2
			v6 := prefixOf(t, 2+s).Addr().As16()
			v6[15] = byte(4 + n)
			list = append(list, endpoint{tenant: t, n: n, mac: vfp.MAC{0, 0x1d, 0xd8, byte(t), 0, byte(n)}, addresses: [3]netip.Addr{
				host4(prefixOf(t, s), 4+n),
				host4(prefixOf(t, s), 14+n),
				netip.AddrFrom16(v6)}})
		}
	}
	return list
}

func host4(p netip.Prefix, n int) netip.Addr {
	b := p.Addr().As4()
	b[3] = byte(n)
	return netip.AddrFrom4(b)
}

// reaches reports whether a packet of one tenant's endpoint can go to another's.
func (w *World) reaches(from, to int) bool {
	return from == to || w.peerOf >= 0 && (from == w.peerOf && to == peer || from == peer && to == w.peerOf)
}

func one(rt *rapid.T, in int, name string) bool { return rapid.IntRange(1, in).Draw(rt, name) == in }

// draw places the endpoints anew and draws everything else.
func (w *World) draw(rt *rapid.T) *vfp.Policy {
	p := &vfp.Policy{Encapsulation: w.encap, ProviderAddress: HostPA(localHost, w.v6)}
	w.peerOf = rapid.IntRange(-1, 1).Draw(rt, "peering")
	p.InnerMTU = rapid.SampledFrom([]int{0, 1400, 1400, 1280}).Draw(rt, "mtu")
	for t := range tenants {
		for n := range subnets {
			s := vfp.Subnet{VSID: vsid(t, n), RDID: rdid(t), Prefix: prefixOf(t, n)}
			if !one(rt, 4, "no gateway") {
				s.Gateway = gatewayOf(t, n)
			}
			s.Multicast = vfp.MulticastMode(rapid.IntRange(0, 1).Draw(rt, "multicast"))
			if n < 2 && one(rt, 2, "nat") {
				s.NAT = natOf(n)
			}
			p.Subnets = append(p.Subnets, s)
		}
	}
	p.ACLs = drawACLs(rt)
	for i := range w.endpoints {
		e := &w.endpoints[i]
		e.host, e.port, e.forwards = rapid.IntRange(1, hosts).Draw(rt, "host"), "", one(rt, 3, "forwards")
		for t := range tenants {
			for _, a := range e.addresses {
				if w.reaches(t, e.tenant) {
					p.Mappings = append(p.Mappings, vfp.Mapping{RDID: rdid(t), CA: a, VSID: vsid(e.tenant, subnetOf(a)), MAC: e.mac, PA: HostPA(e.host, w.v6), Forwards: e.forwards})
				}
			}
		}
		if e.host != localHost || len(p.Ports) == MaxPorts || one(rt, 5, "detached") {
			continue
		}
		e.port = fmt.Sprintf("port%02d", i)
		port := vfp.Port{ID: e.port, Device: fmt.Sprintf("p%d", len(p.Ports)+1), MAC: e.mac, AllowMACSpoofing: one(rt, 6, "spoofing"), Forwards: e.forwards}
		for n, a := range e.addresses {
			if n == 0 || !one(rt, 5, "single") {
				port.Addresses = append(port.Addresses, vfp.Address{CA: a, VSID: vsid(e.tenant, subnetOf(a)), RDID: rdid(e.tenant), ACLs: drawGuards(rt, p.ACLs)})
			}
		}
		p.Ports = append(p.Ports, port)
	}
	p.Routes = w.drawRoutes(rt)
	for i := range p.Ports {
		w.drawSettings(rt, &p.Ports[i], p.Ports)
	}
	slices.SortStableFunc(p.Mappings, func(a, b vfp.Mapping) int {
		if a.RDID != b.RDID {
			if a.RDID < b.RDID {
				return -1
			}
			return 1
		}
		return a.CA.Compare(b.CA)
	})
	return p
}

func tenantOf(p *vfp.Port) int { return int(p.Addresses[0].VSID-5000) / 10 }

// drawSettings draws what a port has besides its addresses. Small limits, so that short sequences reach them.
func (w *World) drawSettings(rt *rapid.T, p *vfp.Port, all []vfp.Port) {
	if one(rt, 2, "dhcp") {
		p.DHCP = &vfp.DHCP{PrefixLen: 24, MTU: rapid.SampledFrom([]uint16{0, 1400}).Draw(rt, "dhcp mtu"), Lease: 3600}
		if !one(rt, 3, "dhcp without gateway") {
			p.DHCP.Gateway = gatewayOf(tenantOf(p), subnetOf(p.Addresses[0].CA))
		}
		for n := range rapid.IntRange(0, 3).Draw(rt, "dns") {
			p.DHCP.DNS = append(p.DHCP.DNS, netip.AddrFrom4([4]byte{9, 9, 9, byte(n)}))
		}
	}
	if one(rt, 3, "limited") {
		p.Limits = vfp.FlowLimits{Flows: rapid.SampledFrom([]uint32{0, 2, 3}).Draw(rt, "flows"), HalfOpen: rapid.SampledFrom([]uint32{0, 2}).Draw(rt, "half-open")}
	}
	for d := range p.Bandwidth {
		if one(rt, 5, "bandwidth") {
			p.Bandwidth[d] = vfp.Bandwidth{BitsPerSecond: rapid.SampledFrom([]uint64{8_000, 1_000_003, 10_000_000_000}).Draw(rt, "rate"),
				Burst: rapid.SampledFrom([]uint32{0, 100, 3000}).Draw(rt, "burst")}
		}
	}
	if one(rt, 6, "mirror") {
		p.Mirror = &vfp.Mirror{}
		if one(rt, 2, "to port") {
			p.Mirror.Port = rapid.SampledFrom(all).Draw(rt, "mirror port").ID
		} else {
			p.Mirror.Collector = HostPA(9, w.v6)
			p.Mirror.Type = vfp.MirrorType(rapid.IntRange(0, 1).Draw(rt, "mirror type"))
			p.Mirror.Session = rapid.Uint32Range(0, 1023).Draw(rt, "session")
		}
	}
}

// change is the policy with other ACLs, or other routes, and everything else as it was.
func (w *World) change(rt *rapid.T) *vfp.Policy {
	old := w.policy
	p := *old
	if one(rt, 2, "reroute") {
		p.Routes = w.reroute(rt)
		return &p
	}
	p.ACLs = drawACLs(rt)
	p.Ports = slices.Clone(old.Ports)
	for i := range p.Ports {
		p.Ports[i].Addresses = slices.Clone(p.Ports[i].Addresses)
		for n := range p.Ports[i].Addresses {
			p.Ports[i].Addresses[n].ACLs = drawGuards(rt, p.ACLs)
		}
	}
	return &p
}
