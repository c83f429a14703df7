package encap

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// The one's complement sum is the plain one modulo 65535, which needs no folding. Random packets almost never need the
// second fold: hence the first header.
func TestSumIPv4(t *testing.T) {
	check := func(t rapid.TB, h []byte) {
		var plain uint32
		for i := 0; i < ipv4Len; i += 2 {
			plain += uint32(binary.BigEndian.Uint16(h[i:]))
		}
		got := sumIPv4(h)
		if uint32(got)%0xFFFF != plain%0xFFFF || got == 0 && plain != 0 {
			t.Fatalf("sumIPv4(%x) = %#x, want %#x modulo 0xFFFF", h, got, plain%0xFFFF)
		}
	}
	check(t, append([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 1}, make([]byte, 14)...))
	check(t, bytes.Repeat([]byte{0xFF}, ipv4Len))
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.SliceOfN(rapid.Byte(), ipv4Len, ipv4Len).Draw(t, "header")) })
}
