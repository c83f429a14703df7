package ebpf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/fairlead-net/fairlead/vfp"
)

// What the programs tell only when somebody reads it; as in bpf/types.h.
const (
	watchDrops = 1
	watchFlows = 2
)

// Watch implements vfp.Datapath. There is one reader at a time: who wants more distributes what it reads.
func (d *Datapath) Watch(ctx context.Context, f func(vfp.Event)) error {
	r, err := ringbuf.NewReader(d.objs.Events)
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	defer r.Close()
	if err := d.objs.Watching.Put(uint32(0), uint32(watchDrops|watchFlows)); err != nil {
		return fmt.Errorf("map watching: %w", err)
	}
	defer func() { _ = d.objs.Watching.Put(uint32(0), uint32(0)) }()
	stop := context.AfterFunc(ctx, func() { _ = r.Close() })
	defer stop()
	before, begun := d.eventsLost(), monotonic()
	var record ringbuf.Record
	for {
		err := r.ReadInto(&record)
		if errors.Is(err, ringbuf.ErrClosed) || errors.Is(err, os.ErrClosed) {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("events: %w", err)
		}
		if len(record.RawSample) < int(unsafe.Sizeof(vswitchEvent{})) {
			continue
		}
		v := (*vswitchEvent)(unsafe.Pointer(&record.RawSample[0]))
		if v.At+uint64(time.Second) < begun {
			continue // from before anybody read
		}
		e := d.event(v)
		if r.AvailableBytes() == 0 { // looked at now and then: it costs a system call
			lost := d.eventsLost()
			e.Lost, before = lost-before, lost
		}
		f(e)
	}
}

func (d *Datapath) eventsLost() (n uint64) {
	var per []uint64
	if d.objs.EventsLost.Lookup(uint32(0), &per) == nil {
		for _, v := range per {
			n += v
		}
	}
	return n
}

func (d *Datapath) event(v *vswitchEvent) vfp.Event {
	now := monotonic()
	return vfp.Event{
		Kind: vfp.EventKind(v.Kind), Time: time.Now().Add(-time.Duration(now - min(now, v.At))),
		PortID: d.names.port(v.Port), Direction: vfp.Direction(v.Direction), Protocol: v.Proto,
		Source: v.Src.addr(), Destination: v.Dst.addr(), SourcePort: swap16(v.Sport), DestinationPort: swap16(v.Dport),
		Length: int(v.Length), Rule: d.names.rule(v.Rule), Action: vfp.Action(v.Action), Reason: vfp.DropReason(v.Reason),
		Suppressed: uint64(v.Suppressed),
	}
}
