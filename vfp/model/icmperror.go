package model

import (
	"encoding/binary"

	"github.com/fairlead-net/fairlead/vfp"
)

// How much of the offending packet an error quotes at most, in bytes.
const (
	quote4 = 64
	quote6 = 96
)

// routerError drops an endpoint's packet and, where RFC 1812 section 4.3.2.7 and RFC 4443 section 2.4 let a router, tells it
// why: time exceeded, or too big for mtu.
func (pl *Pipeline) routerError(t *vfp.Trace, h *hop, b []byte, reason vfp.DropReason) vfp.Trace {
	s := pl.subnets[h.vsid]
	if h.isError() || h.fragment == laterFragment || s == nil || s.Gateway.Is4() == h.v6 || !s.Gateway.IsValid() {
		return pl.drop(t, h.port, reason)
	}
	mtu := 0
	if reason == vfp.DropMTU {
		mtu = pl.policy.InnerMTU
	}
	var reply []byte
	ip := b[ethLen:]
	if h.v6 {
		q := min(h.length, quote6) &^ 3
		reply = make([]byte, ethLen+ipv6Len+8+q)
		putEthernet(reply, macAt(b[6:]), vfp.RouterMAC, etherIPv6)
		putIPv6(reply[ethLen:], 8+q, vfp.ProtocolICMPv6, 255, s.Gateway, h.src)
		icmp := reply[ethLen+ipv6Len:]
		icmp[0] = icmp6TimeExceeded
		if reason == vfp.DropMTU {
			icmp[0] = icmp6TooBig
		}
		binary.BigEndian.PutUint32(icmp[4:], uint32(mtu))
		copy(icmp[8:], ip[:q])
		binary.BigEndian.PutUint16(icmp[2:], ^sumICMPv6(s.Gateway, h.src, icmp))
	} else {
		q := min(h.length, quote4) &^ 3
		reply = make([]byte, ethLen+ipv4Len+8+q)
		putEthernet(reply, macAt(b[6:]), vfp.RouterMAC, etherIPv4)
		putIPv4(reply[ethLen:], ipv4Len+8+q, 0, 64, vfp.ProtocolICMP, s.Gateway, h.src)
		icmp := reply[ethLen+ipv4Len:]
		icmp[0] = icmpTimeExceeded
		if reason == vfp.DropMTU {
			icmp[0], icmp[1] = icmpUnreachable, codeTooBig
		}
		binary.BigEndian.PutUint16(icmp[6:], uint16(mtu))
		copy(icmp[8:], ip[:q])
		binary.BigEndian.PutUint16(icmp[2:], ^sumBytes(icmp))
	}
	pl.charge(h.port, reason)
	step(t, vfp.Step{Layer: vfp.LayerNameRouter, Rule: h.dst.String(), Action: "reply", Note: reason.String()})
	t.Verdict, t.Reason, t.Frame = vfp.Reply, reason, reply
	return *t
}
