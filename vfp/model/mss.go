package model

import (
	"encoding/binary"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

const (
	tcpOptionMSS   = 2
	maxTCPOptions  = 10
	tcpHeaderLen   = 20
	tcpChecksumOff = 16
)

// clampMSS lowers what a TCP SYN says its sender can take to what fits the underlay: path MTU discovery is not left to
// ICMP errors alone.
func (pl *Pipeline) clampMSS(p *packet, frame []byte) {
	if p.proto != vfp.ProtocolTCP || p.fragment == laterFragment || p.tcpFlags&tcpSYN == 0 || pl.policy.InnerMTU <= 0 {
		return
	}
	limit := encap.MSS(pl.policy.InnerMTU, p.v6)
	tcp := frame[ethLen+p.l4 : ethLen+p.length]
	tcp = tcp[:int(tcp[12]>>4)*4]
	for at, n := tcpHeaderLen, 0; n < maxTCPOptions && at < len(tcp); n++ {
		if tcp[at] == optionEnd {
			return
		}
		if tcp[at] == optionNop {
			at++
			continue
		}
		if at+2 > len(tcp) || tcp[at+1] < 2 || at+int(tcp[at+1]) > len(tcp) {
			return
		}
		if tcp[at] == tcpOptionMSS && tcp[at+1] == 4 && int(binary.BigEndian.Uint16(tcp[at+2:])) > limit {
			first := (at + 2) &^ 1 // the value may straddle two words of the checksum
			before := append([]byte(nil), tcp[first:min(first+4, len(tcp))]...)
			binary.BigEndian.PutUint16(tcp[at+2:], uint16(limit))
			patchBytes(tcp[tcpChecksumOff:tcpChecksumOff+2], before, tcp[first:first+len(before)])
		}
		at += int(tcp[at+1])
	}
}
