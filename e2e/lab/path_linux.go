package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Path is a way packets take between two namespaces.
type Path struct {
	from, to *Namespace
	source   netip.Addr // of a peer's; else not valid
	address  netip.Addr
	daemons  []*Process // that packets pass through
}

// Path between two containers.
func (c *Container) Path(to *Container, address netip.Addr) Path {
	return Path{from: c.ns, to: to.ns, address: address}
}

// Path between two hosts, without any overlay.
func (h *Host) Path(to *Host) Path { return Path{from: h.ns, to: to.ns, address: to.Provider} }

// From is where the path begins.
func (p Path) From() *Namespace { return p.from }

// To is where it ends.
func (p Path) To() *Namespace { return p.to }

// Address of the path's end.
func (p Path) Address() netip.Addr { return p.address }

// Source is the address at the beginning of a peer's path.
func (p Path) Source() netip.Addr { return p.source }

// Place puts the programs that packets pass through, if there are any, where the two ends are, and gives them the ends'
// priority.
func (p Path) Place(where Placement) error {
	var cpus unix.CPUSet
	if where == OneCPU {
		cpus.Set(oneCPU)
	} else {
		cpus.Fill()
	}
	for _, d := range p.daemons {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", d.cmd.Process.Pid))
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			if err := unix.SchedSetaffinity(id, &cpus); err != nil && !errors.Is(err, unix.ESRCH) { // threads come and go
				return fmt.Errorf("%s: thread %d: %w", d.Name, id, err)
			}
			if err := unix.Setpriority(unix.PRIO_PROCESS, id, first); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("%s: thread %d: %w", d.Name, id, err)
			}
		}
	}
	return nil
}
