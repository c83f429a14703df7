package classifier

import (
	"sync/atomic"
	"unsafe"
)

// Line is the unit of the memory, in bytes: a cache line, and the value of the kernel's array map. References are
// line numbers; 0, the header's own, stands for none. Words are in host byte order. The offsets below are in bytes
// and the same as in classifier.h.
const Line = 64

const (
	headerMagic = 0  // u32, layoutMagic
	headerRoot  = 8  // u32 per slot
	headerSum   = 16 // 16 bytes per slot

	rootVersion = 0  // u32
	rootGeo     = 4  // u32 per direction*2 + family
	rootDefault = 20 // u32 per direction: a verdict

	geoBloom     = 0  // u32 per side: first line
	geoBloomMask = 8  // u32 per side: lines - 1, a power of two less one
	geoTable     = 16 // u32: first line
	geoTableMask = 20 // u32
	geoSeed      = 24 // u32
	geoPartners  = 28 // u32: first line of the partner masks; they have an eighth of the table's lines
	geoLens      = 32 // 2 u64 per side: the lengths that exist, by bit

	pairHead  = 0  // u64: since<<32 | body
	pairFloor = 8  // u64: no body of this pair has a lower order
	pairOlder = 16 // u32: number of an older record
	pairLens  = 20 // u32: used | slen<<8 | dlen<<16, the lengths as bit numbers; 0: never used, a search may stop
	pairAddrs = 24 // IPv4: u32 source, u32 destination; IPv6: source and destination as 2 u64 each, high word first

	olderSize = 16 // u32 since, u32 body, u32 older

	leafCount   = 0  // u32
	leafRecords = 16 // 2 records a line, in every line

	recordSize    = 24
	recordOrder   = 0  // u64
	recordVerdict = 8  // u32
	recordSport   = 12 // u16 first, u16 last
	recordDport   = 16 // u16 first, u16 last
	recordProto   = 20 // u16
	recordFlags   = 22 // u8 mask, u8 value

	nodeDim    = 0  // u32: 0 protocol, 1 destination port, 2 source port
	nodeLevels = 4  // u32: 1 to 3
	nodeChild  = 8  // u32: first line of the children, 16 a line
	nodeBase   = 16 // u32 per level: first line, 32 starts (u16) a line
	nodeCount  = 28 // u32 per level: starts

	forkCount = 0 // u32
	forkChild = 4 // u32 each
)

const (
	layoutMagic = 0xfa1ead01

	maxProbe  = 16      // lines of the pair table that one key can be in
	maxForks  = 3       // children of a fork
	maxDepth  = 3       // nodes from a body to a list: one per dimension
	maxOlder  = 4096    // older versions of one pair
	maxLeaf   = 1 << 22 // records in one list
	maxStarts = 1 << 15 // of a node

	lineBits  = 28 // of a body reference; above it the kind
	lineMask  = 1<<lineBits - 1
	kindLeaf  = 0
	kindNode  = 1
	kindFork  = 2
	usedPair  = 1
	flagBlock = 1 << 31 // of a verdict; below the flags the counter number
	flagLog   = 1 << 30
	maxNumber = flagLog - 1
)

// image is the memory as words.
type image struct {
	w []uint32
	q []uint64
}

func imageOf(mem []byte) image {
	n := len(mem) / Line
	if n == 0 || uintptr(unsafe.Pointer(&mem[0]))%8 != 0 {
		return image{}
	}
	return image{
		w: unsafe.Slice((*uint32)(unsafe.Pointer(&mem[0])), n*Line/4),
		q: unsafe.Slice((*uint64)(unsafe.Pointer(&mem[0])), n*Line/8),
	}
}

func (m image) lines() uint32 { return uint32(len(m.w) / (Line / 4)) }

func (m image) u32(line uint32, off int) uint32      { return m.w[int(line)*(Line/4)+off/4] }
func (m image) u64(line uint32, off int) uint64      { return m.q[int(line)*(Line/8)+off/8] }
func (m image) set32(line uint32, off int, v uint32) { m.w[int(line)*(Line/4)+off/4] = v }
func (m image) set64(line uint32, off int, v uint64) { m.q[int(line)*(Line/8)+off/8] = v }
func (m image) load64(line uint32, off int) uint64 {
	return atomic.LoadUint64(&m.q[int(line)*(Line/8)+off/8])
}
func (m image) store64(line uint32, off int, v uint64) {
	atomic.StoreUint64(&m.q[int(line)*(Line/8)+off/8], v)
}
func (m image) load32(line uint32, off int) uint32 {
	return atomic.LoadUint32(&m.w[int(line)*(Line/4)+off/4])
}
func (m image) store32(line uint32, off int, v uint32) {
	atomic.StoreUint32(&m.w[int(line)*(Line/4)+off/4], v)
}

// u16 reads one of the two halves of a little-endian word; set16 writes it.
func (m image) u16(line uint32, off int) uint16 {
	return uint16(m.u32(line, off&^3) >> (8 * (off & 2)))
}

func (m image) set16(line uint32, off int, v uint16) {
	shift := 8 * (off & 2)
	m.set32(line, off&^3, m.u32(line, off&^3)&^(0xffff<<shift)|uint32(v)<<shift)
}

func (m image) zero(line, n uint32) {
	clear(m.q[int(line)*(Line/8) : int(line+n)*(Line/8)])
}
