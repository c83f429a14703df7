package overlay

import (
	"net/netip"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// Model is everything known about the tenants, validated. It is immutable once built: share it freely,
// change nothing in it.
type Model struct {
	Encapsulation   encap.Type
	VirtualNetworks []*VirtualNetwork // by Key
	Endpoints       []*Endpoint       // by Key
	Hosts           []*Host           // by Key
	ACLs            []*ACL            // by Key
	SecurityTags    []*SecurityTag    // by Key
	RouteTables     []*RouteTable     // by Key
	// Shown only, by Key.
	PublicIPAddresses []*PublicIPAddress
	LoadBalancers     []*LoadBalancer
	// ACLCombine in force: CombineAll or CombineNIC.
	ACLCombine string
	VSIDSource OriginCounts // subnets, by where their VSID comes from
	PASource   OriginCounts // hosts, by where their provider addresses come from

	byID   map[string]int // in Endpoints, by lower-case ID
	recall recall

	providerSpace []netip.Prefix // that provider addresses come from; none: not known
}

// Resource is what everything with a name of its own has.
type Resource struct {
	ID         string // resourceId
	Ref        string // resourceRef as written
	Key        string // controllerclient.RefKey(Ref): what references are compared by
	InstanceID string // as written
}

func (r *Resource) refKey() string { return r.Key }

// VirtualNetwork is one tenant's routing domain.
type VirtualNetwork struct {
	Resource
	RDID            string // routing domain id
	AddressPrefixes []netip.Prefix
	Subnets         []*Subnet // by Key
	// Peerings are the references it names, by key, in force or not.
	Peerings []string
	Peers    []*VirtualNetwork // in force, by Key: their addresses are reached, and reach this network's

	members []member                // by CA
	byTag   map[string][]netip.Addr // CAs in order, by security tag
}

// member is an address in its virtual network.
type member struct {
	ep   *Endpoint
	addr *Address
}

// Subnet is one virtual subnet.
type Subnet struct {
	Resource
	Network    *VirtualNetwork
	Prefix     netip.Prefix
	VSID       encap.VSID
	VSIDOrigin Origin
	Gateway    netip.Addr
	ACL        *ACL        // nil: not filtered
	RouteTable *RouteTable // nil: none of its own
	UnreadACL  string      // refers to a list that a snapshot for a host elsewhere does not have
}

// Endpoint is a tenant's network interface.
type Endpoint struct {
	Resource
	MAC              vfp.MAC
	Host             *Host // nil: not placed on any known server
	Primary          bool
	AllowMACSpoofing bool
	Forwards         bool         // it is the next hop of a route in force
	FlowLimit        uint32       // 0: none of its own
	Mbps             [2]uint32    // by vfp.Direction; 0: unlimited
	DNS              []netip.Addr // servers to offer it
	Addresses        []Address    // by Key; those in force
}

// Address is one ipConfiguration: a CA of an endpoint.
type Address struct {
	Resource
	CA     netip.Addr
	Subnet *Subnet
	ACL    *ACL // its own, beside the subnet's; nil: none
	// UnreadACL refers to a list of its own that a snapshot for another host does not have.
	UnreadACL string
	// SecurityTags it carries, by the keys of their references, sorted. One that is not among the model's still counts
	// for a rule that stays in force.
	SecurityTags []string
}

// SecurityTag is a set of ipConfigurations, in every virtual network those in it.
type SecurityTag struct {
	Resource
	Type string // as written
}

// Host is a server of the fabric.
type Host struct {
	Resource
	ProviderAddresses []netip.Addr // in the order written; empty: its endpoints cannot be reached
	PAOrigin          Origin
}

// ACL is a parsed access control list.
type ACL struct {
	Resource
	Rules   []vfp.Rule // by direction, priority, ID
	Default [2]vfp.Action
	// Missing: something refers to this list but it does not exist; it blocks everything.
	Missing bool

	tags     []ruleTags // of Rules; nil: no rule has any
	blockAll bool       // whatever the options say
	filtered [2]bool    // directions with at least one declared rule
	degraded bool       // built from rules that were not all readable: never a "last good version"
}

// Origin says where a value comes from.
type Origin string

// The origins, in the order they are tried.
const (
	OriginSource  Origin = "source"  // the northbound says it
	OriginConfig  Origin = "config"  // the agent's config says it
	OriginDerived Origin = "derived" // computed
	OriginNone    Origin = "none"    // nobody says it
)

// OriginCounts counts things by Origin.
type OriginCounts struct{ Source, Config, Derived, None int }

func (c *OriginCounts) add(o Origin) {
	switch o {
	case OriginSource:
		c.Source++
	case OriginConfig:
		c.Config++
	case OriginDerived:
		c.Derived++
	default:
		c.None++
	}
}
