package ebpf

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/fairlead-net/fairlead/vfp"
)

// Config of the datapath.
type Config struct {
	// BPFDir is a directory on a bpffs; it is created.
	BPFDir string
	// Underlay is the device that carries encapsulated packets.
	Underlay string
	// FlowTable is how many flows the host can have; 0: DefaultFlowTable.
	FlowTable uint32
	Logger    *slog.Logger
}

// DefaultFlowTable is how many flows a host can have.
const DefaultFlowTable = 524288

// Modes of the programs, as in bpf/hop.h.
const (
	modeLive   = 0
	modeRecord = 1
	modeTrace  = 2
)

// Datapath is the eBPF vSwitch of this host. It implements vfp.Datapath.
type Datapath struct {
	log          *slog.Logger
	underlayName string
	underlay     uint32 // its ifindex
	relay        uint32 // ifindex of the helper device, 0: there is none
	onlink       onlink

	mu     sync.Mutex
	objs   vswitchObjects
	tracer *tracer
	idents *idents
	acls   *aclStore
	links  *links
	epochs *epochs
	graces *graces
	sweeps sweeps

	policy     *vfp.Policy // in force, if this process put it there
	slot       [2]tables   // what the maps hold
	active     uint32
	generation uint32
	flipped    uint64 // grace period after which no packet reads the inactive slot
	upgraded   bool   // the attachments run this process's programs
	names      *names
}

var _ vfp.Datapath = (*Datapath)(nil)

// Open loads the programs. Maps and attachments that an earlier process left below cfg.BPFDir are taken over
// as they are: packets keep flowing by the policy they hold until the first Apply.
func Open(cfg Config) (*Datapath, error) { return open(cfg, modeLive) }

func open(cfg Config, mode uint32) (_ *Datapath, err error) {
	d := &Datapath{log: cfg.Logger, underlayName: cfg.Underlay, names: newNames()}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if err := d.findUnderlay(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.BPFDir, 0o700); err != nil {
		return nil, err
	}
	if err := onBPFFS(cfg.BPFDir); err != nil {
		return nil, err
	}
	spec, err := loadVswitch()
	if err != nil {
		return nil, err
	}
	if err := spec.Variables["mode"].Set(mode); err != nil {
		return nil, err
	}
	if cfg.FlowTable > 0 {
		spec.Maps["flows"].MaxEntries = cfg.FlowTable
	}
	for name, m := range spec.Maps {
		if !strings.HasPrefix(name, ".") {
			m.Pinning = ebpf.PinByName
		}
	}
	mapsDir := filepath.Join(cfg.BPFDir, "maps-"+layoutOf(spec))
	if err := os.MkdirAll(mapsDir, 0o700); err != nil {
		return nil, err
	}
	inner := spec.Maps["acls"].InnerMap.Copy()
	if err := spec.LoadAndAssign(&d.objs, &ebpf.CollectionOptions{Maps: ebpf.MapOptions{PinPath: mapsDir}}); err != nil {
		return nil, fmt.Errorf("load eBPF objects: %w", err)
	}
	if err := fillSlow(d.objs.Slow, &d.objs.vswitchPrograms); err != nil {
		return nil, errors.Join(err, d.objs.Close())
	}
	d.graces = newGraces()
	d.sweeps.clock = d.clock(mode)
	defer func() {
		if err != nil {
			d.graces.close()
			if d.epochs != nil {
				_ = d.epochs.close()
			}
			_ = d.objs.Close()
		}
	}()
	if d.epochs, err = openEpochs(d.objs.Epochs); err != nil {
		return nil, err
	}
	if err := d.adopt(inner); err != nil {
		return nil, err
	}
	if d.links, err = openLinks(filepath.Join(cfg.BPFDir, "links"), &d.objs); err != nil {
		return nil, err
	}
	d.links.mapsDir = mapsDir
	d.log.Info("datapath open", "generation", d.generation, "ports", len(d.slot[d.active].ports), "maps", mapsDir)
	return d, nil
}

// clock is the flow table's: the kernel's, or what a test has set.
func (d *Datapath) clock(mode uint32) func() uint64 {
	if mode != modeRecord {
		return monotonic
	}
	return func() (now uint64) {
		_ = d.objs.TestClock.Lookup(uint32(0), &now)
		return now
	}
}

// fillSlow puts the programs for what is rare where the others find them; the numbers are those of bpf/vswitch.c.
func fillSlow(slow *ebpf.Map, p *vswitchPrograms) error {
	for n, prog := range []*ebpf.Program{p.MulticastOut, p.MulticastIn, p.FromOutside} {
		if err := slow.Put(uint32(n), prog); err != nil {
			return fmt.Errorf("map slow: %w", err)
		}
	}
	return nil
}

