package model

import (
	"net/netip"
	"testing"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// peerCA is an address of tenant c, which is a's peer: c14 (10.9.1.4) here, c15 on host 2.
func peerCA(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, 1, byte(n)}) }

const peerVSID encap.VSID = 5900

// peeredWorld is world with c: each of the two networks knows where the other's addresses are, b knows nothing of it.
func peeredWorld() *vfp.Policy {
	p := world()
	p.Subnets = append(p.Subnets, vfp.Subnet{VSID: peerVSID, RDID: "c", Prefix: netip.PrefixFrom(peerCA(0), 24), Gateway: peerCA(1)})
	for _, m := range p.Mappings {
		if m.RDID == "a" {
			m.RDID = "c"
			p.Mappings = append(p.Mappings, m)
		}
	}
	for _, rdid := range []string{"a", "c"} {
		for n := 4; n <= 5; n++ {
			p.Mappings = append(p.Mappings, vfp.Mapping{RDID: rdid, CA: peerCA(n), VSID: peerVSID, MAC: mac(8, 1, n), PA: pa(n - 3)})
		}
	}
	p.Ports = append(p.Ports, vfp.Port{ID: "c14", MAC: mac(8, 1, 4), Addresses: []vfp.Address{{CA: peerCA(4), VSID: peerVSID, RDID: "c"}}})
	return p
}

func TestPeersReachEachOther(t *testing.T) {
	pl := New(peeredWorld())
	got := pl.PortOut("a14", from(ca(1, 4), peerCA(4), vfp.RouterMAC).Bytes(), 0)
	want(t, "to a peer here", got, vfp.Deliver, 0)
	if got.Port != "c14" || macAt(got.Frame) != mac(8, 1, 4) || got.Frame[22] != 63 {
		t.Errorf("delivered to %s: %x", got.Port, got.Frame)
	}
	got = pl.PortOut("a14", from(ca(1, 4), peerCA(5), vfp.RouterMAC).Bytes(), 0)
	want(t, "to a peer elsewhere", got, vfp.Encapsulate, 0)
	if o, _, _ := encap.Decode(got.Frame); o.VSID != peerVSID || o.Dst != pa(2) {
		t.Errorf("outer header %+v", o)
	}
	if m := pl.Counters().Ports["a14"].Meter[vfp.MeterNetwork][vfp.Outbound].Packets; m != 2 {
		t.Errorf("%d packets to another network", m)
	}
	// Its answer carries the VSID of the subnet it goes to.
	back := from(peerCA(5), ca(1, 4), mac(0, 1, 4))
	back.SrcMAC = vfp.RouterMAC
	want(t, "from a peer elsewhere", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), back.Bytes()), 0), vfp.Deliver, 0)
	want(t, "from a host where the peer does not live", pl.UnderlayIn(wrapped(t, 3, vsid("a", 1), back.Bytes()), 0), vfp.Drop, vfp.DropPASpoof)
	back.SrcMAC, back.DstMAC = vfp.RouterMAC, mac(8, 1, 4)
	back.Src, back.Dst = ca(1, 6), peerCA(4)
	want(t, "from a to c", pl.UnderlayIn(wrapped(t, 2, peerVSID, back.Bytes()), 0), vfp.Deliver, 0)
	// Peers are behind the router, and nobody else's.
	want(t, "past the router", pl.PortOut("a14", from(ca(1, 4), peerCA(4), mac(8, 1, 4)).Bytes(), 1), vfp.Drop, vfp.DropDestinationMAC)
	b := from(ca(1, 4), peerCA(4), vfp.RouterMAC)
	b.SrcMAC = mac(1, 1, 4)
	want(t, "from a stranger", pl.PortOut("b14", b.Bytes(), 0), vfp.Drop, vfp.DropNoMapping)
	arp := make([]byte, 42)
	copy(arp, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	src := mac(0, 1, 4)
	copy(arp[6:], src[:])
	copy(arp[12:], []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 1})
	copy(arp[22:], src[:])
	copy(arp[28:], ca(1, 4).AsSlice())
	copy(arp[38:], peerCA(4).AsSlice())
	want(t, "ARP for a peer", pl.PortOut("a14", arp, 0), vfp.Drop, vfp.DropARPUnanswered)
}
