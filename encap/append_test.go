package encap

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestAppendRefuses(t *testing.T) {
	mapped := netip.MustParseAddr("::ffff:172.16.0.1")
	tag := func(etherType uint16) []byte {
		b := innerOf(60)
		putEthernet(b, [6]byte{}, [6]byte{}, etherType)
		return b
	}
	ok := innerOf(60)
	for _, tc := range []struct {
		name  string
		t     Type
		v6    bool
		edit  func(*Outer)
		inner []byte
		want  error
	}{
		{"no type", VXLAN, false, func(o *Outer) { o.Type = 0 }, ok, errType},
		{"unknown type", VXLAN, false, func(o *Outer) { o.Type = 3 }, ok, errType},
		{"VSID of 25 bits", VXLAN, false, func(o *Outer) { o.VSID = 1 << 24 }, ok, errVSID},
		{"VSID of 25 bits", NVGRE, true, func(o *Outer) { o.VSID = 1<<24 + 5001 }, ok, errVSID},
		{"VSID of 32 bits", NVGRE, false, func(o *Outer) { o.VSID = math.MaxUint32 }, ok, errVSID},
		{"no source", VXLAN, false, func(o *Outer) { o.Src = netip.Addr{} }, ok, errAddresses},
		{"no destination", VXLAN, true, func(o *Outer) { o.Dst = netip.Addr{} }, ok, errAddresses},
		{"no addresses", VXLAN, true, func(o *Outer) { o.Src, o.Dst = netip.Addr{}, netip.Addr{} }, ok, errAddresses},
		{"4 to 6", NVGRE, false, func(o *Outer) { o.Dst = pa6b }, ok, errAddresses},
		{"6 to 4", NVGRE, true, func(o *Outer) { o.Dst = pa4b }, ok, errAddresses},
		{"mapped source", VXLAN, true, func(o *Outer) { o.Src = mapped }, ok, errAddresses},
		{"mapped both", VXLAN, false, func(o *Outer) { o.Src, o.Dst = mapped, mapped }, ok, errAddresses},
		{"no source port", VXLAN, false, func(o *Outer) { o.SourcePort = 0 }, ok, errSourcePort},
		{"no inner", VXLAN, false, nil, nil, errPutShort},
		{"inner of 13 bytes", NVGRE, false, nil, ok[:13], errPutShort},
		{"C-tag", NVGRE, false, nil, tag(0x8100), errPutTag},
		{"S-tag", VXLAN, false, nil, tag(0x88A8), errPutTag},
		{"long", VXLAN, false, nil, innerOf(65535 - 20 - 16 + 1), errPutLong},
		{"long", NVGRE, false, nil, innerOf(65535 - 20 - 8 + 1), errPutLong},
		{"long", VXLAN, true, nil, innerOf(65535 - 16 + 1), errPutLong},
		{"long", NVGRE, true, nil, innerOf(65535 - 8 + 1), errPutLong},
	} {
		t.Run(fmt.Sprintf("%v/%s", tc.t, tc.name), func(t *testing.T) {
			o := outerOf(tc.t, tc.v6)
			if tc.edit != nil {
				tc.edit(&o)
			}
			before := append(make([]byte, 0, 4), 1, 2, 3)
			got, err := Append(before, &o, tc.inner)
			if !errors.Is(err, tc.want) || !errors.Is(err, ErrInvalid) {
				t.Errorf("Append: %v, want %v", err, tc.want)
			}
			if !bytes.Equal(got, before) || cap(got) != cap(before) {
				t.Errorf("Append changed dst on an error: %x", got)
			}
			if errors.Is(tc.want, errPutTag) {
				return
			}
			room := make([]byte, 100)
			if n, err := PutHeaders(room, &o, len(tc.inner)); n != 0 || !errors.Is(err, tc.want) {
				t.Errorf("PutHeaders: %d, %v, want 0, %v", n, err, tc.want)
			}
			if !bytes.Equal(room, make([]byte, 100)) {
				t.Error("PutHeaders wrote on an error")
			}
		})
	}
}

func TestAppendLongest(t *testing.T) {
	for _, typ := range types {
		for _, v6 := range []bool{false, true} {
			n := 65535 - tunnelLen(typ)
			if !v6 {
				n -= ipv4Len
			}
			wantRoundTrip(t, outerOf(typ, v6), innerOf(n))
			wantRoundTrip(t, outerOf(typ, v6), innerOf(ethernetLen))
		}
	}
}

func TestAppendDefaults(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		o := outerOf(VXLAN, v6)
		o.TTL = 0
		got, _ := mustDecode(t, mustAppend(t, o, innerOf(60)))
		if got.TTL != DefaultTTL {
			t.Errorf("IPv6 %v: TTL 0 went out as %d, want %d", v6, got.TTL, DefaultTTL)
		}
	}
	frame := mustAppend(t, outerOf(VXLAN, false), innerOf(60))
	if got := frame[ethernetLen+4 : ethernetLen+8]; !bytes.Equal(got, []byte{0, 0, 0x40, 0}) {
		t.Errorf("identification, flags and offset are %x, want 00004000: ID 0, don't fragment", got)
	}
}