// findUnderlay looks the device up by name: it may have been made anew.
func (d *Datapath) findUnderlay() error {
	dev, err := netlink.LinkByName(d.underlayName)
	if err != nil {
		return fmt.Errorf("underlay device %q: %w", d.underlayName, err)
	}
	d.underlay = uint32(dev.Attrs().Index)
	return nil
}

// adopt reads what the maps hold.
func (d *Datapath) adopt(inner *ebpf.MapSpec) error {
	var err error
	limits := map[byte]uint32{
		kindPort:   d.objs.Ports.MaxEntries() / 2,
		kindDomain: 1 << 24,
		kindACL:    d.objs.Acls.MaxEntries(),
		kindRule:   d.objs.RuleCounters.MaxEntries(),
		kindPA:     d.objs.Pas.MaxEntries(),
	}
	if d.idents, err = loadIdents(d.objs.Idents, limits, d.clearCounters); err != nil {
		return err
	}
	d.idents.gone = d.forget
	d.idents.quiesce = func() { d.graces.await(d.graces.start()) }
	if d.acls, err = openACLs(d.objs.Acls, inner, d.idents, d.names, d.graces); err != nil {
		return err
	}
	var c vswitchControl
	if err := d.objs.Control.Lookup(uint32(0), &c); err != nil {
		return fmt.Errorf("map control: %w", err)
	}
	d.active = c.Active & 1
	d.generation = max(c.Host[0].Generation, c.Host[1].Generation)
	if err := d.readSlots(&c); err != nil {
		return err
	}
	if c.Unsettled != 0 || d.epochs.unsettled() { // an earlier process died between a change and saying so
		for index := range d.slot[d.active].ports {
			d.epochs.bump(index)
		}
		d.epochs.end()
		return d.settle(&c)
	}
	return nil
}

func (d *Datapath) settle(c *vswitchControl) error {
	c.Unsettled = 0
	if err := d.objs.Control.Put(uint32(0), *c); err != nil {
		return fmt.Errorf("map control: %w", err)
	}
	return nil
}

// readSlots reads both slots back from the kernel.
func (d *Datapath) readSlots(c *vswitchControl) error {
	subnets, err := read[wordKey, vswitchSubnet](d.objs.Subnets)
	if err != nil {
		return fmt.Errorf("map subnets: %w", err)
	}
	floods, err := read[wordKey, vswitchFlood](d.objs.Floods)
	if err != nil {
		return fmt.Errorf("map floods: %w", err)
	}
	dhcps, err := read[wordKey, vswitchDhcp](d.objs.Dhcps)
	if err != nil {
		return fmt.Errorf("map dhcps: %w", err)
	}
	mappings, err := read[caKey, vswitchMapping](d.objs.Mappings)
	if err != nil {
		return fmt.Errorf("map mappings: %w", err)
	}
	addresses, err := read[caKey, vswitchAddress](d.objs.Addresses)
	if err != nil {
		return fmt.Errorf("map addresses: %w", err)
	}
	routes, err := read[prefixKey, vswitchRoute](d.objs.Routes)
	if err != nil {
		return fmt.Errorf("map routes: %w", err)
	}
	forwarders, err := read[caKey, uint32](d.objs.Forwarders)
	if err != nil {
		return fmt.Errorf("map forwarders: %w", err)
	}
	forwardHosts, err := read[caKey, uint32](d.objs.ForwardHosts)
	if err != nil {
		return fmt.Errorf("map forward_hosts: %w", err)
	}
	for s := range d.slot {
		t := &d.slot[s]
		t.host = c.Host[s]
		t.host.Generation = 0
		t.subnets, t.floods, t.dhcps, t.mappings, t.addresses = subnets[s], floods[s], dhcps[s], mappings[s], addresses[s]
		t.routes, t.forwarders, t.forwardHosts = routes[s], forwarders[s], forwardHosts[s]
		t.ports = map[uint32]vswitchPort{}
		for index := range d.idents.used[kindPort] {
			var p vswitchPort
			if err := d.objs.Ports.Lookup(index<<1|uint32(s), &p); err != nil {
				return fmt.Errorf("map ports: %w", err)
			}
			if p.Ifindex != 0 {
				t.ports[index] = p
			}
		}
	}
	return nil
}

// Apply implements vfp.Datapath.
func (d *Datapath) Apply(p *vfp.Policy) ([]vfp.PortProblem, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.apply(p)
}

