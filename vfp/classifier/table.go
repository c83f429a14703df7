package classifier

import (
	"errors"
	"fmt"
	"math"

	"github.com/fairlead-net/fairlead/vfp"
)

// Table is the writer of one ACL's memory. There must be only one; lookups go on meanwhile.
type Table struct {
	m        image
	alloc    allocator
	version  uint32 // of the newest content
	readable uint32 // the newest that a slot has had
	released uint32 // no reader has an older one
	root     uint32 // of the newest content
	roots    []uint32
	geo      [4]*geometry // by direction*2 + family
	defaults [2]vfp.Action
	verdicts [2]uint32
	rules    map[string][]*rule
	classes  map[class][]*rule
	bodies   map[[2]uint64]*body
	pairs    int
	nextID   uint64
	sum      [2]uint64

	retired []retired
	dead    []*body
	leaving []departure
}

// retired is memory that readers of versions before this one may still use.
type retired struct {
	extent
	version uint32
}

// departure is a pair that has no body since a version.
type departure struct {
	geo     *geometry
	slot    uint32
	version uint32
}

// Numbers gives a rule ID, or vfp.DefaultRule and a direction, its counter number.
type Numbers func(ruleID string) (uint32, error)

// New returns the table of an ACL in memory that no program reads yet.
func New(mem []byte) *Table { return &Table{m: imageOf(mem)} }

// Build makes the ACL's first content out of its rules. Nothing is visible before Publish.
func (t *Table) Build(rules []vfp.Rule, defaults [2]vfp.Action, number Numbers) error {
	if t.m.lines() < 2 {
		return errors.New("the memory of an ACL is at least two lines and begins at a multiple of 8")
	}
	if t.readable != 0 {
		return errors.New("the ACL has been published: its content can be changed but not built anew")
	}
	m := t.m
	*t = Table{m: m, alloc: allocator{next: 1, end: m.lines()}, rules: make(map[string][]*rule, len(rules)),
		classes: make(map[class][]*rule, len(rules)), bodies: make(map[[2]uint64]*body, len(rules))}
	m.zero(0, 1)
	m.set32(0, headerMagic, layoutMagic)
	return t.Change(nil, rules, defaults, number)
}

// Change takes out all rules of the IDs in remove and replaces those of every ID in put. The new content is one version,
// visible once it is published; until then lookups see what they saw. After an error nothing has changed.
func (t *Table) Change(remove []string, put []vfp.Rule, defaults [2]vfp.Action, number Numbers) error {
	if t.version > math.MaxUint32-2 {
		return fmt.Errorf("%w: no version numbers are left", ErrFull)
	}
	s := newStage(t, len(put))
	if err := s.rulesOf(remove, put, defaults, number); err != nil {
		return err
	}
	err := s.plan()
	if err == nil {
		err = s.writeRoot()
	}
	if err != nil {
		s.abort()
		return err
	}
	s.commit()
	return nil
}

// Publish makes the newest content what a slot sees. The slot's content sum is invalid meanwhile, so that it is never
// that of another content, wherever the process may die.
func (t *Table) Publish(slot int) {
	t.m.setSum(slot, [16]byte{})
	t.m.store32(0, headerRoot+4*(slot&1), t.root)
	t.readable = t.version
	t.m.setSum(slot, t.Sum())
}

// Release makes the memory of what no slot sees any more free again. The owner calls it when every lookup that may have
// begun before the last Publish has ended.
func (t *Table) Release() {
	oldest := t.version
	var inUse [2]uint32
	for slot := range inUse {
		if root := t.m.load32(0, headerRoot+4*slot); root != 0 {
			inUse[slot] = root
			oldest = min(oldest, t.m.u32(root, rootVersion))
		}
	}
	t.released = oldest
	keep := t.roots[:0]
	for _, root := range t.roots {
		if root == t.root || root == inUse[0] || root == inUse[1] {
			keep = append(keep, root)
		} else {
			t.alloc.free(root, 1)
		}
	}
	t.roots = keep
	t.releaseDepartures(oldest)
	rest := t.retired[:0]
	for _, r := range t.retired {
		if r.version <= oldest {
			t.alloc.free(r.first, r.n)
		} else {
			rest = append(rest, r)
		}
	}
	t.retired = rest
	bodies := t.dead[:0]
	for _, b := range t.dead {
		switch {
		case b.refs > 0 || b.lines == 0: // wanted again, or listed twice
		case b.died <= oldest:
			t.alloc.free(b.ref&lineMask, b.lines)
			b.lines = 0
			delete(t.bodies, b.id)
		default:
			bodies = append(bodies, b)
		}
	}
	t.dead = bodies
}

// releaseDepartures lets other keys have the slots of pairs that are gone, and unmarks lengths that none has.
func (t *Table) releaseDepartures(oldest uint32) {
	rest := t.leaving[:0]
	for _, d := range t.leaving {
		sl := &d.geo.slots[d.slot]
		line, off := d.geo.at(d.slot)
		switch {
		case d.geo != t.geo[0] && d.geo != t.geo[1] && d.geo != t.geo[2] && d.geo != t.geo[3]:
		case sl.body != nil || sl.free || uint32(t.m.u64(line, off+pairHead)>>32) != d.version:
		case d.version > oldest:
			rest = append(rest, d)
		default:
			sl.free, sl.depth = true, 0
			k := d.geo.key(t.m, d.slot)
			d.geo.forget(t.m, k)
		}
	}
	t.leaving = rest
}

// Sum is the content sum of the newest content: what Sum returns for the same rules.
func (t *Table) Sum() [16]byte { return sumBytes(t.sum) }

// Used is how many lines are in use, and how many there are.
func (t *Table) Used() (used, lines uint32) { return t.alloc.used + 1, t.m.lines() }

// Has reports whether there are rules of an ID.
func (t *Table) Has(id string) bool {
	_, ok := t.rules[id]
	return ok
}
