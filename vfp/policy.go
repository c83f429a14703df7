package vfp

import (
	"net"
	"net/netip"

	"github.com/fairlead-net/fairlead/encap"
)

// Policy is the whole desired state of one host's vSwitch. It is immutable once built. Every list is
// sorted by the key named at its field, so that equal policies are equal values.
type Policy struct {
	Encapsulation encap.Type
	// ProviderAddress of this host: outer source of what it sends, outer destination it accepts.
	ProviderAddress netip.Addr
	Subnets         []Subnet  // by VSID
	Mappings        []Mapping // by RDID, then CA
	ACLs            []ACL     // by ID
	Ports           []Port    // by ID
}

// RouterMAC is the distributed router's address in every subnet on every host (locally administered).
// A container keeps its neighbour entry when it, or its peer, moves.
var RouterMAC = MAC{0x02, 0xfa, 0x1e, 0xad, 0x00, 0x01}

// MAC is an Ethernet address.
type MAC [6]byte

// Subnet is one virtual subnet of a routing domain that has ports on this host, or of a domain peered with it.
type Subnet struct {
	VSID    encap.VSID
	RDID    string // routing domain id: packets are routed only inside it
	Prefix  netip.Prefix
	Gateway netip.Addr // answered by the distributed router
}

// Mapping says where a CA lives.
type Mapping struct {
	RDID string
	CA   netip.Addr
	VSID encap.VSID // of the CA's subnet: the id that encapsulated packets to it carry
	MAC  MAC
	PA   netip.Addr // provider address of its host; this host's own for local endpoints
}

// ACL is an access control list, stored once however many ports refer to it.
type ACL struct {
	ID    string // resourceRef
	Rules []Rule // by direction, priority (lower value first), ID: the first that matches decides
	// Default is the action, per Direction, when no rule matches.
	Default [2]Action
}

// Rule is one match-action entry. A nil list matches everything.
type Rule struct {
	ID        string // resourceRef; rules with the same ID share counters
	Direction Direction
	Priority  uint32
	// Protocol is an IP protocol number, or ProtocolAny.
	Protocol         uint16
	Sources          []netip.Prefix
	Destinations     []netip.Prefix
	SourcePorts      []PortRange // only TCP and UDP have ports: a rule with ports matches nothing else
	DestinationPorts []PortRange
	Action           Action
	Logging          bool
}

// ProtocolAny in Rule.Protocol matches every IP protocol.
const ProtocolAny = 256

// PortRange is an inclusive range of TCP or UDP ports.
type PortRange struct{ First, Last uint16 }

// Direction as seen from the port: Outbound leaves the endpoint.
type Direction uint8

const (
	Outbound Direction = 0
	Inbound  Direction = 1
)

func (d Direction) String() string {
	if d == Inbound {
		return "inbound"
	}
	return "outbound"
}

// Action of a rule.
type Action uint8

const (
	Allow Action = 0
	Block Action = 1
)

func (a Action) String() string {
	if a == Block {
		return "block"
	}
	return "allow"
}

// Port is a vNIC's place on the host vSwitch.
type Port struct {
	ID string // endpoint name
	// Device is the host side of the vNIC: the name of a veth or tap on Linux, an HNS endpoint id on Windows.
	Device    string
	MAC       MAC
	Addresses []Address // by CA; at least one
	// AllowMACSpoofing accepts any source MAC (portSettings.macSpoofingEnabled); source CAs are checked all the same.
	AllowMACSpoofing bool
}

// MaxACLs is how many ACLs one address can stand behind (subnet, ipConfiguration, and room for the operator's own).
const MaxACLs = 4

// Address is one CA of a port.
type Address struct {
	CA   netip.Addr
	VSID encap.VSID
	RDID string
	// ACLs by ID, evaluated in order for packets in either direction; every one must allow. At most MaxACLs.
	ACLs []string
}

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }
