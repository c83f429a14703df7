package model

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

var (
	natAddr = netip.MustParseAddr("192.0.2.1")
	outside = netip.MustParseAddr("198.51.100.7")
)

func natWorld() *vfp.Policy {
	p := dual()
	subnetOf(p, vsid("a", 1)).NAT = natAddr
	return p
}

// back is what the outside says to a translated frame.
func back(t *testing.T, frame []byte) modeltest.Packet {
	t.Helper()
	p, ok := modeltest.Parse(frame)
	if !ok {
		t.Fatalf("translated to %x", frame)
	}
	return p.Answer()
}

func TestNAT(t *testing.T) {
	for _, c := range []struct {
		name  string
		proto uint8
		none  bool // no UDP checksum
	}{{"TCP", vfp.ProtocolTCP, false}, {"UDP", vfp.ProtocolUDP, false}, {"UDP without checksum", vfp.ProtocolUDP, true}, {"echo", vfp.ProtocolICMP, false}} {
		pl := New(natWorld())
		out := from(ca(1, 4), outside, vfp.RouterMAC)
		out.Proto, out.Type, out.NoChecksum, out.Payload = c.proto, icmpEcho, c.none, []byte("odd")
		got := pl.PortOut("a14", out.Bytes(), 0)
		want(t, c.name, got, vfp.Translate, 0)
		p, _ := modeltest.Parse(got.Frame)
		if p.Src != natAddr || p.Dst != outside || p.SrcPort < 61000 || p.TTL != 63 || p.SrcMAC != (vfp.MAC{}) || p.DstMAC != (vfp.MAC{}) || modeltest.CheckSums(got.Frame) != nil {
			t.Errorf("%s: %+v %v", c.name, p, modeltest.CheckSums(got.Frame))
		}
		if c.none && (got.Frame[40] != 0 || got.Frame[41] != 0) {
			t.Errorf("%s: has one now", c.name)
		}
		if c.proto != vfp.ProtocolICMP && p.DstPort != 80 {
			t.Errorf("%s: to port %d", c.name, p.DstPort)
		}
		in := back(t, got.Frame)
		got = pl.UnderlayIn(in.Bytes(), 0)
		want(t, c.name+" answer", got, vfp.Deliver, 0)
		a, _ := modeltest.Parse(got.Frame)
		end := a.DstPort
		if a.IsICMP() {
			end = a.SrcPort
		}
		if got.Port != "a14" || a.Dst != ca(1, 4) || a.Src != outside || end != 33000 || a.TTL != 63 || a.DstMAC != mac(0, 1, 4) || a.SrcMAC != vfp.RouterMAC || modeltest.CheckSums(got.Frame) != nil {
			t.Errorf("%s: answer %+v %v", c.name, a, modeltest.CheckSums(got.Frame))
		}
		m := pl.Counters().Ports["a14"].Meter[vfp.MeterOutside]
		if m[vfp.Outbound].Packets != 1 || m[vfp.Inbound].Packets != 1 {
			t.Errorf("%s: meter %+v", c.name, m)
		}

		in.Src = netip.MustParseAddr("198.51.100.8")
		want(t, c.name+" from somebody else", pl.UnderlayIn(in.Bytes(), 0), vfp.Pass, 0)
		in.Src, in.Fragment, in.More = outside, true, true
		want(t, c.name+" fragment", pl.UnderlayIn(in.Bytes(), 0), vfp.Pass, 0)
		in.Fragment, in.More, in.TTL = false, false, 1
		want(t, c.name+" at its end", pl.UnderlayIn(in.Bytes(), 0), vfp.Drop, vfp.DropTTLExpired)
		in.TTL = 64
		want(t, c.name+" too late", pl.UnderlayIn(in.Bytes(), 2*time.Hour), vfp.Drop, vfp.DropNAT)
		pl.Sweep(2 * time.Hour)
		want(t, c.name+" forgotten", pl.UnderlayIn(in.Bytes(), 2*time.Hour), vfp.Pass, 0)
		if len(pl.natPorts) != 0 {
			t.Errorf("%s: port still taken", c.name)
		}
	}
}

func TestNATPort(t *testing.T) {
	pl := New(natWorld())
	taken := map[uint16]bool{}
	for n := range uint16(32) {
		out := from(ca(1, 4), outside, vfp.RouterMAC)
		out.SrcPort = n
		got := pl.PortOut("a14", out.Bytes(), 0)
		want(t, "connection", got, vfp.Translate, 0)
		p, _ := modeltest.Parse(got.Frame)
		if taken[p.SrcPort] {
			t.Errorf("port %d twice", p.SrcPort)
		}
		taken[p.SrcPort] = true
	}
	// All 32 that this connection could have are taken.
	out := from(ca(1, 4), outside, vfp.RouterMAC)
	key := flowKey{vsid: vsid("a", 1), proto: vfp.ProtocolTCP, local: ca(1, 4), remote: outside, lport: 33000, rport: 80}
	first := pl.freeNATPort(key)
	for i := range uint16(32) {
		pl.natPorts[natKeyOf(key, natFirst+(first-natFirst+i*7)%natCount)] = flowKey{}
	}
	want(t, "one too many", pl.PortOut("a14", out.Bytes(), 0), vfp.Drop, vfp.DropNAT)
	out.Dst = netip.MustParseAddr("198.51.100.8")
	want(t, "to somebody else", pl.PortOut("a14", out.Bytes(), 0), vfp.Translate, 0)
}

