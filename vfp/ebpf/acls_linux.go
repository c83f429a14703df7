package ebpf

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/classifier"
)

// aclStore keeps compiled ACLs in the map acls: each in an array map of its own that user space has mapped, so that a
// change is written without a system call. A policy slot sees an ACL's content when it is published to the slot.
type aclStore struct {
	acls    *ebpf.Map
	inner   *ebpf.MapSpec
	idents  *idents
	held    map[string]*heldACL // by ID
	names   *names
	there   map[uint32]bool // numbers in the map
	changed []string        // IDs of ACLs that have a content which no slot has seen
	pending []*heldACL      // not in the map yet: every write to it waits for packets
	// graces counts periods after which every packet that began before is done.
	graces *graces
}

// heldACL is an ACL in the kernel.
type heldACL struct {
	number  uint32
	memory  *ebpf.Map
	mem     []byte
	table   *classifier.Table // nil: an earlier process built it
	rules   []vfp.Rule        // content
	def     [2]vfp.Action
	touched map[string]bool // IDs of rules that ChangeACL has changed since: rules is not true of them
	content uint64          // counts up with every change
	shown   [2]uint64       // the content that a slot sees
	period  uint64          // grace period that must end before what was replaced is free
}

func (h *heldACL) close() error {
	return errors.Join(unix.Munmap(h.mem), h.memory.Close())
}

func openACLs(acls *ebpf.Map, inner *ebpf.MapSpec, ids *idents, n *names, g *graces) (*aclStore, error) {
	s := &aclStore{acls: acls, inner: inner, idents: ids, there: map[uint32]bool{}, held: map[string]*heldACL{},
		names: n, graces: g}
	var number, id uint32
	it := acls.Iterate()
	for it.Next(&number, &id) {
		s.there[number] = true
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("map acls: %w", err)
	}
	return s, nil
}

func (s *aclStore) close() error {
	var errs []error
	for _, h := range s.held {
		errs = append(errs, h.close())
	}
	s.held = nil
	return errors.Join(errs...)
}

// An ACL that is built anew while a slot still needs the old content gets another number: its incarnations take turns.
// Besides the one in force, those of the two policies before may be there.
const incarnations = 4

func incarnation(id string, i int) string { return fmt.Sprintf("%s\x00%d", id, i) }

// load makes the content of a the newest of its ACL. active is the slot that packets read.
func (s *aclStore) load(a *vfp.ACL, active uint32) (*heldACL, error) {
	h := s.held[a.ID]
	if h == nil {
		var err error
		if h, err = s.adopt(a, active); err != nil {
			return nil, err
		}
	}
	if h == nil {
		return s.build(a)
	}
	s.find(a.ID, h)
	if sameRules(h.rules, a.Rules) && h.def == a.Default && h.touched == nil {
		return h, nil
	}
	remove, put := h.difference(a)
	if len(remove) == 0 && len(put) == 0 && h.def == a.Default {
		h.rules, h.touched = a.Rules, nil
		return h, nil
	}
	if h.table == nil {
		return s.build(a)
	}
	err := s.change(a.ID, h, remove, put, a.Default)
	if errors.Is(err, classifier.ErrFull) {
		return s.build(a)
	}
	if err != nil {
		return nil, err
	}
	h.rules, h.def, h.touched = a.Rules, a.Default, nil
	return h, nil
}

// change writes a change beside what packets see.
func (s *aclStore) change(id string, h *heldACL, remove []string, put []vfp.Rule, def [2]vfp.Action) error {
	s.release(h)
	err := h.table.Change(remove, put, def, s.numbers(id))
	if isFull(err) && h.period != 0 { // what the changes before replaced may be room enough
		s.graces.await(h.period)
		s.release(h)
		err = h.table.Change(remove, put, def, s.numbers(id))
	}
	if err != nil {
		return err
	}
	h.content++
	s.changed = append(s.changed, id)
	back := map[string]bool{}
	for i := range put {
		back[put[i].ID] = true
	}
	for _, rule := range remove {
		if !back[rule] {
			s.idents.drop(kindRule, ruleName(id, rule))
		}
	}
	return nil
}

func ruleName(acl, rule string) string { return acl + "\x00" + rule }

