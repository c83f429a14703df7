package overlay

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/vfp"
)

func adminRule(t *testing.T, w AdminRuleWords) AdminRule {
	t.Helper()
	r, errs := ParseAdminRule(w)
	for _, e := range errs {
		t.Errorf("%s: %v", e.Field, e)
	}
	return r
}

func TestParseAdminRule(t *testing.T) {
	got := adminRule(t, AdminRuleWords{Name: "n", Direction: "inbound", Action: "block", Protocol: "tcp", Source: "10.0.0.0/8", DestinationPorts: "25,465",
		TCPFlags: "syn,!ack", Priority: "7", Logging: true, Endpoints: []string{"web"}})
	want := AdminRule{Rule: vfp.Rule{ID: "/adminRules/n", Direction: vfp.Inbound, Priority: 7, Protocol: 6, Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		DestinationPorts: []vfp.PortRange{{First: 25, Last: 25}, {First: 465, Last: 465}}, TCPFlags: vfp.FlagMatch{Mask: 0x12, Value: 0x02}, Action: vfp.Block, Logging: true},
		Endpoints: []string{"web"}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	got = adminRule(t, AdminRuleWords{Name: "n", Direction: "out", Action: "allow", Protocol: "icmpv6", ICMP: "128, 1/4"})
	if !slices.Equal(got.ICMP, []vfp.ICMPMatch{{Type: 128, Code: vfp.AnyCode}, {Type: 1, Code: 4}}) || got.Protocol != 58 {
		t.Errorf("%+v", got)
	}
	if got = adminRule(t, AdminRuleWords{Name: "n", Direction: "out", Action: "allow"}); got.Protocol != vfp.ProtocolAny {
		t.Errorf("%+v", got)
	}
	for _, c := range []struct {
		field string
		set   func(*AdminRuleWords)
		says  string
	}{
		{"name", func(w *AdminRuleWords) { w.Name = "a/b" }, "is not a name"},
		{"name", func(w *AdminRuleWords) { w.Name = "" }, "is not a name"},
		{"direction", func(w *AdminRuleWords) { w.Direction = "" }, "neither Inbound nor Outbound"},
		{"action", func(w *AdminRuleWords) { w.Action = "drop" }, "neither Allow nor Deny"},
		{"protocol", func(w *AdminRuleWords) { w.Protocol = "tpc" }, "is not a protocol"},
		{"source", func(w *AdminRuleWords) { w.Source = "VirtualNetwork" }, "tag"},
		{"destination", func(w *AdminRuleWords) { w.Destination = "10.0.0.0/33" }, "is not an address prefix"},
		{"sourcePorts", func(w *AdminRuleWords) { w.SourcePorts = "x" }, "is not a port range"},
		{"destinationPorts", func(w *AdminRuleWords) { w.Protocol, w.DestinationPorts = "icmp", "80" }, "which has no ports"},
		{"icmp", func(w *AdminRuleWords) { w.ICMP = "8" }, "want protocol icmp"},
		{"icmp", func(w *AdminRuleWords) { w.Protocol, w.ICMP = "icmp", "256" }, "is not an ICMP type"},
		{"icmp", func(w *AdminRuleWords) { w.Protocol, w.ICMP = "icmp", "3/x" }, "is not an ICMP type"},
		{"icmp", func(w *AdminRuleWords) { w.Protocol, w.ICMP = "icmp", "3/-1" }, "is not an ICMP type"},
		{"tcpFlags", func(w *AdminRuleWords) { w.TCPFlags = "syn" }, "want protocol tcp"},
		{"tcpFlags", func(w *AdminRuleWords) { w.Protocol, w.TCPFlags = "tcp", "sin" }, "is not a list of TCP flags"},
		{"tcpFlags", func(w *AdminRuleWords) { w.Protocol, w.TCPFlags = "tcp", "syn,!syn" }, "twice"},
		{"priority", func(w *AdminRuleWords) { w.Priority = "high" }, "is not a number"},
	} {
		w := AdminRuleWords{Name: "n", Direction: "in", Action: "block"}
		c.set(&w)
		if _, errs := ParseAdminRule(w); len(errs) != 1 || errs[0].Field != c.field || !strings.Contains(errs[0].Error(), c.says) {
			t.Errorf("%+v: %v, want %s %s", w, errs, c.field, c.says)
		}
	}
}

// TestAdminRules: they come first, in a list of their own layer that lets the rest pass.
func TestAdminRules(t *testing.T) {
	host := hostA
	host.AdminRules = []AdminRule{
		adminRule(t, AdminRuleWords{Name: "smtp", Direction: "outbound", Action: "block", Protocol: "tcp", DestinationPorts: "25", Priority: "20"}),
		adminRule(t, AdminRuleWords{Name: "ssh", Direction: "inbound", Action: "block", Protocol: "tcp", DestinationPorts: "22", Endpoints: []string{"c-web"}}),
		adminRule(t, AdminRuleWords{Name: "first", Direction: "outbound", Action: "allow", Priority: "10"}),
	}
	p := compile(t, build(t, fabric(), nil, Options{}), host, webPorts)
	if diff := cmp.Diff([]string{"/adminRules@c-web", webACL}, p.Ports[0].Addresses[0].ACLs); diff != "" {
		t.Error(diff)
	}
	if got := p.Ports[1].Addresses[0].ACLs; got[0] != AdminACL || len(got) != 2 {
		t.Errorf("%q", got)
	}
	names := func(a *vfp.ACL) (list []string) {
		for _, r := range a.Rules {
			list = append(list, r.ID)
		}
		return list
	}
	all, own := policyACL(t, p, AdminACL), policyACL(t, p, "/adminRules@c-web")
	if all.Layer != vfp.LayerAdmin || all.Default != ([2]vfp.Action{}) || !slices.Equal(names(all), []string{"/adminRules/first", "/adminRules/smtp"}) {
		t.Errorf("%+v", all)
	}
	if !slices.Equal(names(own), []string{"/adminRules/first", "/adminRules/smtp", "/adminRules/ssh"}) {
		t.Errorf("%+v", own)
	}
	if !slices.IsSortedFunc(p.ACLs, func(x, y vfp.ACL) int { return strings.Compare(x.ID, y.ID) }) {
		t.Errorf("not by ID")
	}
	host.AdminRules = host.AdminRules[1:2] // only for c-web
	if got := compile(t, build(t, fabric(), nil, Options{}), host, webPorts).Ports[1].Addresses[0].ACLs; len(got) != 1 {
		t.Errorf("another endpoint: %q", got)
	}
}

func TestPortSettings(t *testing.T) {
	s := fabric()
	n := nic(s, "contoso-web-1")
	n.Port.FlowLimit, n.Port.OutboundMaximumMbps, n.Port.InboundMaximumMbps = "2e4", "100", "1000"
	n.DNSServers = []string{"fd00::53", "10.0.0.53", "10.0.0.54", "10.0.0.55"}
	m := build(t, s, nil, Options{})
	host := hostA
	host.UnderlayMTU, host.Limits = 1500, vfp.FlowLimits{Flows: 5, HalfOpen: 3}
	host.Bandwidth = map[string][2]vfp.Bandwidth{"c-web": {vfp.Inbound: {BitsPerSecond: 7}}}
	host.Mirrors = map[string]vfp.Mirror{"c-web": {Port: "f-web"}}
	host.Multicast, host.MulticastSubnets = vfp.MulticastReplicate, map[string]vfp.MulticastMode{"/VirtualNetworks/contoso/subnets/web": vfp.MulticastDrop}
	ports := slices.Clone(webPorts)
	ports[1].Kind = PortTap
	p := compile(t, m, host, ports)
	c, f := p.Ports[0], p.Ports[1]
	if c.Limits != (vfp.FlowLimits{Flows: 20000, HalfOpen: 3}) || f.Limits != host.Limits {
		t.Errorf("limits %+v %+v", c.Limits, f.Limits)
	}
	if c.Bandwidth[vfp.Outbound].BitsPerSecond != 100_000_000 || c.Bandwidth[vfp.Inbound].BitsPerSecond != 7 || f.Bandwidth != ([2]vfp.Bandwidth{}) {
		t.Errorf("bandwidth %+v %+v", c.Bandwidth, f.Bandwidth)
	}
	if p.InnerMTU != 1450 {
		t.Errorf("InnerMTU %d", p.InnerMTU)
	}
	want := &vfp.DHCP{PrefixLen: 24, Gateway: addr("10.0.1.1"), MTU: 1450, DNS: []netip.Addr{addr("10.0.0.53"), addr("10.0.0.54")}, Lease: dhcpLease}
	if diff := cmp.Diff(want, c.DHCP, equalAddr); diff != "" || f.DHCP != nil {
		t.Errorf("DHCP %s; of a veth %v", diff, f.DHCP)
	}
	if c.Mirror == nil || *c.Mirror != (vfp.Mirror{Port: "f-web"}) || f.Mirror != nil {
		t.Errorf("mirrors %+v %+v", c.Mirror, f.Mirror)
	}
	for _, sn := range p.Subnets {
		if drop := sn.VSID == 5001; drop != (sn.Multicast == vfp.MulticastDrop) {
			t.Errorf("%+v", sn)
		}
	}
	host.Mirrors["c-web"] = vfp.Mirror{Port: "gone"}
	p, problems := Compile(m, host, ports)
	if p.Ports[0].Mirror != nil || find(problems, "mirror-target-missing", "c-web") == nil {
		t.Errorf("%+v %+v", p.Ports[0].Mirror, problems)
	}
	// What cannot be read keeps its last good value.
	n.Port.FlowLimit, n.Port.OutboundMaximumMbps, n.DNSServers = "many", "-1", []string{"dns"}
	after, problems := Build(s, m, Options{})
	ep := after.FindEndpoint("contoso-web-1")
	if ep.FlowLimit != 20000 || ep.Mbps[vfp.Outbound] != 100 || ep.DNS != nil || find(problems, "port-setting-invalid", ep.Ref) == nil || find(problems, "dns-server-invalid", ep.Ref) == nil {
		t.Errorf("%+v %+v", ep, problems)
	}
	if d := Diff(m, after); !slices.Contains(d.Endpoints.Changed, ep.Ref) {
		t.Errorf("no change: %+v", d)
	}
}

// TestHostNetworks: a subnet of this host alone, beside the tenants'.
func TestHostNetworks(t *testing.T) {
	host := hostA
	host.HostNetworks = []HostNetwork{{Name: "other"}, {Name: "nat0", Prefix: netip.MustParsePrefix("192.168.100.0/24"), Gateway: addr("192.168.100.1")}}
	host.AdminRules = []AdminRule{adminRule(t, AdminRuleWords{Name: "x", Direction: "out", Action: "block", DestinationPorts: "25"})}
	at := func(id, ca string) AttachedPort {
		return AttachedPort{ID: id, Device: "v" + id, HostNetwork: "nat0", MAC: vfp.MAC{2, 0, 0, 0, 0, id[0]}, Addresses: []netip.Addr{addr(ca)}}
	}
	ports := append(slices.Clone(webPorts), at("a", "192.168.100.2"), at("z", "192.168.100.3"))
	m := build(t, fabric(), nil, Options{})
	p := compile(t, m, host, ports)
	wantSubnet := vfp.Subnet{VSID: 2, RDID: "host-local/nat0", Prefix: host.HostNetworks[1].Prefix, Gateway: addr("192.168.100.1"), NAT: hostA.ProviderAddress}
	if p.Subnets[0] != wantSubnet || len(p.Subnets) != 5 {
		t.Errorf("%+v", p.Subnets)
	}
	wantPort := vfp.Port{ID: "a", Device: "va", MAC: vfp.MAC{2, 0, 0, 0, 0, 'a'}, Addresses: []vfp.Address{{CA: addr("192.168.100.2"), VSID: 2, RDID: "host-local/nat0", ACLs: []string{AdminACL}}}}
	if diff := cmp.Diff(wantPort, p.Ports[0], equalAddr); diff != "" || len(p.Ports) != 4 {
		t.Errorf("%s, %d ports", diff, len(p.Ports))
	}
	i := slices.IndexFunc(p.Mappings, func(m vfp.Mapping) bool { return m.RDID == "host-local/nat0" })
	if i < 0 || p.Mappings[i] != (vfp.Mapping{RDID: "host-local/nat0", CA: addr("192.168.100.2"), VSID: 2, MAC: wantPort.MAC, PA: hostA.ProviderAddress}) {
		t.Errorf("%+v", p.Mappings)
	}
	ports = []AttachedPort{at("a", "192.168.100.2"), at("b", "192.168.100.2"), at("c", "192.168.100.1"), {ID: "d", HostNetwork: "gone"}}
	_, problems := Compile(m, host, ports)
	for id, code := range map[string]string{"b": "port-address-duplicate", "c": "port-address-unknown", "d": "port-network-unknown"} {
		if find(problems, code, id) == nil {
			t.Errorf("%s: no %s in %+v", id, code, problems)
		}
	}
	host.ProviderAddress = addr("fd01::1")
	p, problems = Compile(m, host, ports[:1])
	if p.Subnets[0].NAT.IsValid() || find(problems, "host-network-no-nat", "host-a") == nil {
		t.Errorf("%+v %+v", p.Subnets[0], problems)
	}
}

// TestIPv6: tenants and underlay.
func TestIPv6(t *testing.T) {
	s := fabric()
	for i := range s.Servers {
		s.Servers[i].ProviderAddresses = append(s.Servers[i].ProviderAddresses, []string{"fd01::1", "fd01::2", "fd01::3"}[i])
	}
	v := network(s, "contoso")
	v.AddressPrefixes = append(v.AddressPrefixes, "fd00:1::/48")
	six := v.Subnets[0]
	six.Meta, six.AddressPrefix, six.VSID = meta(v.Ref+"/subnets/", "six"), "fd00:1:0:1::/64", 5099
	v.Subnets = append(v.Subnets, six)
	for i, id := range []string{"contoso-web-1", "contoso-web-2"} {
		n := nic(s, id)
		ip := n.IPConfigurations[0]
		ip.Meta, ip.PrivateIPAddress, ip.Subnet = meta(n.Ref+"/ipConfigurations/", "ip6"), []string{"fd00:1:0:1::4", "fd00:1:0:1::5"}[i], six.Ref
		n.IPConfigurations = append(n.IPConfigurations, ip)
	}
	host := HostConfig{Name: "host-a", ProviderAddress: addr("fd01::1"), UnderlayMTU: 1500}
	m := build(t, s, nil, Options{})
	p := compile(t, m, host, webPorts)
	if p.InnerMTU != 1430 || p.ProviderAddress != addr("fd01::1") {
		t.Errorf("InnerMTU %d, %s", p.InnerMTU, p.ProviderAddress)
	}
	if got := p.Ports[0].Addresses; len(got) != 2 || got[1].CA != addr("fd00:1:0:1::4") || got[1].VSID != 5099 || got[1].RDID != got[0].RDID {
		t.Errorf("%+v", got)
	}
	i := slices.IndexFunc(p.Subnets, func(s vfp.Subnet) bool { return s.VSID == 5099 })
	if i < 0 || p.Subnets[i].Gateway != addr("fd00:1:0:1::1") {
		t.Errorf("%+v", p.Subnets)
	}
	i = slices.IndexFunc(p.Mappings, func(m vfp.Mapping) bool { return m.CA == addr("fd00:1:0:1::5") })
	if i < 0 || p.Mappings[i].PA != addr("fd01::2") {
		t.Errorf("%+v", p.Mappings)
	}
	// A link-local address is every interface's own.
	v.Subnets[2].AddressPrefix = "fe80::/64"
	nic(s, "contoso-web-1").IPConfigurations[1].PrivateIPAddress = "fe80::4"
	nic(s, "contoso-web-2").IPConfigurations = nic(s, "contoso-web-2").IPConfigurations[:1]
	if _, problems := Build(s, nil, Options{}); find(problems, "address-invalid", "/networkInterfaces/contoso-web-1/ipConfigurations/ip6") == nil {
		t.Errorf("%+v", problems)
	}
}

// TestAdminWordsRoundTrip: what is shown is what can be written.
func TestAdminWordsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) vfp.ICMPMatch {
			return vfp.ICMPMatch{Type: rapid.Byte().Draw(t, "type"), Code: int16(rapid.IntRange(vfp.AnyCode, 255).Draw(t, "code"))}
		}), 1, 5).Draw(t, "icmp")
		if got, err := parseICMP(vfp.ICMPWords(list), vfp.ProtocolICMP); err != nil || !slices.Equal(got, list) {
			t.Fatalf("%q: %v, %v", vfp.ICMPWords(list), got, err)
		}
		m := vfp.FlagMatch{Mask: rapid.Byte().Draw(t, "mask")}
		m.Value = rapid.Byte().Draw(t, "value") & m.Mask
		if got, err := parseTCPFlags(m.String(), vfp.ProtocolTCP); err != nil || got != m {
			t.Fatalf("%q: %+v, %v", m, got, err)
		}
	})
}

