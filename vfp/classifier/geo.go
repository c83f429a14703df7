package classifier

import (
	"math"
	"math/bits"
)

// geometry is one direction and family of an ACL: the prefixes and pairs there are. Adding to it is harmless for
// readers of any version, so it is done in place; when it must grow, a copy takes its place in the next version.
type geometry struct {
	family    int
	line      uint32
	bloom     [2]uint32
	bloomMask [2]uint32
	prefixes  [2]int // put into the filters, about
	table     uint32
	partners  uint32
	tableMask uint32
	seed      uint32
	taken     int // slots that hold a key, of a pair or a former one
	slots     []slot
	pairs     map[uint32]int     // slots that are not free, by their word of lengths
	lengths   [2][lengthBits]int // and by the length of either side
	born      uint32             // version
}

// slot is what is known of a place in the pair table beside what the memory says.
type slot struct {
	body  *body
	op    int32 // number of the staged operation, less 1
	depth uint16
	free  bool // no reader can see a body here: another key may take it
}

func (g *geometry) perLine() uint32 { return uint32(Line / pairSize(g.family)) }

func (g *geometry) at(slot uint32) (line uint32, off int) {
	n := g.perLine()
	return g.table + slot/n, int(slot%n) * pairSize(g.family)
}

func (g *geometry) key(m image, slot uint32) pairKey {
	line, off := g.at(slot)
	word := m.u32(line, off+pairLens)
	return pairKey{
		prefix{m.pairAddr(g.family, line, off, sideSource), word >> 8 & 0xff},
		prefix{m.pairAddr(g.family, line, off, sideDest), word >> 16 & 0xff},
	}
}

// find returns the slot of a key, or where it could go; neither: the table must grow.
func (g *geometry) find(m image, k pairKey) (slot uint32, found, room bool) {
	lens := pairWord(k.src.bit, k.dst.bit)
	h := uint32(hashPair(g.family, k.src.addr, k.dst.addr, lens, g.seed))
	n := g.perLine()
	for i := range uint32(maxProbe) {
		first := (h + i) & g.tableMask * n
		for s := first; s < first+n; s++ {
			line, off := g.at(s)
			word := m.u32(line, off+pairLens)
			switch {
			case word == 0:
				if !room {
					slot = s
				}
				return slot, false, true
			case word == lens && m.pairAddr(g.family, line, off, sideSource) == k.src.addr && m.pairAddr(g.family, line, off, sideDest) == k.dst.addr:
				return s, true, true
			case g.slots[s].free && !room:
				slot, room = s, true
			}
		}
	}
	return slot, false, room
}

// claim writes a key into a slot. It leads nowhere yet.
func (g *geometry) claim(m image, s uint32, k pairKey) {
	line, off := g.at(s)
	if m.u32(line, off+pairLens) == 0 {
		g.taken++
	}
	g.slots[s].free = false
	m.set32(line, off+pairOlder, 0)
	m.set64(line, off+pairFloor, math.MaxUint64)
	for side, p := range [2]prefix{k.src, k.dst} {
		if g.family == familyV6 {
			m.set64(line, off+pairAddrs+16*side, p.addr.hi)
			m.set64(line, off+pairAddrs+16*side+8, p.addr.lo)
		} else {
			m.set32(line, off+pairAddrs+4*side, uint32(p.addr.hi>>32))
		}
	}
	m.store32(line, off+pairLens, pairWord(k.src.bit, k.dst.bit))
	g.announce(m, k)
}

// announce tells the filters and length sets of a pair.
func (g *geometry) announce(m image, k pairKey) {
	g.pairs[pairWord(k.src.bit, k.dst.bit)]++
	for side, p := range [2]prefix{k.src, k.dst} {
		g.lengths[side][p.bit]++
		setBit(m, g.line, geoLens+16*side+8*int(p.bit/64), p.bit%64)
		if p.bit == zeroBit[g.family] {
			continue
		}
		length := lengthOf(g.family, p.bit)
		h := hashBand(p.addr, (length-1)/4)
		line := g.bloom[side] + uint32(h)&g.bloomMask[side]
		word, want := bloomBits(h, p.addr, length)
		if old := m.u64(line, int(word)*8); old&want != want {
			m.store64(line, int(word)*8, old|want)
			g.prefixes[side]++
		}
	}
	line, off, bit := g.row(k)
	setBit(m, line, off, bit)
	h := hashPartners(k.src.addr, k.src.bit, g.seed)
	partners := g.partners + uint32(h)&(g.tableMask>>3)
	a, b := partnerWords(g.family, h)
	setBit(m, partners, a+int(k.dst.bit/64)*8, k.dst.bit%64)
	setBit(m, partners, b+int(k.dst.bit/64)*8, k.dst.bit%64)
}

// forget undoes announce, but for the filters.
func (g *geometry) forget(m image, k pairKey) {
	word := pairWord(k.src.bit, k.dst.bit)
	if g.pairs[word]--; g.pairs[word] == 0 {
		line, off, bit := g.row(k)
		clearBit(m, line, off, bit)
	}
	for side, p := range [2]prefix{k.src, k.dst} {
		if g.lengths[side][p.bit]--; g.lengths[side][p.bit] == 0 {
			clearBit(m, g.line, geoLens+16*side+8*int(p.bit/64), p.bit%64)
		}
	}
}

