package controllerclient

// Snapshot is everything a source knows at one moment. It is immutable once delivered.
// References between resources are resource references such as "/virtualNetworks/v1/subnets/s1",
// in the case their writer used: compare them with [RefKey].
type Snapshot struct {
	// Encapsulation as the fabric says it: "Vxlan", "Nvgre" (any case), or "" when it does not say.
	Encapsulation      string              `json:"encapsulation,omitempty"`
	VirtualNetworks    []VirtualNetwork    `json:"virtualNetworks,omitempty"`
	NetworkInterfaces  []NetworkInterface  `json:"networkInterfaces,omitempty"`
	Servers            []Server            `json:"servers,omitempty"`
	AccessControlLists []AccessControlList `json:"accessControlLists,omitempty"`
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
	PrivateIPAddress  string `json:"privateIPAddress,omitempty"`
	Subnet            string `json:"subnet,omitempty"`            // ref
	AccessControlList string `json:"accessControlList,omitempty"` // ref, or ""
}

// Server is one host of the fabric.
type Server struct {
	Meta
	// ProviderAddresses published by the source (a Microsoft controller's REST bodies have none).
	ProviderAddresses []string `json:"providerAddresses,omitempty"`
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
}
