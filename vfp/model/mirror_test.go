package model

import (
	"net/netip"
	"testing"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

func TestMirror(t *testing.T) {
	collector := netip.MustParseAddr("172.16.9.9")
	mirrored := func(m vfp.Mirror, p modeltest.Packet) vfp.Trace {
		w := dual()
		portOf(w, "a14").Mirror = &m
		return New(w).PortOut("a14", p.Bytes(), 0)
	}
	p := from(ca(1, 4), ca(1, 6), mac(0, 1, 6))
	p.TCPOptions = []byte{2, 4, 0x05, 0xb4} // the copy is of what the endpoint sent: not clamped
	sent := string(p.Bytes())

	got := mirrored(vfp.Mirror{Port: "b14"}, p)
	want(t, "to a port", got, vfp.Encapsulate, 0)
	if len(got.Mirrored) != 1 || got.Mirrored[0].Port != "b14" || string(got.Mirrored[0].Frame) != sent {
		t.Errorf("copies %+v", got.Mirrored)
	}
	if got := mirrored(vfp.Mirror{Port: "gone"}, p); len(got.Mirrored) != 0 {
		t.Errorf("to nobody: %+v", got.Mirrored)
	}

	got = mirrored(vfp.Mirror{Collector: collector, Session: 77}, p)
	o, inner, err := encap.Decode(got.Mirrored[0].Frame)
	if err != nil || o.Type != encap.VXLAN || o.VSID != 77 || o.Dst != collector || string(inner) != sent {
		t.Errorf("to a collector: %+v %v", o, err)
	}

	got = mirrored(vfp.Mirror{Collector: collector, Type: vfp.MirrorERSPAN, Session: 0x123}, p)
	b := got.Mirrored[0].Frame
	golden(t, "ERSPAN", b[:50], `000000000000 000000000000 0800 45 00 005e 0000 4000 40 2f d946 ac100001 ac100909
		1000 88be 00000000 1000 0123 00000000`)
	if string(b[50:]) != sent {
		t.Errorf("ERSPAN %x", b)
	}

	// What is dropped behind port security is mirrored; what port security drops is not.
	q := p
	q.Dst = ca(1, 99)
	if got := mirrored(vfp.Mirror{Port: "b14"}, q); got.Verdict != vfp.Drop || len(got.Mirrored) != 1 {
		t.Errorf("no mapping: %+v", got)
	}
	q.Src = ca(1, 5)
	if got := mirrored(vfp.Mirror{Port: "b14"}, q); len(got.Mirrored) != 0 {
		t.Errorf("spoofed: %+v", got.Mirrored)
	}
	p.Payload, p.Dst, p.DstMAC = make([]byte, 1500), ca(1, 5), mac(0, 1, 5)
	if got := mirrored(vfp.Mirror{Collector: collector}, p); got.Verdict != vfp.Deliver || len(got.Mirrored) != 0 {
		t.Errorf("too big for the underlay: %+v", got)
	}
}

func TestMirrorOfWhatIsReceived(t *testing.T) {
	watched := func() *vfp.Policy {
		w := dual()
		portOf(w, "a15").Mirror = &vfp.Mirror{Port: "b14"}
		return w
	}
	pl := New(watched())
	p := from(ca(1, 4), ca(1, 5), vfp.RouterMAC)
	got := pl.PortOut("a14", p.Bytes(), 0)
	want(t, "delivery", got, vfp.Deliver, 0)
	if len(got.Mirrored) != 1 || string(got.Mirrored[0].Frame) != string(got.Frame) {
		t.Errorf("copies %+v", got.Mirrored)
	}
	pl.SetPolicy(guard(watched(), "a15"))
	if got := pl.PortOut("a14", p.Bytes(), 0); got.Verdict != vfp.Drop || len(got.Mirrored) != 0 {
		t.Errorf("what is not received: %+v", got)
	}
}