func (d *Datapath) apply(p *vfp.Policy) ([]vfp.PortProblem, error) {
	if !p.ProviderAddress.IsValid() {
		return nil, errors.New("the policy has no provider address")
	}
	devices, problems, err := resolveDevices(p.Ports)
	if err != nil {
		return nil, err
	}
	// Without the underlay, policy between the ports of this host still has to change.
	if err := d.findUnderlay(); errors.As(err, &netlink.LinkNotFoundError{}) {
		d.underlay = 0
		problems = append(problems, vfp.PortProblem{PortID: d.underlayName, Message: err.Error()})
	} else if err != nil {
		return nil, err
	}
	if err := d.findRelay(p); err != nil {
		problems = append(problems, vfp.PortProblem{PortID: relayDevice, Message: err.Error()})
	}
	if err := d.put(p, devices); err != nil {
		return nil, err
	}
	d.policy = p
	for i := range p.Ports {
		if n, ok := d.idents.find(kindPort, p.Ports[i].ID); ok {
			d.names.setPort(n, p.Ports[i].ID)
		}
	}
	d.names.keepPorts(d.idents.used[kindPort])
	more, err := d.attach(p, devices)
	return append(problems, more...), err
}

// put compiles a policy and puts it in force, if it is not. A policy that is refused leaves nothing behind.
func (d *Datapath) put(p *vfp.Policy, devices map[string]device) (err error) {
	d.idents.begin()
	defer func() {
		if err != nil {
			err = errors.Join(err, d.idents.rollback(), d.acls.rollback())
		}
	}()
	want, err := d.compile(p, devices)
	if err != nil {
		return err
	}
	touched, changed := d.compare(want)
	var news []*heldACL
	for _, n := range slices.Sorted(maps.Keys(want.acls)) {
		if h := want.acls[n]; h.shown[d.active] != h.content {
			news = append(news, h)
		}
	}
	switch {
	case !changed && len(news) == 0:
		return nil
	case !changed && len(news) == 1 && news[0].table != nil && !d.acls.unreachable(news[0]):
		return d.publish(news[0])
	}
	numbers := make(map[uint32]bool, len(news))
	for _, h := range news {
		numbers[h.number] = true
	}
	usersOf(want, numbers, touched)
	return d.swap(want, touched)
}

// usersOf adds the ports that stand behind one of some ACLs.
func usersOf(t *tables, acls, ports map[uint32]bool) {
	for _, r := range t.addresses {
		if slices.ContainsFunc(r.val.Acls[:], func(n uint32) bool { return acls[n] }) {
			ports[r.key.high] = true
		}
	}
}

// publish puts the newest content of one ACL in force where everything else stays as it is: one store that packets see,
// and one for each port whose flows it concerns.
func (d *Datapath) publish(h *heldACL) error {
	ports := map[uint32]bool{}
	usersOf(&d.slot[d.active], map[uint32]bool{h.number: true}, ports)
	d.epochs.begin()
	d.acls.publish(h, d.active)
	d.epochs.bumpAll(ports)
	d.epochs.end()
	d.acls.changed = nil
	d.generation++
	return nil
}

// compare says which ports' flows a policy concerns, and whether it differs from the one in force in anything but the
// content of ACLs.
func (d *Datapath) compare(want *tables) (touched map[uint32]bool, changed bool) {
	have := &d.slot[d.active]
	domains := map[uint32]bool{}
	put, del := have.mappings.difference(want.mappings)
	for _, r := range put {
		domains[r.key.high] = true
	}
	for _, k := range del {
		domains[k.high] = true
	}
	subnets, gone := have.subnets.difference(want.subnets)
	for _, r := range subnets {
		domains[r.val.Domain] = true
	}
	for _, k := range gone {
		if v, ok := have.subnets.find(k); ok {
			domains[v.Domain] = true
		}
	}
	floods, noFloods := have.floods.difference(want.floods)
	dhcps, noDHCPs := have.dhcps.difference(want.dhcps)
	touched = map[uint32]bool{}
	rerouted := have.rerouted(want)
	forwarders, noForwarders := have.forwarders.difference(want.forwarders)
	hosts, noHosts := have.forwardHosts.difference(want.forwardHosts)
	addresses, lost := have.addresses.difference(want.addresses)
	for _, r := range addresses {
		touched[r.key.high] = true
	}
	for _, k := range lost {
		touched[k.high] = true
	}
	if len(domains)+len(rerouted) > 0 {
		for _, r := range want.addresses {
			if domains[r.val.Domain] || rerouted[r.val.Vsid] {
				touched[r.key.high] = true
			}
		}
	}
	changed = len(domains) > 0 || len(touched) > 0 || have.host != want.host || len(have.ports) != len(want.ports) ||
		len(floods)+len(noFloods)+len(dhcps)+len(noDHCPs)+len(rerouted)+len(forwarders)+len(noForwarders)+len(hosts)+len(noHosts) > 0
	for index, v := range want.ports {
		if old, ok := have.ports[index]; !ok || old != v {
			changed = true
			touched[index] = true
		}
	}
	return touched, changed
}

