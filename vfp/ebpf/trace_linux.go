package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"

	"github.com/cilium/ebpf"

	"github.com/fairlead-net/fairlead/vfp"
)

// tracer holds the programs loaded in trace mode: the same maps, but nothing is written.
type tracer struct {
	programs vswitchPrograms
	slow     *ebpf.Map // their own
}

func (t *tracer) close() error {
	if t == nil {
		return nil
	}
	return errors.Join(t.programs.Close(), t.slow.Close())
}

func (d *Datapath) newTracer() (*tracer, error) {
	spec, err := loadVswitch()
	if err != nil {
		return nil, err
	}
	if err := spec.Variables["mode"].Set(uint32(modeTrace)); err != nil {
		return nil, err
	}
	spec.Maps["flows"].MaxEntries = d.objs.Flows.MaxEntries()
	t := &tracer{}
	if t.slow, err = ebpf.NewMap(spec.Maps["slow"]); err != nil {
		return nil, err
	}
	maps := d.mapsByName()
	maps["slow"] = t.slow
	if err = spec.LoadAndAssign(&t.programs, &ebpf.CollectionOptions{MapReplacements: maps}); err != nil {
		return nil, errors.Join(err, t.slow.Close())
	}
	if err = fillSlow(t.slow, &t.programs); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// mapsByName are the pinned maps.
func (d *Datapath) mapsByName() map[string]*ebpf.Map {
	out := map[string]*ebpf.Map{}
	v := reflect.ValueOf(&d.objs.vswitchMaps).Elem()
	for i := range v.NumField() {
		out[v.Type().Field(i).Tag.Get("ebpf")] = v.Field(i).Interface().(*ebpf.Map)
	}
	return out
}

// Trace implements vfp.Datapath: the kernel programs run on the live maps. Steps are the model's to tell.
func (d *Datapath) Trace(portID string, frame []byte) (vfp.Trace, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tracer == nil {
		t, err := d.newTracer()
		if err != nil {
			return vfp.Trace{}, fmt.Errorf("load eBPF objects for tracing: %w", err)
		}
		d.tracer = t
	}
	ports, _ := d.names.all()
	for index, id := range ports {
		if p, ok := d.slot[d.active].ports[index]; ok && id == portID {
			return d.run(d.tracer.programs.PortOut, p.Ifindex, frame)
		}
	}
	return vfp.Trace{}, fmt.Errorf("port %s is not in force", portID)
}

// run executes a program on a frame that came in on a device.
func (d *Datapath) run(prog *ebpf.Program, ifindex uint32, frame []byte) (vfp.Trace, error) {
	opts := ebpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+256), Context: skbContext(ifindex)}
	if err := d.objs.Decisions.Put(uint32(0), vswitchDecision{}); err != nil {
		return vfp.Trace{}, fmt.Errorf("map decisions: %w", err)
	}
	ret, err := prog.Run(&opts)
	if err != nil {
		return vfp.Trace{}, fmt.Errorf("run program on a %d byte frame: %w", len(frame), err)
	}
	var v vswitchDecision
	if err := d.objs.Decisions.Lookup(uint32(0), &v); err != nil {
		return vfp.Trace{}, fmt.Errorf("map decisions: %w", err)
	}
	t := vfp.Trace{Verdict: vfp.Verdict(v.Verdict), Reason: vfp.DropReason(v.Reason)}
	const tcActRedirect, tcActShot, tcxNext = 7, 2, 0xffffffff
	want := map[vfp.Verdict]uint32{vfp.Drop: tcActShot, vfp.Pass: tcxNext, vfp.Deliver: tcActRedirect,
		vfp.Encapsulate: tcActRedirect, vfp.Reply: tcActRedirect,
		vfp.Replicate: tcActShot, vfp.Translate: tcActRedirect}[t.Verdict]
	if ret != want {
		return t, fmt.Errorf("program returned %d for verdict %s", ret, t.Verdict)
	}
	if t.Verdict == vfp.Deliver || t.Verdict == vfp.Drop {
		t.Port = d.names.port(v.Port)
	}
	if t.Verdict != vfp.Drop && t.Verdict != vfp.Replicate {
		t.Frame = opts.DataOut
	}
	return t, nil
}

// skbContext is a struct __sk_buff (linux/bpf.h) of a frame that came in on a device.
func skbContext(ifindex uint32) []byte {
	const size, ifindexAt = 192, 40
	ctx := make([]byte, size)
	binary.NativeEndian.PutUint32(ctx[ifindexAt:], ifindex)
	return ctx
}

func isEnd(err error) bool { return errors.Is(err, ebpf.ErrKeyNotExist) }

func swap16(v uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], v)
	return binary.BigEndian.Uint16(b[:])
}
