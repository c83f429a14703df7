package overlay

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/vfp"
)

// tags are named sets of addresses. What they mean depends on the virtual network of the address that an ACL guards,
// so they are resolved when a policy is compiled.
type tags uint8

const (
	tagVirtualNetwork tags = 1 << iota // the network's address prefixes; without any, its subnets'
	tagInternet                        // every address outside them
)

// ruleTags of one rule, beside its prefixes.
type ruleTags struct{ source, destination tags }

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
	inside := v.space()
	outside := complement(inside)
	rules := make([]vfp.Rule, 0, len(a.Rules))
	for i, r := range a.Rules {
		t := a.tags[i]
		var some bool
		if r.Sources, some = t.source.resolve(r.Sources, inside, outside); !some {
			continue
		}
		if r.Destinations, some = t.destination.resolve(r.Destinations, inside, outside); !some {
			continue
		}
		rules = append(rules, r)
	}
	return rules
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

// space is where v's addresses are.
func (v *VirtualNetwork) space() []netip.Prefix {
	if len(v.AddressPrefixes) > 0 {
		return mergePrefixes(slices.Clone(v.AddressPrefixes))
	}
	var list []netip.Prefix
	for _, s := range v.Subnets {
		list = append(list, s.Prefix)
	}
	return mergePrefixes(list)
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

// Tags of rule i, which stand beside its prefixes.
func (a *ACL) Tags(i int) (source, destination []string) {
	if a.tags == nil {
		return nil, nil
	}
	return a.tags[i].source.words(), a.tags[i].destination.words()
}

func (t tags) words() (list []string) {
	if t&tagVirtualNetwork != 0 {
		list = append(list, "VirtualNetwork")
	}
	if t&tagInternet != 0 {
		list = append(list, "Internet")
	}
	return list
}
