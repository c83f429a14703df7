package model

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

// routedWorld is world in which a's first subnet sends what is for the second (a24, on host 2) to an appliance: a15, here, or
// a16 on host 2.
func routedWorld(appliance int) *vfp.Policy {
	p := world()
	p.Routes = []vfp.Route{{ID: "/r/second", VSID: vsid("a", 1), Prefix: netip.PrefixFrom(ca(2, 0), 24), Action: vfp.RouteAppliance, NextHop: ca(1, appliance)}}
	for i := range p.Mappings {
		if m := &p.Mappings[i]; m.RDID == "a" && m.CA == ca(1, appliance) {
			m.Forwards = true
		}
	}
	if port := portOf(p, "a15"); appliance == 5 {
		port.Forwards = true
	}
	return p
}

func route(p *vfp.Policy, prefix string, action vfp.RouteAction) {
	p.Routes = append(p.Routes, vfp.Route{ID: "/r/" + prefix, VSID: vsid("a", 1), Prefix: netip.MustParsePrefix(prefix), Action: action})
	slices.SortFunc(p.Routes, vfp.CompareRoutes)
}

func toSecond() modeltest.Packet { return from(ca(1, 4), ca(2, 4), vfp.RouterMAC) }

func TestRouteByApplianceElsewhere(t *testing.T) {
	pl := New(routedWorld(6))
	got := pl.PortOut("a14", toSecond().Bytes(), 0)
	want(t, "by way of a16", got, vfp.Encapsulate, 0)
	o, inner, err := encap.Decode(got.Frame)
	if err != nil || o.Dst != pa(2) || o.VSID != vsid("a", 1) {
		t.Fatalf("outer %+v %v", o, err)
	}
	p, ok := modeltest.Parse(inner)
	if !ok || p.DstMAC != mac(0, 1, 6) || p.SrcMAC != vfp.RouterMAC || p.Dst != ca(2, 4) || p.TTL != 63 {
		t.Errorf("inner %+v", p)
	}
	i := slices.IndexFunc(got.Steps, func(s vfp.Step) bool { return s.Group == vfp.GroupUserRoutes })
	if i < 0 || got.Steps[i].Rule != "/r/second" || got.Steps[i].Action != "appliance" {
		t.Errorf("steps %+v", got.Steps)
	}
	if n := pl.Counters().Ports["a14"].Meter[vfp.MeterNetwork][vfp.Outbound].Packets; n != 1 {
		t.Errorf("%d packets between subnets", n)
	}
	// The answer may come from the appliance's host, and from where its source lives, here the same; from no other.
	back := toSecond().Answer()
	back.SrcMAC, back.DstMAC = vfp.RouterMAC, mac(0, 1, 4)
	want(t, "answer", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), back.Bytes()), 0), vfp.Deliver, 0)
	want(t, "answer of a liar", pl.UnderlayIn(wrapped(t, 3, vsid("a", 1), back.Bytes()), 0), vfp.Drop, vfp.DropPASpoof)
	// Another policy, another way: the live flow takes it.
	pl.SetPolicy(world())
	got = pl.PortOut("a14", toSecond().Bytes(), 0)
	want(t, "without the route", got, vfp.Encapsulate, 0)
	if o, _, _ := encap.Decode(got.Frame); o.VSID != vsid("a", 2) {
		t.Errorf("outer %+v", o)
	}
}

func TestRouteByApplianceHere(t *testing.T) {
	pl := New(routedWorld(5))
	got := pl.PortOut("a14", toSecond().Bytes(), 0)
	want(t, "to the appliance", got, vfp.Deliver, 0)
	p, ok := modeltest.Parse(got.Frame)
	if !ok || got.Port != "a15" || p.DstMAC != mac(0, 1, 5) || p.Dst != ca(2, 4) {
		t.Fatalf("%s %+v", got.Port, p)
	}
	// It passes the packet on, by no route of its own: the table is its subnet's, so it would come back to it.
	p.SrcMAC, p.DstMAC, p.TTL = mac(0, 1, 5), vfp.RouterMAC, p.TTL-1
	got = pl.PortOut("a15", p.Bytes(), 0)
	want(t, "back to itself", got, vfp.Deliver, 0)
	if got.Port != "a15" || got.Frame[22] != 61 {
		t.Errorf("%s %x", got.Port, got.Frame)
	}
	policy := routedWorld(5)
	route(policy, "10.0.2.4/32", vfp.RouteLocal)
	pl = New(policy)
	got = pl.PortOut("a15", p.Bytes(), 0)
	want(t, "passed on", got, vfp.Encapsulate, 0)
	if _, inner, _ := encap.Decode(got.Frame); addr4(inner[26:]) != ca(1, 4) {
		t.Errorf("inner %x", inner)
	}
	// What nobody's next hop sends is its own, whatever it claims.
	p.SrcMAC = mac(0, 1, 4)
	p.Src = ca(1, 5)
	want(t, "no appliance", pl.PortOut("a14", p.Bytes(), 0), vfp.Drop, vfp.DropCASpoof)
	for _, src := range []string{"127.0.0.1", "0.0.0.1", "169.254.0.1", "224.0.0.1"} {
		p.SrcMAC, p.Src = mac(0, 1, 5), netip.MustParseAddr(src)
		want(t, "source "+src, pl.PortOut("a15", p.Bytes(), 0), vfp.Drop, vfp.DropCASpoof)
	}
}

