package overlay

import (
	"net/netip"
	"slices"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

func (b *builder) securityTags(list []cc.SecurityTag) {
	items := collect(&b.report, nil, "", "/securityTags", list, func(t *cc.SecurityTag) *cc.Meta { return &t.Meta })
	b.tags = make(map[string]*SecurityTag, len(items))
	for _, it := range items {
		t := &SecurityTag{Resource: it.Resource, Type: it.v.Type}
		b.tags[t.Key] = t
		b.m.SecurityTags = append(b.m.SecurityTags, t)
	}
}

// tagsOf an ipConfiguration. What is said of an unknown one is kept: a rule whose last good version is in force may name it.
func (b *builder) tagsOf(it *item[cc.IPConfiguration]) []string {
	if len(it.v.SecurityTags) == 0 {
		return nil
	}
	for _, ref := range it.v.SecurityTags {
		if b.tags[cc.RefKey(ref)] == nil {
			b.warnf("security-tag-unknown", it.Ref, "properties.securityTags %s does not exist; only a rule whose last good version names it matches it", quote(ref))
		}
	}
	return tagKeys(it.v.SecurityTags)
}

// securityTagged says whether what the rules mean depends on which security tags there are.
func (a *ACL) securityTagged() bool {
	return slices.ContainsFunc(a.tags, func(t ruleTags) bool { return t.source.security != nil || t.destination.security != nil })
}

// tagKeys are references as they are compared.
func tagKeys(refs []string) []string {
	keys := make([]string, len(refs))
	for i, ref := range refs {
		keys[i] = cc.RefKey(ref)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// fillTags says who carries which tag; members are in order.
func (v *VirtualNetwork) fillTags() {
	for _, mb := range v.members {
		for _, key := range mb.addr.SecurityTags {
			if v.byTag == nil {
				v.byTag = map[string][]netip.Addr{}
			}
			v.byTag[key] = append(v.byTag[key], mb.addr.CA)
		}
	}
}

// tagged covers the CAs in v and its peers that carry one of the tags with the fewest prefixes.
func (v *VirtualNetwork) tagged(keys []string) (list []netip.Prefix) {
	var cas []netip.Addr
	for _, key := range keys {
		cas = append(cas, v.byTag[key]...)
		for _, p := range v.Peers {
			cas = append(cas, p.byTag[key]...)
		}
	}
	slices.SortFunc(cas, netip.Addr.Compare)
	cas = slices.Compact(cas)
	for i := 0; i < len(cas); {
		j := i + 1
		for j < len(cas) && cas[j] == cas[j-1].Next() {
			j++
		}
		list = appendRange(list, cas[i], cas[j-1])
		i = j
	}
	return list
}
