package model

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

// dual is world with IPv6: a14, a15 (here), a16 (host 2) and a24 (other subnet, host 2) have fd00::1:4 and so on, in subnets
// of their own.
func dual() *vfp.Policy {
	p := world()
	p.InnerMTU = 1400
	for s := 1; s <= 2; s++ {
		p.Subnets = append(p.Subnets, vfp.Subnet{VSID: vsid6(s), RDID: "a", Prefix: netip.PrefixFrom(ca6(s, 0), 112), Gateway: ca6(s, 1)})
	}
	for _, e := range []struct{ subnet, host, n int }{{1, 1, 4}, {1, 1, 5}, {1, 2, 6}, {2, 2, 4}} {
		p.Mappings = append(p.Mappings, vfp.Mapping{RDID: "a", CA: ca6(e.subnet, e.n), VSID: vsid6(e.subnet), MAC: mac(0, e.subnet, e.n), PA: pa(e.host)})
	}
	for _, id := range []string{"a14", "a15"} {
		port := portOf(p, id)
		port.Addresses = append(port.Addresses, vfp.Address{CA: ca6(1, int(id[2]-'0')), VSID: vsid6(1), RDID: "a"})
	}
	return p
}

func ca6(subnet, n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfd, 13: byte(subnet), 15: byte(n)})
}

func vsid6(subnet int) encap.VSID { return encap.VSID(6000 + subnet) }

func portOf(p *vfp.Policy, id string) *vfp.Port {
	for i := range p.Ports {
		if p.Ports[i].ID == id {
			return &p.Ports[i]
		}
	}
	return nil
}

func subnetOf(p *vfp.Policy, id encap.VSID) *vfp.Subnet {
	for i := range p.Subnets {
		if p.Subnets[i].VSID == id {
			return &p.Subnets[i]
		}
	}
	return nil
}

// from is a TCP SYN of a14 to somebody.
func from(src, dst netip.Addr, dstMAC vfp.MAC) modeltest.Packet {
	return modeltest.Packet{SrcMAC: mac(0, 1, 4), DstMAC: dstMAC, Src: src, Dst: dst, Proto: vfp.ProtocolTCP, SrcPort: 33000, DstPort: 80, Flags: modeltest.SYN}
}

// wrapped is a frame as a host's vSwitch sends it here.
func wrapped(t *testing.T, host int, id encap.VSID, inner []byte) []byte {
	t.Helper()
	o := encap.Outer{Type: encap.VXLAN, Src: pa(host), Dst: pa(1), VSID: id}
	o.Spread(1)
	f, err := encap.Append(nil, &o, inner)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// golden compares a frame with hex, in which spaces don't count.
func golden(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(want), ""))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, b) {
		t.Errorf("%s:\n got  %x\n want %x", what, got, b)
	}
	if err := modeltest.CheckSums(got); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func drops(pl *Pipeline, port string, reason vfp.DropReason) uint64 {
	return pl.Counters().Ports[port].Drops[reason]
}
