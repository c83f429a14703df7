package model

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// Ports that the NAT of host-local subnets uses: above Linux's default range for the host's own connections.
const (
	natFirst = 61000
	natCount = 65536 - natFirst
	natTries = 32
	natStep  = 7
)

// natKey is how the outside knows a flow.
type natKey struct {
	proto  uint8
	remote netip.Addr
	rport  uint16 // 0 for an echo
	port   uint16 // or echo identifier
}

func natKeyOf(key flowKey, port uint16) natKey {
	k := natKey{key.proto, key.remote, key.rport, port}
	if key.proto == vfp.ProtocolICMP {
		k.rport = 0
	}
	return k
}

// translatable says why a packet that no mapping has a destination for cannot go outside either.
func (pl *Pipeline) translatable(h *hop, at *vfp.Address) vfp.DropReason {
	s := pl.subnets[at.VSID]
	if h.v6 || h.transit != "" || !h.routed || s == nil || !s.NAT.IsValid() || s.Prefix.Contains(h.dst) || !isOutside(h.dst) || !h.hasPorts() && !h.isEchoRequest() {
		return vfp.DropNoMapping
	}
	// A tunnel from this host's address would speak for all endpoints here.
	if h.fragment != whole || h.proto == vfp.ProtocolUDP && h.dport == encap.VXLANPort {
		return vfp.DropNAT
	}
	return vfp.DropNone
}

// isOutside rules out what NAT must not reach in the host's name: its loopback, and the services of its own link, such as a
// cloud's metadata.
func isOutside(a netip.Addr) bool {
	b := a.As4()
	return b[0] != 0 && b[0] != 127 && (b[0] != 169 || b[1] != 254) && b[0] < 0xe0
}

// freeNATPort is the first of a few ports that the other end doesn't know yet; 0: none.
func (pl *Pipeline) freeNATPort(key flowKey) uint16 {
	hash := encap.FlowHash(key.local, key.remote, key.proto, key.lport, key.rport) % natCount
	for i := range uint32(natTries) {
		p := uint16(natFirst + (hash+i*natStep)%natCount)
		if _, taken := pl.natPorts[natKeyOf(key, p)]; !taken {
			return p
		}
	}
	return 0
}

// translateOut sends a packet outside as from the host's address. The kernel finds the way, and its MACs.
func (pl *Pipeline) translateOut(t *vfp.Trace, h *hop, f *flow, out []byte) vfp.Trace {
	nat := pl.subnets[h.vsid].NAT
	rewriteL2(out, vfp.MAC{})
	clear(out[:12])
	ip := out[ethLen:]
	port := ip[h.l4:]
	if h.isICMP() {
		port = ip[h.l4+4:]
	}
	h.translate(ip, ip[12:16], nat, port[:2], f.natPort)
	step(t, vfp.Step{Layer: vfp.LayerNameNAT, Rule: nat.String(), Action: "translate", Note: fmt.Sprintf("port %d", f.natPort)})
	t.Verdict, t.Frame = vfp.Translate, out
	return *t
}

// translate writes another address and port, and patches the checksums of IPv4 and of what it carries.
func (p *packet) translate(ip, address []byte, to netip.Addr, port []byte, number uint16) {
	before := [6]byte(append(append([]byte(nil), address...), port...))
	copy(address, to.AsSlice())
	binary.BigEndian.PutUint16(port, number)
	after := [6]byte(append(append([]byte(nil), address...), port...))
	patchBytes(ip[10:12], before[:4], after[:4])
	l4 := ip[p.l4:]
	switch p.proto {
	case vfp.ProtocolTCP:
		patchBytes(l4[tcpChecksumOff:tcpChecksumOff+2], before[:], after[:])
	case vfp.ProtocolUDP:
		if check := l4[6:8]; binary.BigEndian.Uint16(check) != 0 {
			patchBytes(check, before[:], after[:])
			if binary.BigEndian.Uint16(check) == 0 { // which would mean: no checksum
				check[0], check[1] = 0xff, 0xff
			}
		}
	case vfp.ProtocolICMP: // has no pseudo header
		patchBytes(l4[2:4], before[4:], after[4:])
	}
}

