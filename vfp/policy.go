package vfp

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/encap"
)

// Policy is the whole desired state of one host's vSwitch. It is immutable once built. Every list is
// sorted by the key named at its field, so that equal policies are equal values.
type Policy struct {
	Encapsulation encap.Type
	// ProviderAddress of this host, IPv4 or IPv6: outer source of what it sends, outer destination it accepts.
	ProviderAddress netip.Addr
	// InnerMTU is the largest inner IP packet, in bytes, that fits the underlay once encapsulated; 0: not known, and
	// nothing is too big.
	InnerMTU int
	Subnets  []Subnet  // by VSID
	Mappings []Mapping // by RDID, then CA
	Routes   []Route   // by VSID, then prefix
	ACLs     []ACL     // by ID
	Ports    []Port    // by ID
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
	// Multicast says what happens to IP multicast and broadcast from its endpoints. ARP and ND are never flooded.
	Multicast MulticastMode
	// NAT, when valid, makes the subnet host-local: what leaves its routing domain leaves as from this IPv4 address
	// of the host, which is not the subnet's own. Other hosts know nothing of the subnet.
	NAT netip.Addr
}

// MulticastMode of a subnet.
type MulticastMode uint8

const (
	// MulticastDrop drops and counts.
	MulticastDrop MulticastMode = 0
	// MulticastReplicate sends a copy to every port of the subnet here and to every host that has endpoints in it
	// (head-end replication), to at most MaxReplicas of either.
	MulticastReplicate MulticastMode = 1
)

// MaxReplicas bounds the ports, and the hosts, that get a copy of a multicast packet: the first in order of port ID,
// and of provider address.
const MaxReplicas = 64

// Mapping says where a CA lives.
type Mapping struct {
	RDID string // of those who may send to the CA: its own, or one peered with it
	CA   netip.Addr
	VSID encap.VSID // of the CA's subnet: the id that encapsulated packets to it carry
	MAC  MAC
	PA   netip.Addr // provider address of its host; this host's own for local endpoints
	// Forwards says that its endpoint passes on what others send: its host may send any source address.
	Forwards bool
}

// Route says where packets go that endpoints of a subnet send to addresses of a prefix: the longest that matches decides.
// Without one they go where the destination's mapping says.
type Route struct {
	ID      string     // resourceRef; empty: a route of the system's own, which is there to be longer than another
	VSID    encap.VSID // of the subnet
	Prefix  netip.Prefix
	Action  RouteAction
	NextHop netip.Addr // RouteAppliance: CA of the endpoint that passes the packets on, in the subnet's routing domain
}

// CompareRoutes is the order of Policy.Routes.
func CompareRoutes(a, b Route) int {
	return cmp.Or(cmp.Compare(a.VSID, b.VSID), a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
}

// RouteAction is what a route does.
type RouteAction uint8

const (
	RouteLocal     RouteAction = 0 // by the destination's mapping
	RouteNone      RouteAction = 1 // nowhere
	RouteInternet  RouteAction = 2 // outside the routing domain, whatever mappings say
	RouteAppliance RouteAction = 3 // to the next hop
)

func (a RouteAction) String() string {
	return [...]string{"local", "none", "internet", "appliance"}[a]
}

// ACL is an access control list, stored once however many ports refer to it.
type ACL struct {
	ID    string // resourceRef
	Layer Layer  // whose rules these are
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
	// ICMP restricts a rule whose Protocol is ICMP or ICMPv6 to messages of these types; such a rule has no ports.
	ICMP []ICMPMatch
	// TCPFlags restricts a rule whose Protocol is TCP to connections whose first packet has these flags.
	TCPFlags FlagMatch
	Action   Action
	Logging  bool
}

// ICMPMatch is an ICMP or ICMPv6 type, and one of its codes or AnyCode.
type ICMPMatch struct {
	Type uint8
	Code int16
}

// AnyCode in ICMPMatch.Code matches every code.
const AnyCode = -1

// FlagMatch matches a TCP header's flags byte when flags&Mask == Value. The zero value matches every packet.
type FlagMatch struct{ Mask, Value uint8 }

// SortRules puts rules into the order of ACL.Rules.
func SortRules(rules []Rule) {
	slices.SortStableFunc(rules, func(a, b Rule) int { return CompareRules(&a, &b) })
}

// CompareRules is the order of ACL.Rules.
func CompareRules(a, b *Rule) int {
	return cmp.Or(cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Priority, b.Priority), strings.Compare(a.ID, b.ID))
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
	// Forwards lets the endpoint send packets with other source addresses than its own, and receive those with other
	// destinations: it is somebody's next hop.
	Forwards bool
	// DHCP, when set, lets the vSwitch answer the endpoint's DHCPv4 requests; otherwise they go nowhere.
	DHCP   *DHCP
	Limits FlowLimits
	// Bandwidth by Direction: Outbound bounds what the endpoint sends, Inbound what it receives.
	Bandwidth [2]Bandwidth
	// Mirror, when set, gets a copy of every frame that the endpoint sends and passes port security, and of every
	// frame it receives that is not itself a copy.
	Mirror *Mirror
}

