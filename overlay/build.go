package overlay

import (
	"net/netip"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// Options are the operator's part of the desired state. The zero value is what a fabric without special needs wants.
type Options struct {
	// Encapsulation overrides what the source says; 0 takes the source's word, VXLAN if it says nothing.
	Encapsulation encap.Type
	// ProviderAddresses by server id (or reference), for servers whose address the source does not publish.
	ProviderAddresses map[string]netip.Addr
	// VirtualSubnetIDs by subnet reference, for subnets whose VSID the source does not publish.
	VirtualSubnetIDs map[string]encap.VSID
	// ACLDefaultAllow lets a packet pass that no rule of an ACL matches; otherwise it is blocked.
	ACLDefaultAllow bool
	// ACLCombine is CombineAll (also for "") or CombineNIC.
	ACLCombine string
}

// How a subnet's ACL and an ipConfiguration's own combine.
const (
	CombineAll = "all" // both must allow
	CombineNIC = "nic" // an ipConfiguration's own ACL replaces the subnet's
)

// Build judges snap. What is unusable in it is named in the problems, sorted by resource; for such a resource the
// version in prev (nil: there is none) stays in force. A nil snap says nothing new: prev stays.
func Build(snap *cc.Snapshot, prev *Model, opts Options) (*Model, []cc.Problem) {
	if prev == nil {
		prev = &Model{}
		if snap == nil {
			snap = &cc.Snapshot{}
		}
	}
	if snap == nil {
		return prev, nil
	}
	b := &builder{prev: prev, opts: opts, scope: newScope(snap, prev), m: &Model{ACLCombine: CombineAll}}
	if opts.ACLCombine == CombineNIC {
		b.m.ACLCombine = CombineNIC
	}
	b.encapsulation(snap.Encapsulation)
	b.securityTags(snap.SecurityTags)
	b.accessControlLists(snap.AccessControlLists)
	b.routeTables(snap.RouteTables)
	b.logicalNetworks(snap.LogicalNetworks)
	b.servers(snap.Servers)
	b.checkProviders()
	b.virtualNetworks(snap.VirtualNetworks)
	b.networkInterfaces(snap.NetworkInterfaces)
	b.finishACLs()
	b.nextHops()
	b.publicIPAddresses(snap.PublicIPAddresses)
	b.loadBalancers(snap.LoadBalancers)
	return b.m, b.sorted()
}

type builder struct {
	report
	prev *Model // never nil
	opts Options
	m    *Model

	scope scope

	tags    map[string]*SecurityTag
	acls    index[*ACL]
	tables  index[*RouteTable]
	hosts   index[*Host]
	subnets index[*Subnet] // nil: declared, but not in force
	// extraACLs are not in the snapshot but something still stands behind them.
	extraACLs map[string]*ACL
	// configVSIDs is the options' VirtualSubnetIDs by key.
	configVSIDs map[string]encap.VSID
}

func (b *builder) encapsulation(word string) {
	b.m.Encapsulation = encap.VXLAN
	if t, err := encap.ParseType(strings.TrimSpace(word)); err == nil {
		b.m.Encapsulation = t
	} else if word != "" && b.opts.Encapsulation == 0 {
		if b.prev.Encapsulation != 0 {
			b.m.Encapsulation = b.prev.Encapsulation
		}
		b.errorf("encapsulation-unknown", "/virtualNetworkManager/configuration",
			"properties.networkVirtualizationProtocol %s is neither Vxlan nor Nvgre; %s stays in force", quote(word), b.m.Encapsulation)
	}
	if b.opts.Encapsulation != 0 {
		b.m.Encapsulation = b.opts.Encapsulation
	}
}

func (b *builder) aclDefault(filtered [2]bool) (d [2]vfp.Action) {
	for i := range d {
		if filtered[i] && !b.opts.ACLDefaultAllow {
			d[i] = vfp.Block
		}
	}
	return d
}
