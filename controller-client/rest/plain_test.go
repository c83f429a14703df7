package rest

import (
	"testing"

	"pgregory.net/rapid"
)

func TestPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{'"', '\\', 0x1f, 0x20, 0x80, 0x9f, 0xa2, 0xff, 'a'})), 0, 40).Draw(t, "b")
		want := 0
		for want < len(b) && b[want] != '"' && b[want] != '\\' && b[want] >= 0x20 {
			want++
		}
		if got := plain(b); got != want {
			t.Fatalf("plain(%q) = %d, want %d", b, got, want)
		}
	})
}
