package classifier

import "net/netip"

// addr128 is an address with its first bit on top. An IPv4 address fills the upper half of hi, so that one set of
// functions serves both families.
type addr128 struct{ hi, lo uint64 }

func toAddr(a netip.Addr) addr128 {
	if a.Is4() {
		b := a.As4()
		return addr128{hi: uint64(b[0])<<56 | uint64(b[1])<<48 | uint64(b[2])<<40 | uint64(b[3])<<32}
	}
	b := a.As16()
	var v addr128
	for i := range 8 {
		v.hi = v.hi<<8 | uint64(b[i])
		v.lo = v.lo<<8 | uint64(b[i+8])
	}
	return v
}

func (a addr128) masked(length uint32) addr128 {
	switch {
	case length == 0:
		return addr128{}
	case length <= 64:
		return addr128{hi: a.hi & (^uint64(0) << (64 - length))}
	}
	return addr128{hi: a.hi, lo: a.lo & (^uint64(0) << (128 - length))}
}

// Lengths are numbered from the longest, which is tried first, in bands of four: bit 0 is 32 or 128. Length 0 is the bit
// behind IPv4's 1, or in place of IPv6's 1, so that 128 bits are enough: an IPv6 prefix of one bit is kept as its halves.
const (
	lengthBits  = 128
	unusedLen   = 1 // of IPv6
	familyV4    = 0
	familyV6    = 1
	sideSource  = 0
	sideDest    = 1
	rowsPerLine = 8 // u64 words of the geometry's pair rows in a line
)

var (
	zeroBit = [2]uint32{32, 127}
	longest = [2]uint32{32, 128}
)

func lengthOf(family int, bit uint32) uint32 {
	if bit == zeroBit[family] {
		return 0
	}
	return longest[family] - bit
}

func bitOf(family int, length uint32) uint32 {
	if length == 0 {
		return zeroBit[family]
	}
	return longest[family] - length
}

const (
	mulA = 0x9e3779b97f4a7c15
	mulB = 0xbf58476d1ce4e5b9
	mulC = 0x94d049bb133111eb
	mulD = 0xd6e8feb86659fd93
)

// hashBand hashes the bits of a in front of a band of four lengths: 4*band+1 to 4*band+4. They share a line of the
// Bloom filter.
func hashBand(a addr128, band uint32) uint64 {
	b := a.masked(4 * band)
	x := (b.hi ^ uint64(band)) * mulA
	x ^= x >> 32
	x = (x + b.lo) * mulB
	return x ^ x>>29
}

// bloomBits are the word of the line and its bits for the prefix of a of this length, which is not 0.
func bloomBits(h uint64, a addr128, length uint32) (word uint32, bits uint64) {
	var v uint64
	if length <= 64 {
		v = a.hi >> (64 - length)
	} else {
		v = a.lo >> (128 - length)
	}
	n := (length-1)&3 + 1
	local := uint64(1)<<n | v&(1<<n-1)
	g := (h ^ local*mulC) * mulD
	return uint32(g >> 61), 1<<(g>>55&63) | 1<<(g>>49&63)
}

// hashPair hashes a pair of masked prefixes; lens is the pair's word of that name.
func hashPair(family int, s, d addr128, lens, seed uint32) uint64 {
	x := (s.hi ^ uint64(lens) ^ uint64(seed)<<24) * mulA
	x ^= x >> 32
	x = (x + (d.hi ^ d.hi>>32)) * mulB // an IPv4 address has nothing below
	x ^= x >> 32
	if family == familyV6 {
		x = (x + s.lo) * mulC
		x ^= x >> 32
		x = (x + d.lo) * mulD
		x ^= x >> 32
	}
	return x
}

// hashPartners hashes a source prefix. Two words of the line it chooses hold, for this prefix and others, the lengths of
// the destination prefixes it is paired with: what is in both may be.
func hashPartners(s addr128, sbit, seed uint32) uint64 {
	x := (s.hi ^ uint64(sbit)<<8 ^ uint64(seed)<<24) * mulA
	x ^= x >> 32
	x = (x + s.lo) * mulB
	return x ^ x>>29
}

// partnerWords are the offsets of the two masks in the line.
func partnerWords(family int, h uint64) (a, b int) {
	if family == familyV6 {
		return int(h>>62) * 16, int(h>>60&3) * 16
	}
	return int(h>>61) * 8, int(h>>58&7) * 8
}

func pairWord(sbit, dbit uint32) uint32 { return usedPair | sbit<<8 | dbit<<16 }
