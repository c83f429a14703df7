package rest

import (
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

func TestDecodeRouteTables(t *testing.T) {
	p := decoded(t, "routeTables", decodeRouteTable)
	diff(t, []cc.RouteTable{
		{Meta: cc.Meta{ID: "edge", Ref: "/routeTables/edge", InstanceID: "aa", ETag: `W/"1"`, ProvisioningState: "Succeeded"}, Routes: []cc.Route{
			{Meta: cc.Meta{ID: "out", Ref: "/routeTables/edge/routes/out"}, AddressPrefix: "0.0.0.0/0", NextHopType: "VirtualAppliance", NextHopIPAddress: "10.0.2.4"},
			{Meta: cc.Meta{ID: "hole", Ref: "/routeTables/edge/routes/hole"}, AddressPrefix: "192.0.2.0/24", NextHopType: "none"},
		}},
		{Meta: cc.Meta{ID: "empty", Ref: "/routeTables/empty"}},
	}, p.items)
	if len(p.problems) != 1 || p.problems[0].Resource != "/routeTables/edge/routes[2]" {
		t.Errorf("problems %+v", p.problems)
	}
}

func TestDecodeLogicalNetworks(t *testing.T) {
	p := decoded(t, "logicalNetworks", decodeLogicalNetwork)
	diff(t, []cc.LogicalNetwork{
		{Meta: cc.Meta{ID: "HNVPA", Ref: "/logicalNetworks/HNVPA"}, NetworkVirtualization: true, Subnets: []cc.LogicalSubnet{
			{Meta: cc.Meta{ID: "s", Ref: "/logicalNetworks/HNVPA/subnets/s"}, AddressPrefix: "172.16.0.0/16", VLAN: "11", Gateways: []string{"172.16.0.1"}, Pools: []cc.IPPool{
				{Meta: cc.Meta{ID: "p", Ref: "/logicalNetworks/HNVPA/subnets/s/ipPools/p"}, Start: "172.16.0.10", End: "172.16.255.250", Usage: `{"numberOfIPAddresses":9}`},
			}},
		}},
		{Meta: cc.Meta{ID: "transit", Ref: "/logicalNetworks/transit"}, Subnets: []cc.LogicalSubnet{{Meta: cc.Meta{ID: "t", Ref: "/logicalNetworks/transit/subnets/t"}, VLAN: "7"}}},
	}, p.items)
	diff(t, []cc.Problem(nil), p.problems)
}

func TestDecodeLoadBalancers(t *testing.T) {
	const lb, vip, ip = "/loadBalancers/lb", "/loadBalancers/lb/frontendIPConfigurations/vip", "/networkInterfaces/n/ipConfigurations/i"
	meta := func(collection, id string) cc.Meta { return cc.Meta{ID: id, Ref: lb + "/" + collection + "/" + id} }
	p := decoded(t, "loadBalancers", decodeLoadBalancer)
	diff(t, []cc.LoadBalancer{
		{Meta: cc.Meta{ID: "lb", Ref: lb},
			Frontends:    []cc.Frontend{{Meta: meta("frontendIPConfigurations", "vip"), PublicIPAddress: "/publicIPAddresses/p1"}},
			BackendPools: []cc.BackendAddressPool{{Meta: meta("backendAddressPools", "pool"), IPConfigurations: []string{ip}}},
			Rules: []cc.LoadBalancingRule{{Meta: meta("loadBalancingRules", "https"), Frontends: []string{vip}, Protocol: "Tcp", FrontendPort: "443", BackendPort: "8443",
				FloatingIP: true, BackendPool: lb + "/backendAddressPools/pool", Distribution: "SourceIP"}},
			InboundNATRules: []cc.LoadBalancingRule{{Meta: meta("inboundNatRules", "ssh"), Frontends: []string{vip}, Protocol: "Tcp", FrontendPort: "50001", BackendPort: "22",
				IPConfiguration: ip}},
			OutboundNATRules: []cc.LoadBalancingRule{{Meta: meta("outboundNatRules", "out"), Protocol: "All"}},
		},
		{Meta: cc.Meta{ID: "bare", Ref: "/loadBalancers/bare"}},
	}, p.items)
	diff(t, []cc.Problem(nil), p.problems)
}

func TestDecodePublicIPAddressesAndTags(t *testing.T) {
	diff(t, []cc.PublicIPAddress{
		{Meta: cc.Meta{ID: "p1", Ref: "/publicIPAddresses/p1"}, Address: "203.0.113.5", AllocationMethod: "Static", Version: "IPv4",
			IPConfiguration: "/loadBalancers/lb/frontendIPConfigurations/vip"},
		{Meta: cc.Meta{ID: "p2", Ref: "/publicIPAddresses/p2"}, AllocationMethod: "Dynamic"},
	}, decoded(t, "publicIPAddresses", decodePublicIPAddress).items)
	diff(t, []cc.SecurityTag{
		{Meta: cc.Meta{ID: "t1", Ref: "/securityTags/t1"}, Type: "Custom"},
		{Meta: cc.Meta{ID: "T2", Ref: "/securityTags/T2"}},
	}, decoded(t, "securityTags", decodeSecurityTag).items)
}

func TestDecodeSecurityTagsOfRulesAndAddresses(t *testing.T) {
	body := `{"value":[{"resourceId":"a","properties":{"aclRules":[{"resourceId":"r","properties":{"sourceSecurityTags":[{"resourceRef":"/securityTags/t1"}],"destinationSecurityTags":"/securityTags/t2"}}]}}]}`
	p, err := decodeList([]byte(body), "accessControlLists", decodeAccessControlList)
	if err != nil {
		t.Fatal(err)
	}
	r := p.items[0].Rules[0]
	diff(t, []string{"/securityTags/t1"}, r.SourceSecurityTags)
	diff(t, []string{"/securityTags/t2"}, r.DestinationSecurityTags)
}
