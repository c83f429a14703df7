package overlay

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

var equalAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func compile(t testing.TB, m *Model, host HostConfig, ports []AttachedPort) *vfp.Policy {
	t.Helper()
	p, problems := Compile(m, host, ports)
	for _, p := range problems {
		t.Errorf("unexpected problem: %+v", p)
	}
	return p
}

var webPorts = []AttachedPort{
	{ID: "f-web", Device: "vethf", NIC: "fabrikam-web-1"},
	{ID: "c-web", Device: "vethc", NIC: "/networkInterfaces/contoso-web-1"},
}

func TestCompile(t *testing.T) {
	m := build(t, fabric(), nil, Options{})
	p := compile(t, m, hostA, webPorts)
	if p.Encapsulation != encap.VXLAN || p.ProviderAddress != hostA.ProviderAddress {
		t.Errorf("%v %v", p.Encapsulation, p.ProviderAddress)
	}
	rdid := map[string]string{}
	for _, v := range m.VirtualNetworks {
		rdid[v.ID] = v.RDID
	}
	wantPorts := []vfp.Port{
		{ID: "c-web", Device: "vethc", MAC: vfp.MAC{0, 0x1d, 0xd8, 7, 0, 1}, Addresses: []vfp.Address{{CA: addr("10.0.1.4"), VSID: 5001, RDID: rdid["contoso"], ACLs: []string{webACL}}}},
		{ID: "f-web", Device: "vethf", MAC: vfp.MAC{0, 0x1d, 0xd8, 7, 0, 1}, Addresses: []vfp.Address{{CA: addr("10.0.1.4"), VSID: 5011, RDID: rdid["fabrikam"], ACLs: []string{"/accessControlLists/fabrikam-web"}}}},
	}
	if diff := cmp.Diff(wantPorts, p.Ports, equalAddr); diff != "" {
		t.Errorf("ports (-want +got)\n%s", diff)
	}
	if len(p.Subnets) != 4 || p.Subnets[0].VSID != 5001 || p.Subnets[3].VSID != 5012 || p.Subnets[2].Gateway != addr("10.0.1.1") {
		t.Errorf("subnets %+v", p.Subnets)
	}
	if len(p.ACLs) != 2 || p.ACLs[0].ID != webACL || len(p.ACLs[0].Rules) != 3 {
		t.Errorf("ACLs %+v", p.ACLs)
	}
	got := map[string]netip.Addr{}
	for i, mp := range p.Mappings {
		got[mp.RDID+" "+mp.CA.String()] = mp.PA
		if i > 0 && (mp.RDID < p.Mappings[i-1].RDID || mp.RDID == p.Mappings[i-1].RDID && mp.CA.Less(p.Mappings[i-1].CA)) {
			t.Errorf("mapping %d is out of order", i)
		}
	}
	want := map[string]netip.Addr{}
	for _, id := range rdid {
		want[id+" 10.0.1.4"], want[id+" 10.0.1.5"] = addr("172.16.0.1"), addr("172.16.0.2")
		want[id+" 10.0.2.4"], want[id+" 10.0.2.5"] = addr("172.16.0.1"), addr("172.16.0.3")
	}
	if diff := cmp.Diff(want, got, equalAddr); diff != "" {
		t.Errorf("mappings (-want +got)\n%s", diff)
	}
}

