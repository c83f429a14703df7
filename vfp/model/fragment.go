package model

import (
	"net/netip"
	"time"

	"github.com/fairlead-net/fairlead/vfp"
)

// fragmentKey names a datagram on its way from a port, or out of a tunnel. proto is 0 for IPv6: a later fragment doesn't
// show it when more extension headers follow.
type fragmentKey struct {
	scope    string
	src, dst netip.Addr
	id       uint32
	proto    uint8
}

// fragments of a datagram share what its first says.
type fragments struct {
	at                 time.Duration
	sport, dport       uint16
	proto              uint8
	icmpType, icmpCode uint8
}

// fragmentPorts gives a later fragment the ports of its datagram's first, which must have come before; so all get one
// verdict.
func (pl *Pipeline) fragmentPorts(p *packet, scope string, now time.Duration) vfp.DropReason {
	key := fragmentKey{scope, p.src, p.dst, p.id, p.proto}
	if p.v6 {
		key.proto = 0
	}
	switch p.fragment {
	case firstFragment:
		if !pl.tracing {
			pl.fragments[key] = fragments{now, p.sport, p.dport, p.proto, p.icmpType, p.icmpCode}
		}
	case laterFragment:
		f, ok := pl.fragments[key]
		if !ok || now-f.at > vfp.FragmentTimeout {
			return vfp.DropFragment
		}
		p.sport, p.dport, p.proto, p.icmpType, p.icmpCode = f.sport, f.dport, f.proto, f.icmpType, f.icmpCode
	}
	return vfp.DropNone
}
