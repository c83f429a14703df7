package classifier

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fairlead-net/fairlead/vfp"
)

// stage is a change being prepared: all that can fail happens here, beside what the table and its readers use.
type stage struct {
	t        *Table
	defaults [2]vfp.Action
	verdicts [2]uint32
	rem, add []*rule
	groups   map[string][]*rule // by ID, new; nil: removed
	ids      []string           // of groups, in order of appearance
	classes  map[class][]*rule  // new
	pairs    int
	sum      [2]uint64
	nextID   uint64

	geo    [4]*geometry
	ops    []op
	deltas []delta
	allocs []extent
	made   []*body
	root   uint32
	older  extent // records of the versions that are replaced
}

// op is what happens to one pair.
type op struct {
	geo    int
	slot   uint32
	deltas int32 // number of the first delta, less 1
	id     [2]uint64
	body   *body // new
}

type delta struct {
	rule *rule
	next int32
	add  bool
}

func newStage(t *Table, put int) *stage {
	return &stage{t: t, groups: make(map[string][]*rule, put), classes: map[class][]*rule{},
		pairs: t.pairs, sum: t.sum, nextID: t.nextID, geo: t.geo}
}

// rulesOf finds out which rules go, which come, and their order.
func (s *stage) rulesOf(remove []string, put []vfp.Rule, defaults [2]vfp.Action, number Numbers) error {
	s.defaults = defaults
	for dir, action := range defaults {
		verdict, err := verdictOf(vfp.DefaultRule+vfp.Direction(dir).String(), action, false, number)
		if err != nil {
			return err
		}
		s.verdicts[dir] = verdict
	}
	for _, id := range remove {
		if _, ok := s.t.rules[id]; !ok {
			return fmt.Errorf("rule %s: there is none to remove", id)
		}
		s.group(id)
	}
	slab := make([]rule, len(put))
	for i := range put {
		r := &slab[i]
		if err := s.newRule(r, &put[i], number); err != nil {
			return err
		}
		for _, other := range s.group(r.ID) {
			if classOf(other) == classOf(r) {
				r.seq++
			}
		}
		s.groups[r.ID] = append(s.groups[r.ID], r)
		r.sum = ruleSum(&r.Rule, r.seq)
	}
	for _, id := range s.ids {
		for _, r := range s.t.rules[id] {
			s.take(r)
		}
	}
	for i := range slab {
		s.pairs += int(slab[i].pairs)
	}
	if s.pairs > MaxPairs {
		return fmt.Errorf("the ACL has %d pairs of source and destination prefix, at most %d are possible", s.pairs, MaxPairs)
	}
	s.sum = addSum(subSum(s.sum, defaultSum(s.t.defaults, s.t.version != 0)), defaultSum(defaults, true))
	s.sort(slab)
	return nil
}

// group is what is known so far of an ID's new rules.
func (s *stage) group(id string) []*rule {
	g, ok := s.groups[id]
	if !ok {
		s.groups[id] = nil
		s.ids = append(s.ids, id)
	}
	return g
}

func verdictOf(id string, action vfp.Action, logging bool, number Numbers) (uint32, error) {
	n, err := number(id)
	if err != nil {
		return 0, fmt.Errorf("rule %s: %w", id, err)
	}
	if n > maxNumber {
		return 0, fmt.Errorf("rule %s: counter number %d is above %d", id, n, maxNumber)
	}
	if action == vfp.Block {
		n |= flagBlock
	}
	if logging {
		n |= flagLog
	}
	return n, nil
}

func (s *stage) newRule(r *rule, v *vfp.Rule, number Numbers) error {
	var err error
	if v.Direction > vfp.Inbound {
		return fmt.Errorf("rule %s: no such direction: %d", v.ID, v.Direction)
	}
	r.Rule = *v
	if r.records, err = compile(v); err != nil {
		return err
	}
	n, err := countPairs(v)
	if err != nil {
		return err
	}
	r.pairs = uint32(n[0] + n[1])
	r.id, r.born = s.newID(), s.t.version+1
	r.verdict, err = verdictOf(v.ID, v.Action, v.Logging, number)
	return err
}

func (s *stage) newID() [2]uint64 {
	s.nextID++
	return [2]uint64{scramble(2 * s.nextID), scramble(2*s.nextID + 1)}
}

func scramble(x uint64) uint64 {
	x *= mulA
	x = (x ^ x>>30) * mulB
	x = (x ^ x>>27) * mulC
	return x ^ x>>31
}

func addSum(a, b [2]uint64) [2]uint64 { return [2]uint64{a[0] + b[0], a[1] + b[1]} }
func subSum(a, b [2]uint64) [2]uint64 { return [2]uint64{a[0] - b[0], a[1] - b[1]} }

// class is the new list of a class, a copy of the table's at first.
func (s *stage) class(c class) []*rule {
	list, ok := s.classes[c]
	if !ok {
		list = slices.Clone(s.t.classes[c])
		s.classes[c] = list
	}
	return list
}

func (s *stage) take(r *rule) {
	c := classOf(r)
	s.classes[c] = drop(s.class(c), r)
	s.rem = append(s.rem, r)
	s.pairs -= int(r.pairs)
	s.sum = subSum(s.sum, r.sum)
}

// sort gives new rules their order. A class that is all new is sorted at once.
func (s *stage) sort(slab []rule) {
	first := map[class]int{}
	for i := range slab {
		r := &slab[i]
		s.sum = addSum(s.sum, r.sum)
		c := classOf(r)
		list := s.class(c)
		if _, all := first[c]; all || len(list) == 0 {
			first[c] = 0
			s.classes[c] = append(list, r)
			continue
		}
		s.classes[c] = insert(list, r, s.moved)
	}
	for c := range first {
		list := s.classes[c]
		slices.SortFunc(list, compareTie)
		spread(list, -1, rankEnd)
	}
	for i := range slab {
		s.add = append(s.add, &slab[i])
	}
	slices.SortFunc(s.add, compareOrder) // so that bodies mostly grow at their end
}

func compareOrder(a, b *rule) int { return cmp.Compare(a.order, b.order) }

// moved is a rule that is about to get another rank: a copy, unless readers don't know it yet.
func (s *stage) moved(r *rule) *rule {
	if r.born == s.t.version+1 {
		return r
	}
	c := *r
	c.id, c.born = s.newID(), s.t.version+1
	group := s.groups[r.ID]
	if group == nil {
		group = slices.Clone(s.t.rules[r.ID])
	}
	group[slices.Index(group, r)] = &c
	s.groups[r.ID] = group
	s.rem = append(s.rem, r)
	s.add = append(s.add, &c)
	return &c
}

func (s *stage) alloc(n uint32) (uint32, error) {
	line, err := s.t.alloc.alloc(n)
	if err != nil {
		return 0, err
	}
	s.t.m.zero(line, n)
	s.allocs = append(s.allocs, extent{line, n})
	return line, nil
}

// discard gives back what was allocated for a geometry of this stage.
func (s *stage) discard(g *geometry) {
	for _, e := range g.extents() {
		s.t.alloc.free(e.first, e.n)
		i := slices.Index(s.allocs, e)
		s.allocs = slices.Delete(s.allocs, i, i+1)
	}
}