func TestCompileOnlyWhatIsNeeded(t *testing.T) {
	m := build(t, fabric(), nil, Options{})
	p := compile(t, m, hostA, []AttachedPort{{ID: "c-db", Device: "veth", NIC: "contoso-db-1"}})
	if len(p.Subnets) != 2 || len(p.Mappings) != 4 || len(p.ACLs) != 0 {
		t.Errorf("fabrikam or unused ACLs are in the policy: %+v", p)
	}
	if p = compile(t, m, hostA, nil); len(p.Subnets)+len(p.Mappings)+len(p.ACLs)+len(p.Ports) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestCompileACLOrder(t *testing.T) {
	s := fabric()
	ipconfig(s, "contoso-web-1").AccessControlList = "/accessControlLists/contoso-db"
	ipconfig(s, "fabrikam-web-1").AccessControlList = "/accessControlLists/FABRIKAM-web" // the subnet's own
	for _, c := range []struct {
		combine string
		contoso []string
	}{
		{"", []string{webACL, "/accessControlLists/contoso-db"}},
		{CombineAll, []string{webACL, "/accessControlLists/contoso-db"}},
		{CombineNIC, []string{"/accessControlLists/contoso-db"}},
	} {
		p := compile(t, build(t, s, nil, Options{ACLCombine: c.combine}), hostA, webPorts)
		if diff := cmp.Diff(c.contoso, p.Ports[0].Addresses[0].ACLs); diff != "" {
			t.Errorf("%q (-want +got)\n%s", c.combine, diff)
		}
		if diff := cmp.Diff([]string{"/accessControlLists/fabrikam-web"}, p.Ports[1].Addresses[0].ACLs); diff != "" {
			t.Errorf("%q (-want +got)\n%s", c.combine, diff)
		}
	}
}

func TestCompileSeveralAddresses(t *testing.T) {
	s := fabric()
	n := nic(s, "contoso-web-1")
	for _, ca := range []string{"10.0.1.103", "10.0.1.101", "10.0.1.102"} {
		n.IPConfigurations = append(n.IPConfigurations, cc.IPConfiguration{Meta: meta(n.Ref+"/ipConfigurations/", "c"+ca), PrivateIPAddress: ca, Subnet: "/virtualNetworks/contoso/subnets/web"})
	}
	m := build(t, s, nil, Options{})
	p := compile(t, m, hostA, webPorts[1:])
	if got := p.Ports[0].Addresses; len(got) != 4 || got[0].CA != addr("10.0.1.4") || got[3].CA != addr("10.0.1.103") {
		t.Errorf("%+v", got)
	}
	// Containers that share the network interface, each with its own address.
	ports := []AttachedPort{
		{ID: "c1", NIC: n.ID, Addresses: []netip.Addr{addr("10.0.1.101")}},
		{ID: "c2", NIC: n.ID, Addresses: []netip.Addr{addr("10.0.1.102"), addr("10.0.1.103")}},
	}
	p = compile(t, m, hostA, ports)
	if len(p.Ports) != 2 || len(p.Ports[0].Addresses) != 1 || len(p.Ports[1].Addresses) != 2 || len(p.Mappings) != 7 {
		t.Errorf("%+v", p.Ports)
	}
}

func TestCompileProblems(t *testing.T) {
	good := fabric()
	one := func(port AttachedPort) []AttachedPort { return append([]AttachedPort{port}, webPorts[0]) }
	for _, c := range []struct {
		name           string
		change         func(s *cc.Snapshot)
		host           HostConfig
		ports          []AttachedPort
		code, resource string
		message        string
		wantPorts      int
		wantMappings   int
	}{
		{"unknown NIC", nil, hostA, one(AttachedPort{ID: "x", NIC: "nobody"}), "port-nic-unknown", "nobody", `"nobody"`, 1, 4},
		{"NIC of another host", nil, hostA, one(AttachedPort{ID: "x", NIC: "contoso-web-2"}), "port-nic-elsewhere", "/networkInterfaces/contoso-web-2", `on server "host-b"`, 1, 4},
		{"unplaced NIC", func(s *cc.Snapshot) { nic(s, "contoso-web-1").Server = "" }, hostA, one(AttachedPort{ID: "x", NIC: "contoso-web-1"}),
			"port-nic-elsewhere", "/networkInterfaces/contoso-web-1", "on no server", 1, 4},
		{"NIC without address", func(s *cc.Snapshot) { nic(s, "contoso-web-1").IPConfigurations = nil }, hostA, one(AttachedPort{ID: "x", NIC: "contoso-web-1"}),
			"port-address-missing", "/networkInterfaces/contoso-web-1", "properties.ipConfigurations", 1, 4},
		{"address of nobody", nil, hostA, one(AttachedPort{ID: "x", NIC: "contoso-web-1", Addresses: []netip.Addr{addr("10.0.1.9")}}),
			"port-address-unknown", "/networkInterfaces/contoso-web-1", "10.0.1.9", 1, 4},
		{"NIC attached twice", nil, hostA, append(one(AttachedPort{ID: "x", NIC: "fabrikam-web-1"}), webPorts...), "port-duplicate", "fabrikam-web-1", `"f-web"`, 2, 8},
		{"address attached twice", nil, hostA, one(AttachedPort{ID: "x", NIC: "fabrikam-web-1"}), "port-address-duplicate",
			"/networkInterfaces/fabrikam-web-1/ipConfigurations/ip1", `endpoint "f-web"`, 1, 4},
		{"host unknown", nil, HostConfig{Name: "host-z", ProviderAddress: addr("172.16.0.9")}, webPorts, "host-unknown", "/servers/host-z", "host.name", 0, 0},
		{"PA mismatch", nil, HostConfig{Name: "host-a", ProviderAddress: addr("172.16.0.9")}, webPorts, "provider-address-mismatch", "/servers/host-a", "host.underlay.providerAddress", 2, 8},
		{"PA missing", func(s *cc.Snapshot) { s.Servers[0].ProviderAddresses = nil }, HostConfig{Name: "host-a"}, webPorts, "provider-address-missing", "/servers/host-a", "host.underlay.providerAddress", 2, 4},
		{"PA family", func(s *cc.Snapshot) { s.Servers[1].ProviderAddresses = []string{"fd00::2"} }, hostA, webPorts, "provider-address-family", "/servers/host-b", "properties.providerAddresses", 2, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good
			if c.change != nil {
				s = fabric()
				c.change(s)
			}
			m, _ := Build(s, nil, Options{})
			p, problems := Compile(m, c.host, c.ports)
			pr := find(problems, c.code, c.resource)
			if pr == nil || !strings.Contains(pr.Message, c.message) {
				t.Fatalf("%+v", problems)
			}
			if len(p.Ports) != c.wantPorts || len(p.Mappings) != c.wantMappings {
				t.Errorf("%d ports, %d mappings: %+v", len(p.Ports), len(p.Mappings), p.Ports)
			}
		})
	}
}

