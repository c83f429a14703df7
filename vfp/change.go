package vfp

import (
	"reflect"
	"slices"
)

// maxChange is how many rules a change may touch: beyond that putting the whole policy in force is no more work.
const maxChange = 256

// ChangeOf is the change of one ACL's rules that makes new of old; false when more than that is different, or nothing.
func ChangeOf(old, new *Policy) (ACLChange, bool) {
	if old == nil || new == nil || len(old.ACLs) != len(new.ACLs) || old.Encapsulation != new.Encapsulation || old.ProviderAddress != new.ProviderAddress ||
		old.InnerMTU != new.InnerMTU || !slices.Equal(old.Subnets, new.Subnets) || !slices.Equal(old.Mappings, new.Mappings) {
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
		case !sameRule(*was, *r):
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

func sameRule(x, y Rule) bool {
	return x.ID == y.ID && x.Direction == y.Direction && x.Priority == y.Priority && x.Protocol == y.Protocol && x.Action == y.Action && x.Logging == y.Logging &&
		x.TCPFlags == y.TCPFlags && sameList(x.ICMP, y.ICMP) && sameList(x.Sources, y.Sources) && sameList(x.Destinations, y.Destinations) &&
		sameList(x.SourcePorts, y.SourcePorts) && sameList(x.DestinationPorts, y.DestinationPorts)
}

// sameList tells nil, which matches everything, from an empty list.
func sameList[T comparable](x, y []T) bool { return (x == nil) == (y == nil) && slices.Equal(x, y) }
