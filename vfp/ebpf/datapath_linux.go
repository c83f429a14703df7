package ebpf

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
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
	Logger   *slog.Logger
}

// Modes of the programs, as in bpf/flow.h.
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
	onlink       onlink

	mu     sync.Mutex
	objs   vswitchObjects
	tracer *tracer
	idents *idents
	acls   *aclStore
	links  *links

	slot       [2]tables // what the maps hold
	active     uint32
	generation uint32
	upgraded   bool // the attachments run this process's programs
	portNames  map[uint32]string
	settled    chan struct{} // closed when no packet can still read the inactive slot
	grace      func()        // returns when every packet that began before it is done
}

var _ vfp.Datapath = (*Datapath)(nil)

// Open loads the programs. Maps and attachments that an earlier process left below cfg.BPFDir are taken over
// as they are: packets keep flowing by the policy they hold until the first Apply.
func Open(cfg Config) (*Datapath, error) { return open(cfg, modeLive) }

func open(cfg Config, mode uint32) (*Datapath, error) {
	d := &Datapath{log: cfg.Logger, underlayName: cfg.Underlay, portNames: map[uint32]string{},
		settled: make(chan struct{}), grace: gracePeriod}
	close(d.settled)
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
	for name, m := range spec.Maps {
		if !strings.HasPrefix(name, ".") {
			m.Pinning = ebpf.PinByName
		}
	}
	mapsDir := filepath.Join(cfg.BPFDir, "maps-"+layoutOf(spec))
	if err := os.MkdirAll(mapsDir, 0o700); err != nil {
		return nil, err
	}
	if err := spec.LoadAndAssign(&d.objs, &ebpf.CollectionOptions{Maps: ebpf.MapOptions{PinPath: mapsDir}}); err != nil {
		return nil, fmt.Errorf("load eBPF objects: %w", err)
	}
	if err := d.adopt(); err != nil {
		d.objs.Close()
		return nil, err
	}
	d.links, err = openLinks(filepath.Join(cfg.BPFDir, "links"), &d.objs)
	if err != nil {
		d.objs.Close()
		return nil, err
	}
	d.links.mapsDir = mapsDir
	d.log.Info("datapath open", "generation", d.generation, "ports", len(d.slot[d.active].ports), "maps", mapsDir)
	return d, nil
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
func (d *Datapath) adopt() error {
	var err error
	limits := map[byte]uint32{
		kindPort:   d.objs.Ports.MaxEntries() / 2,
		kindDomain: 1 << 24,
		kindACL:    d.objs.Acls.MaxEntries(),
		kindRule:   d.objs.RuleCounters.MaxEntries(),
	}
	if d.idents, err = loadIdents(d.objs.Idents, limits, d.clearCounters); err != nil {
		return err
	}
	if d.acls, err = loadACLs(d.objs.Acls, d.objs.Rules, d.idents); err != nil {
		return err
	}
	var c vswitchControl
	if err := d.objs.Control.Lookup(uint32(0), &c); err != nil {
		return fmt.Errorf("map control: %w", err)
	}
	d.active = c.Active & 1
	d.generation = max(c.Host[0].Generation, c.Host[1].Generation)
	for s := range d.slot {
		if err := d.readSlot(uint32(s), &c); err != nil {
			return err
		}
	}
	return nil
}

// readSlot reads one slot back from the kernel.
func (d *Datapath) readSlot(s uint32, c *vswitchControl) error {
	subnets, err := read[vswitchSubnet](d.objs.Subnets)
	if err != nil {
		return fmt.Errorf("map subnets: %w", err)
	}
	mappings, err := read[vswitchMapping](d.objs.Mappings)
	if err != nil {
		return fmt.Errorf("map mappings: %w", err)
	}
	addresses, err := read[vswitchAddress](d.objs.Addresses)
	if err != nil {
		return fmt.Errorf("map addresses: %w", err)
	}
	t := &d.slot[s]
	h := c.Host[s]
	t.host = hostRow{h.Pa, h.Ifindex, h.Encap, h.Onlink}
	t.subnets, t.mappings, t.addresses = subnets[s], mappings[s], addresses[s]
	t.ports = map[uint32]vswitchPort{}
	for index := range d.idents.used[kindPort] {
		var p vswitchPort
		if err := d.objs.Ports.Lookup(index<<1|s, &p); err != nil {
			return fmt.Errorf("map ports: %w", err)
		}
		if p.Ifindex != 0 {
			t.ports[index] = p
		}
	}
	return nil
}

// Apply implements vfp.Datapath.
func (d *Datapath) Apply(p *vfp.Policy) ([]vfp.PortProblem, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.ProviderAddress.IsValid() && !p.ProviderAddress.Is4() {
		return nil, fmt.Errorf("provider address %s: only an IPv4 underlay is supported", p.ProviderAddress)
	}
	if !p.ProviderAddress.IsValid() {
		return nil, errors.New("the policy has no provider address")
	}
	<-d.settled
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
	if err := d.put(p, devices); err != nil {
		return nil, err
	}
	for i := range p.Ports {
		if n, ok := d.idents.find(kindPort, p.Ports[i].ID); ok {
			d.portNames[n] = p.Ports[i].ID
		}
	}
	maps.DeleteFunc(d.portNames, func(n uint32, _ string) bool { return !d.idents.used[kindPort][n] })
	more, err := d.attach(p, devices)
	return append(problems, more...), err
}

// put compiles a policy and puts it in force, if it is not. A policy that is refused leaves nothing behind.
func (d *Datapath) put(p *vfp.Policy, devices map[string]device) (err error) {
	d.idents.begin()
	defer func() {
		if err != nil {
			err = errors.Join(err, d.idents.rollback())
			d.acls.forget()
		}
	}()
	want, err := d.compile(p, devices)
	if err != nil {
		return err
	}
	if !d.setEpochs(want) {
		return nil
	}
	return d.swap(want)
}

// setEpochs gives every port of want its epoch: the one in force when nothing that concerns the port's flows
// has changed. It reports whether want differs from the policy in force.
func (d *Datapath) setEpochs(want *tables) (changed bool) {
	have := &d.slot[d.active]
	domains := map[uint32]bool{}
	put, del := have.mappings.difference(want.mappings)
	for _, r := range put {
		domains[uint32(r.key>>32)] = true
	}
	for _, k := range del {
		domains[uint32(k>>32)] = true
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
	touched := map[uint32]bool{} // ports
	addresses, lost := have.addresses.difference(want.addresses)
	for _, r := range addresses {
		touched[uint32(r.key>>32)] = true
	}
	for _, k := range lost {
		touched[uint32(k>>32)] = true
	}
	for _, r := range want.addresses {
		if domains[r.val.Domain] {
			touched[uint32(r.key>>32)] = true
		}
	}
	changed = len(domains) > 0 || len(touched) > 0 || have.host != want.host || len(have.ports) != len(want.ports)
	for index, v := range want.ports {
		old, ok := have.ports[index]
		v.Epoch = old.Epoch
		if !ok || touched[index] || old != v {
			changed = true
			v.Epoch = d.generation + 1
		}
		want.ports[index] = v
	}
	return changed
}

// swap writes want to the inactive slot and makes it the active one.
func (d *Datapath) swap(want *tables) (err error) {
	s := d.active ^ 1
	have := &d.slot[s]
	defer func() {
		if err == nil {
			return
		}
		// The slot is half written: what it holds now is the base of the next try.
		var c vswitchControl
		if e := d.objs.Control.Lookup(uint32(0), &c); e == nil {
			_ = d.readSlot(s, &c)
		}
	}()
	if _, err := write(d.objs.Subnets, s, have.subnets, want.subnets); err != nil {
		return fmt.Errorf("map subnets: %w", err)
	}
	if _, err := write(d.objs.Mappings, s, have.mappings, want.mappings); err != nil {
		return fmt.Errorf("map mappings: %w", err)
	}
	if _, err := write(d.objs.Addresses, s, have.addresses, want.addresses); err != nil {
		return fmt.Errorf("map addresses: %w", err)
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
	c.Host[s].Pa, c.Host[s].Ifindex, c.Host[s].Encap, c.Host[s].Onlink = want.host.pa, want.host.ifindex, want.host.encap, want.host.onlink
	c.Host[s].Generation = d.generation + 1
	if err := d.objs.Control.Put(uint32(0), c); err != nil {
		return fmt.Errorf("map control: %w", err)
	}
	c.Active = s
	if err := d.objs.Control.Put(uint32(0), c); err != nil { // the flip
		return fmt.Errorf("map control: %w", err)
	}
	d.slot[s], d.active = *want, s
	d.generation++
	if err := d.idents.commit(); err != nil {
		return err
	}
	d.acls.forget()
	settled := make(chan struct{})
	d.settled = settled
	go func() {
		d.grace()
		close(settled)
	}()
	return nil
}

// gracePeriod returns when every packet that began before it is done: programs run inside an RCU read
// section, and this membarrier command waits for one grace period (membarrier(2)).
func gracePeriod() {
	const cmdGlobal = 1
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, cmdGlobal, 0, 0)
}

// resolveDevices finds the ports' devices.
func resolveDevices(ports []vfp.Port) (map[string]device, []vfp.PortProblem, error) {
	devices := make(map[string]device, len(ports))
	var problems []vfp.PortProblem
	for i := range ports {
		p := &ports[i]
		dev, err := netlink.LinkByName(p.Device)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			problems = append(problems, vfp.PortProblem{PortID: p.ID, Message: fmt.Sprintf("device %s does not exist", p.Device)})
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("port %s: device %s: %w", p.ID, p.Device, err)
		}
		v4 := 0
		for _, a := range p.Addresses {
			if a.CA.Is4() {
				v4++
			} else {
				problems = append(problems, vfp.PortProblem{PortID: p.ID, Message: fmt.Sprintf("address %s is not in force: IPv6 is not supported yet", a.CA)})
			}
		}
		if v4 == 0 {
			problems = append(problems, vfp.PortProblem{PortID: p.ID, Message: "no IPv4 address"})
			continue
		}
		devices[p.ID] = device{uint32(dev.Attrs().Index), dev.Type() == "veth"}
	}
	return devices, problems, nil
}

// Status implements vfp.Datapath.
func (d *Datapath) Status() (vfp.Status, error) {
	d.mu.Lock()
	st := vfp.Status{Type: "ebpf", Generation: uint64(d.generation), Ports: len(d.slot[d.active].ports)}
	d.mu.Unlock() // the flow table may be large, and attaching must not wait for it
	flows, err := d.countFlows()
	st.Flows = flows
	return st, err
}

// Close implements vfp.Datapath. Pinned maps and links stay: packets keep flowing.
func (d *Datapath) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	<-d.settled
	return errors.Join(d.tracer.close(), d.links.close(), d.objs.Close())
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
