package model

import (
	"net/netip"
	"time"

	"github.com/fairlead-net/fairlead/vfp"
)

// fragmentKey names a datagram on its way from a port, or out of a tunnel.
type fragmentKey struct {
	scope    string
	src, dst netip.Addr
	id       uint16
	proto    uint8
}

// fragments of a datagram share the ports of its first.
type fragments struct {
	at           time.Duration
	sport, dport uint16
	icmpType     uint8
}

// fragmentPorts gives a later fragment the ports of its datagram's first, which must have come before; so all get one
// verdict.
func (pl *Pipeline) fragmentPorts(p *packet, scope string, now time.Duration) vfp.DropReason {
	key := fragmentKey{scope, p.src, p.dst, p.id, p.proto}
	switch p.fragment {
	case firstFragment:
		if !pl.tracing {
			pl.fragments[key] = fragments{now, p.sport, p.dport, p.icmpType}
		}
	case laterFragment:
		f, ok := pl.fragments[key]
		if !ok || now-f.at > vfp.FragmentTimeout {
			return vfp.DropFragment
		}
		p.sport, p.dport, p.icmpType = f.sport, f.dport, f.icmpType
	}
	return vfp.DropNone
}