// TestTransitFlowsAreTheAppliances: a packet that the appliance passes on to a neighbour here has a flow there, one when it comes
// and one when it goes, and they are not the neighbour's.
func TestTransitFlowsAreTheAppliances(t *testing.T) {
	p := routedWorld(5)
	p.Routes[0].Prefix = netip.MustParsePrefix("10.0.1.6/32") // in the same subnet, on host 2
	guard(p, "a15", allow(vfp.Inbound, vfp.ProtocolTCP, 80), allow(vfp.Outbound, vfp.ProtocolTCP, 80))
	pl := New(p)
	b := from(ca(1, 4), ca(1, 6), mac(0, 1, 6)) // the endpoint thinks of it as a neighbour
	got := pl.PortOut("a14", b.Bytes(), 0)
	want(t, "to the appliance", got, vfp.Deliver, 0)
	if got.Port != "a15" || macAt(got.Frame) != mac(0, 1, 5) || got.Frame[22] != 63 {
		t.Errorf("%s %x", got.Port, got.Frame)
	}
	q, _ := modeltest.Parse(got.Frame)
	q.SrcMAC, q.DstMAC = mac(0, 1, 5), mac(0, 1, 6)
	pl.policy.Routes = nil
	pl.SetPolicy(pl.policy)
	want(t, "passed on", pl.PortOut("a15", q.Bytes(), 0), vfp.Encapsulate, 0)
	if n := len(pl.Flows()); n != 3 {
		t.Errorf("%d flows: %+v", n, pl.Flows())
	}
	b.DstPort = 22
	p = routedWorld(5)
	p.Routes[0].Prefix = netip.MustParsePrefix("10.0.1.6/32")
	guard(p, "a15", allow(vfp.Inbound, vfp.ProtocolTCP, 80))
	pl = New(p)
	want(t, "past the appliance's list", pl.PortOut("a14", b.Bytes(), 0), vfp.Drop, vfp.DropACLInbound)
}

func TestTransitFromTheUnderlay(t *testing.T) {
	pl := New(routedWorld(5))
	b := from(ca(1, 6), ca(2, 4), mac(0, 1, 5))
	b.SrcMAC = vfp.RouterMAC
	got := pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), b.Bytes()), 0)
	want(t, "in transit", got, vfp.Deliver, 0)
	if got.Port != "a15" {
		t.Errorf("to %s", got.Port)
	}
	b.DstMAC = mac(0, 1, 4)
	want(t, "to a port that does not forward", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), b.Bytes()), 0), vfp.Drop, vfp.DropNoPort)
}

