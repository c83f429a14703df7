package model

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/fairlead-net/fairlead/vfp"
)

// DHCP messages (RFC 2131, 2132).
const (
	bootpLen     = 240 // up to and with the magic cookie
	dhcpCookie   = 0x63825363
	dhcpScan     = 128 // bytes of options that are looked at
	dhcpReplyLen = 300 // fixed: padded with zeros

	dhcpMask        = 1
	dhcpRouter      = 3
	dhcpDNS         = 6
	dhcpMTU         = 26
	dhcpRequested   = 50
	dhcpLease       = 51
	dhcpMessageType = 53
	dhcpServerID    = 54
	dhcpEnd         = 255

	dhcpDiscover = 1
	dhcpOffer    = 2
	dhcpRequest  = 3
	dhcpACK      = 5
	dhcpNAK      = 6
	dhcpInform   = 8
)

// isDHCPRequest reports whether the vSwitch is the packet's DHCP server.
func isDHCPRequest(port *vfp.Port, p *packet) bool {
	return port.DHCP != nil && !p.v6 && p.proto == vfp.ProtocolUDP && p.fragment == whole &&
		p.sport == portDHCPClient && p.dport == portDHCPServer &&
		(p.src == netip.IPv4Unspecified() || addressOf(port, p.src) != nil)
}

// dhcp answers a DHCPv4 client: there is one address it can have, for as long as it likes.
func (pl *Pipeline) dhcp(t *vfp.Trace, port *vfp.Port, b []byte, p *packet) vfp.Trace {
	udp := b[ethLen+p.l4:]
	m := udp[8:max(8, int(binary.BigEndian.Uint16(udp[4:])))]
	if len(m) < bootpLen || m[0] != 1 || m[1] != 1 || m[2] != 6 || binary.BigEndian.Uint32(m[236:]) != dhcpCookie {
		return pl.drop(t, port, vfp.DropMalformed)
	}
	if macAt(m[28:]) != port.MAC {
		return pl.drop(t, port, vfp.DropDHCPGuard)
	}
	kind, asked := dhcpOptions(m[bootpLen:min(len(m), bootpLen+dhcpScan)])
	if asked == netip.IPv4Unspecified() {
		asked = addr4(m[12:])
	}
	at := firstAddress(port, false)
	if at == nil {
		return pl.drop(t, port, vfp.DropDHCPUnanswered)
	}
	answer := uint8(dhcpACK)
	switch {
	case kind == dhcpDiscover:
		answer = dhcpOffer
	case kind == dhcpRequest && asked != at.CA && asked != netip.IPv4Unspecified():
		answer = dhcpNAK
	case kind != dhcpRequest && kind != dhcpInform:
		return pl.drop(t, port, vfp.DropDHCPUnanswered)
	}
	server := port.DHCP.Gateway
	if s := pl.subnets[at.VSID]; !server.IsValid() && s != nil {
		server = s.Gateway
	}
	if !server.Is4() {
		server = netip.IPv4Unspecified()
	}

	r := make([]byte, ethLen+ipv4Len+8+dhcpReplyLen)
	putEthernet(r, macAt(b[6:]), vfp.RouterMAC, etherIPv4)
	putIPv4(r[ethLen:], len(r)-ethLen, 0x4000, 64, vfp.ProtocolUDP, server, netip.AddrFrom4([4]byte{255, 255, 255, 255}))
	udp = r[ethLen+ipv4Len:]
	binary.BigEndian.PutUint16(udp, portDHCPServer)
	binary.BigEndian.PutUint16(udp[2:], portDHCPClient)
	binary.BigEndian.PutUint16(udp[4:], 8+dhcpReplyLen)
	o := udp[8:]
	o[0], o[1], o[2] = 2, 1, 6
	copy(o[4:8], m[4:8])     // xid
	copy(o[10:12], m[10:12]) // flags
	copy(o[28:44], m[28:44]) // chaddr
	if answer != dhcpNAK {
		copy(o[12:16], m[12:16]) // ciaddr
		if kind != dhcpInform {
			copy(o[16:20], at.CA.AsSlice())
		}
	}
	copy(o[20:24], server.AsSlice())
	binary.BigEndian.PutUint32(o[236:], dhcpCookie)
	copy(o[bootpLen:], offer(port.DHCP, answer, kind, server))
	step(t, vfp.Step{Layer: vfp.LayerNameSecurity, Rule: "dhcp", Action: "reply", Note: at.CA.String()})
	t.Verdict, t.Frame = vfp.Reply, r
	return *t
}

// dhcpOptions finds the message type, and the address the client asks for or 0.0.0.0.
func dhcpOptions(b []byte) (kind uint8, asked netip.Addr) {
	asked = netip.IPv4Unspecified()
	for len(b) > 0 && b[0] != dhcpEnd {
		if b[0] == 0 {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			break
		}
		switch value := b[2 : 2+int(b[1])]; {
		case b[0] == dhcpMessageType && len(value) == 1:
			kind = value[0]
		case b[0] == dhcpRequested && len(value) == 4:
			asked = addr4(value)
		}
		b = b[2+int(b[1]):]
	}
	return kind, asked
}

// offer is the options of an answer to a message of a kind.
func offer(d *vfp.DHCP, answer, kind uint8, server netip.Addr) []byte {
	o := append([]byte{dhcpMessageType, 1, answer, dhcpServerID, 4}, server.AsSlice()...)
	if answer != dhcpNAK {
		if kind != dhcpInform {
			o = binary.BigEndian.AppendUint32(append(o, dhcpLease, 4), d.Lease)
		}
		o = append(append(o, dhcpMask, 4), net.CIDRMask(min(int(d.PrefixLen), 32), 32)...)
		if d.Gateway.Is4() {
			o = append(append(o, dhcpRouter, 4), d.Gateway.AsSlice()...)
		}
		if d.MTU != 0 {
			o = binary.BigEndian.AppendUint16(append(o, dhcpMTU, 2), d.MTU)
		}
		if n := min(len(d.DNS), vfp.MaxDNS); n > 0 {
			o = append(o, dhcpDNS, uint8(4*n))
			for _, a := range d.DNS[:n] {
				o = append(o, a.AsSlice()...)
			}
		}
	}
	return append(o, dhcpEnd)
}
