package fabric

import "fmt"

type networkInterface struct {
	IPConfigurations []resource   `json:"ipConfigurations"`
	DNS              dnsSettings  `json:"dnsSettings"`
	MAC              string       `json:"privateMacAddress"`
	MACMethod        string       `json:"privateMacAllocationMethod"`
	IsHost           bool         `json:"isHostVirtualNetworkInterface"`
	IsPrimary        bool         `json:"isPrimary"`
	IsMultitenant    bool         `json:"isMultitenantStack"`
	Server           *reference   `json:"server"`
	Port             portSettings `json:"portSettings"`
	ServiceInsertion []string     `json:"serviceInsertionElements"`
}

type dnsSettings struct {
	Servers []string `json:"dnsServers,omitempty"`
}

type portSettings struct {
	MACSpoofing string       `json:"macSpoofingEnabled"`
	ARPGuard    string       `json:"arpGuardEnabled"`
	DHCPGuard   string       `json:"dhcpGuardEnabled"`
	StormLimit  int          `json:"stormLimit"`
	FlowLimit   int          `json:"portFlowLimit"`
	IOVWeight   int          `json:"iovWeight"`
	VMQWeight   int          `json:"vmqWeight"`
	QoS         *qosSettings `json:"qosSettings,omitempty"`
}

type qosSettings struct {
	Reserved int `json:"outboundReservedValue"`
	Outbound int `json:"outboundMaximumMbps"`
	Inbound  int `json:"inboundMaximumMbps"`
}

type ipConfiguration struct {
	Address           string      `json:"privateIPAddress"`
	Method            string      `json:"privateIPAllocationMethod"`
	Subnet            *reference  `json:"subnet"`
	AccessControlList *reference  `json:"accessControlList,omitempty"`
	PublicIPAddress   *reference  `json:"publicIPAddress,omitempty"`
	Pools             []reference `json:"loadBalancerBackendAddressPools"`
	NATRules          []reference `json:"loadBalancerInboundNatRules"`
	SecurityTags      []reference `json:"securityTags,omitempty"`
}

// serverOf spreads NICs over the servers uniformly at random.
func (s Spec) serverOf(nic int) int { return s.roll(forServer, nic).below(s.Servers) }

// networkInterface is the NIC of a machine of some class; half of them have their class's ACL.
func (s Spec) networkInterface(n int) resource {
	d, ref, tenant := s.roll(forNIC, n), nicRef(n), s.tenantOf(n)
	class := pick(d, classes)
	at, _ := s.place(n)
	first := ipConfiguration{
		Address: s.address(n, 0).String(), Subnet: refer(subnetRef(tenant, at)),
		PublicIPAddress: refer(s.publicOf(n)), Pools: s.poolsOf(n, class), NATRules: s.natRulesOf(n),
	}
	if s.ACLRules > 0 && d.chance(50) {
		first.AccessControlList = refer(classACL(class))
	}
	if d.chance(5) {
		first.SecurityTags = []reference{{securityTagRef(d.below(securityTags))}}
	}
	configurations := []resource{s.ipConfiguration(ref+"/ipConfigurations/ip-1", first)}
	if d.chance(15) {
		configurations = append(configurations, s.ipConfiguration(ref+"/ipConfigurations/ip-2", ipConfiguration{
			Address: s.address(n, 1).String(), Subnet: first.Subnet, AccessControlList: first.AccessControlList}))
	}
	if s.DualStack {
		configurations = append(configurations, s.ipConfiguration(ref+"/ipConfigurations/ip-v6", ipConfiguration{
			Address: s.address6(n).String(), Subnet: refer(subnet6Ref(tenant, at)), AccessControlList: first.AccessControlList}))
	}
	r := s.ofTenant(tenant, s.resource(ref, networkInterface{
		IPConfigurations: configurations,
		DNS:              s.dns(d, tenant),
		MAC:              fmt.Sprintf("001DD8%06X", n), MACMethod: "Static",
		IsPrimary: true, Server: refer(serverRef(s.serverOf(n))),
		Port: port(d), ServiceInsertion: []string{},
	}))
	r.Tags = map[string]any{"role": class}
	return r
}

func (s Spec) ipConfiguration(ref string, c ipConfiguration) resource {
	c.Method = "Static"
	if c.Pools == nil {
		c.Pools = []reference{}
	}
	if c.NATRules == nil {
		c.NATRules = []reference{}
	}
	return s.resource(ref, c)
}

// dns servers live in the tenant's first subnet, or outside.
func (s Spec) dns(d *dice, tenant int) dnsSettings {
	switch d.below(3) {
	case 0:
		return dnsSettings{}
	case 1:
		return dnsSettings{[]string{add4(s.prefix(tenant, 0).Addr(), firstHost).String()}}
	}
	return dnsSettings{[]string{"192.0.2.53", "192.0.2.54"}}
}

func port(d *dice) portSettings {
	p := portSettings{MACSpoofing: "Disabled", ARPGuard: "Disabled", DHCPGuard: "Disabled", VMQWeight: 100}
	if d.chance(3) {
		p.MACSpoofing = "Enabled"
	}
	if d.chance(10) {
		p.QoS = &qosSettings{Outbound: 1000, Inbound: 1000}
	}
	return p
}
