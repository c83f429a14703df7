package classifier

import (
	"math"
	"math/bits"
	"net/netip"

	"github.com/fairlead-net/fairlead/vfp"
)

// Key is what a packet is judged by.
type Key struct {
	Source, Destination netip.Addr // of one family
	Protocol            uint8
	// SourcePort and DestinationPort of TCP and UDP. ICMP and ICMPv6 have 0 and type<<8|code here, other protocols 0.
	SourcePort, DestinationPort uint16
	TCPFlags                    uint8 // 0 unless TCP
}

// Hit is what decides about a packet.
type Hit struct {
	Number  uint32 // of the rule's counter, or of the default's
	Action  vfp.Action
	Logging bool
}

func hitOf(verdict uint32) Hit {
	h := Hit{Number: verdict & maxNumber, Logging: verdict&flagLog != 0}
	if verdict&flagBlock != 0 {
		h.Action = vfp.Block
	}
	return h
}

// Lookup judges a packet by what slot sees, reading only the memory, as the eBPF program does. It is false when the
// slot holds nothing or the memory contradicts itself: such a packet is to be dropped.
func Lookup(mem []byte, slot int, dir vfp.Direction, key Key) (Hit, bool) {
	w := walk{m: imageOf(mem), key: key, best: math.MaxUint64, left: maxWork}
	if w.m.lines() == 0 || w.m.u32(0, headerMagic) != layoutMagic {
		return Hit{}, false
	}
	root := w.m.load32(0, headerRoot+4*(slot&1))
	if root == 0 || root >= w.m.lines() {
		return Hit{}, false
	}
	if key.Source.Is6() {
		w.family = familyV6
	}
	w.version = w.m.u32(root, rootVersion)
	w.verdict = w.m.u32(root, rootDefault+4*int(dir&1))
	geo := w.m.u32(root, rootGeo+8*int(dir&1)+4*w.family)
	if geo != 0 && !w.pairs(geo) {
		return Hit{}, false
	}
	return hitOf(w.verdict), true
}

// maxWork bounds the lines one lookup may look at, so that corrupt memory cannot hold it for long.
const maxWork = 1 << 23

// walk is the state of one lookup.
type walk struct {
	m       image
	key     Key
	family  int
	version uint32
	best    uint64 // order of the rule found so far
	verdict uint32
	left    int
}

// ok says whether a line exists, and counts it.
func (w *walk) ok(line uint32) bool {
	w.left--
	return line != 0 && line < w.m.lines() && w.left > 0
}

// pairs looks at every pair of prefixes that the packet's addresses can be in.
func (w *walk) pairs(geo uint32) bool {
	if !w.ok(geo) {
		return false
	}
	s, d := toAddr(w.key.Source), toAddr(w.key.Destination)
	slens, ok := w.chain(geo, sideSource, s)
	if !ok {
		return false
	}
	dlens, ok := w.chain(geo, sideDest, d)
	if !ok {
		return false
	}
	for i := range 2 {
		for x := slens[i]; x != 0; x &= x - 1 {
			sbit := uint32(i*64 + bits.TrailingZeros64(x))
			src := s.masked(lengthOf(w.family, sbit))
			h := hashPartners(src, sbit, w.m.u32(geo, geoSeed))
			partners := w.m.u32(geo, geoPartners) + uint32(h)&(w.m.u32(geo, geoTableMask)>>3)
			if !w.ok(partners) {
				return false
			}
			pa, pb := partnerWords(w.family, h)
			var row [2]uint64
			for j := range 1 + w.family {
				at := sbit<<w.family + uint32(j)
				line := geo + 1 + at/rowsPerLine
				if !w.ok(line) {
					return false
				}
				row[j] = w.m.load64(line, int(at%rowsPerLine)*8) & dlens[j] & w.m.load64(partners, pa+8*j) & w.m.load64(partners, pb+8*j)
			}
			for j := range 2 {
				for y := row[j]; y != 0; y &= y - 1 {
					dbit := uint32(j*64 + bits.TrailingZeros64(y))
					if !w.probe(geo, src, d.masked(lengthOf(w.family, dbit)), pairWord(sbit, dbit)) {
						return false
					}
				}
			}
		}
	}
	return true
}

// chain is the set of lengths, by bit, at which some rule may have a prefix of a on this side.
func (w *walk) chain(geo uint32, side int, a addr128) (found [2]uint64, ok bool) {
	first, mask := w.m.u32(geo, geoBloom+4*side), w.m.u32(geo, geoBloomMask+4*side)
	var h uint64
	var line uint32
	at := ^uint32(0)
	for i := range 1 + w.family {
		lens := w.m.load64(geo, geoLens+16*side+8*i)
		if zero := zeroBit[w.family]; int(zero/64) == i {
			found[i] = lens & (1 << (zero % 64)) // everything is in the prefix of length 0
			lens &^= 1 << (zero % 64)
		}
		for x := lens; x != 0; x &= x - 1 {
			bit := uint32(i*64 + bits.TrailingZeros64(x))
			length := lengthOf(w.family, bit)
			if band := (length - 1) / 4; band != at {
				at, h = band, hashBand(a, band)
				line = first + uint32(h)&mask
				if !w.ok(line) {
					return found, false
				}
			}
			if word, want := bloomBits(h, a, length); w.m.load64(line, int(word)*8)&want == want {
				found[i] |= 1 << (bit % 64)
			}
		}
	}
	return found, true
}

