package nctest

import (
	"cmp"
	"encoding/json"
	"strconv"
)

// The Body types write the wire form of what scenarios use, so that a scenario reads like one.
// References are resourceRefs; a zero field is left out.

// VirtualNetworkBody is the body of /virtualNetworks/ID.
type VirtualNetworkBody struct {
	AddressPrefixes []string
	Subnets         []SubnetBody
	Peerings        []string // refs of virtual networks
}

// SubnetBody is one of its subnets, or the body of /virtualNetworks/V/subnets/ID.
type SubnetBody struct {
	ID, AddressPrefix, ACL string
	VSID                   uint32 // 0: the controller assigns one
	Gateway                string
}

// NetworkInterfaceBody is the body of /networkInterfaces/ID.
type NetworkInterfaceBody struct {
	MAC, Server      string
	MACSpoofing      bool
	FlowLimit        int // 0: none
	OutboundMbps     int // 0: no limit
	InboundMbps      int // 0: no limit
	DNSServers       []string
	IPConfigurations []IPConfigurationBody
}

// IPConfigurationBody is one CA of a NIC, or the body of /networkInterfaces/N/ipConfigurations/ID.
type IPConfigurationBody struct {
	ID, Address, Subnet, ACL string
}

// ServerBody is the body of /servers/ID.
type ServerBody struct {
	ProviderAddresses []string
}

// AccessControlListBody is the body of /accessControlLists/ID.
type AccessControlListBody struct {
	Rules []ACLRuleBody
}

// ACLRuleBody is one of its rules. What is left empty matches all; the default direction is inbound,
// the default action deny.
type ACLRuleBody struct {
	ID, Direction, Action, Protocol string
	Priority                        int
	Source, Destination             string
	SourcePorts, DestinationPorts   string
	Logging                         bool
}

// EncapsulationBody is the body of /virtualNetworkManager/configuration: "VXLAN" or "NVGRE".
type EncapsulationBody string

func wire(id string, properties tree) ([]byte, error) {
	body := tree{"properties": properties}
	if id != "" {
		body["resourceId"] = id
	}
	return json.Marshal(body)
}

func reference(ref string) tree { return tree{"resourceRef": ref} }

// MarshalJSON writes the wire form.
func (b VirtualNetworkBody) MarshalJSON() ([]byte, error) {
	p := tree{"addressSpace": tree{"addressPrefixes": list(b.AddressPrefixes)}, "subnets": list(b.Subnets)}
	var peerings []any
	for i, ref := range b.Peerings {
		peerings = append(peerings, tree{"resourceId": "peering-" + strconv.Itoa(i+1), "properties": tree{
			"remoteVirtualNetwork": reference(ref), "allowVirtualNetworkAccess": true}})
	}
	if peerings != nil {
		p["virtualNetworkPeerings"] = peerings
	}
	return wire("", p)
}

// MarshalJSON writes the wire form.
func (b SubnetBody) MarshalJSON() ([]byte, error) {
	p, own := tree{"addressPrefix": b.AddressPrefix}, tree{}
	if b.ACL != "" {
		p["accessControlList"] = reference(b.ACL)
	}
	if b.VSID != 0 {
		own["vsid"] = b.VSID
	}
	if b.Gateway != "" {
		own["gateway"] = b.Gateway
	}
	if len(own) > 0 {
		p["fairlead"] = own
	}
	return wire(b.ID, p)
}

// MarshalJSON writes the wire form.
func (b NetworkInterfaceBody) MarshalJSON() ([]byte, error) {
	spoofing := "Disabled"
	if b.MACSpoofing {
		spoofing = "Enabled"
	}
	port := tree{"macSpoofingEnabled": spoofing}
	if b.FlowLimit != 0 {
		port["portFlowLimit"] = b.FlowLimit
	}
	if b.OutboundMbps != 0 || b.InboundMbps != 0 {
		port["qosSettings"] = tree{"outboundMaximumMbps": b.OutboundMbps, "inboundMaximumMbps": b.InboundMbps}
	}
	p := tree{
		"privateMacAddress": b.MAC, "privateMacAllocationMethod": "Static",
		"portSettings":     port,
		"ipConfigurations": list(b.IPConfigurations),
	}
	if b.DNSServers != nil {
		p["dnsSettings"] = tree{"dnsServers": b.DNSServers}
	}
	if b.Server != "" {
		p["server"] = reference(b.Server)
	}
	return wire("", p)
}

// MarshalJSON writes the wire form.
func (b IPConfigurationBody) MarshalJSON() ([]byte, error) {
	p := tree{"privateIPAddress": b.Address, "privateIPAllocationMethod": "Static"}
	if b.Subnet != "" {
		p["subnet"] = reference(b.Subnet)
	}
	if b.ACL != "" {
		p["accessControlList"] = reference(b.ACL)
	}
	return wire(b.ID, p)
}

// MarshalJSON writes the wire form.
func (b ServerBody) MarshalJSON() ([]byte, error) {
	return wire("", tree{"fairlead": tree{"providerAddresses": list(b.ProviderAddresses)}})
}

// MarshalJSON writes the wire form.
func (b AccessControlListBody) MarshalJSON() ([]byte, error) {
	return wire("", tree{"aclRules": list(b.Rules)})
}

// MarshalJSON writes the wire form. Priorities are strings in Microsoft's published examples.
func (b ACLRuleBody) MarshalJSON() ([]byte, error) {
	logging := "Disabled"
	if b.Logging {
		logging = "Enabled"
	}
	return wire(b.ID, tree{
		"type": cmp.Or(b.Direction, "Inbound"), "action": cmp.Or(b.Action, "Deny"),
		"protocol": cmp.Or(b.Protocol, "All"), "priority": strconv.Itoa(b.Priority), "logging": logging,
		"sourceAddressPrefix": cmp.Or(b.Source, "*"), "destinationAddressPrefix": cmp.Or(b.Destination, "*"),
		"sourcePortRange": cmp.Or(b.SourcePorts, "*"), "destinationPortRange": cmp.Or(b.DestinationPorts, "*"),
	})
}

// MarshalJSON writes the wire form.
func (b EncapsulationBody) MarshalJSON() ([]byte, error) {
	return wire("", tree{"networkVirtualizationProtocol": string(b)})
}

// list writes an empty list where a nil slice would become null.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
