package ebpf

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/fairlead-net/fairlead/vfp"
)

// aclStore keeps compiled ACLs in the maps acls and rules. A stored ACL never changes: changed content gets
// a new index and new room, and an index is free again when no slot refers to it.
type aclStore struct {
	acls, rules *ebpf.Map
	idents      *idents
	room        uint32             // entries in the map rules
	stored      map[uint32]segment // by index
	names       map[uint32]vfp.RuleKey
}

// segment is the room of an ACL's rules, both directions in a row.
type segment struct{ first, count uint32 }

func loadACLs(acls, rules *ebpf.Map, ids *idents) (*aclStore, error) {
	s := &aclStore{acls: acls, rules: rules, idents: ids, room: rules.MaxEntries(),
		stored: map[uint32]segment{}, names: map[uint32]vfp.RuleKey{}}
	for n := range ids.used[kindACL] {
		var a vswitchAcl
		if err := acls.Lookup(n, &a); err != nil {
			return nil, fmt.Errorf("map acls: %w", err)
		}
		s.stored[n] = segment{a.First[0], a.Count[0] + a.Count[1]}
	}
	return s, nil
}

// load returns the index of an ACL's content and stores it if it is new.
func (s *aclStore) load(a *vfp.ACL) (uint32, error) {
	counter := func(id string) (uint32, error) {
		key := vfp.RuleKey{ACL: a.ID, RuleID: id}
		n, err := s.idents.get(kindRule, key.ACL+"\x00"+key.RuleID)
		if err == nil {
			s.names[n] = key
		}
		return n, err
	}
	var rules [2][]vswitchRule
	var v vswitchAcl
	for _, dir := range []vfp.Direction{vfp.Outbound, vfp.Inbound} {
		var err error
		if rules[dir], err = ruleRows(a.Rules, dir, counter); err != nil {
			return 0, err
		}
		if v.Counter[dir], err = counter(vfp.DefaultRule + dir.String()); err != nil {
			return 0, err
		}
		v.Action[dir] = uint32(a.Default[dir])
		v.Count[dir] = uint32(len(rules[dir]))
	}
	sum := aclSum(a)
	if n, ok := s.idents.find(kindACL, sum); ok {
		return n, nil
	}
	n, err := s.idents.free(kindACL)
	if err != nil {
		return 0, err
	}
	count := v.Count[0] + v.Count[1]
	first, err := s.allocate(count)
	if err != nil {
		return 0, err
	}
	v.First = [2]uint32{first, first + v.Count[0]}
	all := append(rules[0], rules[1]...)
	keys := make([]uint32, 0, min(batch, count))
	for at := uint32(0); at < count; at += batch {
		chunk := all[at:min(at+batch, count)]
		keys = keys[:0]
		for i := range chunk {
			keys = append(keys, first+at+uint32(i))
		}
		if _, err := s.rules.BatchUpdate(keys, chunk, nil); err != nil {
			return 0, fmt.Errorf("map rules: %w", err)
		}
	}
	if err := s.acls.Put(n, v); err != nil {
		return 0, fmt.Errorf("map acls: %w", err)
	}
	s.stored[n] = segment{first, count}
	return n, s.idents.bind(kindACL, sum, n) // last: after a crash, an ACL with a number is complete
}

// allocate finds room for count rules, lowest first.
func (s *aclStore) allocate(count uint32) (uint32, error) {
	taken := make([]segment, 0, len(s.stored))
	for _, seg := range s.stored {
		taken = append(taken, seg)
	}
	slices.SortFunc(taken, func(a, b segment) int { return int(a.first) - int(b.first) })
	at := uint32(0)
	for _, seg := range taken {
		if seg.first >= at+count {
			break
		}
		at = max(at, seg.first+seg.count)
	}
	if at+count > s.room {
		return 0, fmt.Errorf("no room for %d rules: the host holds at most %d", count, s.room)
	}
	return at, nil
}

// forget drops the room of ACLs whose number was taken back.
func (s *aclStore) forget() {
	for n := range s.stored {
		if !s.idents.used[kindACL][n] {
			delete(s.stored, n)
		}
	}
	for n := range s.names {
		if !s.idents.used[kindRule][n] {
			delete(s.names, n)
		}
	}
}
