package classifier

import (
	"errors"
	"fmt"
	"slices"
)

// ErrFull says that an ACL needs more memory than it has; the error that wraps it names how much.
var ErrFull = errors.New("the memory of the ACL is full")

var errTooManyVersions = fmt.Errorf("%w: a pair of prefixes has %d versions that have not been released", ErrFull, maxOlder)

// extent is a run of lines.
type extent struct{ first, n uint32 }

// allocator hands out lines: freed ones of the same size first, then untouched ones, then parts of larger free ones.
type allocator struct {
	next, end uint32 // untouched lines
	small     [exactSizes][]uint32
	large     []extent
	used      uint32
}

const exactSizes = 64

func (a *allocator) alloc(n uint32) (uint32, error) {
	line, ok := a.take(n)
	if !ok {
		a.merge()
		line, ok = a.take(n)
	}
	if !ok {
		return 0, fmt.Errorf("%w: ACL needs %d lines, %d are there", ErrFull, uint64(a.used)+uint64(n)+1, a.end)
	}
	a.used += n
	return line, nil
}

func (a *allocator) take(n uint32) (uint32, bool) {
	if n < exactSizes {
		if list := a.small[n]; len(list) > 0 {
			a.small[n] = list[:len(list)-1]
			return list[len(list)-1], true
		}
	}
	if uint64(a.next)+uint64(n) <= uint64(a.end) {
		a.next += n
		return a.next - n, true
	}
	for i := range a.large { // best is not looked for: few and large
		if e := a.large[i]; e.n >= n {
			a.large = slices.Delete(a.large, i, i+1)
			a.put(extent{e.first + n, e.n - n})
			return e.first, true
		}
	}
	for size := n + 1; size < exactSizes; size++ {
		if list := a.small[size]; len(list) > 0 {
			a.small[size] = list[:len(list)-1]
			first := list[len(list)-1]
			a.put(extent{first + n, size - n})
			return first, true
		}
	}
	return 0, false
}

func (a *allocator) free(first, n uint32) {
	a.used -= n
	a.put(extent{first, n})
}

func (a *allocator) put(e extent) {
	switch {
	case e.n == 0:
	case e.n < exactSizes:
		a.small[e.n] = append(a.small[e.n], e.first)
	default:
		a.large = append(a.large, e)
	}
}

// merge joins free neighbours; it runs only when nothing large enough is free.
func (a *allocator) merge() {
	all := a.large
	a.large = nil
	for n := range a.small {
		for _, first := range a.small[n] {
			all = append(all, extent{first, uint32(n)})
		}
		a.small[n] = nil
	}
	slices.SortFunc(all, func(x, y extent) int { return int(x.first) - int(y.first) })
	var run extent
	for _, e := range all {
		if run.n > 0 && run.first+run.n == e.first {
			run.n += e.n
			continue
		}
		a.put(run)
		run = e
	}
	if run.n > 0 && run.first+run.n == a.next {
		a.next = run.first
		return
	}
	a.put(run)
}
