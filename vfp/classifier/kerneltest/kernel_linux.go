package kerneltest

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/classifier"
)

// Kernel holds the loaded programs.
type Kernel struct {
	objs  classifierObjects
	inner []*ebpf.Map
	mem   [][]byte
}

// Questions is how many lookups the benchmark makes.
const Questions = 4096

// Open loads the programs; it needs root.
func Open() (*Kernel, error) {
	k := &Kernel{}
	if err := loadClassifierObjects(&k.objs, nil); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return k, nil
}

// Memory puts a new ACL's memory into the kernel and maps it.
func (k *Kernel) Memory(acl uint32, lines int) ([]byte, error) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: classifier.Line, MaxEntries: uint32(lines),
		Flags: unix.BPF_F_MMAPABLE | unix.BPF_F_INNER_MAP})
	if err != nil {
		return nil, fmt.Errorf("memory of ACL %d: %w", acl, err)
	}
	k.inner = append(k.inner, m)
	page := unix.Getpagesize()
	mem, err := unix.Mmap(m.FD(), 0, (lines*classifier.Line+page-1)/page*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the memory of ACL %d: %w", acl, err)
	}
	k.mem = append(k.mem, mem)
	if err := k.objs.Acls.Put(acl, m); err != nil {
		return nil, fmt.Errorf("map acls: %w", err)
	}
	return mem[:lines*classifier.Line], nil
}

// Close unloads everything; memory returned before is gone.
func (k *Kernel) Close() error {
	for _, mem := range k.mem {
		_ = unix.Munmap(mem)
	}
	for _, m := range k.inner {
		_ = m.Close()
	}
	return k.objs.Close()
}

func question(acl uint32, slot int, dir vfp.Direction, key classifier.Key) (q classifierQuestion) {
	q.Acl, q.Slot, q.Dir = acl, uint32(slot), uint32(dir)
	put := func(words *[4]uint32, b []byte) {
		for i := range len(b) / 4 {
			words[4-len(b)/4+i] = binary.NativeEndian.Uint32(b[4*i:])
		}
	}
	put(&q.Key.Src, key.Source.AsSlice())
	put(&q.Key.Dst, key.Destination.AsSlice())
	q.Key.Sport, q.Key.Dport, q.Key.Proto, q.Key.TcpFlags = key.SourcePort, key.DestinationPort, key.Protocol, key.TCPFlags
	if key.Source.Is6() {
		q.Key.V6 = 1
	}
	return q
}

var frame = make([]byte, 64)

// Lookup asks the kernel; false: it refused to answer.
func (k *Kernel) Lookup(acl uint32, slot int, dir vfp.Direction, key classifier.Key) (classifier.Hit, bool, error) {
	if err := k.objs.Questions.Put(uint32(0), question(acl, slot, dir, key)); err != nil {
		return classifier.Hit{}, false, fmt.Errorf("map questions: %w", err)
	}
	if _, err := k.objs.Ask.Run(&ebpf.RunOptions{Data: frame}); err != nil {
		return classifier.Hit{}, false, fmt.Errorf("run: %w", err)
	}
	var a classifierAnswer
	if err := k.objs.Answers.Lookup(uint32(0), &a); err != nil {
		return classifier.Hit{}, false, fmt.Errorf("map answers: %w", err)
	}
	return classifier.Hit{Number: a.Hit.Number, Action: vfp.Action(a.Hit.Block), Logging: a.Hit.Log != 0}, a.Code == 0, nil
}

// chunk is how many lookups one run of the benchmark's program makes.
const chunk = 256

// Bench is the time of one lookup: the mean over all keys, of the quickest of some runs.
func (k *Kernel) Bench(acl uint32, dir vfp.Direction, keys []classifier.Key, repeat int) (time.Duration, error) {
	for i := range uint32(Questions) {
		if err := k.objs.Questions.Put(i, question(acl, 0, dir, keys[int(i)%len(keys)])); err != nil {
			return 0, fmt.Errorf("map questions: %w", err)
		}
	}
	best := func(p *ebpf.Program) (time.Duration, error) {
		var least [Questions / chunk]time.Duration
		for range repeat {
			for i := range least {
				begin := time.Now()
				if _, err := p.Run(&ebpf.RunOptions{Data: frame}); err != nil {
					return 0, fmt.Errorf("run: %w", err)
				}
				if d := time.Since(begin); least[i] == 0 || d < least[i] {
					least[i] = d
				}
			}
		}
		sum := time.Duration(0)
		for _, d := range least {
			sum += d
		}
		return sum, nil
	}
	idle, err := best(k.objs.Idle)
	if err != nil {
		return 0, err
	}
	busy, err := best(k.objs.Bench)
	return (busy - idle) / Questions, err
}
