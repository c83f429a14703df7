package encap

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
)

// FuzzDecode: no input panics or is read beyond its end (b[:n:n]); an error is of exactly one kind and comes alone;
// what decodes is encodable, and decodes to the same again.
func FuzzDecode(f *testing.F) {
	for _, t := range types {
		for _, v6 := range []bool{false, true} {
			o := outerOf(t, v6)
			frame := mustAppend(f, o, innerOf(60))
			f.Add(frame)
			f.Add(frame[:len(frame)-1])
			f.Add(append(frame, 1, 2, 3))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:len(b):len(b)]
		before := bytes.Clone(b)
		o, inner, err := Decode(b)
		if !bytes.Equal(b, before) {
			t.Fatal("Decode wrote to the frame")
		}
		if err != nil {
			if errors.Is(err, ErrNotOverlay) == errors.Is(err, ErrMalformed) {
				t.Fatalf("%v is of no kind or of two", err)
			}
			if o != (Outer{}) || inner != nil {
				t.Fatalf("Decode returned %+v, %x beside %v", o, inner, err)
			}
			return
		}
		if len(inner) < ethernetLen || cap(inner) != len(inner) {
			t.Fatalf("inner has length %d and capacity %d", len(inner), cap(inner))
		}
		// The two values a packet may come with and does not leave with.
		if o.Type == VXLAN && o.SourcePort == 0 {
			o.SourcePort = 1
		}
		if o.TTL == 0 {
			o.TTL = DefaultTTL
		}
		wantRoundTrip(t, o, inner)
	})
}

// FuzzRoundTrip: whatever Append accepts comes back from Decode; whatever it refuses leaves no trace.
func FuzzRoundTrip(f *testing.F) {
	f.Add(uint8(1), uint32(5001), []byte{172, 16, 0, 1}, []byte{172, 16, 0, 2}, uint32(0xC18588E5), uint8(0), uint8(0), innerOf(60))
	f.Add(uint8(2), uint32(1<<24), pa6a.AsSlice(), pa6b.AsSlice(), uint32(0), uint8(0xFF), uint8(1), innerOf(14))
	f.Add(uint8(3), uint32(0), []byte{}, []byte{1}, uint32(0), uint8(0), uint8(0), []byte{})
	f.Fuzz(func(t *testing.T, typ uint8, vsid uint32, src, dst []byte, hash uint32, tos, ttl uint8, inner []byte) {
		o := Outer{Type: Type(typ), VSID: VSID(vsid), TOS: tos, TTL: ttl}
		o.Src, _ = netip.AddrFromSlice(src)
		o.Dst, _ = netip.AddrFromSlice(dst)
		o.Spread(hash)
		frame, err := Append(nil, &o, inner[:len(inner):len(inner)])
		if err != nil {
			if !errors.Is(err, ErrInvalid) || frame != nil {
				t.Fatalf("Append: %x, %v", frame, err)
			}
			return
		}
		if vsid > 1<<24-1 {
			t.Fatalf("VSID %d was encoded", vsid)
		}
		got, gotInner := mustDecode(t, frame[:len(frame):len(frame)])
		want := o
		if want.TTL == 0 {
			want.TTL = DefaultTTL
		}
		if o.Type == VXLAN {
			want.FlowID = 0
		} else {
			want.SourcePort = 0
		}
		if got != want || !bytes.Equal(gotInner, inner) {
			t.Fatalf("Decode(Append): %+v, %x; want %+v, %x", got, gotInner, want, inner)
		}
	})
}
