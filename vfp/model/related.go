package model

import (
	"encoding/binary"

	"github.com/fairlead-net/fairlead/vfp"
)

// quoteLen is how much of the quoted L4 header an error must have (RFC 792), in bytes.
const quoteLen = 8

// quoted reads the packet that the ICMP error p complains about. frame is the error's.
func quoted(p *packet, frame []byte) (q packet, reason vfp.DropReason) {
	b := frame[ethLen+p.l4+8 : ethLen+p.length]
	q.v6 = p.v6
	if q.v6 {
		if len(b) < ipv6Len+quoteLen || b[0]>>4 != 6 {
			return q, vfp.DropMalformed
		}
		q.src, q.dst, q.proto, q.l4 = addr6(b[8:]), addr6(b[24:]), b[6], ipv6Len
	} else {
		if len(b) < ipv4Len || b[0]>>4 != 4 || b[0]&0xf < 5 || len(b) < int(b[0]&0xf)*4+quoteLen {
			return q, vfp.DropMalformed
		}
		q.src, q.dst, q.proto, q.l4 = addr4(b[12:]), addr4(b[16:]), b[9], int(b[0]&0xf)*4
		if binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
			return q, vfp.DropICMPUnrelated // no ports there
		}
	}
	l4 := b[q.l4:]
	if q.hasPorts() {
		q.sport, q.dport = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
	} else if q.isICMP() {
		q.icmpType = l4[0]
		if q.isEchoRequest() || q.isEchoReply() {
			q.sport = binary.BigEndian.Uint16(l4[4:])
			q.dport = q.sport
		}
	}
	return q, vfp.DropNone
}

// related finds the flow that an ICMP error at a port is about. An error never makes a flow: nobody can send what is not
// about something the port has sent or received.
func (pl *Pipeline) related(h *hop, t *vfp.Trace, frame []byte) (*flow, vfp.DropReason) {
	if h.fragment != whole || !h.v6 && h.icmpType == icmpRedirect {
		return nil, vfp.DropICMPUnrelated
	}
	q, reason := quoted(&h.packet, frame)
	if reason != 0 {
		return nil, reason
	}
	// The quoted packet went the other way.
	key := flowKey{h.vsid, q.proto, q.dst, q.src, q.dport, q.sport, transitOf(h.port, q.dst)}
	if h.dir == vfp.Inbound {
		key = flowKey{h.vsid, q.proto, q.src, q.dst, q.sport, q.dport, transitOf(h.port, q.src)}
		if q.src != h.dst {
			return nil, vfp.DropICMPUnrelated
		}
	} else if q.dst != h.src && !h.port.Forwards || q.src != h.dst { // who passes packets on may complain of them
		return nil, vfp.DropICMPUnrelated
	}
	f := pl.concerned(h, key, t)
	if f == nil || f.nat {
		return nil, vfp.DropICMPUnrelated
	}
	step(t, vfp.Step{Layer: vfp.LayerNameSecurity, Direction: h.dir, Rule: "icmp-error", Action: "allow", Note: "about a flow of the port"})
	return f, vfp.DropNone
}

// concerned is the flow with a key, if the present policy allows it; or nil.
func (pl *Pipeline) concerned(h *hop, key flowKey, t *vfp.Trace) *flow {
	f := pl.flows[key]
	if f == nil || f.dead(key.proto, h.now) {
		return nil
	}
	if f.policy != pl.policy || f.port != h.port.ID {
		f, _ = pl.judgeAgain(h.port, key, f, 1-h.dir, t)
	}
	if f == nil || f.drop != 0 {
		return nil
	}
	return f
}
