package model

import (
	"reflect"
	"testing"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

func TestRuleMatches(t *testing.T) {
	tcp := func(flags uint8) packet {
		return packet{src: ca(1, 4), dst: ca(1, 6), proto: 6, sport: 1, dport: 80, tcpFlags: flags}
	}
	icmp := func(v6 bool, proto, kind, code uint8) packet {
		return packet{v6: v6, src: ca(1, 4), dst: ca(1, 6), proto: proto, icmpType: kind, icmpCode: code}
	}
	echo := vfp.Rule{Protocol: vfp.ProtocolICMP, ICMP: []vfp.ICMPMatch{{Type: 8, Code: vfp.AnyCode}, {Type: 0, Code: 0}}}
	syn := vfp.Rule{Protocol: vfp.ProtocolTCP, TCPFlags: vfp.FlagMatch{Mask: tcpSYN | tcpACK, Value: tcpSYN}}
	for name, c := range map[string]struct {
		rule vfp.Rule
		p    packet
		want bool
	}{
		"echo of any code":                  {echo, icmp(false, 1, 8, 3), true},
		"echo reply":                        {echo, icmp(false, 1, 0, 0), true},
		"echo reply of another code":        {echo, icmp(false, 1, 0, 1), false},
		"timestamp":                         {echo, icmp(false, 1, 13, 0), false},
		"protocol 1 in IPv6 has no types":   {echo, icmp(true, 1, 0, 0), false},
		"protocol 1 in IPv6, without types": {vfp.Rule{Protocol: 1}, icmp(true, 1, 0, 0), true},
		"SYN":                               {syn, tcp(tcpSYN), true},
		"SYN and others":                    {syn, tcp(tcpSYN | 0xc0), true},
		"SYN ACK":                           {syn, tcp(tcpSYN | tcpACK), false},
		"flags none can have":               {vfp.Rule{Protocol: 6, TCPFlags: vfp.FlagMatch{Value: 1}}, tcp(1), false},
		"flags of no TCP":                   {vfp.Rule{Protocol: vfp.ProtocolAny, TCPFlags: vfp.FlagMatch{Mask: 1}}, icmp(false, 1, 8, 0), false},
		"ports of no port protocol":         {vfp.Rule{Protocol: vfp.ProtocolAny, SourcePorts: []vfp.PortRange{{Last: 65535}}}, icmp(false, 1, 8, 0), false},
	} {
		if got := matches(&c.rule, &c.p); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A flow is judged again by what its first packet was, not by the present one.
func TestJudgedAgainByTheFirstPacket(t *testing.T) {
	onlySYN := allow(vfp.Outbound, vfp.ProtocolTCP)
	onlySYN.TCPFlags = vfp.FlagMatch{Mask: tcpSYN | tcpACK, Value: tcpSYN}
	pl := New(guard(dual(), "a14", onlySYN))
	p := from(ca(1, 4), ca(1, 6), mac(0, 1, 6))
	want(t, "SYN", pl.PortOut("a14", p.Bytes(), 0), vfp.Encapsulate, 0)
	p.Flags = modeltest.ACK
	pl.SetPolicy(guard(dual(), "a14", onlySYN))
	want(t, "ACK", pl.PortOut("a14", p.Bytes(), 0), vfp.Encapsulate, 0)
	p.SrcPort++
	want(t, "ACK of no connection", pl.PortOut("a14", p.Bytes(), 0), vfp.Drop, vfp.DropACLOutbound)
}

func TestLayersAndEvents(t *testing.T) {
	w := guard(dual(), "a14", allow(vfp.Outbound, vfp.ProtocolTCP, 80))
	w.ACLs[0].Rules[0].Logging = true
	block := vfp.Rule{ID: "no-23", Direction: vfp.Outbound, Protocol: vfp.ProtocolTCP, DestinationPorts: []vfp.PortRange{{First: 23, Last: 23}}, Action: vfp.Block, Logging: true}
	w.ACLs = append(w.ACLs, vfp.ACL{ID: "/admin", Layer: vfp.LayerAdmin, Rules: []vfp.Rule{block}})
	a := portOf(w, "a14")
	a.Addresses[0].ACLs = []string{"/admin", "/acl/a14"}
	pl := New(w)
	p := from(ca(1, 4), ca(1, 6), mac(0, 1, 6))
	got := pl.PortOut("a14", p.Bytes(), 0)
	var layers []string
	for _, s := range got.Steps {
		if s.Group != "" {
			layers = append(layers, s.Layer+" "+s.Group+" "+s.Rule)
		}
	}
	if !reflect.DeepEqual(layers, []string{"FW_ADMIN_LAYER_ID /admin default-outbound", "FW_CONTROLLER_LAYER_ID /acl/a14 allow-outbound-6-[80]"}) {
		t.Errorf("%q", layers)
	}
	pl.PortOut("a14", p.Bytes(), 0) // the same flow: no event
	p.DstPort = 23
	want(t, "blocked by the operator", pl.PortOut("a14", p.Bytes(), 0), vfp.Drop, vfp.DropACLOutbound)
	pl.TracePort("a14", p.Bytes())
	event := vfp.Event{Kind: vfp.EventACL, PortID: "a14", Direction: vfp.Outbound, Protocol: 6, Source: ca(1, 4), Destination: ca(1, 6),
		SourcePort: 33000, DestinationPort: 80, Length: 54, Rule: vfp.RuleKey{ACL: "/acl/a14", RuleID: "allow-outbound-6-[80]"}}
	blocked := event
	blocked.DestinationPort, blocked.Rule, blocked.Action = 23, vfp.RuleKey{ACL: "/admin", RuleID: "no-23"}, vfp.Block
	if got := pl.Events(); !reflect.DeepEqual(got, []vfp.Event{event, blocked}) {
		t.Errorf("events %+v", got)
	}
	if len(pl.Events()) != 0 {
		t.Error("events stay")
	}
}
