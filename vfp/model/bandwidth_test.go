package model

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

func TestBandwidth(t *testing.T) {
	p := dual()
	portOf(p, "a14").Bandwidth[vfp.Outbound] = vfp.Bandwidth{BitsPerSecond: 8_000_000, Burst: 2000} // a byte takes 1 us, the burst 2 ms
	pl := New(p)
	s := from(ca(1, 4), ca(1, 5), mac(0, 1, 5))
	s.Flags, s.Payload, s.TOS = modeltest.ACK, make([]byte, 960), 2 // 1000 bytes of IP
	for i, c := range []struct {
		now    time.Duration
		reason vfp.DropReason
		ce     bool // waits for more than half of the burst
	}{
		{0, 0, false}, // 1 ms waits: just half
		{0, 0, true},
		{0, 0, true}, // waits 2 ms: just the burst; then 3
		{0, vfp.DropBandwidth, false},
		{time.Millisecond - 1, vfp.DropBandwidth, false},
		{time.Millisecond, 0, true}, // 2 ms wait
		{time.Second, 0, false},     // empty again
	} {
		got := pl.PortOut("a14", s.Bytes(), c.now)
		verdict := vfp.Deliver
		if c.reason != 0 {
			verdict = vfp.Drop
		}
		want(t, c.now.String(), got, verdict, c.reason)
		if c.reason == 0 && (got.Frame[15]&3 == 3) != c.ce {
			t.Errorf("packet %d: TOS %x", i, got.Frame[15])
		}
		if c.reason == 0 && modeltest.CheckSums(got.Frame) != nil {
			t.Errorf("packet %d: %v", i, modeltest.CheckSums(got.Frame))
		}
	}
	s.TOS = 0
	for range 2 {
		if got := pl.PortOut("a14", s.Bytes(), time.Second); got.Reason == 0 && got.Frame[15] != 0 {
			t.Error("marked a packet that knows no congestion")
		}
	}
	if n := drops(pl, "a14", vfp.DropBandwidth); n != 2 {
		t.Errorf("%d drops", n)
	}
	want(t, "a trace", pl.TracePort("a14", s.Bytes()), vfp.Deliver, 0)
}

func TestBandwidthInbound(t *testing.T) {
	p := dual()
	portOf(p, "a15").Bandwidth[vfp.Inbound] = vfp.Bandwidth{BitsPerSecond: 8_000_000, Burst: 100}
	pl := New(p)
	s := from(ca6(1, 4), ca6(1, 5), mac(0, 1, 5))
	s.TOS, s.Payload = 1, make([]byte, 140)
	got := pl.PortOut("a14", s.Bytes(), 0)
	want(t, "first", got, vfp.Deliver, 0)
	if got.Frame[15]>>4&3 != 3 {
		t.Errorf("200 us wait, the burst is 100: %x", got.Frame[14:16])
	}
	want(t, "second", pl.PortOut("a14", s.Bytes(), 0), vfp.Drop, vfp.DropBandwidth)
	if drops(pl, "a15", vfp.DropBandwidth) != 1 {
		t.Error("not charged to the receiver")
	}
	if c := pl.Counters().Ports; c["a14"].TxPackets != 2 || c["a15"].RxPackets != 1 {
		t.Errorf("sent %d, received %d", c["a14"].TxPackets, c["a15"].RxPackets)
	}
}

// In the long run what passes is the rate, at most a burst and a packet more.
func TestBandwidthLongRun(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rate := rapid.Uint64Range(64_000, 100_000_000).Draw(rt, "rate")
		burst := rapid.Uint32Range(1, 20_000).Draw(rt, "burst")
		p := dual()
		portOf(p, "a14").Bandwidth[vfp.Outbound] = vfp.Bandwidth{BitsPerSecond: rate, Burst: burst}
		pl := New(p)
		s := from(ca(1, 4), ca(1, 5), mac(0, 1, 5))
		s.Proto = vfp.ProtocolUDP
		passed, now := uint64(0), time.Hour
		start := now
		s.Payload = make([]byte, rapid.IntRange(0, 1400).Draw(rt, "size"))
		for range 400 { // twice the rate
			if pl.PortOut("a14", s.Bytes(), now).Reason == 0 {
				passed += uint64(28 + len(s.Payload))
			}
			now += time.Duration(uint64(28+len(s.Payload)) * 8 * 1e9 / rate / 2)
		}
		fair := rate / 8 * uint64(now-start) / 1e9
		if most := fair + uint64(burst) + 2*1428 + 1000; passed > most {
			rt.Fatalf("%d bytes passed, at most %d should", passed, most)
		}
		if passed+1428+1000+fair/100 < fair {
			rt.Fatalf("%d bytes passed, %d had a right to", passed, fair)
		}
	})
}
