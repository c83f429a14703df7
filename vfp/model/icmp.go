package model

import "github.com/fairlead-net/fairlead/vfp"

// ICMP types (RFC 792) and ICMPv6 types (RFC 4443, 4861, 2710, 3810).
const (
	icmpEchoReply    = 0
	icmpUnreachable  = 3
	icmpQuench       = 4
	icmpRedirect     = 5
	icmpEcho         = 8
	icmpTimeExceeded = 11
	icmpParameter    = 12

	icmp6Unreachable  = 1
	icmp6TooBig       = 2
	icmp6TimeExceeded = 3
	icmp6Parameter    = 4
	icmp6Echo         = 128
	icmp6EchoReply    = 129
	icmp6MLDQuery     = 130
	icmp6MLDReport    = 131
	icmp6MLDDone      = 132
	icmp6RS           = 133
	icmp6RA           = 134
	icmp6NS           = 135
	icmp6NA           = 136
	icmp6Redirect     = 137
	icmp6MLDv2        = 143

	codeTooBig = 4 // of icmpUnreachable: fragmentation needed
)

func (p *packet) isEchoRequest() bool {
	return p.isICMP() && (!p.v6 && p.icmpType == icmpEcho || p.v6 && p.icmpType == icmp6Echo)
}

func (p *packet) isEchoReply() bool {
	return p.isICMP() && (!p.v6 && p.icmpType == icmpEchoReply || p.v6 && p.icmpType == icmp6EchoReply)
}

// isError reports whether p complains about another packet, which it quotes.
func (p *packet) isError() bool {
	if !p.isICMP() {
		return false
	}
	if p.v6 {
		return p.icmpType >= icmp6Unreachable && p.icmpType <= icmp6Parameter
	}
	switch p.icmpType {
	case icmpUnreachable, icmpQuench, icmpRedirect, icmpTimeExceeded, icmpParameter:
		return true
	}
	return false
}

func (p *packet) isND() bool {
	return p.v6 && p.isICMP() && p.icmpType >= icmp6RS && p.icmpType <= icmp6Redirect
}

func (p *packet) isMLD() bool {
	if !p.v6 || !p.isICMP() {
		return false
	}
	switch p.icmpType {
	case icmp6MLDQuery, icmp6MLDReport, icmp6MLDDone, icmp6MLDv2:
		return true
	}
	return false
}

// routerReply answers an echo request to the gateway.
func (pl *Pipeline) routerReply(t *vfp.Trace, b []byte, p *packet) vfp.Trace {
	copy(b, b[6:12])
	copy(b[6:], vfp.RouterMAC[:])
	ip := b[ethLen:]
	request, reply := uint8(icmpEcho), uint8(icmpEchoReply)
	addresses := ip[12:]
	if p.v6 {
		request, reply, addresses = icmp6Echo, icmp6EchoReply, ip[8:]
	}
	n := copy(addresses, p.dst.AsSlice())
	copy(addresses[n:], p.src.AsSlice())
	icmp := ip[p.l4:]
	icmp[0] = reply
	patchWord(icmp[2:4], uint16(request)<<8, uint16(reply)<<8)
	step(t, vfp.Step{Layer: vfp.LayerNameRouter, Rule: p.dst.String(), Action: "reply", Note: "the gateway answers"})
	t.Verdict, t.Frame = vfp.Reply, b
	return *t
}