func TestNotTranslated(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *vfp.Policy, p *modeltest.Packet)
		want   vfp.DropReason
	}{
		"SCTP":              {func(_ *vfp.Policy, p *modeltest.Packet) { p.Proto = 132 }, vfp.DropNoMapping},
		"echo reply":        {func(_ *vfp.Policy, p *modeltest.Packet) { p.Proto = vfp.ProtocolICMP }, vfp.DropNoMapping},
		"its own subnet":    {func(_ *vfp.Policy, p *modeltest.Packet) { p.Dst = ca(1, 77) }, vfp.DropNoMapping},
		"not to the router": {func(_ *vfp.Policy, p *modeltest.Packet) { p.DstMAC = mac(0, 1, 5) }, vfp.DropNoMapping},
		"no NAT":            {func(w *vfp.Policy, _ *modeltest.Packet) { w.Subnets[0].NAT = netip.Addr{} }, vfp.DropNoMapping},
		"fragment":          {func(_ *vfp.Policy, p *modeltest.Packet) { p.Fragment, p.More = true, true }, vfp.DropNAT},
		"blocked by an ACL": {func(w *vfp.Policy, _ *modeltest.Packet) { guard(w, "a14") }, vfp.DropACLOutbound},
		"error to a stranger": {func(_ *vfp.Policy, p *modeltest.Packet) {
			p.Proto, p.Type, p.Payload = vfp.ProtocolICMP, icmpUnreachable, make([]byte, 28)
			p.Payload[0] = 0x45
		}, vfp.DropICMPUnrelated},
	} {
		w, p := natWorld(), from(ca(1, 4), outside, vfp.RouterMAC)
		c.change(w, &p)
		pl := New(w)
		want(t, name, pl.PortOut("a14", p.Bytes(), 0), vfp.Drop, c.want)
		if len(pl.flows)+len(pl.natPorts) > 0 {
			t.Errorf("%s: left a flow", name)
		}
	}
}

func TestNATErrors(t *testing.T) {
	pl := New(natWorld())
	out := from(ca(1, 4), outside, vfp.RouterMAC)
	got := pl.PortOut("a14", out.Bytes(), 0)
	router := netip.MustParseAddr("203.0.113.9")
	e, _ := modeltest.Complaint(got.Frame, router, vfp.MAC{}, icmpTimeExceeded)
	got = pl.UnderlayIn(e.Bytes(), time.Second)
	want(t, "from a router on the way", got, vfp.Deliver, 0)
	d, _ := modeltest.Parse(got.Frame)
	if d.Dst != ca(1, 4) || d.Src != router || d.TTL != 63 || modeltest.CheckSums(got.Frame) != nil {
		t.Errorf("%+v %v", d, modeltest.CheckSums(got.Frame))
	}
	// The quote is what the endpoint sent, one hop later; its IP checksum is right again.
	if q := d.Payload; modeltest.Sum(q[:20]) != 0xffff || addr4(q[12:]) != ca(1, 4) || q[20] != 33000>>8 || q[21] != 33000&0xff {
		t.Errorf("quote %x", q)
	}
	for _, f := range pl.flows {
		if f.last != 0 || f.packets[vfp.Inbound] != 1 || f.state != 0 {
			t.Errorf("%+v", f)
		}
	}
	e.Type = icmpRedirect
	want(t, "redirect", pl.UnderlayIn(e.Bytes(), 0), vfp.Pass, 0)
	e.Type = icmpTimeExceeded
	e.Payload[20+1]++
	want(t, "about another", pl.UnderlayIn(e.Bytes(), 0), vfp.Pass, 0)

	in := out.Answer()
	in.Src = outside
	complaint, _ := modeltest.Complaint(in.Bytes(), ca(1, 4), mac(0, 1, 4), icmpUnreachable)
	complaint.DstMAC = vfp.RouterMAC
	want(t, "outbound", pl.PortOut("a14", complaint.Bytes(), 0), vfp.Drop, vfp.DropICMPUnrelated)
}

func TestNATPolicyChanges(t *testing.T) {
	pl := New(natWorld())
	out := from(ca(1, 4), outside, vfp.RouterMAC)
	in := back(t, pl.PortOut("a14", out.Bytes(), 0).Frame)
	pl.SetPolicy(guard(natWorld(), "a14"))
	want(t, "forbidden", pl.UnderlayIn(in.Bytes(), 0), vfp.Drop, vfp.DropACLOutbound)
	pl.SetPolicy(natWorld())
	want(t, "allowed again, with the same port", pl.UnderlayIn(in.Bytes(), 0), vfp.Deliver, 0)
	pl.SetPolicy(dual())
	want(t, "no NAT any more", pl.PortOut("a14", out.Bytes(), 0), vfp.Drop, vfp.DropNoMapping)
	gone := natWorld()
	gone.Ports = gone.Ports[1:]
	pl.SetPolicy(gone)
	if len(pl.flows)+len(pl.natPorts) > 0 {
		t.Error("a port that left keeps NAT ports")
	}
}
