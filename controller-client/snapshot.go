package controllerclient

// Snapshot is everything a source knows at one moment. It is immutable once delivered.
// References between resources are resource references such as "/virtualNetworks/v1/subnets/s1",
// in the case their writer used: compare them with [RefKey].
type Snapshot struct {
	// Host, when not "", is the resourceId of the server whose needs this is limited to: its NICs are whole,
	// of other servers' NICs there is only who can be reached, without what they refer to.
	Host string `json:"host,omitempty"`
	// Encapsulation as the fabric says it: "Vxlan", "Nvgre" (any case), or "" when it does not say.
	Encapsulation      string              `json:"encapsulation,omitempty"`
	VirtualNetworks    []VirtualNetwork    `json:"virtualNetworks,omitempty"`
	NetworkInterfaces  []NetworkInterface  `json:"networkInterfaces,omitempty"`
	Servers            []Server            `json:"servers,omitempty"`
	AccessControlLists []AccessControlList `json:"accessControlLists,omitempty"`
	RouteTables        []RouteTable        `json:"routeTables,omitempty"`
	LogicalNetworks    []LogicalNetwork    `json:"logicalNetworks,omitempty"`
	PublicIPAddresses  []PublicIPAddress   `json:"publicIPAddresses,omitempty"`
	LoadBalancers      []LoadBalancer      `json:"loadBalancers,omitempty"`
	SecurityTags       []SecurityTag       `json:"securityTags,omitempty"`
}

// Meta is what every resource has.
type Meta struct {
	ID                string `json:"id"`                   // resourceId
	Ref               string `json:"ref"`                  // resourceRef, the whole path
	InstanceID        string `json:"instanceId,omitempty"` // GUID given by the controller
	ETag              string `json:"etag,omitempty"`
	ProvisioningState string `json:"provisioningState,omitempty"` // "Succeeded", "Updating", "Deleting", "Failed", ""
}

// VirtualNetwork is one routing domain; its InstanceID is the RDID.
type VirtualNetwork struct {
	Meta
	AddressPrefixes []string `json:"addressPrefixes,omitempty"`
	Subnets         []Subnet `json:"subnets,omitempty"`
	Peerings        []string `json:"peerings,omitempty"` // refs of peered virtual networks
}

// Subnet is one virtual subnet.
type Subnet struct {
	Meta
	AddressPrefix     string `json:"addressPrefix,omitempty"`
	AccessControlList string `json:"accessControlList,omitempty"` // ref, or ""
	RouteTable        string `json:"routeTable,omitempty"`        // ref, or ""
	// VSID published by the source, or 0 (a Microsoft controller's REST bodies never show it).
	VSID uint32 `json:"vsid,omitempty"`
	// Gateway published by the source, or "" for the first address of the prefix.
	Gateway string `json:"gateway,omitempty"`
}

// NetworkInterface is a tenant vNIC.
type NetworkInterface struct {
	Meta
	MAC              string            `json:"mac,omitempty"`    // as written: "001DD8070001", "00-1D-…", "00:1d:…"
	Server           string            `json:"server,omitempty"` // ref of the server it is placed on, or ""
	Primary          bool              `json:"primary,omitempty"`
	MACSpoofing      bool              `json:"macSpoofing,omitempty"` // portSettings.macSpoofingEnabled
	Port             PortSettings      `json:"port,omitzero"`
	DNSServers       []string          `json:"dnsServers,omitempty"` // dnsSettings.dnsServers
	IPConfigurations []IPConfiguration `json:"ipConfigurations,omitempty"`
}

// PortSettings are the numbers of a NIC's portSettings as written; "" and "0" are no limit.
type PortSettings struct {
	FlowLimit           string `json:"flowLimit,omitempty"`           // portFlowLimit
	OutboundMaximumMbps string `json:"outboundMaximumMbps,omitempty"` // qosSettings: what the NIC may send
	InboundMaximumMbps  string `json:"inboundMaximumMbps,omitempty"`  // qosSettings: what it may receive
}

// IPConfiguration is one CA of a NIC.
type IPConfiguration struct {
	Meta
	PrivateIPAddress    string   `json:"privateIPAddress,omitempty"`
	AllocationMethod    string   `json:"allocationMethod,omitempty"`    // privateIPAllocationMethod: "Static", "Dynamic", ""
	Subnet              string   `json:"subnet,omitempty"`              // ref
	AccessControlList   string   `json:"accessControlList,omitempty"`   // ref, or ""
	PublicIPAddress     string   `json:"publicIPAddress,omitempty"`     // ref, or ""
	BackendAddressPools []string `json:"backendAddressPools,omitempty"` // refs: loadBalancerBackendAddressPools
	InboundNATRules     []string `json:"inboundNatRules,omitempty"`     // refs: loadBalancerInboundNatRules
	SecurityTags        []string `json:"securityTags,omitempty"`        // refs
}

// Server is one host of the fabric.
type Server struct {
	Meta
	// ProviderAddresses published by the source (a Microsoft controller's REST bodies have none).
	ProviderAddresses []string `json:"providerAddresses,omitempty"`
}

// RouteTable is a list of user-defined routes that subnets refer to.
type RouteTable struct {
	Meta
	Routes []Route `json:"routes,omitempty"`
}

