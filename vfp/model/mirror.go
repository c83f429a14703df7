package model

import (
	"encoding/binary"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

const (
	protocolGRE     = 47
	erspanFlags     = 0x1000 // sequence number present
	erspanProtocol  = 0x88be // type II
	erspanVersion   = 1
	erspanHeaderLen = 8 + 8 // GRE with sequence number, ERSPAN
	erspanSession   = 1<<10 - 1
)

// mirror copies a frame that a port sends, or receives, to where its policy says.
func (pl *Pipeline) mirror(t *vfp.Trace, h *hop, frame []byte) {
	m := h.port.Mirror
	if m == nil {
		return
	}
	if m.Port != "" {
		if pl.ports[m.Port] != nil {
			t.Mirrored = append(t.Mirrored, vfp.Copy{Port: m.Port, Frame: append([]byte(nil), frame...)})
		}
		return
	}
	src, dst := pl.policy.ProviderAddress, m.Collector
	if !src.IsValid() || src.BitLen() != dst.BitLen() {
		return
	}
	var copied []byte
	if m.Type == vfp.MirrorERSPAN {
		copied = erspan(src.Is6(), m.Session, frame)
		if src.Is6() {
			putIPv6(copied[ethLen:], len(copied)-ethLen-ipv6Len, protocolGRE, encap.DefaultTTL, src, dst)
		} else {
			putIPv4(copied[ethLen:], len(copied)-ethLen, 0x4000, encap.DefaultTTL, protocolGRE, src, dst)
		}
	} else {
		o := encap.Outer{Type: encap.VXLAN, Src: src, Dst: dst, VSID: encap.VSID(m.Session)}
		o.Spread(h.hash())
		var err error
		if copied, err = encap.Append(nil, &o, frame); err != nil {
			return
		}
	}
	if mtu := pl.policy.InnerMTU; mtu > 0 && len(copied)-ethLen > mtu+encap.Overhead(pl.policy.Encapsulation, src.Is6()) {
		return // the underlay would not carry it
	}
	t.Mirrored = append(t.Mirrored, vfp.Copy{Frame: copied})
}

// erspan puts GRE and ERSPAN headers (draft-foschiano-erspan section 4.2) in front of a frame, and leaves room for IP's.
func erspan(v6 bool, session uint32, frame []byte) []byte {
	at, et := ethLen+ipv4Len, uint16(etherIPv4)
	if v6 {
		at, et = ethLen+ipv6Len, etherIPv6
	}
	b := make([]byte, at+erspanHeaderLen, at+erspanHeaderLen+len(frame))
	binary.BigEndian.PutUint16(b[12:], et)
	gre := b[at:]
	binary.BigEndian.PutUint16(gre, erspanFlags)
	binary.BigEndian.PutUint16(gre[2:], erspanProtocol)
	binary.BigEndian.PutUint16(gre[8:], erspanVersion<<12)
	binary.BigEndian.PutUint16(gre[10:], uint16(session&erspanSession))
	return append(b, frame...)
}
