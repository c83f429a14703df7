package agent

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/attach"
	"github.com/fairlead-net/fairlead/agent/config"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

const sixSubnet = "/virtualNetworks/contoso/subnets/six"

// dualStack adds an IPv6 subnet, in which nic-web1 and nic-web3 have an address each.
func dualStack() *cc.Snapshot {
	s := fabric()
	v := &s.VirtualNetworks[0]
	v.AddressPrefixes = append(v.AddressPrefixes, "fd00:1::/48")
	v.Subnets = append(v.Subnets, cc.Subnet{Meta: meta(sixSubnet), AddressPrefix: "fd00:1:0:1::/64", VSID: 5099})
	for i, ca := range map[int]string{0: "fd00:1:0:1::11", 2: "fd00:1:0:1::13"} {
		n := &s.NetworkInterfaces[i]
		n.IPConfigurations = append(n.IPConfigurations, cc.IPConfiguration{Meta: meta(n.Ref + "/ipConfigurations/ip6"), PrivateIPAddress: ca, Subnet: sixSubnet})
	}
	return s
}

func TestAttachDualStack(t *testing.T) {
	b := newBed(t)
	b.ok(dualStack())
	e := b.mustAttach("web", "nic-web1")
	if !slices.Equal(e.Addresses, []string{"10.0.1.11", "fd00:1:0:1::11"}) {
		t.Errorf("%+v", e)
	}
	s := b.wiring.devices[attach.DeviceName("web")]
	if s.Gateway != netip.MustParseAddr("10.0.1.1") || s.Gateway6 != netip.MustParseAddr("fd00:1:0:1::1") {
		t.Errorf("%+v", s)
	}
	if b.dp.policy.InnerMTU != 1450 {
		t.Errorf("InnerMTU %d", b.dp.policy.InnerMTU)
	}
}

// TestTraceFrame6: the frame is what a real stack sends; its checksums are right.
func TestTraceFrame6(t *testing.T) {
	b := newBed(t)
	b.ok(dualStack())
	b.mustAttach("web", "nic-web1")
	port := &b.policy.Ports[0]
	for proto, number := range map[string]byte{"": 6, "udp": 17, "icmp": 58, "icmpv6": 58} {
		f, from, err := b.frame(port, api.TraceRequest{To: "fd00:1:0:1::13", Proto: proto, Sport: 40000, Dport: 443})
		if err != nil {
			t.Fatal(err)
		}
		if from.CA.String() != "fd00:1:0:1::11" || !bytes.Equal(f[12:14], []byte{0x86, 0xdd}) || f[14] != 0x60 || f[20] != number || f[21] != 64 ||
			int(binary.BigEndian.Uint16(f[18:])) != len(f)-54 || !bytes.Equal(f[:6], []byte{0, 0x1d, 0xd8, 7, 0, 3}) {
			t.Errorf("%s: %x", proto, f)
		}
		pseudo := append(slices.Clone(f[22:54]), 0, 0, 0, byte(len(f)-54), 0, 0, 0, number)
		if checksum(append(pseudo, f[54:]...)) != 0xffff {
			t.Errorf("%s: checksum of %x", proto, f[54:])
		}
		if number == 58 && (f[54] != 128 || binary.BigEndian.Uint16(f[58:]) != 40000) {
			t.Errorf("%s: no echo request: %x", proto, f[54:])
		}
	}
	if f, _, err := b.frame(port, api.TraceRequest{To: "fd00:1:0:2::1"}); err != nil || vfp.MAC(f[:6]) != vfp.RouterMAC {
		t.Errorf("%x, %v: want the router's MAC", f, err)
	}
}

func TestLayersOfAPort(t *testing.T) {
	b := newBed(t)
	if _, err := b.Layers("web"); statusOf(err) != 503 {
		t.Errorf("%v", err)
	}
	b.cfg.AdminRules = []config.AdminRule{{Name: "smtp", Direction: "outbound", Action: "block", Protocol: "tcp", DestinationPorts: "25", TCPFlags: "syn", Logging: true}}
	b = b.restarted()
	b.ok(fabric())
	b.mustAttach("web", "nic-web1")
	hit := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	b.dp.counters.Rules = map[vfp.RuleKey]vfp.RuleCounters{{ACL: "/adminRules", RuleID: "/adminRules/smtp"}: {Packets: 2, Bytes: 120, LastHit: hit}}
	l, err := b.Layers("web")
	if err != nil || l.Kind != "PortLayers" || l.Port != "web" || l.Layers[1].Name != vfp.LayerNameAdmin {
		t.Fatalf("%+v, %v", l, err)
	}
	r := l.Layers[1].Groups[0].Rules[0]
	if r.ID != "smtp" || *r.Packets != 2 || *r.Bytes != 120 || !r.LastHit.Equal(hit) || !r.Logging || !slices.Contains(r.Conditions, api.Condition{Field: "tcp flags", Value: "syn"}) {
		t.Errorf("%+v", r)
	}
	if _, err := b.Layers("app"); statusOf(err) != 404 {
		t.Errorf("%v", err)
	}
	acls, err := b.ACLs()
	if err != nil || len(acls) != 2 || acls[0].ID != "adminRules" || acls[0].Layer != vfp.LayerNameAdmin || acls[0].Rules[0].TCPFlags != "syn" || !acls[0].Rules[0].LastHit.Equal(hit) {
		t.Errorf("%+v, %v", acls, err)
	}
}

