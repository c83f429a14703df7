package overlay

import (
	"net/netip"
	"strings"
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// TestProviderSpace: an address that no pool of the fabric can have given is in force, and named.
func TestProviderSpace(t *testing.T) {
	s := fabric()
	s.LogicalNetworks = []cc.LogicalNetwork{
		{Meta: meta("/logicalNetworks/", "hnvpa"), NetworkVirtualization: true, Subnets: []cc.LogicalSubnet{
			{Meta: meta("/logicalNetworks/hnvpa/subnets/", "a"), AddressPrefix: "172.16.0.0/31"}, {Meta: meta("/logicalNetworks/hnvpa/subnets/", "b"), AddressPrefix: "172.16.0.2/32"}}},
		{Meta: meta("/logicalNetworks/", "management"), Subnets: []cc.LogicalSubnet{{Meta: meta("/logicalNetworks/management/subnets/", "a"), AddressPrefix: "172.16.0.0/16"}}}}
	m, problems := Build(s, nil, Options{})
	p := find(problems, "provider-address-outside", "/servers/host-c")
	if len(problems) != 1 || p == nil || p.Severity != "warning" || !strings.Contains(p.Message, `properties.providerAddresses "172.16.0.3" of server "host-c"`) {
		t.Errorf("%+v", problems)
	}
	if len(m.FindHost("host-c").ProviderAddresses) != 1 {
		t.Error("it is not in force")
	}
	// This host's own, which the fabric doesn't know.
	_, problems = Compile(m, HostConfig{Name: "host-a", ProviderAddress: netip.MustParseAddr("172.16.9.9")}, nil)
	if p := find(problems, "provider-address-outside", "/servers/host-a"); p == nil || !strings.Contains(p.Message, "host.underlay.providerAddress") {
		t.Errorf("%+v", problems)
	}
	s.LogicalNetworks[0].Subnets[0].AddressPrefix = "x"
	if _, problems := Build(s, nil, Options{}); find(problems, "logical-subnet-invalid", "/logicalNetworks/hnvpa/subnets/a") == nil {
		t.Errorf("%+v", problems)
	}
	s.LogicalNetworks = s.LogicalNetworks[1:]
	build(t, s, nil, Options{}) // nobody says where they come from
}

func TestShownOnly(t *testing.T) {
	s := fabric()
	s.PublicIPAddresses = []cc.PublicIPAddress{{Meta: meta("/publicIPAddresses/", "b"), Address: "198.51.100.7", AllocationMethod: "Static"},
		{Meta: meta("/publicIPAddresses/", "a"), AllocationMethod: "Dynamic"}, {Meta: meta("/publicIPAddresses/", "c"), Address: "x"}}
	lb := "/loadBalancers/l"
	s.LoadBalancers = []cc.LoadBalancer{{Meta: meta("/loadBalancers/", "l"),
		Frontends:    []cc.Frontend{{Meta: cc.Meta{ID: "f2"}, PrivateIPAddress: "10.0.1.9"}, {Meta: cc.Meta{ID: "f1"}, PrivateIPAddress: "9"}},
		BackendPools: []cc.BackendAddressPool{{Meta: cc.Meta{ID: "p"}, IPConfigurations: []string{"/b", "/a"}}},
		Rules:        []cc.LoadBalancingRule{{Meta: cc.Meta{ID: "r2"}}, {Meta: cc.Meta{ID: "r1"}, Protocol: "Tcp"}}}}
	m, problems := Build(s, nil, Options{})
	if len(problems) != 2 || find(problems, "public-address-invalid", "/publicIPAddresses/c") == nil || find(problems, "frontend-address-invalid", lb+"/frontendIPConfigurations/f1") == nil {
		t.Errorf("%+v", problems)
	}
	if p := m.PublicIPAddresses; len(p) != 3 || p[0].Address.IsValid() || p[1].Address != addr("198.51.100.7") || p[2].Address.IsValid() {
		t.Errorf("%+v", p)
	}
	l := m.LoadBalancers[0]
	if len(l.Frontends) != 2 || l.Frontends[1].Address != addr("10.0.1.9") || l.BackendPools[0].IPConfigurations[0] != "/a" ||
		l.Rules[0].Ref != lb+"/loadBalancingRules/r1" || l.Rules[0].Protocol != "Tcp" {
		t.Errorf("%+v", l)
	}
	if s.LoadBalancers[0].BackendPools[0].IPConfigurations[0] != "/b" || s.LoadBalancers[0].Rules[0].Ref != "" {
		t.Error("the snapshot was changed")
	}
}