// swap writes want to the inactive slot and makes it the active one; then the flows of the touched ports are judged again.
func (d *Datapath) swap(want *tables, touched map[uint32]bool) (err error) {
	d.graces.await(d.flipped)
	s := d.active ^ 1
	have := &d.slot[s]
	defer func() {
		if err == nil {
			return
		}
		// The slot is half written: what it holds now is the base of the next try.
		var c vswitchControl
		if e := d.objs.Control.Lookup(uint32(0), &c); e == nil {
			_ = d.readSlots(&c)
		}
	}()
	if err := d.acls.flush(); err != nil {
		return err
	}
	for _, h := range want.acls {
		d.acls.publish(h, s)
	}
	if err := write(d.objs.Subnets, s, have.subnets, want.subnets, wordKeyOf); err != nil {
		return fmt.Errorf("map subnets: %w", err)
	}
	if err := write(d.objs.Floods, s, have.floods, want.floods, wordKeyOf); err != nil {
		return fmt.Errorf("map floods: %w", err)
	}
	if err := write(d.objs.Dhcps, s, have.dhcps, want.dhcps, wordKeyOf); err != nil {
		return fmt.Errorf("map dhcps: %w", err)
	}
	if err := write(d.objs.Mappings, s, have.mappings, want.mappings, caKeyOf); err != nil {
		return fmt.Errorf("map mappings: %w", err)
	}
	if err := write(d.objs.Addresses, s, have.addresses, want.addresses, caKeyOf); err != nil {
		return fmt.Errorf("map addresses: %w", err)
	}
	if err := write(d.objs.Routes, s, have.routes, want.routes, prefixKeyOf); err != nil {
		return fmt.Errorf("map routes: %w", err)
	}
	if err := write(d.objs.Forwarders, s, have.forwarders, want.forwarders, caKeyOf); err != nil {
		return fmt.Errorf("map forwarders: %w", err)
	}
	if err := write(d.objs.ForwardHosts, s, have.forwardHosts, want.forwardHosts, caKeyOf); err != nil {
		return fmt.Errorf("map forward_hosts: %w", err)
	}
	for index := range have.ports {
		if _, ok := want.ports[index]; !ok {
			if err := d.objs.Ports.Put(index<<1|s, vswitchPort{}); err != nil {
				return fmt.Errorf("map ports: %w", err)
			}
		}
	}
	for _, index := range sortedIndexes(want.ports) {
		if have.ports[index] != want.ports[index] {
			if err := d.objs.Ports.Put(index<<1|s, want.ports[index]); err != nil {
				return fmt.Errorf("map ports: %w", err)
			}
		}
	}
	var c vswitchControl
	if err := d.objs.Control.Lookup(uint32(0), &c); err != nil {
		return fmt.Errorf("map control: %w", err)
	}
	c.Host[s] = want.host
	c.Host[s].Generation = d.generation + 1
	if err := d.objs.Control.Put(uint32(0), c); err != nil {
		return fmt.Errorf("map control: %w", err)
	}
	c.Active, c.Unsettled = s, 1
	if err := d.objs.Control.Put(uint32(0), c); err != nil { // the flip
		return fmt.Errorf("map control: %w", err)
	}
	d.epochs.bumpAll(touched)
	left := false
	for index := range d.slot[d.active].ports {
		_, stays := want.ports[index]
		left = left || !stays
	}
	// It is in force: whatever fails from here on, nothing is taken back.
	d.slot[s], d.active = *want, s
	d.generation++
	d.flipped = d.graces.start()
	d.acls.changed = nil
	d.idents.begin()
	if err := d.settle(&c); err != nil {
		return err
	}
	if left { // a port that leaves takes its flows along
		if _, err := d.runSweep(sweepGone); err != nil {
			return err
		}
	}
	if err := d.idents.commit(); err != nil {
		return err
	}
	return d.acls.forget()
}

