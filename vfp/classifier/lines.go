package classifier

import (
	"math"
	"math/bits"

	"github.com/fairlead-net/fairlead/vfp"
)

// Lines is how many lines of memory to give an ACL: what its rules need, with room to grow and for two versions at a time,
// about twice of what Build takes. It is an estimate: Build and Change say when it was not enough (ErrFull).
func Lines(rules []vfp.Rule) int {
	list := make([]*vfp.Rule, 0, len(rules))
	entries := 0
	for i := range rules {
		r := &rules[i]
		records, err := compile(r)
		n, tooMany := countPairs(r)
		if err != nil || tooMany != nil || len(records) == 0 || r.Direction > vfp.Inbound {
			continue // Build says what is wrong
		}
		list = append(list, r)
		entries += (n[0] + n[1]) * len(records)
	}
	total, unique := 256, 0
	for i, d := range demandOf(list) {
		if d.pairs == 0 {
			continue
		}
		unique += d.pairs
		own, table, bloom := geometryLines(i%2, d.pairs, d.prefixes)
		total += int(own) + 2*int(table) + int(table)/8 + 2*int(bloom[0]+bloom[1])
	}
	// An index takes about a line per record, a short list less. Pairs that share a body count for it each.
	return total + 2*unique + entries*3/2
}

// demand is how many different pairs and prefixes some rules have of one direction and family, about.
type demand struct {
	pairs    int
	prefixes [2]int
}

// demandOf counts by direction*2 + family.
func demandOf(rules []*vfp.Rule) (out [4]demand) {
	var most [4]demand
	for _, r := range rules {
		n, _ := countPairs(r)
		for family := range 2 {
			d := &most[int(r.Direction)*2+family]
			d.pairs += n[family]
			d.prefixes[0] += len(r.Sources)
			d.prefixes[1] += len(r.Destinations)
		}
	}
	var pairs [4]sketch
	var prefixes [4][2]sketch
	for i, d := range most {
		pairs[i] = newSketch(d.pairs)
		prefixes[i] = [2]sketch{newSketch(d.prefixes[0]), newSketch(d.prefixes[1])}
	}
	for _, r := range rules {
		for family := range 2 {
			i := int(r.Direction)*2 + family
			both := sidesOf(r, family)
			for _, s := range both.src {
				prefixes[i][0].add(hashPrefix(s))
			}
			for _, p := range both.dst {
				h := hashPrefix(p)
				prefixes[i][1].add(h)
				for _, s := range both.src {
					pairs[i].add(scramble(h ^ hashPrefix(s)*mulC))
				}
			}
		}
	}
	for i := range out {
		if most[i].pairs > 0 {
			out[i] = demand{pairs[i].count(), [2]int{prefixes[i][0].count(), prefixes[i][1].count()}}
		}
	}
	return out
}

func hashPrefix(p prefix) uint64 {
	return scramble(p.addr.hi ^ scramble(p.addr.lo^uint64(p.bit)))
}

// sketch counts different values by how many bits they leave unset.
type sketch []uint64

func newSketch(most int) sketch { return make(sketch, max(powerOfTwo(min(2*most, MaxPairs))/64, 4)) }

func (s sketch) add(h uint64) {
	at := h & uint64(64*len(s)-1)
	s[at/64] |= 1 << (at % 64)
}

func (s sketch) count() int {
	unset := 1
	for _, w := range s {
		unset += bits.OnesCount64(^w)
	}
	all := float64(64 * len(s))
	return int(all*math.Log(all/float64(unset))) + 1
}
