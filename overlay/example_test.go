package overlay_test

import (
	"fmt"
	"net/netip"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/overlay"
)

func Example() {
	snapshot := &cc.Snapshot{
		VirtualNetworks: []cc.VirtualNetwork{{
			Meta:            cc.Meta{ID: "contoso", Ref: "/virtualNetworks/contoso", InstanceID: "5F0C1C2E-0000-4000-8000-000000000001"},
			AddressPrefixes: []string{"10.0.0.0/16"},
			Subnets:         []cc.Subnet{{Meta: cc.Meta{ID: "web"}, AddressPrefix: "10.0.1.0/24", VSID: 5001}},
		}},
		Servers: []cc.Server{
			{Meta: cc.Meta{ID: "host-a"}, ProviderAddresses: []string{"172.16.0.1"}},
			{Meta: cc.Meta{ID: "host-b"}, ProviderAddresses: []string{"172.16.0.2"}},
		},
		NetworkInterfaces: []cc.NetworkInterface{
			{Meta: cc.Meta{ID: "web-1"}, MAC: "001DD8070001", Server: "/servers/host-a", IPConfigurations: []cc.IPConfiguration{
				{Meta: cc.Meta{ID: "ip"}, PrivateIPAddress: "10.0.1.4", Subnet: "/virtualNetworks/contoso/subnets/web"}}},
			{Meta: cc.Meta{ID: "web-2"}, MAC: "001DD8070002", Server: "/servers/host-b", IPConfigurations: []cc.IPConfiguration{
				{Meta: cc.Meta{ID: "ip"}, PrivateIPAddress: "10.0.1.5", Subnet: "/virtualNetworks/contoso/subnets/web"}}},
			{Meta: cc.Meta{ID: "web-3"}, MAC: "001DD8070003", Server: "/servers/host-b", IPConfigurations: []cc.IPConfiguration{
				{Meta: cc.Meta{ID: "ip"}, PrivateIPAddress: "10.0.7.5", Subnet: "/virtualNetworks/contoso/subnets/web"}}},
		},
	}
	model, problems := overlay.Build(snapshot, nil, overlay.Options{})
	for _, p := range problems {
		fmt.Println(p.Severity, p.Resource, p.Message)
	}
	host := overlay.HostConfig{Name: "host-a", ProviderAddress: netip.MustParseAddr("172.16.0.1")}
	policy, _ := overlay.Compile(model, host, []overlay.AttachedPort{{ID: "c1", Device: "veth1", NIC: "web-1"}})
	for _, m := range policy.Mappings {
		fmt.Println(m.CA, m.MAC, "via", m.PA, "in", m.VSID)
	}
	fmt.Println(overlay.Diff(nil, model))
	// Output:
	// error /networkInterfaces/web-3/ipConfigurations/ip properties.privateIPAddress "10.0.7.5" is outside the subnet's prefix 10.0.1.0/24; the ipConfiguration is left out
	// 10.0.1.4 00:1d:d8:07:00:01 via 172.16.0.1 in 5001
	// 10.0.1.5 00:1d:d8:07:00:02 via 172.16.0.2 in 5001
	// networks +1 ~0 -0, subnets +1 ~0 -0, endpoints +3 ~0 -0, mappings +2 ~0 -0, hosts +2 ~0 -0
}
