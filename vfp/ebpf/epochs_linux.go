package ebpf

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// epochs are the ports' numbers that a flow must carry not to be judged again. User space has the map in its memory.
type epochs struct {
	mem   []byte
	words []uint32
}

func openEpochs(m *ebpf.Map) (*epochs, error) {
	n := int(m.MaxEntries())
	const entry = 8 // an array's entries are multiples of 8 bytes
	mem, err := unix.Mmap(m.FD(), 0, n*entry, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the epochs into memory: %w", err)
	}
	return &epochs{mem, unsafe.Slice((*uint32)(unsafe.Pointer(&mem[0])), n*entry/4)}, nil
}

func (e *epochs) at(port uint32) *uint32 { return &e.words[port*2] }

// bump makes every flow of a port be judged again. It must come after what it announces.
func (e *epochs) bump(port uint32) { atomic.AddUint32(e.at(port), 1) }

func (e *epochs) bumpAll(ports map[uint32]bool) {
	for port := range ports {
		e.bump(port)
	}
}

// The host's word, which no program reads, says that something has changed and epochs don't say so yet: should this
// process die in between, the next one makes good for it.
func (e *epochs) begin()          { atomic.StoreUint32(e.at(0), 1) }
func (e *epochs) end()            { atomic.StoreUint32(e.at(0), 0) }
func (e *epochs) unsettled() bool { return atomic.LoadUint32(e.at(0)) != 0 }

func (e *epochs) close() error { return unix.Munmap(e.mem) }
