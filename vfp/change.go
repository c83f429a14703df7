package vfp

import (
	"reflect"
	"slices"
	"unsafe"
)

// maxChange is how many rules a change may touch: beyond that putting the whole policy in force is no more work.
const maxChange = 256

// ChangeOf is the change of one ACL's rules that makes new of old; false when more than that is different, or nothing.
func ChangeOf(old, new *Policy) (ACLChange, bool) {
	if old == nil || new == nil || len(old.ACLs) != len(new.ACLs) || old.Encapsulation != new.Encapsulation || old.ProviderAddress != new.ProviderAddress ||
		old.InnerMTU != new.InnerMTU || !slices.Equal(old.Subnets, new.Subnets) || !slices.Equal(old.Mappings, new.Mappings) || !slices.Equal(old.Routes, new.Routes) {
		return ACLChange{}, false
	}
	changed := -1
	for i := range old.ACLs {
		o, n := &old.ACLs[i], &new.ACLs[i]
		if o.ID != n.ID || o.Layer != n.Layer || o.Default != n.Default {
			return ACLChange{}, false
		}
		if slices.EqualFunc(o.Rules, n.Rules, sameRule) {
			continue
		}
		if changed >= 0 {
			return ACLChange{}, false
		}
		changed = i
	}
	if changed < 0 || !reflect.DeepEqual(old.Ports, new.Ports) {
		return ACLChange{}, false
	}
	return changeRules(new.ACLs[changed].ID, old.ACLs[changed].Rules, new.ACLs[changed].Rules)
}

// changeRules compares by ID; rules that share one cannot be told apart.
func changeRules(acl string, old, new []Rule) (ACLChange, bool) {
	c := ACLChange{ACL: acl}
	before := make(map[string]*Rule, len(old))
	for i := range old {
		before[old[i].ID] = &old[i]
	}
	kept := make(map[string]bool, len(new))
	for i := range new {
		r := &new[i]
		if kept[r.ID] {
			return ACLChange{}, false
		}
		kept[r.ID] = true
		switch was := before[r.ID]; {
		case was == nil:
			c.Put = append(c.Put, *r)
		case !SameRule(was, r):
			c.Remove = append(c.Remove, r.ID)
			c.Put = append(c.Put, *r)
		}
	}
	for i := range old {
		if !kept[old[i].ID] {
			c.Remove = append(c.Remove, old[i].ID)
		}
	}
	slices.Sort(c.Remove)
	return c, len(before) == len(old) && len(c.Remove)+len(c.Put) <= maxChange
}

func sameRule(x, y Rule) bool { return SameRule(&x, &y) }

// SameRule says whether two rules are equal; equal memory is not looked into. A nil list, which matches everything, differs
// from an empty one.
func SameRule(a, b *Rule) bool {
	return a.Priority == b.Priority && a.Direction == b.Direction && a.Protocol == b.Protocol && a.Action == b.Action && a.Logging == b.Logging &&
		a.TCPFlags == b.TCPFlags && sameString(a.ID, b.ID) &&
		sameList(a.Sources, b.Sources) && sameList(a.Destinations, b.Destinations) &&
		sameList(a.SourcePorts, b.SourcePorts) && sameList(a.DestinationPorts, b.DestinationPorts) && sameList(a.ICMP, b.ICMP)
}

func sameString(a, b string) bool {
	return len(a) == len(b) && (unsafe.StringData(a) == unsafe.StringData(b) || a == b)
}

func sameList[T comparable](a, b []T) bool {
	if len(a) != len(b) || (a == nil) != (b == nil) {
		return false
	}
	return len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b)
}
