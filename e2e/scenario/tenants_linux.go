package scenario

import (
	"fmt"
	"net/netip"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

// Both tenants use the same prefixes, and mostly the same addresses: that is the normal case.
const (
	addressSpace = "10.0.0.0/16"
	webPrefix    = "10.0.1.0/24"
	dbPrefix     = "10.0.2.0/24"
)

// vsids of the tenants' subnets. They are given, not assigned, so that a capture can be judged.
var vsids = map[string]map[string]uint32{
	"contoso":  {"web": 5001, "db": 5002},
	"fabrikam": {"web": 6001, "db": 6002},
}

// plan says where everyone lives. 10.0.1.13 is in use only at contoso, 10.0.1.14 only at fabrikam.
var plan = []struct{ tenant, name, host, subnet, address, acl string }{
	{"contoso", "web1", "host-a", "web", "10.0.1.11", ""},
	{"contoso", "web2", "host-b", "web", "10.0.1.12", ""},
	{"contoso", "web3", "host-a", "web", "10.0.1.13", ""},
	{"contoso", "db1", "host-c", "db", "10.0.2.21", ""},
	{"contoso", "quiet", "host-c", "db", "10.0.2.22", "no-outbound"},
	{"fabrikam", "shop1", "host-a", "web", "10.0.1.11", ""},
	{"fabrikam", "shop2", "host-b", "web", "10.0.1.12", ""},
	{"fabrikam", "roamer", "host-b", "web", "10.0.1.14", ""},
	{"fabrikam", "stock1", "host-c", "db", "10.0.2.21", ""},
	{"fabrikam", "gate", "host-b", "db", "10.0.2.22", "gate"},
}

// gateACL lets 443 and ping in, and 8080 or not.
func gateACL(action8080 string) nctest.AccessControlListBody {
	return nctest.AccessControlListBody{Rules: []nctest.ACLRuleBody{
		{ID: "port-8080", Action: action8080, Protocol: "TCP", Priority: 100, DestinationPorts: "8080"},
		{ID: "https", Action: "Allow", Protocol: "TCP", Priority: 200, DestinationPorts: "443"},
		{ID: "ping", Action: "Allow", Protocol: "ICMP", Priority: 300},
		{ID: "rest", Action: "Deny", Protocol: "All", Priority: 1000},
	}}
}

var noOutbound = nctest.AccessControlListBody{Rules: []nctest.ACLRuleBody{
	{ID: "nothing", Direction: "Outbound", Action: "Deny", Protocol: "All", Priority: 100},
}}

func network(tenant string) nctest.VirtualNetworkBody {
	return nctest.VirtualNetworkBody{
		AddressPrefixes: []string{addressSpace},
		Subnets: []nctest.SubnetBody{
			{ID: "web", AddressPrefix: webPrefix, VSID: vsids[tenant]["web"]},
			{ID: "db", AddressPrefix: dbPrefix, VSID: vsids[tenant]["db"]},
		},
	}
}

// tell puts both tenants on the controller.
func (w *World) tell() {
	nc := w.Controller()
	nc.Put("/accessControlLists/gate", gateACL("Deny"))
	nc.Put("/accessControlLists/no-outbound", noOutbound)
	for _, tenant := range []string{"contoso", "fabrikam"} {
		nc.Put("/virtualNetworks/"+tenant, network(tenant))
	}
	for i, p := range plan {
		ip := nctest.IPConfigurationBody{ID: "ip1", Address: p.address, Subnet: "/virtualNetworks/" + p.tenant + "/subnets/" + p.subnet}
		if p.acl != "" {
			ip.ACL = "/accessControlLists/" + p.acl
		}
		nc.Put("/networkInterfaces/nic-"+p.name, nctest.NetworkInterfaceBody{
			MAC:              fmt.Sprintf("001DD80700%02X", i+1),
			Server:           "/servers/" + p.host,
			IPConfigurations: []nctest.IPConfigurationBody{ip},
		})
	}
}

// Addresses that more than one step talks about.
var (
	caWeb2   = netip.MustParseAddr("10.0.1.12")
	caWeb3   = netip.MustParseAddr("10.0.1.13")
	caRoamer = netip.MustParseAddr("10.0.1.14")
	caDB     = netip.MustParseAddr("10.0.2.21")
	caLast   = netip.MustParseAddr("10.0.2.22") // quiet at contoso, gate at fabrikam
)

// Ports that everyone's echo server listens on.
const (
	portHTTPS    = 443
	portBlocked  = 8080
	portContoso  = 7001
	portFabrikam = 7002
	portAny      = 9000
	portTransfer = 7100
)
