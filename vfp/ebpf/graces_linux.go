package ebpf

import (
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// graces runs grace periods one after another in the background: after one, every packet that began before it is done.
type graces struct {
	wait func() // for one period

	mu      sync.Mutex
	change  sync.Cond
	started uint64 // asked for
	ended   uint64
	closed  bool
	done    chan struct{}
}

func newGraces() *graces {
	g := &graces{wait: gracePeriod, done: make(chan struct{})}
	g.change.L = &g.mu
	go g.run()
	return g
}

func (g *graces) run() {
	defer close(g.done)
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		for g.ended == g.started && !g.closed {
			g.change.Wait()
		}
		if g.ended == g.started {
			return
		}
		n := g.started
		g.mu.Unlock()
		g.wait()
		g.mu.Lock()
		g.ended = n
		g.change.Broadcast()
	}
}

// start asks for a period that begins now and returns its number.
func (g *graces) start() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.started++
	g.change.Broadcast()
	return g.started
}

func (g *graces) over(n uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ended >= n
}

// await returns when period n is over.
func (g *graces) await(n uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.ended < n {
		g.change.Wait()
	}
}

func (g *graces) close() {
	g.mu.Lock()
	g.closed = true
	g.change.Broadcast()
	g.mu.Unlock()
	<-g.done
}

// gracePeriod returns when every packet that began before it is done: programs run inside an RCU read
// section, and this membarrier command waits for one grace period (membarrier(2)).
func gracePeriod() {
	const cmdGlobal = 1
	if _, _, e := unix.Syscall(unix.SYS_MEMBARRIER, cmdGlobal, 0, 0); e != 0 {
		otherGracePeriod()
	}
}

// otherGracePeriod is for kernels that refuse membarrier's, as those with nohz_full do: a write to a map of maps returns
// when no program can see the old one any more (kernel/bpf/syscall.c, maybe_wait_bpf_programs).
func otherGracePeriod() {
	inner := &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	outer, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, InnerMap: inner})
	if err != nil {
		return
	}
	defer outer.Close()
	in, err := ebpf.NewMap(inner)
	if err != nil {
		return
	}
	defer in.Close()
	_ = outer.Put(uint32(0), in)
}
