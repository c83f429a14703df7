package model

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

func TestRouterErrors(t *testing.T) {
	pl := New(dual())
	p := from(ca(1, 4), ca(2, 4), vfp.RouterMAC)
	p.TTL = 1
	got := pl.PortOut("a14", p.Bytes(), 0)
	want(t, "TTL", got, vfp.Reply, vfp.DropTTLExpired)
	// 40 byte packet: quoted whole
	golden(t, "time exceeded", got.Frame[:42], `001dd8000104 02fa1ead0001 0800
		45 00 0044 0000 0000 40 01 64b5 0a000101 0a000104 0b 00 `+hexWord(got.Frame[36:])+` 00000000`)
	if string(got.Frame[42:]) != string(p.Bytes()[14:]) {
		t.Errorf("quote %x", got.Frame[42:])
	}

	p.TTL, p.Flags, p.Payload = 64, modeltest.ACK, make([]byte, 1361) // 1401 bytes in all
	p.TOS = 1
	got = pl.PortOut("a14", p.Bytes(), 0)
	want(t, "too big", got, vfp.Reply, vfp.DropMTU)
	if e, ok := modeltest.Parse(got.Frame); !ok || e.Type != 3 || e.Code != 4 || len(e.Payload) != 64 || string(got.Frame[38:42]) != "\x00\x00\x05\x78" ||
		e.Src != ca(1, 1) || e.Dst != ca(1, 4) || e.DstMAC != mac(0, 1, 4) || modeltest.CheckSums(got.Frame) != nil {
		t.Errorf("too big: %+v %x", e, got.Frame)
	}
	p.Payload = p.Payload[:1360]
	want(t, "just fits", pl.PortOut("a14", p.Bytes(), 0), vfp.Encapsulate, 0)
	p.Payload = make([]byte, 1500)
	p.Dst, p.DstMAC = ca(1, 5), mac(0, 1, 5)
	want(t, "too big for the underlay, but not for here", pl.PortOut("a14", p.Bytes(), 0), vfp.Deliver, 0)
	if drops(pl, "a14", vfp.DropMTU) != 1 || drops(pl, "a14", vfp.DropTTLExpired) != 1 {
		t.Errorf("drops %v", pl.Counters().Ports["a14"].Drops)
	}
	if c := pl.Counters().Ports["a14"]; c.TxPackets != 2 {
		t.Errorf("%d packets sent", c.TxPackets)
	}

	six := from(ca6(1, 4), ca6(2, 4), vfp.RouterMAC)
	six.TTL = 1
	got = pl.PortOut("a14", six.Bytes(), 0)
	want(t, "hop limit", got, vfp.Reply, vfp.DropTTLExpired)
	if e, ok := modeltest.Parse(got.Frame); !ok || e.Type != 3 || e.Code != 0 || len(e.Payload) != 60 || e.TTL != 255 || e.Src != ca6(1, 1) || modeltest.CheckSums(got.Frame) != nil {
		t.Errorf("hop limit: %+v", e)
	}
	six.TTL, six.Payload = 64, make([]byte, 1341)
	got = pl.PortOut("a14", six.Bytes(), 0)
	want(t, "too big", got, vfp.Reply, vfp.DropMTU)
	if e, ok := modeltest.Parse(got.Frame); !ok || e.Type != 2 || len(e.Payload) != 96 || string(got.Frame[58:62]) != "\x00\x00\x05\x78" || modeltest.CheckSums(got.Frame) != nil {
		t.Errorf("too big: %+v", e)
	}
}

func hexWord(b []byte) string {
	return string([]byte{digit(b[0] >> 4), digit(b[0] & 15), digit(b[1] >> 4), digit(b[1] & 15)})
}

func digit(n byte) byte { return "0123456789abcdef"[n] }

func TestRouterKeepsSilent(t *testing.T) {
	p := dual()
	subnetOf(p, vsid("a", 1)).Gateway = netip.Addr{}
	s := from(ca(1, 4), ca(2, 4), vfp.RouterMAC)
	s.TTL = 1
	want(t, "without a gateway", New(p).PortOut("a14", s.Bytes(), 0), vfp.Drop, vfp.DropTTLExpired)

	pl := New(dual())
	s.TTL = 64
	first := s
	first.Proto, first.Fragment, first.More, first.Payload = vfp.ProtocolUDP, true, true, make([]byte, 16)
	want(t, "first fragment", pl.PortOut("a14", first.Bytes(), 0), vfp.Encapsulate, 0)
	later := first
	later.More, later.Offset, later.TTL = false, 24, 1
	want(t, "later fragment", pl.PortOut("a14", later.Bytes(), 0), vfp.Drop, vfp.DropTTLExpired)

	// an error about an error
	in := s.Answer()
	in.SrcMAC, in.DstMAC = vfp.RouterMAC, mac(0, 1, 4)
	want(t, "incoming", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), in.Bytes()), 0), vfp.Deliver, 0)
	e, _ := modeltest.Complaint(in.Bytes(), ca(1, 4), mac(0, 1, 4), icmpUnreachable)
	e.TTL = 1
	want(t, "error", pl.PortOut("a14", e.Bytes(), 0), vfp.Drop, vfp.DropTTLExpired)
}

