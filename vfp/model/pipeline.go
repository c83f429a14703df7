package model

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// Names of the layers in a trace; those that VFP has carry its name.
const (
	LayerSecurity = "PORT_SECURITY"
	LayerRouter   = "VNET_DR_REDIRECTION_LAYER"
	LayerRewrite  = "VNET_MAC_REWRITE_LAYER"
	LayerEncap    = "VNET_ENCAP_LAYER"
	LayerDecap    = "VNET_DECAP_LAYER"
)

// Pipeline executes one host's policy. It is not safe for concurrent use.
type Pipeline struct {
	policy    *vfp.Policy
	ports     map[string]*vfp.Port
	owners    map[home]*vfp.Port
	mappings  map[home]*vfp.Mapping
	subnets   map[encap.VSID]*vfp.Subnet
	acls      map[string]*vfp.ACL
	flows     map[flowKey]*flow
	fragments map[fragmentKey]fragments
	counters  vfp.Counters
	tracing   bool
}

// home is a CA in a routing domain.
type home struct {
	rdid string
	ca   netip.Addr
}

// New returns a pipeline without flows.
func New(p *vfp.Policy) *Pipeline {
	pl := &Pipeline{flows: map[flowKey]*flow{}, fragments: map[fragmentKey]fragments{}, counters: vfp.Counters{
		Ports: map[string]vfp.PortCounters{}, Rules: map[vfp.RuleKey]vfp.RuleCounters{}, Host: map[vfp.DropReason]uint64{}}}
	pl.SetPolicy(p)
	return pl
}

// SetPolicy puts another policy into force; each live flow is judged again on its next packet.
func (pl *Pipeline) SetPolicy(p *vfp.Policy) {
	pl.policy = p
	pl.ports, pl.owners, pl.mappings = map[string]*vfp.Port{}, map[home]*vfp.Port{}, map[home]*vfp.Mapping{}
	pl.subnets, pl.acls = map[encap.VSID]*vfp.Subnet{}, map[string]*vfp.ACL{}
	for i := range p.Ports {
		port := &p.Ports[i]
		pl.ports[port.ID] = port
		for _, a := range port.Addresses {
			pl.owners[home{a.RDID, a.CA}] = port
		}
	}
	for i := range p.Mappings {
		pl.mappings[home{p.Mappings[i].RDID, p.Mappings[i].CA}] = &p.Mappings[i]
	}
	for i := range p.Subnets {
		pl.subnets[p.Subnets[i].VSID] = &p.Subnets[i]
	}
	for i := range p.ACLs {
		pl.acls[p.ACLs[i].ID] = &p.ACLs[i]
	}
}

// Counters so far.
func (pl *Pipeline) Counters() vfp.Counters { return pl.counters }

// TracePort is PortOut without a trace in the state: no flow, no counter.
func (pl *Pipeline) TracePort(portID string, frame []byte) vfp.Trace {
	pl.tracing = true
	defer func() { pl.tracing = false }()
	return pl.PortOut(portID, frame, 0)
}

// TraceUnderlay is UnderlayIn without a trace in the state.
func (pl *Pipeline) TraceUnderlay(frame []byte) vfp.Trace {
	pl.tracing = true
	defer func() { pl.tracing = false }()
	return pl.UnderlayIn(frame, 0)
}

func (pl *Pipeline) mapping(rdid string, ca netip.Addr) (vfp.Mapping, bool) {
	m, ok := pl.mappings[home{rdid, ca}]
	if !ok {
		return vfp.Mapping{}, false
	}
	return *m, true
}

func addressOf(p *vfp.Port, ca netip.Addr) *vfp.Address {
	for i := range p.Addresses {
		if p.Addresses[i].CA == ca {
			return &p.Addresses[i]
		}
	}
	return nil
}

func step(t *vfp.Trace, s vfp.Step) { t.Steps = append(t.Steps, s) }