// find keeps the number of an ACL from being forgotten.
func (s *aclStore) find(id string, h *heldACL) {
	for i := range incarnations {
		if n, ok := s.idents.look(kindACL, incarnation(id, i)); ok && n == h.number {
			s.idents.find(kindACL, incarnation(id, i))
		}
	}
}

// difference is what turns the content of h into that of a.
func (h *heldACL) difference(a *vfp.ACL) (remove []string, put []vfp.Rule) {
	remove, put = classifier.Diff(h.rules, a.Rules)
	if h.touched == nil {
		return remove, put
	}
	for _, id := range remove {
		delete(h.touched, id)
	}
	again := map[string]bool{}
	for i := range put {
		delete(h.touched, put[i].ID)
	}
	for i := range a.Rules {
		if h.touched[a.Rules[i].ID] {
			put = append(put, a.Rules[i])
			again[a.Rules[i].ID] = true
		}
	}
	for id := range h.touched {
		if !again[id] && h.table.Has(id) {
			remove = append(remove, id)
		}
	}
	return remove, put
}

func sameRules(a, b []vfp.Rule) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// numbers gives an ACL's rules their counters.
func (s *aclStore) numbers(id string) classifier.Numbers {
	return func(rule string) (uint32, error) {
		n, err := s.idents.keep(kindRule, ruleName(id, rule))
		if err == nil {
			s.names.setRule(n, vfp.RuleKey{ACL: id, RuleID: rule})
		}
		return n, err
	}
}

// claim names the counters of an ACL that an earlier process built.
func (s *aclStore) claim(a *vfp.ACL) error {
	number := s.numbers(a.ID)
	for _, dir := range []vfp.Direction{vfp.Outbound, vfp.Inbound} {
		if _, err := number(vfp.DefaultRule + dir.String()); err != nil {
			return err
		}
	}
	for i := range a.Rules {
		if _, err := number(a.Rules[i].ID); err != nil {
			return err
		}
	}
	return nil
}

// adopt finds what an earlier process built, if it is the content of a.
func (s *aclStore) adopt(a *vfp.ACL, active uint32) (*heldACL, error) {
	var sum [16]byte
	for i := range incarnations {
		n, ok := s.idents.look(kindACL, incarnation(a.ID, i))
		if !ok {
			continue
		}
		var id uint32
		if err := s.acls.Lookup(n, &id); errors.Is(err, ebpf.ErrKeyNotExist) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("map acls: %w", err)
		}
		m, err := ebpf.NewMapFromID(ebpf.MapID(id))
		if err != nil {
			return nil, fmt.Errorf("map of ACL %s: %w", a.ID, err)
		}
		h, err := hold(n, m)
		if err != nil {
			return nil, err
		}
		if sum == ([16]byte{}) {
			sum = classifier.Sum(a.Rules, a.Default)
		}
		if classifier.SlotSum(h.mem, int(active)) != sum {
			if err := h.close(); err != nil {
				return nil, err
			}
			continue
		}
		h.rules, h.def, h.content = a.Rules, a.Default, 1
		h.shown[active] = 1
		if classifier.SlotSum(h.mem, int(active^1)) == sum {
			h.shown[active^1] = 1
		}
		s.held[a.ID] = h
		return h, s.claim(a)
	}
	return nil, nil
}

func hold(number uint32, m *ebpf.Map) (*heldACL, error) {
	size := int(m.MaxEntries()) * classifier.Line
	mem, err := unix.Mmap(m.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map the memory of an ACL: %w", err), m.Close())
	}
	return &heldACL{number: number, memory: m, mem: mem}, nil
}

