package classifier

import (
	"slices"

	"github.com/fairlead-net/fairlead/vfp"
)

// plan finds the pairs that change and writes their new bodies.
func (s *stage) plan() error {
	if err := s.reserve(); err != nil {
		return err
	}
	for _, r := range s.rem {
		if err := s.spreadRule(r, false); err != nil {
			return err
		}
	}
	for _, r := range s.add {
		if err := s.spreadRule(r, true); err != nil {
			return err
		}
	}
	older := uint32(0)
	for i := range s.ops {
		o := &s.ops[i]
		if err := s.newBody(o); err != nil {
			return err
		}
		if s.needsOlder(o) {
			if s.geo[o.geo].slots[o.slot].depth >= maxOlder-2 {
				return errTooManyVersions
			}
			older++
		}
	}
	if older == 0 {
		return nil
	}
	n := (older + Line/olderSize - 1) / (Line / olderSize)
	first, err := s.alloc(n)
	s.older = extent{first, n}
	return err
}

// reserve makes the geometries that are missing, and none too small for a first content.
func (s *stage) reserve() error {
	var missing []*vfp.Rule
	for _, r := range s.add {
		if len(r.records) > 0 && (s.geo[2*r.Direction] == nil || s.geo[2*r.Direction+1] == nil) {
			missing = append(missing, &r.Rule)
		}
	}
	if missing == nil {
		return nil
	}
	for i, d := range demandOf(missing) {
		if s.geo[i] != nil || d.pairs == 0 {
			continue
		}
		g, err := s.newGeometry(i%2, d.pairs+d.pairs/16, [2]int{d.prefixes[0] * 5 / 4, d.prefixes[1] * 5 / 4}, 1)
		if err != nil {
			return err
		}
		s.geo[i] = g
	}
	return nil
}

// spreadRule enters a rule into the operations of all its pairs.
func (s *stage) spreadRule(r *rule, add bool) error {
	if len(r.records) == 0 {
		return nil
	}
	for family := range 2 {
		both := sidesOf(&r.Rule, family)
		for _, src := range both.src {
			for _, dst := range both.dst {
				o, err := s.op(int(r.Direction)*2+family, pairKey{src, dst})
				if err != nil {
					return err
				}
				s.deltas = append(s.deltas, delta{r, o.deltas, add})
				o.deltas = int32(len(s.deltas))
				if add {
					o.id = addSum(o.id, r.id)
				} else {
					o.id = subSum(o.id, r.id)
				}
			}
		}
	}
	return nil
}

// op is the operation on a pair, which has a slot from now on.
func (s *stage) op(geo int, k pairKey) (*op, error) {
	for {
		g := s.geo[geo]
		at, found, room := g.find(s.t.m, k)
		if !found && (!room || g.crowded()) {
			if err := s.grow(geo); err != nil {
				return nil, err
			}
			continue
		}
		sl := &g.slots[at]
		if sl.op > 0 {
			return &s.ops[sl.op-1], nil
		}
		if !found {
			g.claim(s.t.m, at, k)
			g.slots[at] = slot{}
		} else if sl.free {
			g.announce(s.t.m, k)
			sl.free = false
		}
		o := op{geo: geo, slot: at}
		if sl.body != nil {
			o.id = sl.body.id
		}
		s.ops = append(s.ops, o)
		sl.op = int32(len(s.ops))
		return &s.ops[len(s.ops)-1], nil
	}
}

// newBody finds or writes the body that a pair is to have.
func (s *stage) newBody(o *op) error {
	old := s.geo[o.geo].slots[o.slot].body
	if o.id == [2]uint64{} {
		return nil
	}
	if b := s.t.bodies[o.id]; b != nil {
		o.body = b
		return nil
	}
	b := &body{id: o.id, rules: s.rulesAfter(o, old)}
	all := entries(b.rules)
	t := index(all)
	b.lines = t.place(0)
	first, err := s.alloc(b.lines)
	if err != nil {
		return err
	}
	t.write(s.t.m, first, all)
	b.ref = t.ref(first)
	o.body = b
	s.t.bodies[o.id] = b
	s.made = append(s.made, b)
	return nil
}

// rulesAfter are a pair's rules with those that go and come.
func (s *stage) rulesAfter(o *op, old *body) []*rule {
	var rem, add []*rule
	for d := o.deltas; d > 0; d = s.deltas[d-1].next {
		if x := &s.deltas[d-1]; x.add {
			add = append(add, x.rule)
		} else {
			rem = append(rem, x.rule)
		}
	}
	if len(add) > 1 {
		slices.SortFunc(add, compareOrder)
	}
	if old == nil {
		return add
	}
	gone := func(r *rule) bool { return slices.Contains(rem, r) }
	if len(rem) > 16 {
		set := make(map[*rule]bool, len(rem))
		for _, r := range rem {
			set[r] = true
		}
		gone = func(r *rule) bool { return set[r] }
	}
	out := make([]*rule, 0, len(old.rules)+len(add))
	for _, r := range old.rules {
		if gone(r) {
			continue
		}
		for len(add) > 0 && add[0].order < r.order {
			out, add = append(out, add[0]), add[1:]
		}
		out = append(out, r)
	}
	return append(out, add...)
}