func TestCompileWithoutOwnAddressTakesTheControllers(t *testing.T) {
	p := compile(t, build(t, fabric(), nil, Options{}), HostConfig{Name: "HOST-A"}, webPorts)
	if p.ProviderAddress != addr("172.16.0.1") || len(p.Mappings) != 8 {
		t.Errorf("%v, %d mappings", p.ProviderAddress, len(p.Mappings))
	}
}

func TestCompileIPv6(t *testing.T) {
	s := fabric()
	for i, h := range []string{"fd00:5::1", "fd00:5::2", "fd00:5::3"} {
		s.Servers[i].ProviderAddresses = append(s.Servers[i].ProviderAddresses, h)
	}
	v := network(s, "contoso")
	v.AddressPrefixes = append(v.AddressPrefixes, "fd00::/48")
	v.Subnets = append(v.Subnets, cc.Subnet{Meta: meta(v.Ref+"/subnets/", "six"), AddressPrefix: "fd00:0:0:1::/64", VSID: 6001})
	n := nic(s, "contoso-web-1")
	n.IPConfigurations = append(n.IPConfigurations, cc.IPConfiguration{Meta: meta(n.Ref+"/ipConfigurations/", "ip6"), PrivateIPAddress: "fd00:0:0:1::4", Subnet: v.Ref + "/subnets/six"})
	m := build(t, s, nil, Options{})
	p := compile(t, m, HostConfig{Name: "host-a", ProviderAddress: addr("fd00:5::1")}, webPorts)
	if len(p.Mappings) != 9 || len(p.Ports[0].Addresses) != 2 || p.Ports[0].Addresses[1].CA != addr("fd00:0:0:1::4") {
		t.Errorf("%+v", p.Ports)
	}
	for _, mp := range p.Mappings {
		if !mp.PA.Is6() {
			t.Errorf("%+v", mp)
		}
	}
}
