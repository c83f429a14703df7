package overlay

import (
	cc "github.com/fairlead-net/fairlead/controller-client"
)

// recall is what a build has worked out of parts of its snapshot that mean the same whatever stands beside them. The next
// build, whose snapshot is mostly the same, need not do it again. It is no part of what a model says.
type recall struct {
	nics  []cc.NetworkInterface
	names []nicNames // of nics, by position
	lists []cc.AccessControlList
	acls  []*ACL // of lists, by position; nil for one that had to be complained of, or that depends on more than itself
}

// named is a resource's name made out; ok is false for one that has none.
type named struct {
	Resource
	ok bool
}

type nicNames struct {
	named
	configs []named
}

// recaller finds the elements of a list in the one before, which mostly stand where they stood.
type recaller[T any] struct {
	old   []T
	meta  func(*T) *cc.Meta
	shift int
	byRef map[string]int // of old, once something was not where it was looked for
}

// at is where in the old list the i-th element of the new one stands, by its name; -1: it is new.
func (r *recaller[T]) at(i int, m *cc.Meta) int {
	for _, more := range [...]int{0, 1, -1} {
		if j := i + r.shift + more; j >= 0 && j < len(r.old) && sameMeta(r.meta(&r.old[j]), m) {
			r.shift += more
			return j
		}
	}
	if r.byRef == nil {
		r.byRef = make(map[string]int, len(r.old))
		for j := range r.old {
			r.byRef[r.meta(&r.old[j]).Ref] = j
		}
	}
	j, ok := r.byRef[m.Ref]
	if !ok || !sameMeta(r.meta(&r.old[j]), m) {
		return -1
	}
	r.shift = j - i
	return j
}

// sameMeta says whether two resources have one name.
func sameMeta(x, y *cc.Meta) bool {
	return x.Ref == y.Ref && x.ID == y.ID && x.InstanceID == y.InstanceID
}

// sameMemory says whether two slices are one.
func sameMemory[T any](x, y []T) bool { return len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0]) }

// nameInterfaces makes out the names of all network interfaces and their ipConfigurations.
func (b *builder) nameInterfaces(list []cc.NetworkInterface) []nicNames {
	old := b.prev.recall
	if sameMemory(old.nics, list) {
		b.m.recall.nics, b.m.recall.names = list, old.names
		return old.names
	}
	names := make([]nicNames, len(list))
	r := recaller[cc.NetworkInterface]{old: old.nics, meta: func(n *cc.NetworkInterface) *cc.Meta { return &n.Meta }}
	for i := range list {
		n, at := &list[i], r.at(i, &list[i].Meta)
		if at >= 0 {
			names[i] = old.names[at]
			if was := old.nics[at].IPConfigurations; sameMemory(was, n.IPConfigurations) || sameNames(was, n.IPConfigurations) {
				continue
			}
		} else {
			names[i].Resource, names[i].ok = nameOf(&n.Meta, "", "/networkInterfaces")
		}
		names[i].configs = make([]named, len(n.IPConfigurations))
		for k := range n.IPConfigurations {
			c := &names[i].configs[k]
			c.Resource, c.ok = nameOf(&n.IPConfigurations[k].Meta, names[i].Ref, "/ipConfigurations")
		}
	}
	b.m.recall.nics, b.m.recall.names = list, names
	return names
}

func sameNames(x, y []cc.IPConfiguration) bool {
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if !sameMeta(&x[i].Meta, &y[i].Meta) {
			return false
		}
	}
	return true
}

// knownACL is an ACL that was parsed before, if it is the same list; nil if not.
func (b *builder) knownACL(r *recaller[cc.AccessControlList], i int, list []cc.AccessControlList) *ACL {
	at := r.at(i, &list[i].Meta)
	if at < 0 || !sameMemory(r.old[at].Rules, list[i].Rules) {
		return nil
	}
	return b.prev.recall.acls[at]
}