// row is where the pair's lengths are marked.
func (g *geometry) row(k pairKey) (line uint32, off int, bit uint32) {
	at := k.src.bit<<g.family + k.dst.bit/64
	return g.line + 1 + at/rowsPerLine, int(at%rowsPerLine) * 8, k.dst.bit % 64
}

func setBit(m image, line uint32, off int, bit uint32) {
	if old := m.u64(line, off); old>>bit&1 == 0 {
		m.store64(line, off, old|1<<bit)
	}
}

func clearBit(m image, line uint32, off int, bit uint32) {
	m.store64(line, off, m.u64(line, off)&^(1<<bit))
}

// prefixesPerLine of a Bloom filter: 16 bits each.
const prefixesPerLine = 32

func (g *geometry) crowded() bool {
	return g.taken > len(g.slots)*5/8 || g.prefixes[0] > prefixesPerLine*int(g.bloomMask[0]+1) || g.prefixes[1] > prefixesPerLine*int(g.bloomMask[1]+1)
}

// geometryLines is the room of a geometry with its filters and its table.
func geometryLines(family, pairs int, prefixes [2]int) (own, table uint32, bloom [2]uint32) {
	own = 1 + (33+rowsPerLine-1)/rowsPerLine
	perLine := 2
	if family == familyV6 {
		own, perLine = 1+2*lengthBits/rowsPerLine, 1
	}
	table = powerOfTwo(pairs * 2 / perLine)
	for side, n := range prefixes {
		bloom[side] = powerOfTwo(n / prefixesPerLine)
	}
	return own, table, bloom
}

// powerOfTwo is the smallest that is more than n.
func powerOfTwo(n int) uint32 { return 1 << bits.Len(uint(max(n, 0))) }

// newGeometry makes an empty one with room for so many pairs and prefixes.
func (s *stage) newGeometry(family, pairs int, prefixes [2]int, seed uint32) (*geometry, error) {
	own, table, bloom := geometryLines(family, pairs, prefixes)
	g := &geometry{family: family, seed: seed, pairs: map[uint32]int{}, born: s.t.version + 1}
	var err error
	for _, part := range []struct {
		line *uint32
		n    uint32
	}{{&g.line, own}, {&g.table, table}, {&g.partners, (table-1)>>3 + 1}, {&g.bloom[0], bloom[0]}, {&g.bloom[1], bloom[1]}} {
		if *part.line, err = s.alloc(part.n); err != nil {
			return nil, err
		}
	}
	g.tableMask, g.bloomMask = table-1, [2]uint32{bloom[0] - 1, bloom[1] - 1}
	g.slots = make([]slot, table*g.perLine())
	m := s.t.m
	for side := range 2 {
		m.set32(g.line, geoBloom+4*side, g.bloom[side])
		m.set32(g.line, geoBloomMask+4*side, g.bloomMask[side])
	}
	m.set32(g.line, geoTable, g.table)
	m.set32(g.line, geoTableMask, g.tableMask)
	m.set32(g.line, geoSeed, g.seed)
	m.set32(g.line, geoPartners, g.partners)
	return g, nil
}

func (g *geometry) extents() []extent {
	own, _, _ := geometryLines(g.family, 0, [2]int{})
	return []extent{{g.line, own}, {g.table, g.tableMask + 1}, {g.partners, g.tableMask>>3 + 1}, {g.bloom[0], g.bloomMask[0] + 1}, {g.bloom[1], g.bloomMask[1] + 1}}
}

// grow makes a copy of a geometry without what has left, and with room for more pairs.
func (s *stage) grow(i int) error {
	old := s.geo[i]
	staged := 0
	for k := range old.slots {
		if old.slots[k].body != nil || old.slots[k].op > 0 {
			staged++
		}
	}
	pairs := staged + staged/4 + 8
	for seed := old.seed + 1; ; seed, pairs = seed+1, 2*pairs {
		g, err := s.newGeometry(old.family, pairs, [2]int{2 * old.prefixes[0], 2 * old.prefixes[1]}, seed)
		if err != nil {
			return err
		}
		if !s.move(old, g) {
			s.discard(g)
			continue
		}
		if old.born == s.t.version+1 {
			s.discard(old)
		}
		s.geo[i] = g
		return nil
	}
}

// move copies every pair; false when some key finds no place.
func (s *stage) move(from, to *geometry) bool {
	m := s.t.m
	places := make([]uint32, 0, len(from.slots)/2)
	for i := range from.slots {
		old := &from.slots[i]
		if old.body == nil && old.op == 0 {
			continue
		}
		k := from.key(m, uint32(i))
		at, _, room := to.find(m, k)
		if !room {
			return false
		}
		to.claim(m, at, k)
		to.slots[at] = slot{body: old.body, op: old.op}
		if b := old.body; b != nil {
			line, off := to.at(at)
			m.set64(line, off+pairHead, uint64(b.ref))
			m.set64(line, off+pairFloor, b.low())
		}
		if old.op > 0 {
			places = append(places, uint32(old.op-1), at)
		}
	}
	for i := 0; i < len(places); i += 2 {
		s.ops[places[i]].slot = places[i+1]
	}
	return true
}
