package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/fairlead-net/fairlead/vfp"
)

// underlayPin is the name of the underlay's attachment; no device is called so ("/" apart, names are free,
// but ports' devices begin with fl or tap).
const (
	underlayPin = "underlay_in"
	relayPin    = "relay"
)

// links are the attachments of programs to devices, pinned by the device's name.
type links struct {
	dir     string
	mapsDir string
	objs    *vswitchObjects
	held    map[string]heldLink
}

type heldLink struct {
	link    link.Link
	ifindex uint32
}

// openLinks takes over what is pinned in dir and puts this process's programs in the place of the old ones:
// one atomic replacement per device, no packet goes without a program.
func openLinks(dir string, objs *vswitchObjects) (*links, error) {
	l := &links{dir: dir, objs: objs, held: map[string]heldLink{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		pin := filepath.Join(dir, e.Name())
		old, err := link.LoadPinnedLink(pin, nil)
		if err != nil {
			return nil, fmt.Errorf("link %s: %w", pin, err)
		}
		info, err := old.Info()
		if err != nil {
			return nil, fmt.Errorf("link %s: %w", pin, err)
		}
		tcx := info.TCX()
		if tcx == nil || tcx.Ifindex == 0 { // its device is gone
			_ = old.Unpin()
			_ = old.Close()
			continue
		}
		l.held[deviceName(e.Name())] = heldLink{old, tcx.Ifindex}
	}
	return l, nil
}

// A bpffs takes no dot in a name, devices may have one; they have no percent sign that we know of, and if so
// it is escaped, too.
var (
	pinEscape   = strings.NewReplacer("%", "%25", ".", "%2e")
	pinUnescape = strings.NewReplacer("%25", "%", "%2e", ".")
)

func pinName(device string) string { return pinEscape.Replace(device) }
func deviceName(pin string) string { return pinUnescape.Replace(pin) }

func (l *links) program(name string) *ebpf.Program {
	switch name {
	case underlayPin:
		return l.objs.UnderlayIn
	case relayPin:
		return l.objs.Relay
	}
	return l.objs.PortOut
}

// upgrade makes every attachment run this process's programs.
func (l *links) upgrade() error {
	for name, h := range l.held {
		err := h.link.Update(l.program(name))
		if errors.Is(err, unix.ENOLINK) { // its device went since the link was opened
			err = l.remove(name)
		}
		if err != nil {
			return fmt.Errorf("link %s: replace program: %w", name, err)
		}
	}
	return l.removeOldMaps()
}

// removeOldMaps unpins maps of other layouts, once no program reads them.
func (l *links) removeOldMaps() error {
	dirs, err := filepath.Glob(filepath.Join(filepath.Dir(l.mapsDir), "maps-*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		if dir != l.mapsDir {
			errs = append(errs, os.RemoveAll(dir))
		}
	}
	return errors.Join(errs...)
}

// ensure attaches the program for name to the device, if it is not.
func (l *links) ensure(name string, ifindex uint32) error {
	if h, ok := l.held[name]; ok {
		if h.ifindex == ifindex {
			return l.keepPinned(name, h)
		}
		if err := l.remove(name); err != nil {
			return err
		}
	}
	made, err := link.AttachTCX(link.TCXOptions{Interface: int(ifindex), Program: l.program(name), Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return fmt.Errorf("attach to %s (TCX, Linux 6.6 or later): %w", name, err)
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		_ = made.Close()
		return err
	}
	if err := made.Pin(filepath.Join(l.dir, pinName(name))); err != nil {
		_ = made.Close()
		return fmt.Errorf("pin link %s: %w", name, err)
	}
	l.held[name] = heldLink{made, ifindex}
	return nil
}

// keepPinned pins again what somebody unpinned: without its pin an attachment would end with this process.
func (l *links) keepPinned(name string, h heldLink) error {
	pin := filepath.Join(l.dir, pinName(name))
	if _, err := os.Stat(pin); err == nil {
		return nil
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	_ = h.link.Unpin() // the link believes that its pin is there
	if err := h.link.Pin(pin); err != nil {
		return fmt.Errorf("pin link %s again: %w", name, err)
	}
	return nil
}

// remove detaches what is attached under name.
func (l *links) remove(name string) error {
	h, ok := l.held[name]
	if !ok {
		return nil
	}
	delete(l.held, name)
	return errors.Join(h.link.Unpin(), h.link.Close())
}

func (l *links) close() error {
	var errs []error
	for _, h := range l.held {
		errs = append(errs, h.link.Close())
	}
	l.held = nil
	return errors.Join(errs...)
}

// attach brings devices and attachments in line with the policy in force. A port's device is known before its
// program is attached and forgotten after. A port that left the policy keeps its program for as long as the device is
// there: unknown, it drops everything, where without it the frames would reach the host's own stack.
func (d *Datapath) attach(p *vfp.Policy, devices map[string]device) (problems []vfp.PortProblem, err error) {
	type port struct {
		id      string
		ifindex uint32
	}
	wantDevice := map[uint32]uint32{} // ifindex to port index
	wantLink := map[string]port{}
	if d.underlay != 0 {
		wantLink[underlayPin] = port{d.underlayName, d.underlay}
	}
	if d.relay != 0 {
		wantLink[relayPin] = port{relayDevice, d.relay}
	}
	for i := range p.Ports {
		dev, ok := devices[p.Ports[i].ID]
		if !ok {
			continue
		}
		index, err := d.idents.get(kindPort, p.Ports[i].ID)
		if err != nil {
			return nil, err
		}
		wantDevice[dev.ifindex] = index
		wantLink[p.Ports[i].Device] = port{p.Ports[i].ID, dev.ifindex}
	}
	if err := d.putDevices(wantDevice); err != nil {
		return nil, err
	}
	if err := d.keepMapsPinned(); err != nil {
		return nil, err
	}
	// Attachments of an earlier process run its programs, on its maps, until here.
	if !d.upgraded {
		if err := d.links.upgrade(); err != nil {
			return nil, err
		}
		d.upgraded = true
	}
	for _, name := range slices.Sorted(maps.Keys(wantLink)) {
		want := wantLink[name]
		if err := d.links.ensure(name, want.ifindex); err != nil {
			problems = append(problems, vfp.PortProblem{PortID: want.id, Message: err.Error()})
		} else if name == relayPin {
			if err := relayUp(want.ifindex); err != nil {
				problems = append(problems, vfp.PortProblem{PortID: want.id, Message: err.Error()})
			}
		}
	}
	for name, h := range d.links.held {
		if _, ok := wantLink[name]; ok {
			continue
		}
		if _, err := netlink.LinkByIndex(int(h.ifindex)); errors.As(err, &netlink.LinkNotFoundError{}) {
			if err := d.links.remove(name); err != nil {
				return problems, fmt.Errorf("detach %s: %w", name, err)
			}
		}
	}
	return problems, nil
}

// putDevices says which port is at which device. Most devices' numbers are low.
func (d *Datapath) putDevices(want map[uint32]uint32) error {
	low := d.objs.LowDevices.MaxEntries()
	have := map[uint32]uint32{}
	var ifindex, index uint32
	it := d.objs.Devices.Iterate()
	for it.Next(&ifindex, &index) {
		have[ifindex] = index
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("map devices: %w", err)
	}
	// Those that are gone go first: all may be new, and the map has room for one for each port.
	for ifindex := range have {
		if _, ok := want[ifindex]; ok {
			continue
		}
		if ifindex < low {
			if err := d.objs.LowDevices.Put(ifindex, uint32(0)); err != nil {
				return fmt.Errorf("map low_devices: %w", err)
			}
		}
		if err := d.objs.Devices.Delete(ifindex); err != nil {
			return fmt.Errorf("map devices: %w", err)
		}
	}
	for ifindex, index := range want {
		if have[ifindex] == index && d.upgraded { // an earlier process may have died between the two maps
			continue
		}
		if err := d.objs.Devices.Put(ifindex, index); err != nil {
			return fmt.Errorf("map devices: %w", err)
		}
		if ifindex >= low {
			continue
		}
		if err := d.objs.LowDevices.Put(ifindex, index); err != nil {
			return fmt.Errorf("map low_devices: %w", err)
		}
	}
	return nil
}

// keepMapsPinned pins the maps again if somebody removed their directory: the next process must find them.
func (d *Datapath) keepMapsPinned() error {
	dir := d.links.mapsDir
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, m := range d.mapsByName() {
		_ = m.Unpin() // the map believes that its pin is there
		if err := m.Pin(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("pin map %s again: %w", name, err)
		}
	}
	return nil
}