// What the other type's entropy says does not reach the wire.
func TestAppendOtherEntropy(t *testing.T) {
	for _, typ := range types {
		o := outerOf(typ, false)
		want := mustAppend(t, o, innerOf(60))
		if typ == VXLAN {
			o.FlowID = 0xFF
		} else {
			o.SourcePort = 0xFFFF
		}
		if got := mustAppend(t, o, innerOf(60)); !bytes.Equal(got, want) {
			t.Errorf("%v depends on the other type's entropy", typ)
		}
	}
}

// No VSID of 24 bits is special to the formats, the reserved ones are not either.
func TestVSIDEnds(t *testing.T) {
	for _, typ := range types {
		for _, v := range []VSID{0, 1, MinVSID - 1, MinVSID, MaxVSID, MaxVSID + 1} {
			o := outerOf(typ, false)
			o.VSID = v
			wantRoundTrip(t, o, innerOf(60))
		}
	}
}

// Append leaves what dst holds, uses dst's room, and grows when there is none: the frame is the same each way, and
// the same as PutHeaders' in front of the inner frame.
func TestAppendAndPutHeadersAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawOuter(t)
		inner := drawInner(t)
		want, err := Append(nil, &o, inner)
		if err != nil {
			t.Fatal(err)
		}
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "prefix")
		dst := append(make([]byte, 0, len(prefix)+rapid.IntRange(0, 2*len(want)).Draw(t, "room")), prefix...)
		for i, spare := 0, dst[len(dst):cap(dst)]; i < len(spare); i++ {
			spare[i] = 0xEE // dirt that must not show through
		}
		got, err := Append(dst, &o, inner)
		if err != nil || !bytes.Equal(got[:len(prefix)], prefix) || !bytes.Equal(got[len(prefix):], want) {
			t.Fatalf("Append(%x, ...) = %x, %v; want the prefix and %x", prefix, got, err, want)
		}

		n := OuterLen(o.Type, o.Src.Is6())
		if len(want) != n+len(inner) {
			t.Fatalf("%d bytes in front of the inner frame, OuterLen says %d", len(want)-len(inner), n)
		}
		b := bytes.Repeat([]byte{0xEE}, n+len(inner))
		copy(b[n:], inner)
		if put, err := PutHeaders(b, &o, len(inner)); put != n || err != nil || !bytes.Equal(b, want) {
			t.Fatalf("PutHeaders: %d, %v, %x; want %d, nil, %x", put, err, b, n, want)
		}
		if put, err := PutHeaders(b[:n-1:n-1], &o, len(inner)); put != 0 || !errors.Is(err, errBufferLength) {
			t.Fatalf("PutHeaders to %d of %d bytes: %d, %v", n-1, n, put, err)
		}
	})
}

func drawOuter(t *rapid.T) Outer {
	o := Outer{
		Type: rapid.SampledFrom(types).Draw(t, "type"),
		VSID: VSID(rapid.Uint32Range(0, 1<<24-1).Draw(t, "vsid")),
		TOS:  rapid.Byte().Draw(t, "tos"),
		TTL:  rapid.ByteMin(1).Draw(t, "ttl"),
	}
	n := 4
	if rapid.Bool().Draw(t, "v6") {
		n = 16
	}
	address := rapid.Custom(func(t *rapid.T) netip.Addr {
		a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "bytes"))
		return a
	}).Filter(func(a netip.Addr) bool { return !a.Is4In6() })
	mac := rapid.SliceOfN(rapid.Byte(), 6, 6)
	o.Src, o.Dst = address.Draw(t, "src"), address.Draw(t, "dst")
	o.SrcMAC, o.DstMAC = [6]byte(mac.Draw(t, "smac")), [6]byte(mac.Draw(t, "dmac"))
	if o.Type == VXLAN {
		o.SourcePort = rapid.Uint16Min(1).Draw(t, "sport")
	} else {
		o.FlowID = rapid.Byte().Draw(t, "flowid")
	}
	return o
}

func drawInner(t *rapid.T) []byte {
	return rapid.SliceOfN(rapid.Byte(), ethernetLen, 200).Filter(func(b []byte) bool { return !tagged(b) }).Draw(t, "inner")
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, inner := drawOuter(t), drawInner(t)
		frame, err := Append(nil, &o, inner)
		if err != nil {
			t.Fatal(err)
		}
		padded := append(bytes.Clone(frame), rapid.SliceOfN(rapid.Byte(), 0, 46).Draw(t, "padding")...)
		got, gotInner, err := Decode(padded)
		if err != nil || got != o || !bytes.Equal(gotInner, inner) {
			t.Fatalf("Decode: %+v, %x, %v; want %+v, %x", got, gotInner, err, o, inner)
		}
	})
}
