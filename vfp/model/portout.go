package model

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// PortOut runs a frame that the endpoint at a port sends. now is the flow table's clock.
func (pl *Pipeline) PortOut(portID string, frame []byte, now time.Duration) vfp.Trace {
	t := &vfp.Trace{}
	port := pl.ports[portID]
	if port == nil {
		return pl.drop(t, nil, vfp.DropPortUnknown)
	}
	if len(frame) < ethLen {
		return pl.drop(t, port, vfp.DropMalformed)
	}
	out := append([]byte(nil), frame...)
	if !port.AllowMACSpoofing && macAt(out[6:]) != port.MAC {
		step(t, vfp.Step{Layer: vfp.LayerNameSecurity, Rule: "source-mac", Action: "drop", Note: macAt(out[6:]).String() + " is not the port's " + port.MAC.String()})
		return pl.drop(t, port, vfp.DropMACSpoof)
	}
	if etherType(out) == etherARP {
		return pl.arp(t, port, out)
	}
	p, reason := parse(out)
	switch {
	case reason != 0:
		return pl.drop(t, port, reason)
	case p.isND() && p.fragment != whole: // RFC 6980; it could hide from the guards
		return pl.drop(t, port, vfp.DropMalformed)
	case p.isND():
		return pl.nd(t, port, out, &p)
	case p.isMLD():
		return pl.drop(t, port, vfp.DropMulticast)
	case isDHCPRequest(port, &p):
		return pl.dhcp(t, port, out, &p)
	}
	dstMAC := macAt(out)
	group := dstMAC[0]&1 != 0 || isGroup(p.dst)
	at, transit := addressOf(port, p.src), ""
	if at == nil && port.Forwards && !group && forwardable(p.src) {
		at, transit = firstAddress(port, p.v6), port.ID
	}
	if at == nil {
		step(t, vfp.Step{Layer: vfp.LayerNameSecurity, Rule: "source-address", Action: "drop", Note: p.src.String() + " is not an address of the port"})
		return pl.drop(t, port, vfp.DropCASpoof)
	}
	if group && !pl.replicates(at.VSID) {
		return pl.drop(t, port, vfp.DropMulticast)
	}
	if reason := pl.fragmentPorts(&p, "port "+portID, now); reason != 0 {
		return pl.drop(t, port, reason)
	}
	if p.proto == vfp.ProtocolUDP && (!p.v6 && p.sport == portDHCPServer || p.v6 && p.sport == portDHCPv6Server) {
		return pl.drop(t, port, vfp.DropDHCPGuard)
	}
	if group && isDHCP(&p) {
		return pl.drop(t, port, vfp.DropMulticast)
	}
	step(t, vfp.Step{Layer: vfp.LayerNameSecurity, Rule: "source", Action: "allow", Note: fmt.Sprintf("%s %s", port.MAC, p.src)})

	h := &hop{packet: p, port: port, vsid: at.VSID, dir: vfp.Outbound, now: now, bytes: len(out), routed: dstMAC == vfp.RouterMAC, transit: transit}
	if !pl.admit(h, out) {
		return pl.drop(t, port, vfp.DropBandwidth)
	}
	pl.mirror(t, h, out)
	if group {
		return pl.multicastOut(t, h, at, out)
	}
	var f *flow
	if p.isError() {
		f, reason = pl.related(h, t, out)
	} else {
		f, reason = pl.flowOf(h, t)
	}
	if f == nil {
		return pl.noFlow(t, h, out, reason)
	}
	if f.nat && h.fragment != whole {
		return pl.drop(t, port, vfp.DropNAT)
	}
	if f.drop != 0 {
		pl.forbidden(h, f)
		return pl.drop(t, port, f.drop)
	}
	return pl.route(t, h, f, out)
}

func isGroup(dst netip.Addr) bool {
	if dst.Is4() {
		return dst.As4()[0] >= 224 // broadcast too
	}
	return dst.As16()[0] == 0xff
}

// noFlow drops a packet that has none, unless it is for the gateway itself.
func (pl *Pipeline) noFlow(t *vfp.Trace, h *hop, out []byte, reason vfp.DropReason) vfp.Trace {
	if reason == vfp.DropNoMapping {
		if s := pl.subnets[h.vsid]; h.routed && s != nil && h.isEchoRequest() && h.fragment == whole && h.dst == s.Gateway {
			return pl.routerReply(t, out, &h.packet)
		}
		step(t, vfp.Step{Layer: vfp.LayerNameRouter, Rule: h.dst.String(), Action: "drop", Note: "nobody in the routing domain has this address"})
	}
	return pl.drop(t, h.port, reason)
}