// build makes the content of a in memory of its own, under a number that nobody reads.
func (s *aclStore) build(a *vfp.ACL) (*heldACL, error) {
	name := ""
	for i := range incarnations {
		if _, taken := s.idents.look(kindACL, incarnation(a.ID, i)); !taken {
			name = incarnation(a.ID, i)
			break
		}
	}
	if name == "" {
		return nil, errors.New("it changes faster than its old contents go")
	}
	n, err := s.idents.free(kindACL)
	if err != nil {
		return nil, err
	}
	lines := classifier.Lines(a.Rules)
	var h *heldACL
	for {
		spec := s.inner.Copy()
		spec.MaxEntries = uint32(lines)
		m, err := ebpf.NewMap(spec)
		if err != nil {
			return nil, fmt.Errorf("memory for %d rules: %w", len(a.Rules), err)
		}
		if h, err = hold(n, m); err != nil {
			return nil, err
		}
		h.table = classifier.New(h.mem)
		err = h.table.Build(a.Rules, a.Default, s.numbers(a.ID))
		if err == nil {
			break
		}
		if e := h.close(); e != nil || !errors.Is(err, classifier.ErrFull) || lines > maxLines/2 {
			return nil, errors.Join(err, e)
		}
		lines *= 2
	}
	s.pending = append(s.pending, h)
	if err := s.idents.bind(kindACL, name, n); err != nil {
		return nil, errors.Join(err, h.close())
	}
	if old := s.held[a.ID]; old != nil {
		s.dropRules(a.ID, old, a.Rules)
		if err := old.close(); err != nil {
			return nil, err
		}
	}
	h.rules, h.def, h.content = a.Rules, a.Default, 1
	s.held[a.ID] = h
	s.changed = append(s.changed, a.ID)
	return h, nil
}

// maxLines bounds one ACL's memory: 1 GiB.
const maxLines = 1 << 24

// dropRules lets the counters of rules go that are not among those that stay.
func (s *aclStore) dropRules(id string, h *heldACL, stay []vfp.Rule) {
	kept := make(map[string]bool, len(stay))
	for i := range stay {
		kept[stay[i].ID] = true
	}
	for i := range h.rules {
		if !kept[h.rules[i].ID] {
			s.idents.drop(kindRule, ruleName(id, h.rules[i].ID))
		}
	}
	for rule := range h.touched {
		if !kept[rule] {
			s.idents.drop(kindRule, ruleName(id, rule))
		}
	}
}

// rollback forgets what the writer knows of ACLs whose new content belongs to a policy that was refused: what is in
// force is found again by its sum.
func (s *aclStore) rollback() error {
	var errs []error
	for _, id := range s.changed {
		if h := s.held[id]; h != nil {
			delete(s.held, id)
			errs = append(errs, h.close())
		}
	}
	s.changed, s.pending = nil, nil
	return errors.Join(append(errs, s.forget())...)
}

// flush makes what was built reachable by its number.
func (s *aclStore) flush() error {
	var numbers, fds []uint32
	for _, h := range s.pending {
		if s.idents.used[kindACL][h.number] { // not taken back
			numbers, fds = append(numbers, h.number), append(fds, uint32(h.memory.FD()))
		}
	}
	s.pending = nil
	if len(numbers) == 0 {
		return nil
	}
	if _, err := s.acls.BatchUpdate(numbers, fds, nil); err != nil {
		return fmt.Errorf("map acls: %w", err)
	}
	for _, n := range numbers {
		s.there[n] = true
	}
	return nil
}

// unreachable reports an ACL that programs do not find yet.
func (s *aclStore) unreachable(h *heldACL) bool { return slices.Contains(s.pending, h) }

func isFull(err error) bool { return errors.Is(err, classifier.ErrFull) }

// publish makes the newest content of h what a slot sees.
func (s *aclStore) publish(h *heldACL, slot uint32) {
	if h.shown[slot] == h.content || h.table == nil {
		return
	}
	h.table.Publish(int(slot))
	h.shown[slot] = h.content
	h.period = s.graces.start()
}

// release frees what no packet can see any more.
func (s *aclStore) release(h *heldACL) {
	if h.table != nil && h.period != 0 && s.graces.over(h.period) {
		h.table.Release()
		h.period = 0
	}
}

// forget drops ACLs that no policy slot refers to any more.
func (s *aclStore) forget() error {
	var errs []error
	for id, h := range s.held {
		if !s.idents.used[kindACL][h.number] {
			delete(s.held, id)
			s.dropRules(id, h, nil)
			for _, dir := range []vfp.Direction{vfp.Outbound, vfp.Inbound} {
				s.idents.drop(kindRule, ruleName(id, vfp.DefaultRule+dir.String()))
			}
			errs = append(errs, h.close())
		}
	}
	s.names.keepRules(s.idents.used[kindRule])
	for n := range s.there {
		if s.idents.used[kindACL][n] {
			continue
		}
		delete(s.there, n)
		if err := s.acls.Delete(n); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			errs = append(errs, fmt.Errorf("map acls: %w", err))
		}
	}
	return errors.Join(errs...)
}
