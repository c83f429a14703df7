package modeltest

import (
	"time"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// World is a host among others, and what its endpoints and neighbours do.
type World struct {
	encap     encap.Type
	v6        bool // the underlay
	endpoints []endpoint
	peerOf    int // the tenant that the last one is peered with; -1: none
	policy    *vfp.Policy
	now       time.Duration
	last      Step
	// seen are frames as they went in, out the frames that came out of it: both can come again, be answered or complained of.
	seen []Step
	out  []output
	// pieces are later fragments of datagrams whose first has been sent.
	pieces []Step
}

// output is a frame that left the vSwitch: to a port, to a host (encapsulated), or outside (translated).
type output struct {
	verdict vfp.Verdict
	port    string
	frame   []byte
}

// Kind of a step.
type Kind uint8

// Kinds of steps.
const (
	FromPort     Kind = 1 // the endpoint at Port sends Frame
	FromUnderlay Kind = 2 // the underlay NIC receives Frame
	NewPolicy    Kind = 3 // Policy comes into force
	Advance      Kind = 4 // Advance passes
	Sweep        Kind = 5 // dead flows are removed
)

func (k Kind) String() string {
	return [...]string{"", "from port", "from underlay", "new policy", "advance", "sweep"}[k]
}

// Step is one thing that happens.
type Step struct {
	Kind  Kind
	Port  string
	Frame []byte // at least 34 bytes, what the kernel's test run demands
	// Policy of a NewPolicy; Moved when endpoints and ports were placed anew, otherwise just the ACLs, or the routes, are others.
	Policy  *vfp.Policy
	Moved   bool
	Advance time.Duration
}

// datagrams makes the IDs of fragments new with each placement of ports and in each case: a port that comes back may have
// lost its fragments, or not yet.
var datagrams uint32

// Draw draws a world.
func Draw(rt *rapid.T) *World {
	datagrams++
	w := &World{encap: rapid.SampledFrom([]encap.Type{encap.VXLAN, encap.NVGRE}).Draw(rt, "encap"),
		v6: one(rt, 3, "underlay v6"), endpoints: drawEndpoints(), now: time.Hour}
	w.policy = w.draw(rt)
	return w
}

// Policy in force.
func (w *World) Policy() *vfp.Policy { return w.policy }

// Now is the flow table's clock.
func (w *World) Now() time.Duration { return w.now }

// Next draws the next step. The world goes on from it at once: Policy and Now are those after it.
func (w *World) Next(rt *rapid.T) Step {
	w.last = w.next(rt)
	return w.last
}

func (w *World) next(rt *rapid.T) Step {
	switch rapid.IntRange(0, 59).Draw(rt, "step") { // small numbers come most often
	case 59:
		w.policy = w.draw(rt)
		datagrams++
		w.pieces = nil
		w.now++ // no flow of a port that comes back is as old as one of its earlier life
		return Step{Kind: NewPolicy, Policy: w.policy, Moved: true}
	case 56, 57, 58:
		w.policy = w.change(rt)
		return Step{Kind: NewPolicy, Policy: w.policy}
	case 50, 51, 52, 53, 54:
		d := rapid.SampledFrom([]time.Duration{time.Nanosecond, 50 * time.Microsecond, time.Millisecond, 100 * time.Millisecond,
			time.Second, 9 * time.Second, 11 * time.Second, 31 * time.Second, 61 * time.Second, 181 * time.Second, 2 * time.Hour}).Draw(rt, "time")
		w.now += d
		return Step{Kind: Advance, Advance: d}
	case 55:
		return Step{Kind: Sweep}
	}
	s, fresh := w.packet(rt)
	if fresh {
		w.seen = append(w.seen, s)
	}
	return s
}

// Result tells what came of the last step, so that somebody can react to it.
func (w *World) Result(t vfp.Trace) {
	if w.last.Kind != FromPort && w.last.Kind != FromUnderlay {
		return
	}
	switch t.Verdict {
	case vfp.Deliver, vfp.Encapsulate, vfp.Translate:
		w.out = append(w.out, output{t.Verdict, t.Port, t.Frame})
	}
	for _, c := range t.Copies {
		if c.Port != "" {
			w.out = append(w.out, output{vfp.Deliver, c.Port, c.Frame})
		}
	}
}

// packet draws a new packet, or one that follows from an earlier.
func (w *World) packet(rt *rapid.T) (s Step, fresh bool) {
	if len(w.pieces) > 0 && one(rt, 2, "piece") {
		n := rapid.IntRange(0, len(w.pieces)-1).Draw(rt, "which")
		s = w.pieces[n]
		w.pieces = append(w.pieces[:n], w.pieces[n+1:]...)
		return s, false
	}
	if len(w.out) > 0 {
		switch rapid.IntRange(0, 9).Draw(rt, "reaction") {
		case 0, 2, 4, 6:
			// mostly to what came last: handshakes
			o := w.out[len(w.out)-1]
			if one(rt, 3, "to an earlier") {
				o = rapid.SampledFrom(w.out).Draw(rt, "output")
			}
			if s, ok := w.answer(rt, o); ok {
				return s, true
			}
		case 1, 3, 5:
			if s, ok := w.passOn(rt, w.out[len(w.out)-1]); ok {
				return s, true
			}
		case 9:
			if s, ok := w.complain(rt, rapid.SampledFrom(w.out).Draw(rt, "output")); ok {
				return s, true
			}
		}
	}
	if len(w.seen) > 0 && one(rt, 5, "again") {
		s = rapid.SampledFrom(w.seen).Draw(rt, "earlier")
		s.Frame = append([]byte(nil), s.Frame...)
		if one(rt, 4, "flags") {
			if p, ok := Parse(s.Frame); ok && s.Kind == FromPort && p.Proto == vfp.ProtocolTCP {
				p.Flags = drawFlags(rt)
				s.Frame = p.Bytes()
			}
		}
		s.Frame = mutate(rt, s.Frame)
		return s, false
	}
	if one(rt, 2, "out") {
		if s, ok := w.fromPort(rt); ok {
			return s, true
		}
	}
	return w.fromUnderlay(rt), true
}

// mutate leaves most frames alone, and damages the others.
func mutate(rt *rapid.T, b []byte) []byte {
	if !one(rt, 12, "mutate") {
		return b
	}
	switch rapid.IntRange(0, 4).Draw(rt, "mutation") {
	case 0:
		b[rapid.IntRange(0, min(len(b)-1, 120)).Draw(rt, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
	case 1:
		b[rapid.IntRange(0, len(b)-1).Draw(rt, "at")] = rapid.Byte().Draw(rt, "byte")
	case 2:
		b = append(b, make([]byte, rapid.IntRange(1, 20).Draw(rt, "padding"))...)
	case 3:
		b = b[:rapid.IntRange(min(34, len(b)), len(b)).Draw(rt, "cut")]
	case 4:
		copy(b[12:], []byte{rapid.SampledFrom([]byte{0x81, 0x88}).Draw(rt, "tag"), rapid.SampledFrom([]byte{0, 0xa8}).Draw(rt, "tag kind")})
	}
	return b
}
