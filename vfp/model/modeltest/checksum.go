package modeltest

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// Sum is the one's complement sum of big endian words (RFC 1071); 0xffff over what holds its own right checksum.
func Sum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(b); i++ {
		sum += uint32(b[i]) << (8 * uint(1-i&1))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// l4Sum adds the pseudo header where the protocol has one.
func l4Sum(src, dst netip.Addr, proto uint8, l4 []byte) uint16 {
	if src.Is4() && proto == vfp.ProtocolICMP {
		return Sum(l4)
	}
	pseudo := append(src.AsSlice(), dst.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(l4)))
	pseudo = append(pseudo, 0, 0, 0, proto)
	if len(l4)%2 == 1 {
		l4 = append(append([]byte(nil), l4...), 0)
	}
	return Sum(append(pseudo, l4...))
}

// CheckSums says which checksum of a frame's IP packet is wrong. What Parse doesn't read (fragments, extension headers) has
// only its IPv4 header checked.
func CheckSums(frame []byte) error {
	if len(frame) >= 34 && binary.BigEndian.Uint16(frame[12:]) == 0x0800 {
		if header := int(frame[14]&15) * 4; header >= 20 && 14+header <= len(frame) && Sum(frame[14:14+header]) != 0xffff {
			return fmt.Errorf("IPv4 header checksum: %x", frame[14:14+header])
		}
	}
	p, ok := Parse(frame)
	if !ok {
		return nil
	}
	l4 := frame[34+len(p.Options):]
	end := int(binary.BigEndian.Uint16(frame[16:])) - 20 - len(p.Options)
	if p.Src.Is6() {
		l4, end = frame[54:], int(binary.BigEndian.Uint16(frame[18:]))
	}
	l4 = l4[:end]
	switch {
	case p.Proto == vfp.ProtocolUDP:
		if n := int(binary.BigEndian.Uint16(l4[4:])); n != len(l4) || l4[6]|l4[7] == 0 && (p.Src.Is4() || p.DstPort == encap.VXLANPort) {
			return nil
		}
	case p.Proto != vfp.ProtocolTCP && !p.IsICMP():
		return nil
	}
	if l4Sum(p.Src, p.Dst, p.Proto, l4) != 0xffff {
		return fmt.Errorf("checksum of protocol %d: %x", p.Proto, l4)
	}
	return nil
}
