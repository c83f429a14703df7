package fabric

import "fmt"

type virtualNetwork struct {
	AddressSpace   addressSpace `json:"addressSpace"`
	LogicalNetwork *reference   `json:"logicalNetwork"`
	Subnets        []resource   `json:"subnets"`
	Peerings       []resource   `json:"virtualNetworkPeerings,omitempty"`
}

type addressSpace struct {
	Prefixes []string `json:"addressPrefixes"`
}

type subnet struct {
	AddressPrefix     string     `json:"addressPrefix"`
	AccessControlList *reference `json:"accessControlList,omitempty"`
	RouteTable        *reference `json:"routeTable,omitempty"`
	Own               *own       `json:"fairlead,omitempty"`
}

type peering struct {
	Remote        *reference `json:"remoteVirtualNetwork"`
	Access        bool       `json:"allowVirtualNetworkAccess"`
	Forwarded     bool       `json:"allowForwardedTraffic"`
	Transit       bool       `json:"allowGatewayTransit"`
	RemoteGateway bool       `json:"useRemoteGateways"`
	State         string     `json:"peeringState"`
}

func (s Spec) virtualNetwork(tenant int, withPeering bool) resource {
	p := virtualNetwork{
		AddressSpace:   addressSpace{[]string{s.space(tenant).String()}},
		LogicalNetwork: refer(hnvpa),
	}
	if s.DualStack {
		p.AddressSpace.Prefixes = append(p.AddressSpace.Prefixes, s.space6(tenant).String())
	}
	for n := range s.Subnets {
		p.Subnets = append(p.Subnets, s.resource(subnetRef(tenant, n), subnet{
			AddressPrefix:     s.prefix(tenant, n).String(),
			AccessControlList: refer(s.tenantACL(tenant)), RouteTable: refer(s.routeTableOf(tenant, n)), Own: s.vsid(tenant, n)}))
	}
	for n := range s.subnetsPerTenant() - s.Subnets {
		p.Subnets = append(p.Subnets, s.resource(subnet6Ref(tenant, n), subnet{
			AddressPrefix:     s.prefix6(tenant, n).String(),
			AccessControlList: refer(s.tenantACL(tenant)), Own: s.vsid(tenant, s.Subnets+n)}))
	}
	ref := networkRef(tenant)
	if other, peered := s.peer(tenant); peered && withPeering {
		p.Peerings = []resource{s.resource(ref+"/virtualNetworkPeerings/peering-1", peering{
			Remote: refer(networkRef(other)), Access: true, Forwarded: true, State: "Connected"})}
	}
	return s.ofTenant(tenant, s.resource(ref, p))
}

// vsid numbers all subnets through.
func (s Spec) vsid(tenant, n int) *own {
	if s.Microsoft {
		return nil
	}
	return &own{VSID: uint32(firstVSID + tenant*s.subnetsPerTenant() + n)}
}

// Every routeEvery-th tenant routes its first subnet.
const routeEvery = 5

func (s Spec) routeTables() int { return (s.Tenants + routeEvery - 1) / routeEvery }

func routeTableRef(n int) string {
	return fmt.Sprintf("/routeTables/routes-vnet-%04d", n*routeEvery+1)
}

func (s Spec) routeTableOf(tenant, subnet int) string {
	if tenant%routeEvery != 0 || subnet != 0 {
		return ""
	}
	return routeTableRef(tenant / routeEvery)
}

type route struct {
	AddressPrefix string `json:"addressPrefix"`
	NextHopType   string `json:"nextHopType"`
	NextHop       string `json:"nextHopIpAddress,omitempty"`
}

// routeTable sends one prefix to the tenant's first address, an appliance, and drops another.
func (s Spec) routeTable(n int) resource {
	ref, tenant := routeTableRef(n), n*routeEvery
	appliance := add4(s.prefix(tenant, 0).Addr(), firstHost).String()
	return s.ofTenant(tenant, s.resource(ref, struct {
		Routes []resource `json:"routes"`
	}{[]resource{
		s.resource(ref+"/routes/to-appliance", route{"192.168.0.0/16", "VirtualAppliance", appliance}),
		s.resource(ref+"/routes/local", route{s.space(tenant).String(), "VnetLocal", ""}),
		s.resource(ref+"/routes/nowhere", route{"203.0.113.0/24", "None", ""}),
	}}))
}
