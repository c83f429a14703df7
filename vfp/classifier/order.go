package classifier

import (
	"cmp"
	"slices"

	"github.com/fairlead-net/fairlead/vfp"
)

// class is the rules of one direction and priority. Their order is priority<<32 | rank, and ranks leave gaps, so that a
// rule can come between two others without touching them.
type class struct {
	dir      vfp.Direction
	priority uint32
}

const (
	rankStep = 1 << 14
	rankEnd  = 1 << 32
)

func classOf(r *rule) class { return class{r.Direction, r.Priority} }

func compareTie(a, b *rule) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.seq, b.seq))
}

func (r *rule) setRank(rank uint64) {
	r.rank = uint32(rank)
	r.order = uint64(r.Priority)<<32 | rank
}

// spread gives a run of rules even ranks between two others; both ends are exclusive.
func spread(list []*rule, below, above int64) {
	n := int64(len(list))
	step := min((above-below)/(n+1), rankStep)
	first := below + step
	if below < 0 && above == rankEnd {
		first = rankEnd/2 - step*(n/2)
	} else if below < 0 {
		first = above - step*n
	}
	for i, r := range list {
		r.setRank(uint64(first + int64(i)*step))
	}
}

func bounds(list []*rule, from, to int) (below, above int64) {
	below, above = -1, rankEnd
	if from > 0 {
		below = int64(list[from-1].rank)
	}
	if to < len(list) {
		above = int64(list[to].rank)
	}
	return below, above
}

// rank gives the rule at i, just inserted, its rank. When there is no gap it spreads the smallest sparse enough run around
// it; moved makes a copy of a rule whose rank is to change.
func rank(list []*rule, i int, moved func(*rule) *rule) {
	for width := 0; ; width = 2*width + 1 {
		from, to := max(i-width, 0), min(i+1+width, len(list))
		below, above := bounds(list, from, to)
		room, n := above-below, int64(to-from)
		if width == 0 && room >= 2 || room > 16*(n+1) || n == int64(len(list)) {
			for j := from; j < to; j++ {
				if j != i {
					list[j] = moved(list[j])
				}
			}
			spread(list[from:to], below, above)
			return
		}
	}
}

// insert puts a rule into its place by ID.
func insert(list []*rule, r *rule, moved func(*rule) *rule) []*rule {
	i, _ := slices.BinarySearchFunc(list, r, compareTie)
	list = slices.Insert(list, i, r)
	rank(list, i, moved)
	return list
}

func drop(list []*rule, r *rule) []*rule {
	if i, ok := slices.BinarySearchFunc(list, r, compareTie); ok {
		return slices.Delete(list, i, i+1)
	}
	return list
}
