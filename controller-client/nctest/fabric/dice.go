package fabric

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/bits"
)

// dice is SplitMix64 (Steele, Lea, Flood 2014): written out here because a fabric's bytes must never
// change with a Go release.
type dice uint64

// purpose keeps the choices made about one number apart.
type purpose uint64

const (
	forServer purpose = iota + 1
	forNIC
	forTenantACL
	forClassACL
)

// roll starts the choices about number n.
func (s Spec) roll(p purpose, n int) *dice {
	d := dice(s.Seed)
	d = dice(d.next() ^ uint64(p)<<56 ^ uint64(n))
	return &d
}

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below answers 0 to n-1.
func (d *dice) below(n int) int {
	high, _ := bits.Mul64(d.next(), uint64(n))
	return int(high)
}

// chance is true in percent of all cases.
func (d *dice) chance(percent int) bool { return d.below(100) < percent }

func pick[T any](d *dice, list []T) T { return list[d.below(len(list))] }

// guid is the instanceId of a resource, or another identity of that name.
func (s Spec) guid(name string) string {
	h := fnv.New128a()
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], s.Seed)
	_, _ = h.Write(seed[:]) // never fails
	_, _ = h.Write([]byte(name))
	b := h.Sum(nil)
	// FNV's upper bits hardly differ between names that are alike.
	d := dice(binary.BigEndian.Uint64(b[:8]) ^ binary.BigEndian.Uint64(b[8:]))
	binary.BigEndian.PutUint64(b[:8], d.next()^binary.BigEndian.Uint64(b[:8]))
	binary.BigEndian.PutUint64(b[8:], d.next()^binary.BigEndian.Uint64(b[8:]))
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
