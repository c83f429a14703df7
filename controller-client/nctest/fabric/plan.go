package fabric

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Numbers of addresses inside a subnet: the network's own, then its gateway, then what the plan needs.
const (
	vipHost     = 3 // of a load balancer's inner VIP, in the first subnet
	firstHost   = 4 // of the first NIC
	hostsPerNIC = 2 // a NIC has up to two IPv4 addresses
)

// NICs are dealt to the tenants in turn, and inside a tenant to its subnets in turn: so a NIC's
// addresses follow from its number.

func (s Spec) tenantOf(nic int) int { return nic % s.Tenants }

// place answers a NIC's subnet in its tenant and its place there.
func (s Spec) place(nic int) (subnet, n int) {
	k := nic / s.Tenants
	return k % s.Subnets, k / s.Subnets
}

// hostBits is the width of an address inside a subnet: a /24, or wider for more NICs.
func (s Spec) hostBits() int {
	perTenant := (s.NICs + max(s.Tenants, 1) - 1) / max(s.Tenants, 1)
	perSubnet := (perTenant + s.Subnets - 1) / s.Subnets
	last := firstHost + hostsPerNIC*perSubnet // never in use: the broadcast address at worst
	return max(8, bits.Len(uint(last)))
}

// second tells the second network of a peered pair; peered networks must not overlap.
func (s Spec) second(tenant int) bool { return tenant%2 == 1 && tenant < 2*s.pairs() }

// pairs of peered tenants: (0, 1), (2, 3), and so on.
func (s Spec) pairs() int {
	if s.Tenants < 2 {
		return 0
	}
	return max(1, s.Tenants/20)
}

// peer answers the network a tenant is peered with.
func (s Spec) peer(tenant int) (other int, peered bool) {
	return tenant ^ 1, tenant < 2*s.pairs()
}

// space of a tenant: the same for all, but for the second of a pair.
func (s Spec) space(tenant int) netip.Prefix {
	base := [4]byte{10, 0}
	if s.second(tenant) {
		base[1] = 128
	}
	return netip.PrefixFrom(netip.AddrFrom4(base), 32-tenantSpace)
}

func (s Spec) space6(tenant int) netip.Prefix {
	base := [16]byte{0xfd, 0x00, 0, 0x10}
	if s.second(tenant) {
		base[3] = 0x11
	}
	return netip.PrefixFrom(netip.AddrFrom16(base), 32)
}

// prefix of a tenant's IPv4 subnet.
func (s Spec) prefix(tenant, subnet int) netip.Prefix {
	return netip.PrefixFrom(add4(s.space(tenant).Addr(), uint32(subnet)<<s.hostBits()), 32-s.hostBits())
}

// prefix6 of a tenant's IPv6 subnet: a /64.
func (s Spec) prefix6(tenant, subnet int) netip.Prefix {
	a := s.space6(tenant).Addr().As16()
	binary.BigEndian.PutUint32(a[4:], uint32(subnet))
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

// address answers a NIC's IPv4 address; which is 0, or 1 for the additional one.
func (s Spec) address(nic, which int) netip.Addr {
	subnet, n := s.place(nic)
	return add4(s.prefix(s.tenantOf(nic), subnet).Addr(), uint32(firstHost+hostsPerNIC*n+which))
}

func (s Spec) address6(nic int) netip.Addr {
	subnet, n := s.place(nic)
	a := s.prefix6(s.tenantOf(nic), subnet).Addr().As16()
	binary.BigEndian.PutUint32(a[12:], uint32(firstHost+n))
	return netip.AddrFrom16(a)
}

// providerAddress of a server, in the HNVPA network 172.16.0.0/16.
func providerAddress(server int) netip.Addr {
	return add4(netip.AddrFrom4([4]byte{172, 16}), uint32(firstHost+server))
}

// publicAddress of a number, in 198.18.0.0/15, which is nobody's.
func publicAddress(n int) netip.Addr {
	return add4(netip.AddrFrom4([4]byte{198, 18}), uint32(n+1))
}

func add4(a netip.Addr, n uint32) netip.Addr {
	b := a.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+n)
	return netip.AddrFrom4(b)
}