// TestForwardedSources: what an appliance passes on has a source that lives elsewhere, or nowhere in the network.
func TestForwardedSources(t *testing.T) {
	internet := netip.MustParseAddr("198.51.100.1")
	for _, c := range []struct {
		name   string
		src    netip.Addr
		host   int
		routed bool // the answer has a way
		v      vfp.Verdict
		reason vfp.DropReason
	}{
		{"a neighbour by way of the appliance", ca(2, 4), 3, true, vfp.Deliver, 0},
		{"a neighbour straight", ca(2, 4), 2, true, vfp.Deliver, 0},
		{"from outside", internet, 3, true, vfp.Deliver, 0},
		{"from outside, no way back", internet, 3, false, vfp.Deliver, 0},
		{"from outside, no appliance there", internet, 2, true, vfp.Drop, vfp.DropNoMapping},
		{"somebody else's", ca(2, 4), 4, true, vfp.Drop, vfp.DropPASpoof},
	} {
		p := world()
		p.Mappings = append(p.Mappings, vfp.Mapping{RDID: "a", CA: ca(1, 9), VSID: vsid("a", 1), MAC: mac(0, 1, 9), PA: pa(3), Forwards: true})
		if c.routed {
			p.Routes = []vfp.Route{{ID: "/r/all", VSID: vsid("a", 1), Prefix: netip.MustParsePrefix("0.0.0.0/0"), Action: vfp.RouteAppliance, NextHop: ca(1, 9)}}
		}
		pl := New(p)
		b := from(c.src, ca(1, 4), mac(0, 1, 4))
		b.SrcMAC = vfp.RouterMAC
		want(t, c.name, pl.UnderlayIn(wrapped(t, c.host, vsid("a", 1), b.Bytes()), 0), c.v, c.reason)
		if c.v == vfp.Drop {
			continue
		}
		back := b.Answer()
		back.SrcMAC, back.DstMAC = mac(0, 1, 4), vfp.RouterMAC
		got := pl.PortOut("a14", back.Bytes(), time.Second)
		if !c.routed {
			want(t, c.name+": answer", got, vfp.Drop, vfp.DropNoMapping)
			continue
		}
		want(t, c.name+": answer", got, vfp.Encapsulate, 0)
		if o, _, _ := encap.Decode(got.Frame); o.Dst != pa(3) {
			t.Errorf("%s: answer to %+v", c.name, o)
		}
	}
}

func TestRoutes(t *testing.T) {
	p := routedWorld(6)
	route(p, "10.0.0.0/8", vfp.RouteNone)
	route(p, "10.0.1.0/24", vfp.RouteLocal)
	route(p, "10.0.1.6/32", vfp.RouteInternet)
	route(p, "192.0.2.0/24", vfp.RouteAppliance) // without a next hop that anybody has
	pl := New(p)
	for _, c := range []struct {
		name   string
		dst    string
		v      vfp.Verdict
		reason vfp.DropReason
	}{
		{"the longest wins", "10.0.1.5", vfp.Deliver, 0},
		{"none", "10.9.9.9", vfp.Drop, vfp.DropRouteNone},
		{"internet, though it is here", "10.0.1.6", vfp.Drop, vfp.DropNoMapping},
		{"appliance of nobody", "192.0.2.1", vfp.Drop, vfp.DropNextHop},
		{"no route at all", "8.8.8.8", vfp.Drop, vfp.DropNoMapping},
	} {
		want(t, c.name, pl.PortOut("a14", from(ca(1, 4), netip.MustParseAddr(c.dst), vfp.RouterMAC).Bytes(), 0), c.v, c.reason)
	}
	if n := drops(pl, "a14", vfp.DropRouteNone); n != 1 {
		t.Errorf("%d packets went nowhere", n)
	}
	// What comes in is not for the receiver's routes to stop; its answers are.
	p = world()
	route(p, "10.0.2.0/24", vfp.RouteNone)
	pl = New(p)
	b := from(ca(2, 4), ca(1, 4), mac(0, 1, 4))
	b.SrcMAC = vfp.RouterMAC
	want(t, "in", pl.UnderlayIn(wrapped(t, 2, vsid("a", 1), b.Bytes()), 0), vfp.Deliver, 0)
	back := b.Answer()
	back.SrcMAC, back.DstMAC = mac(0, 1, 4), vfp.RouterMAC
	want(t, "its answer", pl.PortOut("a14", back.Bytes(), 0), vfp.Drop, vfp.DropRouteNone)
	pl.SetPolicy(world())
	want(t, "its answer, later", pl.PortOut("a14", back.Bytes(), 0), vfp.Encapsulate, 0)
}

// TestApplianceComplains: a router on the way may say that a packet is too big, or too old.
func TestApplianceComplains(t *testing.T) {
	pl := New(routedWorld(5))
	got := pl.PortOut("a14", toSecond().Bytes(), 0)
	want(t, "to the appliance", got, vfp.Deliver, 0)
	e, ok := modeltest.Complaint(got.Frame, ca(1, 5), mac(0, 1, 5), 11)
	if !ok {
		t.Fatal("no complaint")
	}
	e.DstMAC = mac(0, 1, 4)
	got = pl.PortOut("a15", e.Bytes(), 0)
	want(t, "its complaint", got, vfp.Deliver, 0)
	if got.Port != "a14" {
		t.Errorf("to %s", got.Port)
	}
	portOf(pl.policy, "a15").Forwards = false
	pl.SetPolicy(pl.policy)
	want(t, "of one that does not forward", pl.PortOut("a15", e.Bytes(), 0), vfp.Drop, vfp.DropICMPUnrelated)
}