// Route in the fabric's words.
type Route struct {
	Meta
	AddressPrefix    string `json:"addressPrefix,omitempty"`
	NextHopType      string `json:"nextHopType,omitempty"`      // "VirtualAppliance", "VnetLocal", "Internet", "None"
	NextHopIPAddress string `json:"nextHopIPAddress,omitempty"` // a CA, of a VirtualAppliance
}

// LogicalNetwork is an underlay network. Provider addresses come from the pools of those with
// NetworkVirtualization (HNVPA).
type LogicalNetwork struct {
	Meta
	NetworkVirtualization bool            `json:"networkVirtualization,omitempty"` // networkVirtualizationEnabled
	Subnets               []LogicalSubnet `json:"subnets,omitempty"`
}

// LogicalSubnet is a subnet of the underlay.
type LogicalSubnet struct {
	Meta
	AddressPrefix string   `json:"addressPrefix,omitempty"`
	VLAN          string   `json:"vlan,omitempty"` // as written
	Gateways      []string `json:"gateways,omitempty"`
	Pools         []IPPool `json:"pools,omitempty"`
}

// IPPool is a range of addresses, both ends included.
type IPPool struct {
	Meta
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
	Usage string `json:"usage,omitempty"` // as written
}

// PublicIPAddress is an address outside all virtual networks.
type PublicIPAddress struct {
	Meta
	Address          string `json:"address,omitempty"`
	AllocationMethod string `json:"allocationMethod,omitempty"` // "Static", "Dynamic", ""
	Version          string `json:"version,omitempty"`          // "IPv4", "IPv6", ""
	IPConfiguration  string `json:"ipConfiguration,omitempty"`  // ref of who has it, or ""
}

// LoadBalancer is read to be shown; nothing of it is in force.
type LoadBalancer struct {
	Meta
	Frontends        []Frontend           `json:"frontends,omitempty"`
	BackendPools     []BackendAddressPool `json:"backendPools,omitempty"`
	Rules            []LoadBalancingRule  `json:"rules,omitempty"`
	InboundNATRules  []LoadBalancingRule  `json:"inboundNatRules,omitempty"`
	OutboundNATRules []LoadBalancingRule  `json:"outboundNatRules,omitempty"`
}

// Frontend is one VIP of a load balancer.
type Frontend struct {
	Meta
	PrivateIPAddress string `json:"privateIPAddress,omitempty"`
	Subnet           string `json:"subnet,omitempty"`          // ref, or ""
	PublicIPAddress  string `json:"publicIPAddress,omitempty"` // ref, or ""
}

// BackendAddressPool is a set of ipConfigurations.
type BackendAddressPool struct {
	Meta
	IPConfigurations []string `json:"ipConfigurations,omitempty"` // refs: backendIPConfigurations
}

// LoadBalancingRule is a rule of any of a load balancer's three lists, in the fabric's words.
type LoadBalancingRule struct {
	Meta
	Frontends       []string `json:"frontends,omitempty"` // refs
	Protocol        string   `json:"protocol,omitempty"`
	FrontendPort    string   `json:"frontendPort,omitempty"`
	BackendPort     string   `json:"backendPort,omitempty"`
	BackendPool     string   `json:"backendPool,omitempty"`     // ref, or ""
	IPConfiguration string   `json:"ipConfiguration,omitempty"` // ref of an inbound NAT rule's target, or ""
	FloatingIP      bool     `json:"floatingIP,omitempty"`      // direct server return: the VIP stays the destination
	Distribution    string   `json:"distribution,omitempty"`    // loadDistribution
}

// SecurityTag is a name for a set of ipConfigurations, which say so themselves.
type SecurityTag struct {
	Meta
	Type string `json:"type,omitempty"`
}

// AccessControlList is a list of rules that subnets and ipConfigurations refer to.
type AccessControlList struct {
	Meta
	Rules []ACLRule `json:"rules,omitempty"`
}

// ACLRule in the fabric's words; prefixes are "*", an address, a prefix, a tag such as "VirtualNetwork", or
// a comma separated list of these; port ranges are "*", "80", "80-90", or a comma separated list.
type ACLRule struct {
	Meta
	Protocol                 string `json:"protocol,omitempty"`  // "All", "*", "TCP", "UDP", "ICMP", "ICMPv6", or a number
	Action                   string `json:"action,omitempty"`    // "Allow", "Deny" (also "Block")
	Direction                string `json:"direction,omitempty"` // the body's "type": "Inbound", "Outbound"
	Priority                 string `json:"priority,omitempty"`  // lower value wins
	Logging                  string `json:"logging,omitempty"`   // "Enabled", "Disabled", ""
	SourceAddressPrefix      string `json:"sourceAddressPrefix,omitempty"`
	DestinationAddressPrefix string `json:"destinationAddressPrefix,omitempty"`
	SourcePortRange          string `json:"sourcePortRange,omitempty"`
	DestinationPortRange     string `json:"destinationPortRange,omitempty"`
	// Refs of security tags: where there are any, they stand in the place of that side's prefix.
	SourceSecurityTags      []string `json:"sourceSecurityTags,omitempty"`
	DestinationSecurityTags []string `json:"destinationSecurityTags,omitempty"`
}
