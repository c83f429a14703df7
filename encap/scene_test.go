package encap

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"
)

var (
	pa4a, pa4b = netip.MustParseAddr("172.16.0.1"), netip.MustParseAddr("172.16.0.2")
	pa6a, pa6b = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")

	types = []Type{VXLAN, NVGRE}
)

// outerOf is a plain Outer of the type and family, equal to what Decode makes of it.
func outerOf(t Type, v6 bool) Outer {
	o := Outer{
		Type: t, VSID: 5001, TOS: 0xB8, TTL: 63,
		SrcMAC: [6]byte{2, 0, 0, 0, 0, 1}, DstMAC: [6]byte{2, 0, 0, 0, 0, 2},
		Src: pa4a, Dst: pa4b,
	}
	if v6 {
		o.Src, o.Dst = pa6a, pa6b
	}
	if t == VXLAN {
		o.SourcePort = 50000
	} else {
		o.FlowID = 0x5A
	}
	return o
}

// innerOf is an Ethernet frame of n bytes, n >= 14, with an EtherType that means nothing.
func innerOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	binary.BigEndian.PutUint16(b[12:], 0x88B5) // local experimental
	return b
}

func mustAppend(t testing.TB, o Outer, inner []byte) []byte {
	t.Helper()
	frame, err := Append(nil, &o, inner)
	if err != nil {
		t.Fatalf("Append(%+v, %d bytes): %v", o, len(inner), err)
	}
	return frame
}

// mustDecode also checks what holds for every good packet: inner is the end of the frame's memory, capped.
func mustDecode(t testing.TB, frame []byte) (Outer, []byte) {
	t.Helper()
	o, inner, err := Decode(frame)
	if err != nil {
		t.Fatalf("Decode(%x): %v", frame, err)
	}
	if cap(inner) != len(inner) {
		t.Fatalf("inner has %d bytes of capacity behind its %d", cap(inner)-len(inner), len(inner))
	}
	if at := OuterLen(o.Type, o.Src.Is6()); &inner[0] != &frame[at] {
		t.Fatalf("inner is not the frame's bytes from %d on", at)
	}
	return o, inner
}

func wantRoundTrip(t testing.TB, o Outer, inner []byte) {
	t.Helper()
	got, gotInner := mustDecode(t, mustAppend(t, o, inner))
	if got != o {
		t.Fatalf("Decode(Append(o)) is\n%+v, o was\n%+v", got, o)
	}
	if !bytes.Equal(gotInner, inner) {
		t.Fatalf("inner frame changed: %x, was %x", gotInner, inner)
	}
}

// randomOuter draws from the whole range of every field, within what Append takes.
func randomOuter(r *rand.Rand) Outer {
	o := Outer{Type: types[r.IntN(2)], VSID: VSID(r.Uint32() >> 8), TOS: uint8(r.Uint32()), TTL: uint8(1 + r.IntN(255))}
	binary.BigEndian.PutUint32(o.SrcMAC[2:], r.Uint32())
	binary.BigEndian.PutUint32(o.DstMAC[2:], r.Uint32())
	if r.IntN(2) == 0 {
		o.Src, o.Dst = random4(r), random4(r)
	} else {
		o.Src, o.Dst = random6(r), random6(r)
	}
	if o.Type == VXLAN {
		o.SourcePort = uint16(1 + r.IntN(65535))
	} else {
		o.FlowID = uint8(r.Uint32())
	}
	return o
}

func random4(r *rand.Rand) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], r.Uint32())
	return netip.AddrFrom4(b)
}

func random6(r *rand.Rand) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], r.Uint64())
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	b[0] |= 0x20 // nothing IPv4-mapped
	return netip.AddrFrom16(b)
}

func randomInner(r *rand.Rand, most int) []byte {
	b := innerOf(ethernetLen + r.IntN(most-ethernetLen+1))
	for i := range b {
		if i != 12 && i != 13 {
			b[i] = byte(r.Uint32())
		}
	}
	return b
}

// lacks skips a test for want of a tool, except in CI, where the tool has to be there.
func lacks(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must not skip this: "+format, args...)
	}
	t.Skipf(format, args...)
}
