package ebpf

import (
	"fmt"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/fairlead-net/fairlead/vfp"
)

// sweeps runs the program sweep, one run at a time.
type sweeps struct {
	mu    sync.Mutex
	next  uint64 // no flow is past its timeout before
	clock func() uint64
}

// monotonic is the clock of the flow table, in nanoseconds.
func monotonic() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC_COARSE, &ts)
	return uint64(ts.Nano())
}

// What a sweep removes, as in bpf/vswitch.c.
const (
	sweepNothing = 0
	sweepGone    = 1 // flows of ports that are gone
	sweepDead    = 2 // these, and those past their idle timeout
)

// runSweep walks the flow table in the kernel: it removes what it is told to and, unless that are dead flows, credits what
// flows have carried.
func (d *Datapath) runSweep(remove uint32) (vswitchSweepRun, error) {
	s := &d.sweeps
	s.mu.Lock()
	defer s.mu.Unlock()
	run := vswitchSweepRun{Now: s.clock(), Remove: remove}
	if err := d.objs.Sweeps.Put(uint32(0), run); err != nil {
		return run, fmt.Errorf("map sweeps: %w", err)
	}
	if _, err := d.objs.Sweep.Run(&ebpf.RunOptions{}); err != nil {
		return run, fmt.Errorf("run program sweep: %w", err)
	}
	if err := d.objs.Sweeps.Lookup(uint32(0), &run); err != nil {
		return run, fmt.Errorf("map sweeps: %w", err)
	}
	if remove == sweepDead {
		s.next = run.Next
	}
	return run, nil
}

// Sweep implements vfp.Datapath. It costs nothing while no flow can be past its timeout: called every second, it forgets each
// flow within a second of it.
func (d *Datapath) Sweep() (removed int, err error) {
	d.sweeps.mu.Lock()
	early := d.sweeps.clock() < d.sweeps.next
	d.sweeps.mu.Unlock()
	if early {
		return 0, nil
	}
	if s, err := d.Status(); err == nil && s.Flows == 0 {
		return 0, nil
	}
	run, err := d.runSweep(sweepDead)
	return int(run.Removed), err
}

// eachFlow calls f for every flow, reading in batches.
func (d *Datapath) eachFlow(f func(*vswitchFlowKey, *vswitchFlow)) error {
	keys := make([]vswitchFlowKey, batch)
	vals := make([]vswitchFlow, batch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := d.objs.Flows.BatchLookup(&cursor, keys, vals, nil)
		for i := range n {
			f(&keys[i], &vals[i])
		}
		if isEnd(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("map flows: %w", err)
		}
	}
}

const (
	peerNAT = 2
)

// Flows implements vfp.Datapath.
func (d *Datapath) Flows() ([]vfp.Flow, error) {
	ports, rules := d.names.all()
	now, v6 := d.sweeps.clock(), d.v6()
	var out []vfp.Flow
	err := d.eachFlow(func(k *vswitchFlowKey, f *vswitchFlow) {
		proto := uint8(k.VsidProto)
		v := vfp.Flow{
			PortID: ports[f.Port], Direction: vfp.Direction(f.Direction), Protocol: proto,
			Source: k.Local.addr().String(), Destination: k.Remote.addr().String(),
			SourcePort: swap16(k.Lport), DestinationPort: swap16(k.Rport),
			State: vfp.FlowState(f.State).Name(proto), Packets: f.Packets, Bytes: f.Bytes, Meter: vfp.MeterClass(f.Meter),
			Age: time.Duration(now - min(now, f.Created)), Idle: time.Duration(now - min(now, f.Last)),
		}
		if v.Direction == vfp.Inbound {
			v.Source, v.Destination = v.Destination, v.Source
			v.SourcePort, v.DestinationPort = v.DestinationPort, v.SourcePort
		}
		if f.Drop != 0 {
			v.State = "forbidden"
		}
		for _, n := range f.Rules {
			if n == 0 {
				break
			}
			if key, ok := rules[n]; ok {
				v.Rules = append(v.Rules, key)
			}
		}
		switch {
		case f.Nowhere != 0:
			v.Transposition = "nowhere: " + vfp.DropReason(f.Nowhere).String()
		case f.PeerFlags&peerNAT != 0:
			v.Transposition = fmt.Sprintf("as %s port %d", addrOf(f.NatAddress), swap16(f.NatPort))
		case f.PeerPort != 0:
			v.Transposition = "local port " + ports[f.PeerPort]
		default:
			v.Transposition = fmt.Sprintf("%s vsid %d", d.paOf(f.PeerPa, v6), f.PeerVsid)
		}
		out = append(out, v)
	})
	return out, err
}

// paOf is a provider address as the programs know it.
func (d *Datapath) paOf(pa uint32, v6 bool) string {
	if v6 {
		var a vswitchAddr
		if err := d.objs.Pas.Lookup(pa, &a); err == nil {
			return a.addr().String()
		}
	}
	return addrOf(pa).String()
}

func (d *Datapath) v6() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.slot[d.active].host.V6 != 0
}
