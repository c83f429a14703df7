package model

import (
	"fmt"
	"time"

	"github.com/fairlead-net/fairlead/vfp"
)

// UnderlayIn runs a frame that the underlay NIC received.
func (pl *Pipeline) UnderlayIn(frame []byte, now time.Duration) vfp.Trace {
	t := &vfp.Trace{}
	if pl.translateIn(t, frame, now) {
		return *t
	}
	pass := vfp.Trace{Verdict: vfp.Pass, Frame: frame}
	o, ok := readOuter(frame, pl.policy.ProviderAddress)
	if !ok {
		return pass
	}
	subnet := pl.subnets[o.vsid]
	if subnet == nil {
		return pass // somebody else's overlay
	}
	if o.malformed || len(o.inner) < ethLen {
		return pl.drop(t, nil, vfp.DropMalformed)
	}
	inner := append([]byte(nil), o.inner...)
	p, reason := parse(inner)
	congested := o.tos&3 == 3
	switch {
	case reason != 0:
		return pl.drop(t, nil, reason)
	case p.isND(): // answered at its sender's host
		return pl.drop(t, nil, vfp.DropNDUnanswered)
	case p.isMLD():
		return pl.drop(t, nil, vfp.DropMulticast)
	case congested && p.tos&3 == 0:
		return pl.drop(t, nil, vfp.DropECN)
	}
	if p.fragment != whole { // only who may speak for the source says which ports its datagrams have
		if reason := pl.comesFrom(subnet.RDID, p.src, o.src); reason != 0 {
			return pl.drop(t, nil, reason)
		}
		if reason := pl.fragmentPorts(&p, fmt.Sprint("vsid ", o.vsid), now); reason != 0 {
			return pl.drop(t, nil, reason)
		}
	}
	h := &hop{packet: p, vsid: o.vsid, dir: vfp.Inbound, outerSrc: o.src, now: now, bytes: len(inner)}
	if congested {
		markCongestion(inner)
		h.tos |= 3
	}
	step(t, vfp.Step{Layer: vfp.LayerNameDecap, Direction: vfp.Inbound, Rule: fmt.Sprintf("vsid %d", o.vsid), Action: "decapsulate", Note: "from " + o.src.String()})
	if inner[0]&1 != 0 {
		return pl.multicastIn(t, h, subnet.RDID, inner)
	}
	to := pl.forwarders[station{o.vsid, macAt(inner)}]
	if to == nil {
		m := pl.mappings[home{subnet.RDID, p.dst}]
		if to = pl.owners[place{o.vsid, p.dst}]; m == nil || m.VSID != o.vsid || to == nil {
			return pl.drop(t, nil, vfp.DropNoPort)
		}
	}
	if macAt(inner) != to.MAC {
		return pl.drop(t, to, vfp.DropDestinationMAC)
	}
	if o.src == pl.policy.ProviderAddress { // what is said here never comes from the wire
		return pl.drop(t, to, vfp.DropPASpoof)
	}
	h.port, h.transit = to, transitOf(to, p.dst)
	return pl.inbound(t, h, inner)
}
