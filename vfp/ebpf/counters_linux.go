package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/fairlead-net/fairlead/vfp"
)

func sum(all []vswitchStats) (s vswitchStats) {
	for i := range all {
		s.Packets += all[i].Packets
		s.Bytes += all[i].Bytes
	}
	return s
}

// clearCounters zeroes what an earlier owner of a number left.
func (d *Datapath) clearCounters(kind byte, n uint32) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	switch kind {
	case kindPort:
		if err := d.objs.PortCounters.Put(n, make([]vswitchPortStats, cpus)); err != nil {
			return fmt.Errorf("map port_counters: %w", err)
		}
		for r := range uint32(vfp.DropReasons) {
			if err := d.objs.DropCounters.Put(n*vfp.DropReasons+r, make([]uint64, cpus)); err != nil {
				return fmt.Errorf("map drop_counters: %w", err)
			}
		}
	case kindRule:
		if err := d.objs.RuleCounters.Put(n, make([]vswitchStats, cpus)); err != nil {
			return fmt.Errorf("map rule_counters: %w", err)
		}
	}
	return nil
}

// names is a copy of what the numbers in the maps stand for: maps are read without the lock, for that may take
// long and attaching must not wait.
func (d *Datapath) names() (ports map[uint32]string, rules map[uint32]vfp.RuleKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.portNames), maps.Clone(d.acls.names)
}

// Counters implements vfp.Datapath.
func (d *Datapath) Counters() (vfp.Counters, error) {
	ports, rules := d.names()
	c := vfp.Counters{Ports: map[string]vfp.PortCounters{}, Rules: map[vfp.RuleKey]vfp.RuleCounters{}}
	var err error
	if c.Host, err = d.drops(0); err != nil {
		return c, err
	}
	for index, id := range ports {
		var stats []vswitchPortStats
		if err := d.objs.PortCounters.Lookup(index, &stats); err != nil {
			return c, fmt.Errorf("map port_counters: %w", err)
		}
		var pc vfp.PortCounters
		for i := range stats {
			pc.RxPackets += stats[i].Rx.Packets
			pc.RxBytes += stats[i].Rx.Bytes
			pc.TxPackets += stats[i].Tx.Packets
			pc.TxBytes += stats[i].Tx.Bytes
		}
		if pc.Drops, err = d.drops(index); err != nil {
			return c, err
		}
		c.Ports[id] = pc
	}
	for n, key := range rules {
		var stats []vswitchStats
		if err := d.objs.RuleCounters.Lookup(n, &stats); err != nil {
			return c, fmt.Errorf("map rule_counters: %w", err)
		}
		s := sum(stats)
		c.Rules[key] = vfp.RuleCounters{Packets: s.Packets, Bytes: s.Bytes}
	}
	return c, nil
}

// drops of a port by reason; those that never happened are absent.
func (d *Datapath) drops(index uint32) (map[vfp.DropReason]uint64, error) {
	out := map[vfp.DropReason]uint64{}
	for r := range uint32(vfp.DropReasons) {
		var per []uint64
		if err := d.objs.DropCounters.Lookup(index*vfp.DropReasons+r, &per); err != nil {
			return nil, fmt.Errorf("map drop_counters: %w", err)
		}
		n := uint64(0)
		for _, v := range per {
			n += v
		}
		if n > 0 {
			out[vfp.DropReason(r)] = n
		}
	}
	return out, nil
}

// monotonic is the clock of the flow table, in nanoseconds.
func monotonic() uint64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC_COARSE, &ts)
	return uint64(ts.Nano())
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

func (d *Datapath) countFlows() (n int, err error) {
	err = d.eachFlow(func(*vswitchFlowKey, *vswitchFlow) { n++ })
	return n, err
}

// Sweep implements vfp.Datapath.
func (d *Datapath) Sweep() (removed int, err error) {
	now := monotonic()
	old := func(k *vswitchFlowKey, f *vswitchFlow) bool {
		return now > f.Last && time.Duration(now-f.Last) > vfp.IdleTimeout(uint8(k.VsidProto), vfp.FlowState(f.State))
	}
	var failed error
	err = d.eachFlow(func(k *vswitchFlowKey, f *vswitchFlow) {
		if failed != nil || !old(k, f) {
			return
		}
		// The flow may have begun anew since the batch was read.
		if err := d.objs.Flows.Lookup(*k, f); err != nil || !old(k, f) {
			return
		}
		if err := d.objs.Flows.Delete(*k); err == nil {
			removed++
		} else if !isEnd(err) {
			failed = fmt.Errorf("map flows: %w", err)
		}
	})
	return removed, errors.Join(err, failed)
}

// Flows implements vfp.Datapath.
func (d *Datapath) Flows() ([]vfp.Flow, error) {
	ports, rules := d.names()
	now := monotonic()
	var out []vfp.Flow
	err := d.eachFlow(func(k *vswitchFlowKey, f *vswitchFlow) {
		proto := uint8(k.VsidProto)
		v := vfp.Flow{
			PortID: ports[f.Port], Direction: vfp.Direction(f.Direction), Protocol: proto,
			Source: addrOf(k.Local).String(), Destination: addrOf(k.Remote).String(),
			SourcePort: swap16(k.Lport), DestinationPort: swap16(k.Rport),
			State: vfp.FlowState(f.State).Name(proto), Packets: f.Packets, Bytes: f.Bytes,
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
			if key, ok := rules[n]; ok && n != 0 {
				v.Rules = append(v.Rules, key)
			}
		}
		if f.PeerPort != 0 {
			v.Transposition = "local port " + ports[f.PeerPort]
		} else {
			v.Transposition = fmt.Sprintf("%s vsid %d", addrOf(f.PeerPa), f.PeerVsid)
		}
		out = append(out, v)
	})
	return out, err
}
