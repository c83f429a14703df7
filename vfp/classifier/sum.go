package classifier

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"github.com/fairlead-net/fairlead/vfp"
)

// Sum identifies the content of an ACL. It is the sum of its rules' hashes, so that a changed rule changes it at little
// cost. The rules are in the order of vfp.ACL.
func Sum(rules []vfp.Rule, defaults [2]vfp.Action) [16]byte {
	total := defaultSum(defaults, true)
	seq := uint32(0)
	for i := range rules {
		r := &rules[i]
		if i > 0 && r.ID == rules[i-1].ID && r.Priority == rules[i-1].Priority && r.Direction == rules[i-1].Direction {
			seq++
		} else {
			seq = 0
		}
		total = addSum(total, ruleSum(r, seq))
	}
	return sumBytes(total)
}

// SlotSum reads the content sum of a slot; it is zero when not known.
func SlotSum(mem []byte, slot int) [16]byte {
	m := imageOf(mem)
	if m.lines() == 0 {
		return [16]byte{}
	}
	return sumBytes([2]uint64{m.load64(0, headerSum+16*(slot&1)), m.load64(0, headerSum+16*(slot&1)+8)})
}

// setSum writes it, in two words: half of one and half of another is no sum of anything.
func (m image) setSum(slot int, sum [16]byte) {
	m.store64(0, headerSum+16*(slot&1), binary.LittleEndian.Uint64(sum[:]))
	m.store64(0, headerSum+16*(slot&1)+8, binary.LittleEndian.Uint64(sum[8:]))
}

func sumBytes(s [2]uint64) (out [16]byte) {
	binary.LittleEndian.PutUint64(out[:], s[0])
	binary.LittleEndian.PutUint64(out[8:], s[1])
	return out
}

func sumWords(b []byte) [2]uint64 {
	return [2]uint64{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

func defaultSum(defaults [2]vfp.Action, known bool) [2]uint64 {
	if !known {
		return [2]uint64{}
	}
	h := sha256.Sum256([]byte{'d', byte(defaults[0]), byte(defaults[1])})
	return sumWords(h[:])
}

// ruleSum hashes everything about a rule; seq is its place among those equal in direction, priority and ID.
func ruleSum(r *vfp.Rule, seq uint32) [2]uint64 {
	var room [256]byte
	b := append(room[:0], 'r', byte(r.Direction), byte(r.Action), r.TCPFlags.Mask, r.TCPFlags.Value, boolByte(r.Logging))
	b = binary.LittleEndian.AppendUint32(b, r.Priority)
	b = binary.LittleEndian.AppendUint32(b, seq)
	b = binary.LittleEndian.AppendUint16(b, r.Protocol)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.ID)))
	b = append(b, r.ID...)
	b = appendPrefixes(appendPrefixes(b, r.Sources), r.Destinations)
	for _, list := range [][]vfp.PortRange{r.SourcePorts, r.DestinationPorts} {
		b = appendLen(b, list == nil, len(list))
		for _, p := range list {
			b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, p.First), p.Last)
		}
	}
	b = appendLen(b, r.ICMP == nil, len(r.ICMP))
	for _, m := range r.ICMP {
		b = binary.LittleEndian.AppendUint16(append(b, m.Type), uint16(m.Code))
	}
	h := sha256.Sum256(b)
	return sumWords(h[:])
}

func appendLen(b []byte, isNil bool, n int) []byte {
	if isNil {
		return binary.LittleEndian.AppendUint32(b, ^uint32(0))
	}
	return binary.LittleEndian.AppendUint32(b, uint32(n))
}

func appendPrefixes(b []byte, list []netip.Prefix) []byte {
	b = appendLen(b, list == nil, len(list))
	for _, p := range list {
		if a := p.Addr(); a.Is4() {
			v := a.As4()
			b = append(append(b, 4), v[:]...)
		} else {
			v := a.As16()
			b = append(append(b, 6), v[:]...)
		}
		b = append(b, byte(p.Bits()), boolByte(p.IsValid()))
	}
	return b
}

func boolByte(v bool) byte {
	if v {
		return 1
	}
	return 0
}
