package ebpf

import (
	"crypto/sha256"
	"fmt"
	"maps"

	"github.com/cilium/ebpf"
)

// Kinds of dense numbers. Each kind counts from 1; 0 means none.
const (
	kindPort   = 'p'
	kindDomain = 'd'
	kindACL    = 'a'
	kindRule   = 'r'
	kindPA     = 'u' // of an IPv6 underlay
)

type identKey = [16]byte

func identOf(kind byte, name string) identKey {
	sum := sha256.Sum256(append([]byte{kind, 0}, name...))
	return identKey(sum[:16])
}

// idents gives names dense numbers and remembers them in a pinned map. The kind is kept in the upper byte of
// the stored number, so that the numbers in use can be read back without the names.
type idents struct {
	m      *ebpf.Map
	number map[identKey]uint32
	used   map[byte]map[uint32]bool
	next   map[byte]uint32 // where the search for a free number goes on
	limit  map[byte]uint32
	// seen holds the round in which a name was last wanted. Names that are kept until they are dropped are not in it.
	seen  map[identKey]uint64
	round uint64
	given []identKey // since begin
	// Names dropped since begin, and before: the latter may go as soon as no packet is left from then. A change of one ACL
	// starts no round, so without it the numbers of its old rules would never be free.
	dropping, dropped map[identKey]bool
	quiesce           func()
	// fresh is called with each newly given number: its counters may hold an earlier owner's figures.
	fresh func(kind byte, n uint32) error
	// gone is called with each number that nobody has any more.
	gone func(kind byte, n uint32) error
}

func loadIdents(m *ebpf.Map, limit map[byte]uint32, fresh func(byte, uint32) error) (*idents, error) {
	ids := &idents{m: m, number: map[identKey]uint32{}, used: map[byte]map[uint32]bool{}, next: map[byte]uint32{},
		limit: limit, seen: map[identKey]uint64{}, fresh: fresh,
		dropping: map[identKey]bool{}, dropped: map[identKey]bool{}}
	for kind := range limit {
		ids.used[kind] = map[uint32]bool{}
	}
	var key identKey
	var val uint32
	it := m.Iterate()
	for it.Next(&key, &val) {
		kind, n := byte(val>>24), val&0xffffff
		if ids.used[kind] == nil {
			return nil, fmt.Errorf("map idents: unknown kind %d", kind)
		}
		ids.number[key] = val
		ids.seen[key] = ids.round
		ids.used[kind][n] = true
	}
	return ids, it.Err()
}

// look is find without wanting the name.
func (ids *idents) look(kind byte, name string) (uint32, bool) {
	v, ok := ids.number[identOf(kind, name)]
	return v & 0xffffff, ok
}

// find returns the number of a name that has one.
func (ids *idents) find(kind byte, name string) (uint32, bool) {
	return ids.findKey(identOf(kind, name))
}

func (ids *idents) findKey(key identKey) (uint32, bool) {
	v, ok := ids.number[key]
	if _, mortal := ids.seen[key]; mortal {
		ids.seen[key] = ids.round
	}
	return v & 0xffffff, ok
}

// get returns the number of a name and gives it one if it has none.
func (ids *idents) get(kind byte, name string) (uint32, error) {
	return ids.getKey(kind, identOf(kind, name))
}

func (ids *idents) getKey(kind byte, key identKey) (uint32, error) {
	if n, ok := ids.findKey(key); ok {
		return n, nil
	}
	n, err := ids.free(kind)
	if err != nil {
		return 0, err
	}
	if err := ids.fresh(kind, n); err != nil {
		return 0, err
	}
	return n, ids.bindKey(kind, key, n)
}

// free returns a number that nobody has.
func (ids *idents) free(kind byte) (uint32, error) {
	limit, used := ids.limit[kind], ids.used[kind]
	if uint32(len(used)) >= limit-1 {
		if err := ids.reclaim(); err != nil {
			return 0, err
		}
	}
	if uint32(len(used)) >= limit-1 {
		return 0, fmt.Errorf("no number left of kind %q: limit %d", kind, limit-1)
	}
	n := ids.next[kind]
	for {
		n++
		if n >= limit {
			n = 1
		}
		if !used[n] {
			ids.next[kind] = n
			return n, nil
		}
	}
}

// bind gives a name its number. What the number stands for must be in its map by then: after a crash, a name that
// has a number is believed.
func (ids *idents) bind(kind byte, name string, n uint32) error {
	return ids.bindKey(kind, identOf(kind, name), n)
}

func (ids *idents) bindKey(kind byte, key identKey, n uint32) error {
	v := uint32(kind)<<24 | n
	if err := ids.m.Put(key, v); err != nil {
		return fmt.Errorf("map idents: %w", err)
	}
	ids.number[key] = v
	ids.seen[key] = ids.round
	ids.used[kind][n] = true
	ids.given = append(ids.given, key)
	return nil
}

// keep is get for a name that stays until drop: what there are many of need not be named in every round.
func (ids *idents) keep(kind byte, name string) (uint32, error) {
	key := identOf(kind, name)
	n, err := ids.getKey(kind, key)
	delete(ids.seen, key)
	delete(ids.dropping, key)
	delete(ids.dropped, key)
	return n, err
}

// drop lets a kept name go, after the rounds that any other has.
func (ids *idents) drop(kind byte, name string) {
	key := identOf(kind, name)
	if _, ok := ids.number[key]; ok {
		ids.seen[key] = ids.round
		ids.dropping[key] = true
	}
}

// reclaim forgets the names that were dropped before begin.
func (ids *idents) reclaim() error {
	if len(ids.dropped) == 0 {
		return nil
	}
	if ids.quiesce != nil {
		ids.quiesce()
	}
	for key := range ids.dropped {
		if err := ids.forget(key); err != nil {
			return err
		}
	}
	return nil
}

// begin starts a round; commit or rollback ends it.
func (ids *idents) begin() {
	ids.given = nil
	maps.Copy(ids.dropped, ids.dropping)
	clear(ids.dropping)
}

// rollback takes back the numbers given since begin: a policy that was refused leaves nothing.
func (ids *idents) rollback() error {
	for _, key := range ids.given {
		if err := ids.forget(key); err != nil {
			return err
		}
	}
	ids.given = nil
	clear(ids.dropping) // what is in force needs them
	return nil
}

func (ids *idents) forget(key identKey) error {
	v := ids.number[key]
	if err := ids.m.Delete(key); err != nil {
		return fmt.Errorf("map idents: %w", err)
	}
	delete(ids.number, key)
	delete(ids.seen, key)
	delete(ids.dropping, key)
	delete(ids.dropped, key)
	delete(ids.used[byte(v>>24)], v&0xffffff)
	if ids.gone != nil {
		return ids.gone(byte(v>>24), v&0xffffff)
	}
	return nil
}

// commit ends a round whose policy is in force. Names that neither this round nor the one before wanted are
// forgotten: no slot refers to them any more.
func (ids *idents) commit() error {
	defer func() { ids.round++ }()
	ids.given = nil
	for key, seen := range ids.seen {
		if seen+1 >= ids.round {
			continue
		}
		if err := ids.forget(key); err != nil {
			return err
		}
	}
	return nil
}
