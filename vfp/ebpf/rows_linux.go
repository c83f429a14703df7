package ebpf

import (
	"cmp"
	"slices"

	"github.com/cilium/ebpf"
)

// rows is the content of one slot of a keyed map, sorted by key. The key's upper half becomes the first word
// of the map's key together with the slot, the lower half the second.
type rows[V comparable] []row[V]

type row[V comparable] struct {
	key uint64
	val V
}

func rowKey(high, low uint32) uint64 { return uint64(high)<<32 | uint64(low) }

// wire is the key as the map has it.
func wire(key uint64, slot uint32) [2]uint32 {
	return [2]uint32{uint32(key>>32)<<1 | slot, uint32(key)}
}

func (r rows[V]) sort() {
	slices.SortFunc(r, func(a, b row[V]) int { return cmp.Compare(a.key, b.key) })
}

// find returns the value under key.
func (r rows[V]) find(key uint64) (V, bool) {
	i, ok := slices.BinarySearchFunc(r, key, func(a row[V], k uint64) int { return cmp.Compare(a.key, k) })
	if !ok {
		var none V
		return none, false
	}
	return r[i].val, true
}

// difference returns what must be put and what must be deleted to turn r into want.
func (r rows[V]) difference(want rows[V]) (put rows[V], del []uint64) {
	i, j := 0, 0
	for i < len(r) || j < len(want) {
		switch {
		case j == len(want) || i < len(r) && r[i].key < want[j].key:
			del = append(del, r[i].key)
			i++
		case i == len(r) || want[j].key < r[i].key:
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

// write makes one slot of m, which holds have, hold want. It returns how many entries it touched.
func write[V comparable](m *ebpf.Map, slot uint32, have, want rows[V]) (int, error) {
	put, del := have.difference(want)
	keys := make([][2]uint32, 0, min(batch, max(len(put), len(del))))
	for chunk := range slices.Chunk(del, batch) {
		keys = keys[:0]
		for _, k := range chunk {
			keys = append(keys, wire(k, slot))
		}
		if _, err := m.BatchDelete(keys, nil); err != nil {
			return 0, err
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
			return 0, err
		}
	}
	return len(put) + len(del), nil
}

// read returns the content of both slots.
func read[V comparable](m *ebpf.Map) (slots [2]rows[V], err error) {
	var key [2]uint32
	var val V
	it := m.Iterate()
	for it.Next(&key, &val) {
		slot := key[0] & 1
		slots[slot] = append(slots[slot], row[V]{rowKey(key[0]>>1, key[1]), val})
	}
	slots[0].sort()
	slots[1].sort()
	return slots, it.Err()
}