func TestRelatedErrors(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		own, peer, id, kind := ca(1, 4), ca(1, 6), vsid("a", 1), uint8(icmpUnreachable)
		if v6 {
			own, peer, id, kind = ca6(1, 4), ca6(1, 6), vsid6(1), icmp6Unreachable
		}
		pl := New(dual())
		out := from(own, peer, mac(0, 1, 6))
		want(t, "connection", pl.PortOut("a14", out.Bytes(), 0), vfp.Encapsulate, 0)
		complaint := func(about modeltest.Packet) modeltest.Packet {
			e, ok := modeltest.Complaint(about.Bytes(), peer, mac(0, 1, 6), kind)
			if !ok {
				t.Fatal("no complaint")
			}
			return e
		}
		arrives := func(host int, e modeltest.Packet) vfp.Trace {
			return pl.UnderlayIn(wrapped(t, host, id, e.Bytes()), time.Second)
		}
		want(t, "about the connection", arrives(2, complaint(out)), vfp.Deliver, 0)
		other := out
		other.SrcPort++
		want(t, "about another", arrives(2, complaint(other)), vfp.Drop, vfp.DropICMPUnrelated)
		other = out
		other.Src = ca(1, 5)
		if v6 {
			other.Src = ca6(1, 5)
		}
		e := complaint(other)
		e.Dst = own
		want(t, "about somebody else's", arrives(2, e), vfp.Drop, vfp.DropICMPUnrelated)
		want(t, "from another host", arrives(3, complaint(out)), vfp.Drop, vfp.DropPASpoof)
		e = complaint(out)
		e.Payload = e.Payload[:27]
		want(t, "with half a quote", arrives(2, e), vfp.Drop, vfp.DropMalformed)
		if len(pl.flows) != 1 {
			t.Errorf("%d flows", len(pl.flows))
		}
		for _, f := range pl.flows {
			if f.packets != [2]uint64{1, 1} || f.last != 0 || f.state != 0 {
				t.Errorf("the error is no answer: %+v", f)
			}
		}
		want(t, "about what is over", pl.UnderlayIn(wrapped(t, 2, id, complaint(out).Bytes()), 31*time.Second), vfp.Drop, vfp.DropICMPUnrelated)

		// the endpoint complains of what it got
		in := out.Answer()
		in.SrcPort = 4000
		want(t, "incoming", pl.UnderlayIn(wrapped(t, 2, id, in.Bytes()), 0), vfp.Deliver, 0)
		e, _ = modeltest.Complaint(in.Bytes(), own, mac(0, 1, 4), kind)
		got := pl.PortOut("a14", e.Bytes(), 0)
		want(t, "complaint", got, vfp.Encapsulate, 0)
		if o, _, _ := encap.Decode(got.Frame); o.Dst != pa(2) || o.VSID != id {
			t.Errorf("outer %+v", o)
		}
		e.SrcMAC, e.Src = mac(0, 1, 4), own
		e.Dst = ca(1, 5)
		if v6 {
			e.Dst = ca6(1, 5)
		}
		want(t, "complaint to somebody else", pl.PortOut("a14", e.Bytes(), 0), vfp.Drop, vfp.DropICMPUnrelated)
	}
}

func TestRelatedEdges(t *testing.T) {
	p := guard(dual(), "a14", allow(vfp.Outbound, vfp.ProtocolAny))
	pl := New(p)
	out := from(ca(1, 4), ca(1, 6), mac(0, 1, 6))
	want(t, "connection", pl.PortOut("a14", out.Bytes(), 0), vfp.Encapsulate, 0)
	e, _ := modeltest.Complaint(out.Bytes(), ca(1, 6), mac(0, 1, 6), icmpRedirect)
	want(t, "redirect", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), e.Bytes()), 0), vfp.Drop, vfp.DropICMPUnrelated)
	e.Type, e.Fragment, e.More = icmpUnreachable, true, true
	want(t, "fragment", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), e.Bytes()), 0), vfp.Drop, vfp.DropICMPUnrelated)
	e.Fragment, e.More = false, false
	quote := e.Payload
	e.Payload = append([]byte(nil), quote...)
	e.Payload[7] = 1
	want(t, "about a later fragment", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), e.Bytes()), 0), vfp.Drop, vfp.DropICMPUnrelated)
	e.Payload = quote
	want(t, "past an ACL that blocks all ICMP", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), e.Bytes()), 0), vfp.Deliver, 0)
	closed := guard(dual(), "a14", allow(vfp.Inbound, vfp.ProtocolAny))
	pl.SetPolicy(closed)
	want(t, "about what is now forbidden", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), e.Bytes()), 0), vfp.Drop, vfp.DropICMPUnrelated)
	pl.SetPolicy(p)
	want(t, "and is allowed again", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), e.Bytes()), 0), vfp.Deliver, 0)
}
