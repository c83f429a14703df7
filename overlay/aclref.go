package overlay

import (
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// aclFor resolves a reference to an ACL. One that dangles never opens anything: the last good list stays in front
// of the resource, or one that blocks everything.
func (b *builder) aclFor(ref, owner string, before *ACL) *ACL {
	if ref == "" {
		return nil
	}
	if acl, ok := b.acls.find(ref); ok {
		return acl
	}
	key := cc.RefKey(ref)
	const text = "properties.accessControlList %s does not exist; "
	if last := lookup(b.prev.ACLs, key); last != nil && !last.Missing {
		b.errorf("acl-unknown", owner, text+"its last good version stays in force", quote(ref))
		return b.keepACL(last)
	}
	if before != nil && !before.Missing {
		acl, ok := b.acls.byKey[before.Key]
		if !ok {
			acl = b.keepACL(before)
		}
		b.errorf("acl-unknown", owner, text+"the previous one, %s, stays in force", quote(ref), acl.Ref)
		return acl
	}
	b.errorf("acl-unknown", owner, text+"everything is blocked by it", quote(ref))
	// By key: its writers may spell the reference differently.
	return b.keepACL(&ACL{Resource: Resource{ID: key[strings.LastIndexByte(key, '/')+1:], Ref: key, Key: key}, Missing: true, blockAll: true})
}

// keepACL puts a list that is not in the snapshot into the model.
func (b *builder) keepACL(acl *ACL) *ACL {
	if kept, ok := b.extraACLs[acl.Key]; ok {
		return kept
	}
	if b.extraACLs == nil {
		b.extraACLs = make(map[string]*ACL)
	}
	acl = b.withDefault(acl)
	b.extraACLs[acl.Key] = acl
	return acl
}

func (b *builder) finishACLs() {
	if len(b.extraACLs) == 0 {
		return
	}
	for _, acl := range b.extraACLs {
		b.m.ACLs = append(b.m.ACLs, acl)
	}
	slices.SortFunc(b.m.ACLs, func(x, y *ACL) int { return strings.Compare(x.Key, y.Key) })
}