// probe looks for one pair and judges by its body.
func (w *walk) probe(geo uint32, s, d addr128, lens uint32) bool {
	table, mask := w.m.u32(geo, geoTable), w.m.u32(geo, geoTableMask)
	h := uint32(hashPair(w.family, s, d, lens, w.m.u32(geo, geoSeed)))
	size := pairSize(w.family)
	for i := range uint32(maxProbe) {
		line := table + (h+i)&mask
		if !w.ok(line) {
			return false
		}
		for off := 0; off < Line; off += size {
			word := w.m.load32(line, off+pairLens)
			if word == 0 {
				return true
			}
			if word != lens || w.m.pairAddr(w.family, line, off, sideSource) != s || w.m.pairAddr(w.family, line, off, sideDest) != d {
				continue
			}
			if w.m.load64(line, off+pairFloor) >= w.best {
				return true
			}
			return w.pair(line, off)
		}
	}
	return true
}

// pair judges by the body that the pair had at the reader's version.
func (w *walk) pair(line uint32, off int) bool {
	head := w.m.load64(line, off+pairHead)
	since, body, older := uint32(head>>32), uint32(head), w.m.load32(line, off+pairOlder)
	for range maxOlder {
		if since <= w.version {
			return body == 0 || w.body(body)
		}
		if older == 0 {
			return true // the pair is younger than the reader
		}
		l, o := older/(Line/olderSize), int(older%(Line/olderSize))*olderSize
		if !w.ok(l) {
			return false
		}
		since, body, older = w.m.u32(l, o), w.m.u32(l, o+4), w.m.u32(l, o+8)
	}
	return false
}

func (w *walk) body(ref uint32) bool {
	line := ref & lineMask
	if ref>>lineBits != kindFork {
		return w.tree(ref)
	}
	if !w.ok(line) {
		return false
	}
	for i := range min(w.m.u32(line, forkCount), maxForks) {
		if !w.tree(w.m.u32(line, forkChild+4*int(i))) {
			return false
		}
	}
	return true
}

// tree goes from a body down to one list.
func (w *walk) tree(ref uint32) bool {
	for range maxDepth + 1 {
		line := ref & lineMask
		switch {
		case ref == 0:
			return true
		case ref>>lineBits == kindLeaf:
			return w.list(line)
		case ref>>lineBits != kindNode || !w.ok(line):
			return false
		}
		value := uint16(w.key.Protocol)
		switch w.m.u32(line, nodeDim) {
		case dimDport:
			value = w.key.DestinationPort
		case dimSport:
			value = w.key.SourcePort
		}
		at := uint32(0)
		for level := range int(min(w.m.u32(line, nodeLevels), 3)) {
			starts := w.m.u32(line, nodeBase+4*level) + at
			if !w.ok(starts) {
				return false
			}
			at = min(at*32+w.m.search(starts, value), w.m.u32(line, nodeCount+4*level)-1)
		}
		child := w.m.u32(line, nodeChild) + at/16
		if !w.ok(child) {
			return false
		}
		ref = w.m.u32(child, int(at%16)*4)
	}
	return false
}

// search finds the last of a line's 32 sorted starts that is not above value; the first start of a node is 0.
func (m image) search(line uint32, value uint16) uint32 {
	at := uint32(0)
	for step := uint32(16); step != 0; step /= 2 {
		if m.u16(line, int(at+step)*2) <= value {
			at += step
		}
	}
	return at
}

func (w *walk) list(line uint32) bool {
	if !w.ok(line) {
		return false
	}
	count := min(w.m.u32(line, leafCount), maxLeaf)
	for i := range count {
		l, o := line+i/2, leafRecords+int(i&1)*recordSize
		if !w.ok(l) {
			return false
		}
		order := w.m.u64(l, o+recordOrder)
		if order >= w.best {
			return true
		}
		if w.matches(l, o) {
			w.best, w.verdict = order, w.m.u32(l, o+recordVerdict)
			return true
		}
	}
	return true
}

func (w *walk) matches(l uint32, o int) bool {
	k := &w.key
	if p := w.m.u16(l, o+recordProto); p != vfp.ProtocolAny && p != uint16(k.Protocol) {
		return false
	}
	flags := w.m.u16(l, o+recordFlags)
	return w.m.u16(l, o+recordSport) <= k.SourcePort && k.SourcePort <= w.m.u16(l, o+recordSport+2) &&
		w.m.u16(l, o+recordDport) <= k.DestinationPort && k.DestinationPort <= w.m.u16(l, o+recordDport+2) &&
		k.TCPFlags&uint8(flags) == uint8(flags>>8)
}

func pairSize(family int) int {
	if family == familyV6 {
		return Line
	}
	return Line / 2
}

func (m image) pairAddr(family int, line uint32, off, side int) addr128 {
	if family == familyV6 {
		return addr128{m.u64(line, off+pairAddrs+16*side), m.u64(line, off+pairAddrs+16*side+8)}
	}
	return addr128{hi: uint64(m.u32(line, off+pairAddrs+4*side)) << 32}
}