// drop ends a packet's walk and charges the port, or the host when port is nil.
func (pl *Pipeline) drop(t *vfp.Trace, port *vfp.Port, reason vfp.DropReason) vfp.Trace {
	t.Verdict, t.Reason, t.Frame = vfp.Drop, reason, nil
	if port != nil {
		t.Port = port.ID
	}
	if pl.tracing {
		return *t
	}
	if port == nil {
		pl.counters.Host[reason]++
		return *t
	}
	c := pl.counters.Ports[port.ID]
	if c.Drops == nil {
		c.Drops = map[vfp.DropReason]uint64{}
	}
	c.Drops[reason]++
	pl.counters.Ports[port.ID] = c
	return *t
}

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
		step(t, vfp.Step{Layer: LayerSecurity, Rule: "source-mac", Action: "drop", Note: macAt(out[6:]).String() + " is not the port's " + port.MAC.String()})
		return pl.drop(t, port, vfp.DropMACSpoof)
	}
	switch et := etherType(out); {
	case isVLAN(et):
		return pl.drop(t, port, vfp.DropVLAN)
	case et == etherARP:
		return pl.arp(t, port, out)
	case et != etherIPv4:
		return pl.drop(t, port, vfp.DropUnsupportedEthertype)
	}
	p, reason := parseIPv4(out[ethLen:])
	if reason != 0 {
		return pl.drop(t, port, reason)
	}
	at := addressOf(port, p.src)
	if at == nil {
		step(t, vfp.Step{Layer: LayerSecurity, Rule: "source-address", Action: "drop", Note: p.src.String() + " is not an address of the port"})
		return pl.drop(t, port, vfp.DropCASpoof)
	}
	dstMAC := macAt(out)
	if dstMAC[0]&1 != 0 || p.dst.As4()[0] >= 224 {
		return pl.drop(t, port, vfp.DropMulticast)
	}
	if reason := pl.fragmentPorts(&p, "port "+portID, now); reason != 0 {
		return pl.drop(t, port, reason)
	}
	if p.proto == vfp.ProtocolUDP && p.sport == portDHCPServer {
		return pl.drop(t, port, vfp.DropDHCPGuard)
	}
	step(t, vfp.Step{Layer: LayerSecurity, Rule: "source", Action: "allow", Note: fmt.Sprintf("%s %s", port.MAC, p.src)})

	routed := dstMAC == vfp.RouterMAC
	h := &hop{packet: p, port: port, vsid: at.VSID, dir: vfp.Outbound, now: now, length: len(out)}
	f, reason := pl.flowOf(h, t)
	if f == nil {
		if reason == vfp.DropNoMapping {
			if s := pl.subnets[at.VSID]; routed && s != nil && p.proto == vfp.ProtocolICMP && p.icmpType == icmpEcho && p.fragment == whole && p.dst == s.Gateway {
				return pl.routerReply(t, port, out, &p)
			}
			step(t, vfp.Step{Layer: LayerRouter, Rule: p.dst.String(), Action: "drop", Note: "nobody in the routing domain has this address"})
		}
		return pl.drop(t, port, reason)
	}
	if f.drop != 0 {
		pl.forbidden(h, f)
		return pl.drop(t, port, f.drop)
	}
	if !routed && (f.peer.VSID != at.VSID || dstMAC != f.peer.MAC) {
		return pl.drop(t, port, vfp.DropDestinationMAC)
	}
	if routed && p.ttl <= 1 {
		return pl.drop(t, port, vfp.DropTTLExpired)
	}
	step(t, vfp.Step{Layer: LayerRouter, Rule: f.peer.CA.String(), Action: "allow", Note: fmt.Sprintf("vsid %d at %s", f.peer.VSID, f.peer.PA)})
	pl.account(h, f)
	local := f.peer.PA == pl.policy.ProviderAddress
	var to *vfp.Port
	if local {
		if to = pl.owners[home{at.RDID, p.dst}]; to == nil {
			return pl.drop(t, port, vfp.DropNoPort)
		}
	}
	if routed {
		rewriteL2(out, f.peer.MAC)
		step(t, vfp.Step{Layer: LayerRewrite, Rule: "next-hop", Action: "rewrite", Note: "destination " + f.peer.MAC.String() + ", TTL minus one"})
	}
	if !local {
		return pl.encapsulate(t, out, &p, &f.peer)
	}
	h = &hop{packet: p, port: to, vsid: f.peer.VSID, dir: vfp.Inbound, now: now, length: len(out)}
	return pl.inbound(t, h, out)
}

// inbound runs the destination port's layers and delivers.
func (pl *Pipeline) inbound(t *vfp.Trace, h *hop, out []byte) vfp.Trace {
	f, reason := pl.flowOf(h, t)
	if f == nil {
		return pl.drop(t, h.port, reason)
	}
	if h.outerSrc.IsValid() && f.peer.PA != h.outerSrc {
		return pl.drop(t, h.port, vfp.DropPASpoof)
	}
	if f.drop != 0 {
		pl.forbidden(h, f)
		return pl.drop(t, h.port, f.drop)
	}
	pl.account(h, f)
	t.Verdict, t.Port, t.Frame = vfp.Deliver, h.port.ID, out
	return *t
}

// rewriteL2 puts a frame on its next hop: routed frames lose one from their TTL.
func rewriteL2(b []byte, mac vfp.MAC) {
	copy(b, mac[:])
	copy(b[6:], vfp.RouterMAC[:])
	ip := b[ethLen:]
	ip[8]--
	// RFC 1141: the checksum grows by what the TTL word lost
	sum := uint32(binary.BigEndian.Uint16(ip[10:])) + 0x0100
	if sum >= 0xffff {
		sum++
	}
	binary.BigEndian.PutUint16(ip[10:], uint16(sum))
}

func (pl *Pipeline) encapsulate(t *vfp.Trace, inner []byte, p *packet, to *vfp.Mapping) vfp.Trace {
	hash := encap.FlowHash(p.src, p.dst, p.proto, p.sport, p.dport)
	o := encap.Outer{Type: pl.policy.Encapsulation, Src: pl.policy.ProviderAddress, Dst: to.PA, VSID: to.VSID,
		TOS: p.tos & 3} // RFC 6040: the network may mark what the tenant allows it to mark
	o.Spread(hash)
	frame, err := encap.Append(nil, &o, inner)
	if err != nil {
		return pl.drop(t, nil, vfp.DropInternal)
	}
	step(t, vfp.Step{Layer: LayerEncap, Rule: to.CA.String(), Action: "encapsulate", Note: fmt.Sprintf("%s vsid %d to %s", o.Type, to.VSID, to.PA)})
	t.Verdict, t.Frame = vfp.Encapsulate, frame
	return *t
}
