package encap

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// FlowHash mixes an inner 5-tuple into 32 bits. The eBPF datapath computes the same function, so the model
// can predict outer headers byte for byte. It is not keyed: an attacker who can choose inner ports can choose
// outer ones, which costs only that attacker's own spreading. IPv6 addresses are folded to 32 bits by xor.
func FlowHash(src, dst netip.Addr, proto uint8, sport, dport uint16) uint32 {
	h := fold(src) * 0x9E3779B1
	h = bits.RotateLeft32(h, 15) ^ fold(dst)
	h *= 0x85EBCA6B
	h ^= h >> 13
	h = (h ^ (uint32(sport)<<16 | uint32(dport))) * 0xC2B2AE35
	h ^= h >> 16
	h = (h ^ uint32(proto)) * 0x27D4EB2F
	h ^= h >> 15
	return h
}

// fold returns the address as one big-endian word, v6 words xored together.
func fold(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return binary.BigEndian.Uint32(b[:])
	}
	b := a.As16()
	return binary.BigEndian.Uint32(b[0:]) ^ binary.BigEndian.Uint32(b[4:]) ^ binary.BigEndian.Uint32(b[8:]) ^ binary.BigEndian.Uint32(b[12:])
}

// VXLANSourcePort spreads a flow hash over 49152-65535, the range RFC 7348 section 5 recommends.
func VXLANSourcePort(h uint32) uint16 { return uint16(0xC000 | (h>>16^h)&0x3FFF) }

// NVGREFlowID is the low 8 bits of the NVGRE key (RFC 7637 section 3.2).
func NVGREFlowID(h uint32) uint8 { return uint8(h ^ h>>8 ^ h>>16 ^ h>>24) }
