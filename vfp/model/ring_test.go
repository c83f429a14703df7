package model

import (
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

func TestHalfOpenFlowsGiveWay(t *testing.T) {
	p := dual()
	portOf(p, "a14").Limits = vfp.FlowLimits{HalfOpen: 3}
	pl := New(p)
	now := time.Duration(0)
	open := func(port uint16) modeltest.Packet {
		now++
		s := from(ca(1, 4), ca(1, 6), mac(0, 1, 6))
		s.SrcPort = port
		want(t, "open", pl.PortOut("a14", s.Bytes(), now), vfp.Encapsulate, 0)
		return s
	}
	has := func(port uint16) bool {
		return pl.flows[flowKey{vsid("a", 1), vfp.ProtocolTCP, ca(1, 4), ca(1, 6), port, 80, ""}] != nil
	}
	answered := open(1)
	want(t, "answer", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), answered.Answer().Bytes()), now), vfp.Deliver, 0)
	for port := uint16(2); port <= 5; port++ {
		open(port)
	}
	if !has(1) || has(2) || !has(3) || !has(4) || !has(5) {
		t.Errorf("an old attempt should have gone, nothing else: %v", pl.flows)
	}
	if c := pl.Counters().Ports["a14"].Flows; c != (vfp.FlowCounters{Now: 4, Created: 5, Evicted: 1}) {
		t.Errorf("%+v", c)
	}
	// the same connection again, later: what the ring says of its first life is no reason to evict its second
	if n := pl.Sweep(now + time.Minute); n != 3 {
		t.Errorf("swept %d", n)
	}
	now += time.Minute
	open(5)
	open(6)
	if !has(5) || !has(6) || !has(1) {
		t.Error("evicted another incarnation")
	}
}

func TestFlowLimit(t *testing.T) {
	p := dual()
	portOf(p, "a14").Limits = vfp.FlowLimits{Flows: 2}
	pl := New(p)
	s := from(ca(1, 4), ca(1, 6), mac(0, 1, 6))
	send := func(port uint16, now time.Duration) vfp.Trace {
		s.SrcPort = port
		return pl.PortOut("a14", s.Bytes(), now)
	}
	answer := func(port uint16, now time.Duration) {
		s.SrcPort = port
		want(t, "answer", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), s.Answer().Bytes()), now), vfp.Deliver, 0)
	}
	want(t, "first", send(1, 1), vfp.Encapsulate, 0)
	want(t, "second", send(2, 2), vfp.Encapsulate, 0)
	answer(2, 2)
	want(t, "third, for a half-open one", send(3, 3), vfp.Encapsulate, 0)
	answer(3, 3)
	want(t, "fourth", send(4, 4), vfp.Drop, vfp.DropFlowLimit)
	if c := pl.Counters().Ports["a14"].Flows; c != (vfp.FlowCounters{Now: 2, Created: 3, Evicted: 1, Refused: 1}) {
		t.Errorf("%+v", c)
	}
	want(t, "an old one goes on", send(3, 5), vfp.Encapsulate, 0)
	// a connection that ended gives its own place to its successor
	s.Flags = modeltest.RST
	want(t, "reset", send(3, 6), vfp.Encapsulate, 0)
	s.Flags = modeltest.SYN
	want(t, "again", send(3, 7), vfp.Encapsulate, 0)
	want(t, "when the others are silent", send(4, 2*time.Hour), vfp.Encapsulate, 0)
}

func TestNeighboursDontPay(t *testing.T) {
	p := dual()
	portOf(p, "a14").Limits = vfp.FlowLimits{Flows: 1, HalfOpen: 1}
	pl := New(p)
	quiet := from(ca(1, 5), ca(1, 6), mac(0, 1, 6))
	quiet.SrcMAC = mac(0, 1, 5)
	want(t, "a15", pl.PortOut("a15", quiet.Bytes(), 0), vfp.Encapsulate, 0)
	s := from(ca(1, 4), ca(1, 6), mac(0, 1, 6))
	for port := range uint16(100) {
		s.SrcPort = port
		pl.PortOut("a14", s.Bytes(), time.Duration(port))
	}
	if c := pl.Counters().Ports; c["a14"].Flows.Now != 1 || c["a15"].Flows.Now != 1 || len(pl.flows) != 2 {
		t.Errorf("%+v %+v", c["a14"].Flows, c["a15"].Flows)
	}
}