// FlowLimits of a port; 0 means the default.
type FlowLimits struct {
	// Flows bounds the port's flow table (portSettings.portFlowLimit).
	Flows uint32
	// HalfOpen bounds the flows that nobody has answered yet. A new one takes the place of the oldest.
	HalfOpen uint32
}

// The defaults and bounds of FlowLimits.
const (
	DefaultFlows    = 500_000
	DefaultHalfOpen = 4096
	MaxHalfOpen     = 65536
)

// Bandwidth is a limit without a queue: what exceeds the rate by more than Burst is dropped, and ECN capable packets are
// marked from half of that on.
type Bandwidth struct {
	BitsPerSecond uint64 // of IP packets without any header in front; 0: unlimited
	Burst         uint32 // bytes; 0: DefaultBurst of the rate
}

// DefaultBurst is 200 ms worth of the rate, at least two super-packets. Without a queue TCP slows down only by what is
// dropped, and where packets take no time to travel even its smallest window exceeds the rate: it then waits for its
// retransmission timer, 200 ms at least, and what has gathered meanwhile is what it gets.
func DefaultBurst(bitsPerSecond uint64) uint32 {
	return uint32(min(max(bitsPerSecond/8/5, 2*65536), 1<<30))
}

// DHCP is what the vSwitch offers the endpoint: its first IPv4 CA, and these.
type DHCP struct {
	PrefixLen uint8
	Gateway   netip.Addr
	MTU       uint16       // 0: not offered
	DNS       []netip.Addr // IPv4; at most MaxDNS are offered
	Lease     uint32       // seconds
}

// MaxDNS servers fit an offer.
const MaxDNS = 2

// Mirror is where copies of a port's frames go: to another port of this host, or to a collector on the underlay.
type Mirror struct {
	Port      string     // ID; empty: to the collector
	Collector netip.Addr // of the provider address's family
	Type      MirrorType
	Session   uint32 // VNI (24 bits), or ERSPAN session id (10 bits)
}

// MirrorType is how copies travel to a collector.
type MirrorType uint8

const (
	MirrorVXLAN  MirrorType = 0
	MirrorERSPAN MirrorType = 1 // type II, draft-foschiano-erspan
)

// MaxACLs is how many ACLs one address can stand behind: the operator's, and up to ten stages of the tenant's.
const MaxACLs = 12

// Address is one CA of a port.
type Address struct {
	CA   netip.Addr
	VSID encap.VSID
	RDID string
	// ACLs by ID, evaluated in order for packets in either direction; every one must allow. Those of the admin layer
	// come first. At most MaxACLs.
	ACLs []string
}

func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// Layer of the firewall an ACL belongs to.
type Layer uint8

const (
	LayerController Layer = 0 // the tenants' ACLs, from the controller
	LayerAdmin      Layer = 1 // the operator's, from the agent's configuration; evaluated before the tenants'
)

// VFP's names of the layers.
const (
	LayerNameSecurity   = "PORT_SECURITY"
	LayerNameAdmin      = "FW_ADMIN_LAYER_ID"
	LayerNameController = "FW_CONTROLLER_LAYER_ID"
	LayerNameNAT        = "SLB_NAT_LAYER"
	LayerNameMeter      = "VNET_METER_LAYER_OUT"
	LayerNameRouter     = "VNET_DR_REDIRECTION_LAYER"
	LayerNameRewrite    = "VNET_MAC_REWRITE_LAYER"
	LayerNameEncap      = "VNET_ENCAP_LAYER"
	LayerNameDecap      = "VNET_DECAP_LAYER"
	LayerNamePARoute    = "VNET_PA_ROUTE_LAYER"
)

func (l Layer) String() string {
	if l == LayerAdmin {
		return LayerNameAdmin
	}
	return LayerNameController
}
