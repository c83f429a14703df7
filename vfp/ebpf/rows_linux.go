package ebpf

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"
)

// rowKey is a key of a map that holds both slots: its first word is high<<1 | slot, an address may follow.
type rowKey struct {
	high uint32
	ca   [16]byte // IPv4-mapped for IPv4; zero where the map's key has no address
	bits uint8    // of a prefix, in the mapped form; zero where the map's key has none
}

func (k rowKey) compare(other rowKey) int {
	if c := cmp.Compare(k.high, other.high); c != 0 {
		return c
	}
	if c := bytes.Compare(k.ca[:], other.ca[:]); c != 0 {
		return c
	}
	return cmp.Compare(k.bits, other.bits)
}

// wireKey is a rowKey in the shape of a map's key.
type wireKey interface {
	comparable
	row() (key rowKey, slot uint32)
}

// caKey is the key of mappings, addresses and those who forward.
type caKey struct {
	HighSlot uint32
	CA       [16]byte
}

func (k caKey) row() (rowKey, uint32) { return rowKey{high: k.HighSlot >> 1, ca: k.CA}, k.HighSlot & 1 }

func caKeyOf(k rowKey, slot uint32) caKey { return caKey{k.high<<1 | slot, k.ca} }

// prefixKey is the key of routes.
type prefixKey struct {
	Bits     uint32 // of what follows
	HighSlot uint32
	CA       [16]byte
}

func (k prefixKey) row() (rowKey, uint32) {
	return rowKey{high: k.HighSlot >> 1, ca: k.CA, bits: uint8(k.Bits - 32)}, k.HighSlot & 1
}

func prefixKeyOf(k rowKey, slot uint32) prefixKey {
	return prefixKey{32 + uint32(k.bits), k.high<<1 | slot, k.ca}
}

// wordKey is the key of the other ones.
type wordKey struct{ HighSlot uint32 }

func (k wordKey) row() (rowKey, uint32) { return rowKey{high: k.HighSlot >> 1}, k.HighSlot & 1 }

func wordKeyOf(k rowKey, slot uint32) wordKey { return wordKey{k.high<<1 | slot} }

// rows is the content of one slot of a map, sorted by key.
type rows[V comparable] []row[V]

type row[V comparable] struct {
	key rowKey
	val V
}

func (r rows[V]) sort() {
	compare := func(a, b row[V]) int { return a.key.compare(b.key) }
	if !slices.IsSortedFunc(r, compare) {
		slices.SortFunc(r, compare)
	}
}

// find returns the value under key.
func (r rows[V]) find(key rowKey) (V, bool) {
	i, ok := slices.BinarySearchFunc(r, key, func(a row[V], k rowKey) int { return a.key.compare(k) })
	if !ok {
		var none V
		return none, false
	}
	return r[i].val, true
}

// difference returns what must be put and what must be deleted to turn r into want.
func (r rows[V]) difference(want rows[V]) (put rows[V], del []rowKey) {
	i, j := 0, 0
	for i < len(r) || j < len(want) {
		order := 0
		switch {
		case j == len(want):
			order = -1
		case i == len(r):
			order = 1
		default:
			order = r[i].key.compare(want[j].key)
		}
		switch {
		case order < 0:
			del = append(del, r[i].key)
			i++
		case order > 0:
			put = append(put, want[j])
			j++
		default:
			if r[i].val != want[j].val {
				put = append(put, want[j])
			}
			i++
			j++
		}
	}
	return put, del
}

const batch = 4096

// write makes one slot of m, which holds have, hold want.
func write[K wireKey, V comparable](m *ebpf.Map, slot uint32, have, want rows[V], wire func(rowKey, uint32) K) error {
	put, del := have.difference(want)
	keys := make([]K, 0, min(batch, max(len(put), len(del))))
	for chunk := range slices.Chunk(del, batch) {
		keys = keys[:0]
		for _, k := range chunk {
			keys = append(keys, wire(k, slot))
		}
		if _, err := m.BatchDelete(keys, nil); err != nil {
			return err
		}
	}
	vals := make([]V, 0, min(batch, len(put)))
	for chunk := range slices.Chunk(put, batch) {
		keys, vals = keys[:0], vals[:0]
		for _, r := range chunk {
			keys = append(keys, wire(r.key, slot))
			vals = append(vals, r.val)
		}
		if _, err := m.BatchUpdate(keys, vals, nil); err != nil {
			return err
		}
	}
	return nil
}

// read returns the content of both slots.
func read[K wireKey, V comparable](m *ebpf.Map) (slots [2]rows[V], err error) {
	keys := make([]K, batch)
	vals := make([]V, batch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, vals, nil)
		for i := range n {
			key, slot := keys[i].row()
			slots[slot] = append(slots[slot], row[V]{key, vals[i]})
		}
		if isEnd(err) {
			break
		}
		if err != nil {
			return slots, err
		}
	}
	slots[0].sort()
	slots[1].sort()
	return slots, nil
}

// mapped is an address as the programs see it: IPv6, or IPv4 mapped into it.
func mapped(a netip.Addr) [16]byte { return a.As16() }
