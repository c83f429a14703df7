package nctest

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestReadersInTheMiddle reads a collection page by page while it changes at random: what was there
// all the time is read exactly once, and nothing is read twice.
func TestReadersInTheMiddle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, err := Open(Options{PageSize: rapid.IntRange(1, 4).Draw(rt, "page size")})
		must(t, err)
		ids := rapid.SliceOfNDistinct(rapid.IntRange(0, 30), 0, 15, rapid.ID[int]).Draw(rt, "ids")
		stays := map[string]bool{}
		for _, i := range ids {
			ref := fmt.Sprintf("/servers/%02d", i)
			must(t, c.do(ref, ServerBody{}))
			stays[ref] = true
		}
		var read []string
		k := c.collections["servers"]
		for after, first := "", true; first || after != ""; first = false {
			p := k.page(after, c.opts.PageSize)
			for _, r := range k.sorted[p.from:p.to] {
				read = append(read, r.key)
			}
			after = p.next
			for range rapid.IntRange(0, 3).Draw(rt, "changes") {
				ref := fmt.Sprintf("/servers/%02d", rapid.IntRange(0, 30).Draw(rt, "id"))
				if c.lookup(ref) == nil {
					must(t, c.do(ref, ServerBody{}))
				} else {
					delete(stays, ref)
					must(t, c.do(ref, nil))
				}
			}
		}
		if !slices.IsSorted(read) || len(slices.Compact(slices.Clone(read))) != len(read) {
			rt.Fatalf("read %v", read)
		}
		for ref := range stays {
			if !slices.Contains(read, ref) {
				rt.Fatalf("%s was skipped: %v", ref, read)
			}
		}
	})
}
