package model

import (
	"math"
	"math/bits"

	"github.com/fairlead-net/fairlead/vfp"
)

const nanoseconds = 1_000_000_000 // in a second

// admit charges a packet to the bandwidth of the port in its direction; frame, if not nil, may get a congestion mark.
//
// It is virtual scheduling (the GCRA of ATM): tat is when a queue of the port's rate would be empty, in nanoseconds.
// What would wait longer than the burst takes is dropped; from half of that on congestion is shown to those who know.
func (pl *Pipeline) admit(h *hop, frame []byte) bool {
	limit := h.port.Bandwidth[h.dir]
	if limit.BitsPerSecond == 0 || pl.tracing {
		return true
	}
	burst := limit.Burst
	if burst == 0 {
		burst = vfp.DefaultBurst(limit.BitsPerSecond)
	}
	depth := duration(uint64(burst), limit.BitsPerSecond)
	now := uint64(max(h.now, 0))
	s := pl.states[h.port.ID]
	tat := max(s.tat[h.dir], now)
	if tat-now > depth {
		return false
	}
	tat += duration(uint64(h.bytes-ethLen), limit.BitsPerSecond)
	s.tat[h.dir] = tat
	if ecn := h.tos & 3; frame != nil && (ecn == 1 || ecn == 2) && tat-now > depth/2 {
		markCongestion(frame)
		h.tos |= 3
	}
	return true
}

// duration is how many nanoseconds a number of bytes takes, rounded down.
func duration(bytes, bitsPerSecond uint64) uint64 {
	hi, lo := bits.Mul64(bytes, 8*nanoseconds)
	if hi >= bitsPerSecond {
		return math.MaxUint64 / 4
	}
	n, _ := bits.Div64(hi, lo, bitsPerSecond)
	return min(n, math.MaxUint64/4)
}
