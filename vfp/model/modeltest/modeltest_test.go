package modeltest

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/vfp"
)

// A packet that was written down by hand: lengths and checksums are as RFC 791, 768 and 8200 say.
func TestBytes(t *testing.T) {
	p := Packet{SrcMAC: vfp.MAC{2, 0, 0, 0, 0, 1}, DstMAC: vfp.MAC{2, 0, 0, 0, 0, 2}, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"),
		Proto: vfp.ProtocolUDP, SrcPort: 1, DstPort: 2, Payload: []byte{0xab}}
	// 4500+001d+4011+0a00+0001+0a00+0002 = 9931; pseudo header 1403 + 0011 + 0009, UDP 0001+0002+0009+ab00: bf29
	if got := hex.EncodeToString(p.Bytes()); got != "02000000000202000000000108004500001d00000000401166ce0a0000010a00000200010002000940d6ab" {
		t.Errorf("%s", got)
	}
	p.Src, p.Dst, p.Extensions = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), []Extension{{60, make([]byte, 8)}}
	// pseudo header: fd00+1+fd00+2 + 0009 + 0011
	if got := hex.EncodeToString(p.Bytes()[14:]); got != "6000000000113c40fd000000000000000000000000000001fd0000000000000000000000000000021100000000000000"+"0001000200095ad4ab" {
		t.Errorf("%s", got)
	}
}

// Parse reads back what Bytes wrote, and CheckSums finds it right; one bit of what a checksum covers makes it wrong.
func TestParseReadsWhatBytesWrote(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := Packet{SrcMAC: vfp.MAC{2, 1}, DstMAC: vfp.MAC{2, 2}, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")}
		if rapid.Bool().Draw(rt, "v6") {
			p.Src, p.Dst = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
		}
		drawL4(rt, &p)
		p.Extensions, p.NoChecksum = nil, false
		b := p.Bytes()
		q, ok := Parse(b)
		if !ok || !bytes.Equal(q.Bytes(), b) && !p.IsICMP() {
			rt.Fatalf("%+v\n%x\n%+v %v", p, b, q, ok)
		}
		if err := CheckSums(b); err != nil {
			rt.Fatal(err)
		}
		if p.Proto == 132 || p.Proto == 1 && p.Src.Is6() || p.Proto == 58 && p.Src.Is4() || len(p.Payload) == 0 {
			return
		}
		b[len(b)-1] ^= 1
		if CheckSums(b) == nil {
			rt.Fatalf("wrong, but not found: %x", b)
		}
	})
}

// What is drawn is what vfp.Policy promises a datapath: sorted, complete and within bounds.
func TestPoliciesAreWellFormed(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := Draw(rt)
		for range rapid.IntRange(0, 60).Draw(rt, "steps") {
			s := w.Next(rt)
			if (s.Kind == FromPort || s.Kind == FromUnderlay) && len(s.Frame) < 34 {
				rt.Fatalf("%d bytes", len(s.Frame))
			}
			if s.Kind == NewPolicy && s.Policy != w.Policy() {
				rt.Fatal("not in force")
			}
		}
		p := w.Policy()
		sorted := slices.IsSortedFunc(p.Subnets, func(a, b vfp.Subnet) int { return cmp.Compare(a.VSID, b.VSID) }) &&
			slices.IsSortedFunc(p.Mappings, func(a, b vfp.Mapping) int { return cmp.Or(cmp.Compare(a.RDID, b.RDID), a.CA.Compare(b.CA)) }) &&
			slices.IsSortedFunc(p.Routes, vfp.CompareRoutes) &&
			slices.IsSortedFunc(p.ACLs, func(a, b vfp.ACL) int { return cmp.Compare(a.ID, b.ID) }) &&
			slices.IsSortedFunc(p.Ports, func(a, b vfp.Port) int { return cmp.Compare(a.ID, b.ID) })
		layers := map[string]vfp.Layer{}
		for _, a := range p.ACLs {
			layers[a.ID] = a.Layer
			sorted = sorted && slices.IsSortedFunc(a.Rules, func(x, y vfp.Rule) int {
				return cmp.Or(cmp.Compare(x.Direction, y.Direction), cmp.Compare(x.Priority, y.Priority), cmp.Compare(x.ID, y.ID))
			})
		}
		for _, port := range p.Ports {
			sorted = sorted && slices.IsSortedFunc(port.Addresses, func(a, b vfp.Address) int { return a.CA.Compare(b.CA) })
			for _, a := range port.Addresses {
				if len(a.ACLs) > vfp.MaxACLs || !slices.IsSortedFunc(a.ACLs, func(x, y string) int { return cmp.Compare(layers[y], layers[x]) }) {
					rt.Fatalf("address %+v", a)
				}
			}
		}
		if !sorted || len(p.Ports) > MaxPorts {
			rt.Fatalf("%+v", p)
		}
	})
}
