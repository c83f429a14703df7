package classifier

import (
	"math"
	"slices"
)

// body is what a pair of prefixes leads to: a set of rules, in order. Pairs with the same set share one.
type body struct {
	id    [2]uint64 // sum of the rules'
	rules []*rule   // by order
	refs  int       // pairs that lead here in the newest version
	ref   uint32    // kind and first line
	lines uint32
	died  uint32 // version in which the last pair left
}

func (b *body) low() uint64 { return b.rules[0].order }

// entries are the body's records; those of one rule are equal in order.
func entries(rules []*rule) []entry {
	n := 0
	for _, r := range rules {
		n += len(r.records)
	}
	out := make([]entry, 0, n)
	for _, r := range rules {
		for _, c := range r.records {
			out = append(out, entry{record: c, order: r.order, verdict: r.verdict})
		}
	}
	return out
}

// place gives every part of a tree its first line, counted from the tree's, and returns the number of lines.
func (t *tree) place(at uint32) uint32 {
	if t.placed || t.empty() {
		return at
	}
	t.placed, t.line = true, at
	at += t.size()
	for _, k := range t.kids {
		at = k.place(at)
	}
	return at
}

// levels are the numbers of starts of a node's search levels, the smallest first.
func (t *tree) levels() []uint32 {
	out := []uint32{uint32(len(t.starts))}
	for out[0] > 32 {
		out = slices.Insert(out, 0, (out[0]+31)/32)
	}
	return out
}

func (t *tree) size() uint32 {
	switch {
	case t.fork:
		return 1
	case t.kids == nil:
		return max((uint32(len(t.list))+1)/2, 1)
	}
	n := 1 + (uint32(len(t.kids))+15)/16
	for _, l := range t.levels() {
		n += (l + 31) / 32
	}
	return n
}

// ref is the tree's reference when the whole begins at base.
func (t *tree) ref(base uint32) uint32 {
	switch {
	case t.empty():
		return 0
	case t.fork:
		return kindFork<<lineBits | base + t.line
	case t.kids != nil:
		return kindNode<<lineBits | base + t.line
	}
	return base + t.line
}

// write puts a placed tree into the memory.
func (t *tree) write(m image, base uint32, all []entry) {
	if !t.placed {
		return
	}
	t.placed = false // once
	line := base + t.line
	switch {
	case t.fork:
		m.set32(line, forkCount, uint32(len(t.kids)))
		for i, k := range t.kids {
			m.set32(line, forkChild+4*i, k.ref(base))
		}
	case t.kids == nil:
		writeList(m, line, t.list, all)
	default:
		t.writeNode(m, line, base)
	}
	for _, k := range t.kids {
		k.write(m, base, all)
	}
}

func (t *tree) writeNode(m image, line, base uint32) {
	levels := t.levels()
	m.set32(line, nodeDim, uint32(t.dim))
	m.set32(line, nodeLevels, uint32(len(levels)))
	at := line + 1
	stride := 1
	for range levels[1:] {
		stride *= 32
	}
	for l, n := range levels {
		m.set32(line, nodeBase+4*l, at)
		m.set32(line, nodeCount+4*l, n)
		for i := range (n + 31) / 32 * 32 {
			v := uint16(0xffff)
			if i < n {
				v = t.starts[int(i)*stride]
			}
			m.set16(at+i/32, int(i%32)*2, v)
		}
		at += (n + 31) / 32
		stride /= 32
	}
	m.set32(line, nodeChild, at)
	for i, k := range t.kids {
		m.set32(at+uint32(i)/16, i%16*4, k.ref(base))
	}
}

func writeList(m image, line uint32, list []int32, all []entry) {
	m.set32(line, leafCount, uint32(len(list)))
	if n := uint32(len(list)); n%2 == 1 { // a long list is scanned by lines: nothing is behind the highest order
		m.set64(line+n/2, leafRecords+recordSize+recordOrder, math.MaxUint64)
	}
	for i, n := range list {
		e := &all[n]
		l, o := line+uint32(i)/2, leafRecords+i%2*recordSize
		m.set64(l, o+recordOrder, e.order)
		m.set32(l, o+recordVerdict, e.verdict)
		m.set32(l, o+recordSport, uint32(e.lo[dimSport])|uint32(e.hi[dimSport])<<16)
		m.set32(l, o+recordDport, uint32(e.lo[dimDport])|uint32(e.hi[dimDport])<<16)
		proto := uint32(e.lo[dimProto])
		if e.anyProto() {
			proto = 256
		}
		m.set32(l, o+recordProto, proto|uint32(e.mask)<<16|uint32(e.value)<<24)
	}
}