// translateIn brings an answer from outside, or an ICMP error about a translated flow, to its endpoint. It reports false
// for what is not the NAT's.
func (pl *Pipeline) translateIn(t *vfp.Trace, frame []byte, now time.Duration) bool {
	if len(pl.natPorts) == 0 || len(frame) < ethLen || etherType(frame) != etherIPv4 {
		return false
	}
	p, reason := parseIPv4(frame[ethLen:])
	if reason != 0 || p.fragment != whole {
		return false
	}
	known := natKey{p.proto, p.src, p.sport, p.dport}
	var q packet
	switch {
	case p.isError() && p.icmpType != icmpRedirect:
		if q, reason = quoted(&p, frame); reason != 0 || q.src != p.dst || !q.hasPorts() && !q.isEchoRequest() {
			return false
		}
		known = natKey{q.proto, q.dst, q.dport, q.sport}
	case !p.hasPorts() && !p.isEchoReply():
		return false
	}
	if known.proto == vfp.ProtocolICMP {
		known.rport = 0
	}
	if known.port < natFirst {
		return false
	}
	key, ok := pl.natPorts[known]
	s := pl.subnets[key.vsid]
	if !ok || s == nil || s.NAT != p.dst {
		return false
	}
	to := pl.owners[place{key.vsid, key.local}]
	if to == nil {
		pl.drop(t, nil, vfp.DropNoPort)
		return true
	}
	if p.ttl <= 1 {
		pl.drop(t, to, vfp.DropTTLExpired)
		return true
	}
	out := append([]byte(nil), frame...)
	h := &hop{packet: p, port: to, vsid: key.vsid, dir: vfp.Inbound, now: now, bytes: len(out)}
	f, reason := pl.translated(h, key, t)
	if f == nil {
		pl.drop(t, to, reason)
		return true
	}
	rewriteL2(out, to.MAC)
	ip := out[ethLen:]
	if p.isError() {
		untranslateError(&p, &q, ip, key)
	} else {
		port := ip[p.l4+2:]
		if p.isICMP() {
			port = ip[p.l4+4:]
		}
		p.translate(ip, ip[16:20], key.local, port[:2], key.lport)
	}
	step(t, vfp.Step{Layer: vfp.LayerNameNAT, Direction: vfp.Inbound, Rule: key.local.String(), Action: "translate", Note: "from " + p.src.String()})
	pl.deliver(t, h, f, out)
	return true
}

// translated is the flow of a packet from outside; or nil and why.
func (pl *Pipeline) translated(h *hop, key flowKey, t *vfp.Trace) (*flow, vfp.DropReason) {
	if h.isError() {
		f := pl.concerned(h, key, t)
		if f == nil || !f.nat {
			return nil, vfp.DropICMPUnrelated
		}
		return f, vfp.DropNone
	}
	f := pl.live(key, &h.packet, h.now)
	if f != nil && f.policy != pl.policy {
		f, _ = pl.judgeAgain(h.port, key, f, vfp.Inbound, t)
	}
	if f == nil || !f.nat {
		return nil, vfp.DropNAT
	}
	if f.drop != 0 {
		pl.forbidden(h, f)
		return nil, f.drop
	}
	return f, vfp.DropNone
}

// untranslateError writes the endpoint's own address and port into an error and into the packet it quotes.
func untranslateError(p, q *packet, ip []byte, key flowKey) {
	local := key.local.AsSlice()
	patchBytes(ip[10:12], ip[16:20], local)
	copy(ip[16:20], local)
	icmp := ip[p.l4:]
	quote := icmp[8:]
	before := append([]byte(nil), quote[:q.l4+8]...)
	patchBytes(quote[10:12], quote[12:16], local)
	copy(quote[12:16], local)
	port := quote[q.l4:]
	if q.isICMP() {
		port = quote[q.l4+4:]
	}
	binary.BigEndian.PutUint16(port, key.lport)
	patchBytes(icmp[2:4], before, quote[:len(before)])
}