// route sends a packet of an allowed flow where its peer is.
func (pl *Pipeline) route(t *vfp.Trace, h *hop, f *flow, out []byte) vfp.Trace {
	if f.nowhere != 0 {
		return pl.drop(t, h.port, f.nowhere)
	}
	if f.via { // whatever MAC the endpoint thought of
		h.routed = true
	}
	if !h.routed && (f.nat || f.peer.VSID != h.vsid || macAt(out) != f.peer.MAC) {
		return pl.drop(t, h.port, vfp.DropDestinationMAC)
	}
	if h.routed && h.ttl <= 1 {
		return pl.routerError(t, h, out, vfp.DropTTLExpired)
	}
	if f.nat {
		pl.account(h, f)
		return pl.translateOut(t, h, f, out)
	}
	local := f.peer.PA == pl.policy.ProviderAddress
	if !local && pl.policy.InnerMTU > 0 && h.length > pl.policy.InnerMTU {
		return pl.routerError(t, h, out, vfp.DropMTU)
	}
	step(t, vfp.Step{Layer: vfp.LayerNameRouter, Rule: f.peer.CA.String(), Action: "allow", Note: fmt.Sprintf("vsid %d at %s", f.peer.VSID, f.peer.PA)})
	pl.account(h, f)
	var to *vfp.Port
	if local {
		if to = pl.owners[place{f.peer.VSID, f.peer.CA}]; to == nil {
			return pl.drop(t, h.port, vfp.DropNoPort)
		}
	} else {
		pl.clampMSS(&h.packet, out)
	}
	if h.routed {
		rewriteL2(out, f.peer.MAC)
		step(t, vfp.Step{Layer: vfp.LayerNameRewrite, Rule: "next-hop", Action: "rewrite", Note: "destination " + f.peer.MAC.String() + ", TTL minus one"})
	}
	if !local {
		return pl.encapsulate(t, out, &h.packet, &f.peer)
	}
	return pl.inbound(t, &hop{packet: h.packet, port: to, vsid: f.peer.VSID, dir: vfp.Inbound, now: h.now, bytes: len(out),
		transit: transitOf(to, h.dst), relayed: h.transit != ""}, out)
}

// inbound runs the destination port's layers and delivers.
func (pl *Pipeline) inbound(t *vfp.Trace, h *hop, out []byte) vfp.Trace {
	var f *flow
	var reason vfp.DropReason
	if h.isError() {
		f, reason = pl.related(h, t, out)
	} else {
		f, reason = pl.flowOf(h, t)
	}
	if f == nil {
		return pl.drop(t, h.port, reason)
	}
	if reason := pl.provenance(h, f); reason != 0 {
		return pl.drop(t, h.port, reason)
	}
	if f.drop != 0 {
		pl.forbidden(h, f)
		return pl.drop(t, h.port, f.drop)
	}
	return pl.deliver(t, h, f, out)
}

// provenance checks that a packet from the underlay comes from where its flow's packets go, or its sender lives, or somebody
// passes packets on. An ICMP error may be from anybody on the way.
func (pl *Pipeline) provenance(h *hop, f *flow) vfp.DropReason {
	if !h.outerSrc.IsValid() || !h.isError() && f.peer.PA == h.outerSrc {
		return vfp.DropNone
	}
	return pl.comesFrom(pl.subnets[h.vsid].RDID, h.src, h.outerSrc)
}

// deliver hands a packet of an allowed flow to the port.
func (pl *Pipeline) deliver(t *vfp.Trace, h *hop, f *flow, out []byte) vfp.Trace {
	if !pl.admit(h, out) {
		return pl.drop(t, h.port, vfp.DropBandwidth)
	}
	pl.account(h, f)
	if h.outerSrc.IsValid() {
		pl.clampMSS(&h.packet, out)
	}
	pl.mirror(t, h, out)
	t.Verdict, t.Port, t.Frame = vfp.Deliver, h.port.ID, out
	return *t
}

func (pl *Pipeline) encapsulate(t *vfp.Trace, inner []byte, p *packet, to *vfp.Mapping) vfp.Trace {
	o := encap.Outer{Type: pl.policy.Encapsulation, Src: pl.policy.ProviderAddress, Dst: to.PA, VSID: to.VSID,
		TOS: p.tos & 3} // RFC 6040: the network may mark what the tenant allows it to mark
	o.Spread(p.hash())
	frame, err := encap.Append(nil, &o, inner)
	if err != nil {
		return pl.drop(t, nil, vfp.DropInternal)
	}
	step(t, vfp.Step{Layer: vfp.LayerNameEncap, Rule: to.CA.String(), Action: "encapsulate", Note: fmt.Sprintf("%s vsid %d to %s", o.Type, to.VSID, to.PA)})
	t.Verdict, t.Frame = vfp.Encapsulate, frame
	return *t
}
