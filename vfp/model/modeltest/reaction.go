package modeltest

import (
	"net/netip"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// received is the packet that comes out at whoever gets o, and the outer header it came under.
func (o output) received() (p Packet, frame []byte, outer encap.Outer, ok bool) {
	frame = o.frame
	if o.verdict == vfp.Encapsulate {
		var err error
		if outer, frame, err = encap.Decode(frame); err != nil {
			return p, nil, outer, false
		}
	}
	p, ok = Parse(frame)
	return p, frame, outer, ok
}

// answer is what whoever got a frame says to it.
func (w *World) answer(rt *rapid.T, o output) (Step, bool) {
	p, _, outer, ok := o.received()
	if !ok || p.IsICMP() && !p.IsEcho() {
		return Step{}, false
	}
	a := p.Answer()
	if p.Proto == vfp.ProtocolTCP && one(rt, 4, "ends") {
		a.Flags = rapid.SampledFrom([]uint8{FIN | ACK, FIN | ACK, RST, SYN | ACK}).Draw(rt, "end")
	}
	if one(rt, 3, "mss") && a.Proto == vfp.ProtocolTCP {
		a.TCPOptions = drawTCPOptions(rt)
	}
	return w.send(rt, o, outer, a)
}

// complain is an ICMP error from whoever got a frame, or from somebody on the way to it.
func (w *World) complain(rt *rapid.T, o output) (Step, bool) {
	p, frame, outer, ok := o.received()
	if !ok {
		return Step{}, false
	}
	from, fromMAC := p.Dst, p.DstMAC
	if one(rt, 5, "router") && p.Src.Is4() {
		from = netip.MustParseAddr("203.0.113.9")
	}
	types := []uint8{3, 3, 11, 12, 4, 5}
	if p.Src.Is6() {
		types = []uint8{1, 2, 3, 4}
	}
	e, ok := Complaint(frame, from, fromMAC, rapid.SampledFrom(types).Draw(rt, "error"))
	if !ok {
		return Step{}, false
	}
	return w.send(rt, o, outer, e)
}

// send puts a reaction to o on its way.
func (w *World) send(rt *rapid.T, o output, outer encap.Outer, p Packet) (Step, bool) {
	switch o.verdict {
	case vfp.Deliver:
		return Step{Kind: FromPort, Port: o.port, Frame: mutate(rt, p.Bytes())}, true
	case vfp.Translate:
		return Step{Kind: FromUnderlay, Frame: mutate(rt, p.Bytes())}, true
	}
	// The other host's vSwitch routes: the VSID is that of the destination's subnet.
	for i := range w.policy.Mappings {
		m := &w.policy.Mappings[i]
		if m.CA != p.Dst || m.RDID != w.rdidOf(outer.VSID) {
			continue
		}
		p.DstMAC = m.MAC
		outer.Src, outer.Dst, outer.VSID, outer.TOS = outer.Dst, outer.Src, m.VSID, p.TOS&3
		return Step{Kind: FromUnderlay, Frame: mutate(rt, wrap(rt, outer, p.Bytes()))}, true
	}
	return Step{}, false
}

// rdidOf a subnet; empty for one that is not in the policy.
func (w *World) rdidOf(id encap.VSID) string {
	for i := range w.policy.Subnets {
		if s := &w.policy.Subnets[i]; s.VSID == id {
			return s.RDID
		}
	}
	return ""
}

// wrap encapsulates what Append might refuse: damaged or tagged frames.
func wrap(rt *rapid.T, o encap.Outer, inner []byte) []byte {
	o.Spread(rapid.Uint32().Draw(rt, "hash"))
	n := encap.OuterLen(o.Type, o.Src.Is6())
	b := make([]byte, n+len(inner))
	copy(b[n:], inner)
	if _, err := encap.PutHeaders(b, &o, len(inner)); err != nil {
		rt.Fatalf("outer headers %+v: %v", o, err)
	}
	return b
}
