package model

import (
	"bytes"
	"testing"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

func TestMSSClamp(t *testing.T) {
	nops := bytes.Repeat([]byte{1}, 9)
	for _, c := range []struct {
		name     string
		in, out4 []byte
	}{
		{"Ethernet's", []byte{2, 4, 0x05, 0xb4}, []byte{2, 4, 0x05, 0x50}}, // 1460 to 1360
		{"small", []byte{2, 4, 0x02, 0x18}, nil},
		{"exact", []byte{2, 4, 0x05, 0x50}, nil},
		{"at an odd offset", []byte{1, 2, 4, 0x23, 0x28, 1, 1, 0}, []byte{1, 2, 4, 0x05, 0x50, 1, 1, 0}},
		{"behind others", []byte{4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 0x23, 0}, []byte{4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 0x05, 0x50}},
		{"twice", []byte{2, 4, 0x05, 0xb4, 2, 4, 0xff, 0xff}, []byte{2, 4, 0x05, 0x50, 2, 4, 0x05, 0x50}},
		{"behind the end", []byte{0, 0, 0, 0, 2, 4, 0x05, 0xb4}, nil},
		{"tenth", append(append([]byte{}, nops...), 2, 4, 0x05, 0xb4, 0, 0, 0), append(append([]byte{}, nops...), 2, 4, 0x05, 0x50, 0, 0, 0)},
		{"eleventh", append(append([]byte{1}, nops...), 2, 4, 0x05, 0xb4, 0, 0), nil},
		{"length 3", []byte{2, 3, 0x05, 1}, nil},
		{"beyond the header", []byte{1, 1, 2, 4}, nil},
		{"length 0", []byte{3, 0, 2, 4}, nil},
	} {
		out := c.out4
		if out == nil {
			out = c.in
		}
		pl := New(dual())
		p := from(ca(1, 4), ca(1, 6), mac(0, 1, 6))
		p.TCPOptions = c.in
		_, inner, err := encap.Decode(pl.PortOut("a14", p.Bytes(), 0).Frame)
		if err != nil {
			t.Fatal(err)
		}
		if q, _ := modeltest.Parse(inner); !bytes.Equal(q.TCPOptions, out) || modeltest.CheckSums(inner) != nil {
			t.Errorf("%s: %x, %v", c.name, q.TCPOptions, modeltest.CheckSums(inner))
		}
		p.Src, p.Dst = ca6(1, 4), ca6(1, 6)
		_, inner, _ = encap.Decode(pl.PortOut("a14", p.Bytes(), 0).Frame)
		want6 := bytes.ReplaceAll(out, []byte{0x05, 0x50}, []byte{0x05, 0x3c}) // 1340
		if q, _ := modeltest.Parse(inner); !bytes.Equal(q.TCPOptions, want6) || modeltest.CheckSums(inner) != nil {
			t.Errorf("%s, IPv6: %x, %v", c.name, q.TCPOptions, modeltest.CheckSums(inner))
		}
		p.Src, p.Dst = ca(1, 4), ca(1, 6)

		a := p.Answer()
		a.TCPOptions = c.in
		got := pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), a.Bytes()), 0)
		want(t, c.name, got, vfp.Deliver, 0)
		if q, _ := modeltest.Parse(got.Frame); !bytes.Equal(q.TCPOptions, out) || modeltest.CheckSums(got.Frame) != nil {
			t.Errorf("%s: the answer brings %x", c.name, q.TCPOptions)
		}
	}
	for name, change := range map[string]func(*vfp.Policy, *modeltest.Packet){
		"no SYN":         func(_ *vfp.Policy, p *modeltest.Packet) { p.Flags = modeltest.ACK },
		"MTU not known":  func(w *vfp.Policy, _ *modeltest.Packet) { w.InnerMTU = 0 },
		"to a port here": func(_ *vfp.Policy, p *modeltest.Packet) { p.Dst, p.DstMAC = ca(1, 5), mac(0, 1, 5) },
	} {
		w, p := dual(), from(ca(1, 4), ca(1, 6), mac(0, 1, 6))
		p.TCPOptions = []byte{2, 4, 0x05, 0xb4}
		change(w, &p)
		if got := New(w).PortOut("a14", p.Bytes(), 0); !bytes.Contains(got.Frame, p.TCPOptions) {
			t.Errorf("%s: clamped", name)
		}
	}
}