// ChangeACL implements vfp.Datapath.
func (d *Datapath) ChangeACL(c vfp.ACLChange) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.policy == nil {
		return errors.New("change of an ACL: no policy has been applied yet")
	}
	h := d.acls.held[c.ACL]
	if h == nil {
		return fmt.Errorf("change of ACL %s: it is not in force", c.ACL)
	}
	if h.table == nil || d.acls.unreachable(h) || h.shown[d.active] != h.content {
		return d.changeAnew(c)
	}
	d.idents.begin()
	if err := d.acls.change(c.ACL, h, c.Remove, c.Put, h.def); err != nil {
		err = errors.Join(err, d.idents.rollback())
		if isFull(err) {
			return d.changeAnew(c)
		}
		return fmt.Errorf("change of ACL %s: %w", c.ACL, err)
	}
	if h.touched == nil {
		h.touched = map[string]bool{}
	}
	for _, id := range c.Remove {
		h.touched[id] = true
	}
	for i := range c.Put {
		h.touched[c.Put[i].ID] = true
	}
	return d.publish(h)
}

// changeAnew is ChangeACL by way of a whole policy: for an ACL that an earlier process built, or that has outgrown its
// memory.
func (d *Datapath) changeAnew(c vfp.ACLChange) error {
	if h := d.acls.held[c.ACL]; h.touched != nil {
		return fmt.Errorf("change of ACL %s: its memory is full; apply the policy", c.ACL)
	}
	p := *d.policy
	p.ACLs = slices.Clone(p.ACLs)
	i := slices.IndexFunc(p.ACLs, func(a vfp.ACL) bool { return a.ID == c.ACL })
	if i < 0 {
		return fmt.Errorf("change of ACL %s: it is not in the policy", c.ACL)
	}
	rules := make([]vfp.Rule, 0, len(p.ACLs[i].Rules)+len(c.Put))
	for _, r := range p.ACLs[i].Rules {
		if !slices.Contains(c.Remove, r.ID) {
			rules = append(rules, r)
		}
	}
	p.ACLs[i].Rules = append(rules, c.Put...)
	vfp.SortRules(p.ACLs[i].Rules)
	_, err := d.apply(&p)
	return err
}

// resolveDevices finds the ports' devices.
func resolveDevices(ports []vfp.Port) (map[string]device, []vfp.PortProblem, error) {
	devices := make(map[string]device, len(ports))
	var problems []vfp.PortProblem
	byName := map[string]netlink.Link{}
	if len(ports) > 4 { // one question for all is cheaper than one for each
		all, err := netlink.LinkList()
		if err != nil {
			return nil, nil, fmt.Errorf("devices: %w", err)
		}
		for _, dev := range all {
			byName[dev.Attrs().Name] = dev
		}
	}
	for i := range ports {
		p := &ports[i]
		dev, ok := byName[p.Device]
		if !ok {
			var err error
			dev, err = netlink.LinkByName(p.Device)
			if errors.As(err, &netlink.LinkNotFoundError{}) {
				problems = append(problems, vfp.PortProblem{PortID: p.ID, Message: fmt.Sprintf("device %s does not exist", p.Device)})
				continue
			}
			if err != nil {
				return nil, nil, fmt.Errorf("port %s: device %s: %w", p.ID, p.Device, err)
			}
		}
		if len(p.Addresses) == 0 {
			problems = append(problems, vfp.PortProblem{PortID: p.ID, Message: "no address"})
			continue
		}
		devices[p.ID] = device{uint32(dev.Attrs().Index), dev.Type() == "veth"}
	}
	return devices, problems, nil
}

// Status implements vfp.Datapath.
func (d *Datapath) Status() (vfp.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := vfp.Status{Type: "ebpf", Generation: uint64(d.generation), Ports: len(d.slot[d.active].ports)}
	var total uint64
	if err := d.objs.FlowTotal.Lookup(uint32(0), &total); err != nil {
		return st, fmt.Errorf("map flow_total: %w", err)
	}
	st.Flows = int(total)
	return st, nil
}

// Close implements vfp.Datapath. Pinned maps and links stay: packets keep flowing.
func (d *Datapath) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.graces.close()
	return errors.Join(d.tracer.close(), d.links.close(), d.acls.close(), d.epochs.close(), d.objs.Close())
}

func onBPFFS(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("bpf directory %s: %w", dir, err)
	}
	if uint32(st.Type) != unix.BPF_FS_MAGIC {
		return fmt.Errorf("bpf directory %s is not on a bpf file system: mount one (mount -t bpf bpf /sys/fs/bpf)", dir)
	}
	return nil
}
