package ebpf

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/fairlead-net/fairlead/vfp"
)

func sum(all []vswitchStats) (s vswitchStats) {
	for i := range all {
		s.add(&all[i])
	}
	return s
}

func (s *vswitchStats) add(other *vswitchStats) {
	s.Packets += other.Packets
	s.Bytes += other.Bytes
	s.Last = max(s.Last, other.Last)
}

// ruleCounters in the form of vfp; offset is the wall clock's distance to the monotonic one.
func (s *vswitchStats) ruleCounters(offset time.Duration) vfp.RuleCounters {
	c := vfp.RuleCounters{Packets: s.Packets, Bytes: s.Bytes}
	if s.Last > 0 {
		c.LastHit = time.Unix(0, int64(s.Last)+int64(offset))
	}
	return c
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
		// How many flows there are, and where the ring stands, is true of the number, whoever has it.
		var s vswitchPortState
		if err := d.objs.PortStates.Lookup(n, &s); err != nil {
			return fmt.Errorf("map port_states: %w", err)
		}
		if err := d.objs.PortStates.Put(n, vswitchPortState{Flows: s.Flows, Seq: s.Seq}); err != nil {
			return fmt.Errorf("map port_states: %w", err)
		}
	case kindRule:
		if err := d.objs.RuleCounters.Put(n, make([]vswitchStats, cpus)); err != nil {
			return fmt.Errorf("map rule_counters: %w", err)
		}
	}
	return nil
}

// forget cleans up behind a number that is free.
func (d *Datapath) forget(kind byte, n uint32) error {
	switch kind {
	case kindPA:
		return d.forgetPA(n)
	case kindPort:
		return d.forgetRing(n)
	}
	return nil
}

// forgetRing removes what is left in the ring of a port.
func (d *Datapath) forgetRing(port uint32) error {
	var s vswitchPortState
	if err := d.objs.PortStates.Lookup(port, &s); err != nil {
		return fmt.Errorf("map port_states: %w", err)
	}
	for position := range min(s.Seq, vfp.MaxHalfOpen) {
		if err := d.objs.Rings.Delete(vswitchRingKey{Port: port, Position: position}); err != nil && !isEnd(err) {
			return fmt.Errorf("map rings: %w", err)
		}
	}
	s.Seq = 0
	if err := d.objs.PortStates.Put(port, s); err != nil {
		return fmt.Errorf("map port_states: %w", err)
	}
	return nil
}

// forgetPA takes a provider address out of the tables when its number is free.
func (d *Datapath) forgetPA(n uint32) error {
	var a vswitchAddr
	if err := d.objs.Pas.Lookup(n, &a); err != nil {
		return fmt.Errorf("map pas: %w", err)
	}
	var owner uint32
	if err := d.objs.PaNumbers.Lookup(a, &owner); err == nil && owner != n {
		return nil // what is left there is of an earlier owner of the number, who has another now
	}
	if err := d.objs.PaNumbers.Delete(a); err != nil && !isEnd(err) {
		return fmt.Errorf("map pa_numbers: %w", err)
	}
	return nil
}

// Counters implements vfp.Datapath.
func (d *Datapath) Counters() (vfp.Counters, error) {
	ports, rules := d.names.all()
	c := vfp.Counters{Ports: map[string]vfp.PortCounters{}, Rules: map[vfp.RuleKey]vfp.RuleCounters{}}
	if _, err := d.runSweep(sweepNothing); err != nil { // flows owe rules and ports what they have carried
		return c, err
	}
	var err error
	if c.Host, err = d.drops(0); err != nil {
		return c, err
	}
	offset := time.Duration(time.Now().UnixNano()) - time.Duration(d.sweeps.clock())
	for index, id := range ports {
		if c.Ports[id], err = d.portCounters(index, offset); err != nil {
			return c, err
		}
	}
	all, err := d.ruleCounters(rules)
	if err != nil {
		return c, err
	}
	for n, key := range rules {
		s := all[n]
		c.Rules[key] = s.ruleCounters(offset)
	}
	return c, nil
}

// ruleCounters reads the counters of rules in few calls: there may be a hundred thousand.
func (d *Datapath) ruleCounters(rules map[uint32]vfp.RuleKey) (map[uint32]vswitchStats, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, err
	}
	out := make(map[uint32]vswitchStats, len(rules))
	highest := uint32(0)
	for n := range rules {
		highest = max(highest, n)
	}
	keys := make([]uint32, batch)
	vals := make([]vswitchStats, batch*cpus)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := d.objs.RuleCounters.BatchLookup(&cursor, keys, vals, nil)
		for i := range n {
			if _, ok := rules[keys[i]]; ok {
				out[keys[i]] = sum(vals[i*cpus : (i+1)*cpus])
			}
		}
		if isEnd(err) || n > 0 && keys[n-1] > highest {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("map rule_counters: %w", err)
		}
	}
}

func (d *Datapath) portCounters(index uint32, offset time.Duration) (c vfp.PortCounters, err error) {
	var stats []vswitchPortStats
	if err := d.objs.PortCounters.Lookup(index, &stats); err != nil {
		return c, fmt.Errorf("map port_counters: %w", err)
	}
	var total vswitchPortStats
	for i := range stats {
		total.Tx.add(&stats[i].Tx)
		total.Rx.add(&stats[i].Rx)
		for class := range total.Meter {
			for dir := range total.Meter[class] {
				total.Meter[class][dir].add(&stats[i].Meter[class][dir])
			}
		}
	}
	c.TxPackets, c.TxBytes, c.RxPackets, c.RxBytes = total.Tx.Packets, total.Tx.Bytes, total.Rx.Packets, total.Rx.Bytes
	for class := range total.Meter {
		for dir := range total.Meter[class] {
			c.Meter[class][dir] = total.Meter[class][dir].ruleCounters(offset)
		}
	}
	var state vswitchPortState
	if err := d.objs.PortStates.Lookup(index, &state); err != nil {
		return c, fmt.Errorf("map port_states: %w", err)
	}
	c.Flows = vfp.FlowCounters{Now: uint64(state.Flows), Created: state.Created, Evicted: state.Evicted, Refused: state.Refused}
	c.Drops, err = d.drops(index)
	return c, err
}

// drops of a port by reason; those that never happened are absent.
func (d *Datapath) drops(index uint32) (map[vfp.DropReason]uint64, error) {
	out := map[vfp.DropReason]uint64{}
	for r := vfp.DropNone + 1; r <= vfp.LastDropReason; r++ {
		var per []uint64
		if err := d.objs.DropCounters.Lookup(index*vfp.DropReasons+uint32(r), &per); err != nil {
			return nil, fmt.Errorf("map drop_counters: %w", err)
		}
		n := uint64(0)
		for _, v := range per {
			n += v
		}
		if n > 0 {
			out[r] = n
		}
	}
	return out, nil
}
