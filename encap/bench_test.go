package encap

import (
	"fmt"
	"testing"
)

// each runs f with an Outer of every type and family, and an inner frame of a full 1450 byte MTU.
func each(f func(name string, o Outer, inner []byte)) {
	for _, t := range types {
		for _, v6 := range []bool{false, true} {
			family := 4
			if v6 {
				family = 6
			}
			f(fmt.Sprintf("%v%d", t, family), outerOf(t, v6), innerOf(ethernetLen+1450))
		}
	}
}

func TestNoAllocations(t *testing.T) {
	each(func(name string, o Outer, inner []byte) {
		frame := mustAppend(t, o, inner)
		buf := make([]byte, 0, len(frame))
		wrong := o
		wrong.VSID = 1 << 24
		for what, f := range map[string]func() error{
			"Append":              func() error { _, err := Append(buf, &o, inner); return err },
			"PutHeaders":          func() error { _, err := PutHeaders(buf[:cap(buf)], &o, len(inner)); return err },
			"Decode":              func() error { _, _, err := Decode(frame); return err },
			"refusing Append":     func() error { _, err := Append(buf, &wrong, inner); return wantError(err) },
			"Decode of malformed": func() error { _, _, err := Decode(frame[:len(frame)-1]); return wantError(err) },
			"Decode of another's": func() error { _, _, err := Decode(frame[:20]); return wantError(err) },
		} {
			var err error
			if n := testing.AllocsPerRun(100, func() { err = f() }); n != 0 {
				t.Errorf("%s, %s: %v allocations, want 0", name, what, n)
			}
			if err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	})
}

func wantError(err error) error {
	if err == nil {
		return fmt.Errorf("want an error")
	}
	return nil
}

func BenchmarkAppend(b *testing.B) {
	each(func(name string, o Outer, inner []byte) {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 2048)
			b.SetBytes(int64(len(inner)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Append(buf, &o, inner); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

func BenchmarkPutHeaders(b *testing.B) {
	each(func(name string, o Outer, inner []byte) {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 128)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := PutHeaders(buf, &o, len(inner)); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

func BenchmarkDecode(b *testing.B) {
	each(func(name string, o Outer, inner []byte) {
		frame := mustAppend(b, o, inner)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(inner)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Decode(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

func BenchmarkFlowHash(b *testing.B) {
	for b.Loop() {
		FlowHash(pa4a, pa4b, 6, 40000, 443)
	}
}