// FuzzAdminRule: whatever the words, no panic, and a rule without a complaint is one the vSwitch can have.
func FuzzAdminRule(f *testing.F) {
	f.Add("n", "in", "block", "tcp", "10.0.0.0/8", "*", "80", "443,8443-8450", "", "syn,!ack", "1")
	f.Add("n", "out", "allow", "icmp", "", "fd00::/8", "", "", "8,3/4", "", "")
	f.Fuzz(func(t *testing.T, name, direction, action, protocol, source, destination, sports, dports, icmp, flags, priority string) {
		r, errs := ParseAdminRule(AdminRuleWords{Name: name, Direction: direction, Action: action, Protocol: protocol, Source: source, Destination: destination,
			SourcePorts: sports, DestinationPorts: dports, ICMP: icmp, TCPFlags: flags, Priority: priority})
		if errs != nil {
			return
		}
		isICMP := r.Protocol == vfp.ProtocolICMP || r.Protocol == vfp.ProtocolICMPv6
		ports := r.SourcePorts != nil || r.DestinationPorts != nil
		if r.Protocol > vfp.ProtocolAny || r.ICMP != nil && (!isICMP || ports) || isICMP && ports || r.TCPFlags.Value&^r.TCPFlags.Mask != 0 ||
			r.TCPFlags.Mask != 0 && r.Protocol != vfp.ProtocolTCP {
			t.Errorf("%+v", r)
		}
	})
}
