package overlay

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/vfp"
)

// tags are named sets of addresses. What they mean depends on the virtual network of the address that an ACL guards,
// so they are resolved when a policy is compiled.
type tags uint8

const (
	tagVirtualNetwork tags = 1 << iota // the address prefixes of the network and its peers; without any, the subnets'
	tagInternet                        // every address outside them
)

// sideTags are what one side of a rule names instead of addresses.
type sideTags struct {
	named    tags     // beside the prefixes
	security []string // keys of security tags, sorted; if there are any, they are all that the side matches
}

func (t sideTags) empty() bool { return t.named == 0 && t.security == nil }

func (t sideTags) compare(o sideTags) int {
	return cmp.Or(cmp.Compare(t.named, o.named), slices.Compare(t.security, o.security))
}

// ruleTags of one rule.
type ruleTags struct{ source, destination sideTags }

func (t ruleTags) empty() bool { return t.source.empty() && t.destination.empty() }

func (t ruleTags) compare(o ruleTags) int {
	return cmp.Or(t.source.compare(o.source), t.destination.compare(o.destination))
}

func sameTags(x, y ruleTags) bool { return x.compare(y) == 0 }

// instanceMark stands between an ACL's reference and that of the virtual network its tags are resolved for.
const instanceMark = "@"

// instanceID is what a policy calls the ACL in front of v's addresses. One without tags is the same everywhere.
func (a *ACL) instanceID(v *VirtualNetwork) string {
	if a.tags == nil {
		return a.Ref
	}
	return a.Ref + instanceMark + v.Ref
}

// ACLRef is the reference of the ACL that a policy calls id.
func ACLRef(id string) string {
	if i := strings.LastIndex(id, instanceMark+"/"); i >= 0 {
		return id[:i]
	}
	return id
}

// rulesFor are the rules with their tags resolved for v. A rule of which nothing is left matches nothing and is left out.
func (a *ACL) rulesFor(v *VirtualNetwork) []vfp.Rule {
	if a.tags == nil {
		return a.Rules
	}
	scope := tagScope{network: v, inside: v.reach()}
	scope.outside = complement(scope.inside)
	rules := make([]vfp.Rule, 0, len(a.Rules))
	for i, r := range a.Rules {
		t := a.tags[i]
		var some bool
		if r.Sources, some = scope.resolve(t.source, r.Sources); !some {
			continue
		}
		if r.Destinations, some = scope.resolve(t.destination, r.Destinations); !some {
			continue
		}
		rules = append(rules, r)
	}
	return rules
}

// tagScope is what tags mean in front of one network's addresses.
type tagScope struct {
	network         *VirtualNetwork
	inside, outside []netip.Prefix
}

// resolve is what a side with the prefixes list and the tags t matches; false when no address can.
func (s *tagScope) resolve(t sideTags, list []netip.Prefix) ([]netip.Prefix, bool) {
	if t.security == nil {
		return t.named.resolve(list, s.inside, s.outside)
	}
	list = s.network.tagged(t.security)
	return list, len(list) > 0
}

// resolve adds what t means to list; false when the condition cannot be met by any address.
func (t tags) resolve(list, inside, outside []netip.Prefix) ([]netip.Prefix, bool) {
	switch t {
	case 0:
		return list, true
	case tagVirtualNetwork | tagInternet:
		return nil, true
	case tagVirtualNetwork:
		list = slices.Concat(list, inside)
	default:
		list = slices.Concat(list, outside)
	}
	list = mergePrefixes(list)
	return list, len(list) > 0
}

// reach is where the addresses are that v's endpoints reach.
func (v *VirtualNetwork) reach() []netip.Prefix {
	list := v.space()
	for _, p := range v.Peers {
		list = append(list, p.space()...)
	}
	return mergePrefixes(list)
}

// space is where v's own addresses are.
func (v *VirtualNetwork) space() []netip.Prefix { return mergePrefixes(slices.Clone(v.prefixes())) }

// prefixes of v; without any, its subnets'.
func (v *VirtualNetwork) prefixes() []netip.Prefix {
	if len(v.AddressPrefixes) > 0 {
		return v.AddressPrefixes
	}
	var list []netip.Prefix
	for _, s := range v.Subnets {
		list = append(list, s.Prefix)
	}
	return list
}

// complement is every address outside list, which is sorted and without overlaps.
func complement(list []netip.Prefix) (out []netip.Prefix) {
	for _, all := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
		next, last := all.Addr(), lastAddr(all)
		for _, p := range list {
			if !all.Overlaps(p) {
				continue
			}
			if next.IsValid() && next.Less(p.Addr()) {
				out = appendRange(out, next, p.Addr().Prev())
			}
			next = lastAddr(p).Next() // invalid after the last address of all
		}
		if next.IsValid() {
			out = appendRange(out, next, last)
		}
	}
	return mergePrefixes(out)
}

// Tags of rule i, which stand beside its prefixes. A security tag is named by its reference's key.
func (a *ACL) Tags(i int) (source, destination []string) {
	if a.tags == nil {
		return nil, nil
	}
	return a.tags[i].source.words(), a.tags[i].destination.words()
}

func (t sideTags) words() (list []string) {
	if t.named&tagVirtualNetwork != 0 {
		list = append(list, "VirtualNetwork")
	}
	if t.named&tagInternet != 0 {
		list = append(list, "Internet")
	}
	return append(list, t.security...)
}