// needsOlder says whether some reader may need the body that a pair has now.
func (s *stage) needsOlder(o *op) bool {
	g := s.geo[o.geo]
	if s.t.readable == 0 || g.born > s.t.readable || g.slots[o.slot].body == o.body {
		return false
	}
	line, off := g.at(o.slot)
	head := s.t.m.u64(line, off+pairHead)
	since := uint32(head >> 32)
	return since <= s.t.readable && (uint32(head) != 0 || since > s.t.released && s.t.m.u32(line, off+pairOlder) != 0)
}

func (s *stage) writeRoot() error {
	root, err := s.alloc(1)
	if err != nil {
		return err
	}
	m := s.t.m
	m.set32(root, rootVersion, s.t.version+1)
	for i, g := range s.geo {
		if g != nil {
			m.set32(root, rootGeo+4*i, g.line)
		}
	}
	for dir, v := range s.verdicts {
		m.set32(root, rootDefault+4*dir, v)
	}
	s.root = root
	return nil
}

// abort gives everything back. Keys and marks that were put into the table's own geometries stay: they lead nowhere.
func (s *stage) abort() {
	for _, b := range s.made {
		delete(s.t.bodies, b.id)
	}
	for _, e := range s.allocs {
		s.t.alloc.free(e.first, e.n)
	}
	for _, g := range s.t.geo {
		if g == nil {
			continue
		}
		for k := range g.slots { // not by s.ops: it may know the slots of a copy
			sl := &g.slots[k]
			if sl.op > 0 && sl.body == nil {
				s.t.leaving = append(s.t.leaving, departure{g, uint32(k), g.since(s.t.m, uint32(k))})
			}
			sl.op = 0
		}
	}
}

// commit writes the heads of all pairs that change; nothing here can fail.
func (s *stage) commit() {
	t, version, used := s.t, s.t.version+1, uint32(0)
	for i := range s.ops {
		o := &s.ops[i]
		g := s.geo[o.geo]
		sl := &g.slots[o.slot]
		sl.op = 0
		if sl.body == o.body {
			if o.body == nil && !sl.free { // claimed for nothing
				t.leaving = append(t.leaving, departure{g, o.slot, g.since(t.m, o.slot)})
			}
			continue
		}
		line, off := g.at(o.slot)
		head := t.m.u64(line, off+pairHead)
		released := uint32(head>>32) <= t.released // what came before it
		if s.needsOlder(o) {
			ref := s.older.first*(Line/olderSize) + used
			used++
			l, x := ref/(Line/olderSize), int(ref%(Line/olderSize))*olderSize
			t.m.set32(l, x, uint32(head>>32))
			t.m.set32(l, x+4, uint32(head))
			sl.depth++
			if released {
				sl.depth = 0
			} else {
				t.m.set32(l, x+8, t.m.u32(line, off+pairOlder))
			}
			t.m.store32(line, off+pairOlder, ref)
		} else if released {
			t.m.store32(line, off+pairOlder, 0)
		}
		s.swap(g, o, sl, version)
	}
	for i, old := range t.geo {
		if old != nil && old != s.geo[i] {
			for _, e := range old.extents() {
				t.retired = append(t.retired, retired{e, version})
			}
		}
	}
	if s.older.n > 0 {
		t.retired = append(t.retired, retired{s.older, version})
	}
	for id, group := range s.groups {
		if len(group) == 0 {
			delete(t.rules, id)
		} else {
			t.rules[id] = group
		}
	}
	for c, list := range s.classes {
		if len(list) == 0 {
			delete(t.classes, c)
		} else {
			t.classes[c] = list
		}
	}
	t.geo, t.root, t.version, t.roots = s.geo, s.root, version, append(t.roots, s.root)
	t.defaults, t.verdicts, t.pairs, t.sum, t.nextID = s.defaults, s.verdicts, s.pairs, s.sum, s.nextID
}

// swap gives a pair its new body.
func (s *stage) swap(g *geometry, o *op, sl *slot, version uint32) {
	t := s.t
	line, off := g.at(o.slot)
	if old := sl.body; old != nil {
		if old.refs--; old.refs == 0 {
			old.died = version
			t.dead = append(t.dead, old)
		}
	}
	ref := uint32(0)
	if b := o.body; b != nil {
		b.refs++
		ref = b.ref
		t.m.store64(line, off+pairFloor, min(t.m.u64(line, off+pairFloor), b.low()))
	} else {
		t.leaving = append(t.leaving, departure{g, o.slot, version})
	}
	sl.body = o.body
	t.m.store64(line, off+pairHead, uint64(version)<<32|uint64(ref))
}

func (g *geometry) since(m image, slot uint32) uint32 {
	line, off := g.at(slot)
	return uint32(m.u64(line, off+pairHead) >> 32)
}