// TestTaggedACL: it is shown as written, and its counters are those of all networks together.
func TestTaggedACL(t *testing.T) {
	b := newBed(t)
	s := fabric()
	s.AccessControlLists[0].Rules[0].SourceAddressPrefix = "VirtualNetwork,192.0.2.1"
	b.ok(s)
	early, late := time.Unix(1000, 0), time.Unix(2000, 0)
	key := func(network string) vfp.RuleKey {
		return vfp.RuleKey{ACL: gateACL + "@/virtualNetworks/" + network, RuleID: gateACL + "/aclRules/https"}
	}
	b.dp.counters.Rules = map[vfp.RuleKey]vfp.RuleCounters{key("contoso"): {Packets: 1, Bytes: 10, LastHit: late}, key("fabrikam"): {Packets: 2, Bytes: 20, LastHit: early}}
	acls, err := b.ACLs()
	if err != nil {
		t.Fatal(err)
	}
	if r := acls[0].Rules[1]; r.Source != "VirtualNetwork,192.0.2.1/32" || r.Packets != 3 || r.Bytes != 30 || !r.LastHit.Equal(late) {
		t.Errorf("%+v", r)
	}
}

func TestEndpointCounters(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	b.mustAttach("web", "nic-web1")
	c := vfp.PortCounters{Flows: vfp.FlowCounters{Now: 1, Created: 2, Evicted: 3, Refused: 4}}
	c.Meter[vfp.MeterNetwork] = [2]vfp.RuleCounters{vfp.Outbound: {Packets: 5, Bytes: 50}, vfp.Inbound: {Packets: 6, Bytes: 60}}
	b.dp.counters.Ports = map[string]vfp.PortCounters{"web": c}
	got := b.endpoint("web").Counters
	if len(got.Meter) != 1 || got.Meter["network"] != (api.Meter{RxPackets: 6, RxBytes: 60, TxPackets: 5, TxBytes: 50}) || *got.Flows != (api.FlowCounters{Now: 1, Created: 2, Evicted: 3, Refused: 4}) {
		t.Errorf("%+v", got)
	}
}

// TestFlowTableFull: a warning while it refuses, none for what is long past.
func TestFlowTableFull(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	refused := func(n uint64) {
		b.dp.counters.Ports = map[string]vfp.PortCounters{"web": {Flows: vfp.FlowCounters{Refused: n}}}
		b.resync()
	}
	refused(7)
	if p := b.problem("flow-table-full"); p != nil {
		t.Errorf("of an earlier process: %+v", p)
	}
	refused(8)
	if p := b.problem("flow-table-full"); p == nil || p.Severity != "warning" || p.Resource != "web" || !strings.Contains(p.Message, "flow-limit") {
		t.Errorf("%+v", p)
	}
	refused(8)
	if p := b.problem("flow-table-full"); p != nil {
		t.Errorf("%+v", p)
	}
}

func TestGroupMAC(t *testing.T) {
	for text, want := range map[string]string{"224.129.2.3": "01:00:5e:01:02:03", "ff02::1:3": "33:33:00:01:00:03", "255.255.255.255": "ff:ff:ff:ff:ff:ff"} {
		if mac, ok := groupMAC(netip.MustParseAddr(text)); !ok || mac.String() != want {
			t.Errorf("%s: %s, %v; want %s", text, mac, ok, want)
		}
	}
	if _, ok := groupMAC(netip.MustParseAddr("10.0.0.1")); ok {
		t.Error("a unicast address is no group")
	}
}

// TestChangeOfOneACL goes to the datapath as such; the next resync brings the whole.
func TestChangeOfOneACL(t *testing.T) {
	b := newBed(t)
	s := fabric()
	s.NetworkInterfaces[0].IPConfigurations[0].AccessControlList = gateACL
	b.ok(s)
	b.mustAttach("web", "nic-web1")
	before := len(b.dp.applied)
	port := func(word string) {
		s := fabric()
		s.NetworkInterfaces[0].IPConfigurations[0].AccessControlList = gateACL
		s.AccessControlLists[0].Rules[0].DestinationPortRange = word
		b.ok(s)
	}
	port("8443")
	if len(b.dp.changes) != 1 || len(b.dp.applied) != before || b.dp.changes[0].ACL != gateACL || b.dp.changes[0].Put[0].DestinationPorts[0].First != 8443 {
		t.Errorf("%+v, %d applied", b.dp.changes, len(b.dp.applied)-before)
	}
	if b.policy.ACLs[0].Rules[1].DestinationPorts[0].First != 8443 {
		t.Errorf("in force: %+v", b.policy.ACLs)
	}
	b.resync()
	if len(b.dp.changes) != 1 || len(b.dp.applied) != before+1 || b.dp.policy.ACLs[0].Rules[1].DestinationPorts[0].First != 8443 {
		t.Errorf("resync: %+v, %d applied", b.dp.changes, len(b.dp.applied)-before)
	}
	b.dp.changeErr = errors.New("no room")
	port("9443")
	if len(b.dp.applied) != before+2 || b.dp.policy.ACLs[0].Rules[1].DestinationPorts[0].First != 9443 {
		t.Errorf("a change that fails: %d applied, %+v", len(b.dp.applied)-before, b.dp.policy.ACLs)
	}
}
