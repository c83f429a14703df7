package classifier

import (
	"math/bits"
	"slices"
)

const (
	leafSize    = 8 // records that are scanned rather than indexed
	lineBudget  = 8 // lines that an index may take, per record
	stepBudget  = 64
	extraBudget = 64
)

// entry is a record with what it leads to.
type entry struct {
	record
	order   uint64
	verdict uint32
}

// tree is a body before it is written: a list of entries, a node, or a fork.
type tree struct {
	list   []int32
	dim    int
	starts []uint16
	kids   []*tree
	fork   bool
	line   uint32 // once placed
	placed bool
}

// index arranges the entries of a body, sorted by order, for searching.
func index(all []entry) *tree {
	list := make([]int32, 0, len(all))
	if len(all) <= leafSize {
		for i := range all {
			list = append(list, int32(i))
		}
		return &tree{list: list}
	}
	seen := make(map[record]struct{}, len(all))
	for i := range all { // of equal ones only the first can match
		if _, ok := seen[all[i].record]; !ok {
			seen[all[i].record] = struct{}{}
			list = append(list, int32(i))
		}
	}
	if t := build(all, list); t != nil {
		return t
	}
	// Ranges of one kind hide the structure of the other: index them apart.
	var groups [maxForks][]int32
	for _, i := range list {
		g := 0
		if wide(&all[i].record, dimDport) {
			g++
			if wide(&all[i].record, dimSport) {
				g++
			}
		}
		groups[g] = append(groups[g], i)
	}
	f := &tree{fork: true}
	for _, g := range groups {
		if len(g) == 0 {
			continue
		}
		t := build(all, g)
		if t == nil {
			t = &tree{list: g}
		}
		f.kids = append(f.kids, t)
	}
	return f
}

func wide(r *record, dim int) bool {
	if dim == dimProto {
		return r.anyProto()
	}
	return r.hi[dim]-r.lo[dim] >= 1<<15
}

// build is nil when the index would need too much memory.
func build(all []entry, list []int32) *tree {
	b := builder{all: all, lines: lineBudget*len(list) + extraBudget, steps: stepBudget*len(list) + 64*extraBudget, seen: map[string]*tree{}}
	return b.build(list, 0)
}

type builder struct {
	all          []entry
	lines, steps int // left
	seen         map[string]*tree
}

// build arranges a list; done has the bits of the dimensions in which every entry covers what is searched for.
func (b *builder) build(list []int32, done int) *tree {
	list = b.shorten(list, done)
	key := string(bytesOf(list)) + string(rune(done))
	if t := b.seen[key]; t != nil {
		return t
	}
	var t *tree
	if dim := b.choose(list, done); dim >= 0 {
		t = b.node(list, done, dim)
	} else {
		t = &tree{list: slices.Clone(list)}
		b.lines -= (len(list) + 1) / 2
	}
	if t == nil || b.lines < 0 {
		return nil
	}
	b.seen[key] = t
	return t
}

func bytesOf(list []int32) []byte {
	out := make([]byte, 0, 4*len(list))
	for _, v := range list {
		out = append(out, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	return out
}

func (b *builder) covers(i int32, done int) bool {
	e := &b.all[i]
	for dim := range 3 {
		if done&(1<<dim) == 0 && (e.lo[dim] != anyRecord.lo[dim] || e.hi[dim] != anyRecord.hi[dim]) {
			return false
		}
	}
	return e.mask == 0 && e.value == 0
}

// choose picks the dimension that leaves the shortest lists, or -1: scan the list.
func (b *builder) choose(list []int32, done int) int {
	if len(list) <= leafSize {
		return -1
	}
	best, dim := len(list)*7/8, -1
	for d := range 3 {
		if done&(1<<d) != 0 {
			continue
		}
		broad := 0
		var distinct [4]uint64 // a small sketch of how many ranges there are
		for _, i := range list {
			e := &b.all[i]
			if wide(&e.record, d) {
				broad++
				continue
			}
			h := (uint64(e.lo[d])<<16 | uint64(e.hi[d])) * mulA >> 56
			distinct[h>>6] |= 1 << (h & 63)
		}
		kinds := 0
		for _, w := range distinct {
			kinds += bits.OnesCount64(w)
		}
		if score := broad + (len(list)-broad)/max(kinds, 1); score < best {
			best, dim = score, d
		}
	}
	return dim
}

// node cuts a dimension where entries begin and end. Neighbouring cells share a list while it stays short.
func (b *builder) node(list []int32, done, dim int) *tree {
	type event struct {
		at    uint32
		entry int32
		in    bool
	}
	events := make([]event, 0, 2*len(list))
	for _, i := range list {
		e := &b.all[i]
		events = append(events, event{uint32(e.lo[dim]), i, true}, event{uint32(e.hi[dim]) + 1, i, false})
	}
	slices.SortFunc(events, func(x, y event) int { return int(x.at) - int(y.at) })
	t := &tree{dim: dim}
	b.lines -= 2
	var active, cell, joined []int32
	start, pending := uint32(0), false
	flush := func() bool {
		if !pending {
			return true
		}
		pending = false
		kid := &tree{}
		if joined = b.shorten(joined, done); len(joined) > 0 {
			if kid = b.leaf(joined); kid == nil {
				return false
			}
		}
		t.add(uint16(start), kid)
		return true
	}
	for i, at := 0, uint32(0); at < 1<<16; {
		for ; i < len(events) && events[i].at == at; i++ {
			e := events[i]
			k, found := slices.BinarySearch(active, e.entry)
			if e.in && !found {
				active = slices.Insert(active, k, e.entry)
			} else if !e.in && found {
				active = slices.Delete(active, k, k+1)
			}
		}
		cell = cell[:0]
		for _, e := range active {
			cell = append(cell, e)
			if b.covers(e, done|1<<dim) {
				break
			}
		}
		if b.steps -= len(cell) + 1; b.steps < 0 || b.lines < 0 {
			return nil
		}
		if pending {
			if u := union(joined, cell); len(u) <= leafSize {
				joined = u
			} else if !flush() {
				return nil
			}
		}
		switch {
		case pending:
		case len(cell) <= leafSize:
			joined, start, pending = slices.Clone(cell), at, true
		default:
			kid := b.build(cell, done|1<<dim)
			if kid == nil {
				return nil
			}
			t.add(uint16(at), kid)
		}
		at = 1 << 16
		if i < len(events) {
			at = events[i].at
		}
	}
	if !flush() || len(t.starts) > maxStarts {
		return nil
	}
	b.lines -= len(t.starts)/10 + 1
	return t
}

// shorten drops what stands behind an entry that covers everything searched for.
func (b *builder) shorten(list []int32, done int) []int32 {
	for i, e := range list {
		if b.covers(e, done) {
			return list[:i+1]
		}
	}
	return list
}

func (b *builder) leaf(list []int32) *tree {
	key := string(bytesOf(list))
	if t := b.seen[key]; t != nil {
		return t
	}
	t := &tree{list: slices.Clone(list)}
	b.lines -= (len(list) + 1) / 2
	if b.lines < 0 {
		return nil
	}
	b.seen[key] = t
	return t
}

// add appends a cell, or lets the last one go on.
func (t *tree) add(start uint16, kid *tree) {
	if n := len(t.kids); n > 0 && (t.kids[n-1] == kid || t.kids[n-1].empty() && kid.empty()) {
		return
	}
	t.starts = append(t.starts, start)
	t.kids = append(t.kids, kid)
}

func (t *tree) empty() bool { return len(t.list) == 0 && t.kids == nil }

func union(a, b []int32) []int32 {
	out := make([]int32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}
