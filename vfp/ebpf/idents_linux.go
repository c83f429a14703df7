package ebpf

import (
	"crypto/sha256"
	"fmt"

	"github.com/cilium/ebpf"
)

// Kinds of dense numbers. Each kind counts from 1; 0 means none.
const (
	kindPort   = 'p'
	kindDomain = 'd'
	kindACL    = 'a'
	kindRule   = 'r'
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
	// seen holds the round in which a name was last wanted.
	seen  map[identKey]uint64
	round uint64
	given []identKey // since begin
	// fresh is called with each newly given number: its counters may hold an earlier owner's figures.
	fresh func(kind byte, n uint32) error
}

func loadIdents(m *ebpf.Map, limit map[byte]uint32, fresh func(byte, uint32) error) (*idents, error) {
	ids := &idents{m: m, number: map[identKey]uint32{}, used: map[byte]map[uint32]bool{}, next: map[byte]uint32{},
		limit: limit, seen: map[identKey]uint64{}, fresh: fresh}
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

// find returns the number of a name that has one.
func (ids *idents) find(kind byte, name string) (uint32, bool) {
	key := identOf(kind, name)
	v, ok := ids.number[key]
	if ok {
		ids.seen[key] = ids.round
	}
	return v & 0xffffff, ok
}

// get returns the number of a name and gives it one if it has none.
func (ids *idents) get(kind byte, name string) (uint32, error) {
	if n, ok := ids.find(kind, name); ok {
		return n, nil
	}
	n, err := ids.free(kind)
	if err != nil {
		return 0, err
	}
	if err := ids.fresh(kind, n); err != nil {
		return 0, err
	}
	return n, ids.bind(kind, name, n)
}

// free returns a number that nobody has.
func (ids *idents) free(kind byte) (uint32, error) {
	limit, used := ids.limit[kind], ids.used[kind]
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
	key, v := identOf(kind, name), uint32(kind)<<24|n
	if err := ids.m.Put(key, v); err != nil {
		return fmt.Errorf("map idents: %w", err)
	}
	ids.number[key] = v
	ids.seen[key] = ids.round
	ids.used[kind][n] = true
	ids.given = append(ids.given, key)
	return nil
}

// begin starts a round; commit or rollback ends it.
func (ids *idents) begin() { ids.given = nil }

// rollback takes back the numbers given since begin: a policy that was refused leaves nothing.
func (ids *idents) rollback() error {
	for _, key := range ids.given {
		if err := ids.forget(key); err != nil {
			return err
		}
	}
	ids.given = nil
	return nil
}

func (ids *idents) forget(key identKey) error {
	v := ids.number[key]
	if err := ids.m.Delete(key); err != nil {
		return fmt.Errorf("map idents: %w", err)
	}
	delete(ids.number, key)
	delete(ids.seen, key)
	delete(ids.used[byte(v>>24)], v&0xffffff)
	return nil
}

// commit ends a round whose policy is in force. Names that neither this round nor the one before wanted are
// forgotten: no slot refers to them any more.
func (ids *idents) commit() error {
	defer func() { ids.round++ }()
	ids.given = nil
	for key := range ids.number {
		if ids.seen[key]+1 >= ids.round {
			continue
		}
		if err := ids.forget(key); err != nil {
			return err
		}
	}
	return nil
}
