package config

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-net/fairlead/overlay"
	"github.com/fairlead-net/fairlead/vfp"
)

const switchKeys = `adminRules:
  - {name: no-smtp, direction: outbound, action: block, protocol: tcp, destination: 0.0.0.0/0, destinationPorts: 25, tcpFlags: "syn,!ack", priority: 10, logging: true}
  - {name: ping, direction: inbound, action: allow, protocol: icmp, icmp: "8,3/4", endpoints: [web]}
multicast: replicate
multicastSubnets: {"/virtualNetworks/v/subnets/s": drop}
mirrors:
  - {endpoint: a, to: b}
  - {endpoint: c, collector: 172.16.0.9, type: erspan, session: 7}
bandwidth: {web: {outbound: 100Mbit, inbound: 1.5Gbit}, app: {inbound: "64000"}}
flows: {perPort: 1000, halfOpen: 100}
hostNetworks:
  - {name: nat0, prefix: 192.168.100.0/24}
  - {name: nat1, prefix: 192.168.101.0/24, gateway: 192.168.101.254}
log: {acl: {path: acl.json, maxSizeMB: 5}}
`

func TestSwitchKeys(t *testing.T) {
	path := write(t, good+switchKeys)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	h := c.HostConfig()
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	want := overlay.HostConfig{Name: "host-a", ProviderAddress: addr("172.16.0.1"),
		AdminRules: []overlay.AdminRule{
			{Rule: vfp.Rule{ID: "/adminRules/no-smtp", Direction: vfp.Outbound, Priority: 10, Protocol: 6, Destinations: []netip.Prefix{prefix("0.0.0.0/0")},
				DestinationPorts: []vfp.PortRange{{First: 25, Last: 25}}, TCPFlags: vfp.FlagMatch{Mask: 0x12, Value: 2}, Action: vfp.Block, Logging: true}},
			{Rule: vfp.Rule{ID: "/adminRules/ping", Direction: vfp.Inbound, Protocol: 1, ICMP: []vfp.ICMPMatch{{Type: 8, Code: vfp.AnyCode}, {Type: 3, Code: 4}}}, Endpoints: []string{"web"}}},
		Multicast: vfp.MulticastReplicate, MulticastSubnets: map[string]vfp.MulticastMode{"/virtualNetworks/v/subnets/s": vfp.MulticastDrop},
		Mirrors: map[string]vfp.Mirror{"a": {Port: "b"}, "c": {Collector: addr("172.16.0.9"), Type: vfp.MirrorERSPAN, Session: 7}},
		Bandwidth: map[string][2]vfp.Bandwidth{"web": {vfp.Outbound: {BitsPerSecond: 100e6}, vfp.Inbound: {BitsPerSecond: 1.5e9}},
			"app": {vfp.Inbound: {BitsPerSecond: 64000}}},
		Limits: vfp.FlowLimits{Flows: 1000, HalfOpen: 100},
		HostNetworks: []overlay.HostNetwork{{Name: "nat0", Prefix: prefix("192.168.100.0/24"), Gateway: addr("192.168.100.1")},
			{Name: "nat1", Prefix: prefix("192.168.101.0/24"), Gateway: addr("192.168.101.254")}}}
	if diff := cmp.Diff(want, h, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if c.Log.ACL != (ACLLog{Path: filepath.Join(filepath.Dir(path), "acl.json"), MaxSizeMB: 5}) {
		t.Errorf("%+v", c.Log)
	}
	c, err = Load(write(t, good))
	if err != nil || c.Multicast != "drop" || c.Log.ACL != (ACLLog{MaxSizeMB: 100}) || c.Flows != (Flows{}) {
		t.Errorf("defaults: %+v, %v", c, err)
	}
	if diff := cmp.Diff(overlay.HostConfig{Name: "host-a", ProviderAddress: addr("172.16.0.1")}, c.HostConfig(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestSwitchKeysRefused(t *testing.T) {
	swap := func(from, to string) string {
		if !strings.Contains(switchKeys, from) {
			t.Fatalf("no %q", from)
		}
		return good + strings.Replace(switchKeys, from, to, 1)
	}
	for _, c := range []struct{ text, says string }{
		{swap("name: no-smtp", "name: a/b"), `adminRules[0].name: "a/b" is not a name`},
		{swap("name: ping", "name: no-smtp"), `adminRules[1].name: "no-smtp" is the name of another rule`},
		{swap("direction: outbound", "direction: up"), `adminRules[0].direction: "up" is neither`},
		{swap("action: block", "action: drop"), `adminRules[0].action: "drop" is neither`},
		{swap("protocol: tcp", "protocol: tpc"), `adminRules[0].protocol: "tpc" is not a protocol`},
		{swap("0.0.0.0/0", "10.0.0"), `adminRules[0].destination: "10.0.0" is not an address prefix`},
		{swap("destinationPorts: 25", "destinationPorts: 70000"), `adminRules[0].destinationPorts: "70000" is not a port range`},
		{swap("syn,!ack", "sin"), `adminRules[0].tcpFlags: "sin" is not a list of TCP flags`},
		{swap("8,3/4", "8,3/x"), `adminRules[1].icmp: "8,3/x" is not an ICMP type`},
		{swap("priority: 10", "priority: high"), `adminRules[0].priority: "high" is not a number`},
		{swap("logging: true", "logging: maybe"), `adminRules[0].logging: "maybe" is neither true nor false`},
		{swap("endpoints: [web]", "endpoints: web"), "adminRules[1].endpoints: want a list"},
		{swap("multicast: replicate", "multicast: flood"), `multicast: "flood": want drop or replicate`},
		{swap("subnets/s\": drop", "subnets/s\": flood"), `multicastSubnets."/virtualNetworks/v/subnets/s": "flood": want drop or replicate`},
		{swap("{endpoint: a, to: b}", "{to: b}"), "mirrors[0].endpoint: missing"},
		{swap("{endpoint: a, to: b}", "{endpoint: a}"), "mirrors[0]: want either to or collector"},
		{swap("{endpoint: a, to: b}", "{endpoint: a, to: a}"), `mirrors[0].to: "a" is the endpoint itself`},
		{swap("{endpoint: a, to: b}", "{endpoint: c, to: b}"), `mirrors[1].endpoint: "c" has a mirror already`},
		{swap("{endpoint: a, to: b}", "{endpoint: a, to: b, session: 1}"), "mirrors[0]: type and session belong to a collector"},
		{swap("collector: 172.16.0.9", "collector: there"), `mirrors[1].collector: "there" is not a host's address`},
		{swap("collector: 172.16.0.9", "collector: fd00::9"), "mirrors[1].collector: fd00::9 is not of the provider address's family"},
		{swap("type: erspan", "type: gre"), `mirrors[1].type: "gre": want vxlan or erspan`},
		{swap("session: 7", "session: 1024"), "mirrors[1].session: 1024: want at most 1023"},
		{swap("100Mbit", "fast"), `bandwidth.web.outbound: "fast" is not a rate`},
		{swap("1.5Gbit", "0"), `bandwidth.web.inbound: "0" is not a rate`},
		{swap("1.5Gbit", "1e99Gbit"), `bandwidth.web.inbound: "1e99Gbit" is not a rate`},
		{swap("halfOpen: 100", "halfOpen: 65537"), "flows.halfOpen: 65537: want at most 65536"},
		{swap("perPort: 1000", "perPort: -1"), `flows.perPort: "-1" is not a number`},
		{swap("name: nat1", "name: nat0"), `hostNetworks[1].name: "nat0" is the name of another network`},
		{swap("192.168.100.0/24", "192.168.100.1/24"), `hostNetworks[0].prefix: "192.168.100.1/24": want an IPv4 prefix`},
		{swap("192.168.100.0/24", "fd00::/64"), `hostNetworks[0].prefix: "fd00::/64": want an IPv4 prefix`},
		{swap("192.168.100.0/24", "172.16.0.0/24"), "hostNetworks[0].prefix: 172.16.0.0/24 contains the provider address"},
		{swap("192.168.101.254", "192.168.101.255"), `hostNetworks[1].gateway: "192.168.101.255": want an address of 192.168.101.0/24`},
		{strings.Replace(swap("172.16.0.9", "fd00::9"), "172.16.0.1", "fd01::1", 1), "hostNetworks: leave as from the provider address, which must be an IPv4 one"},
		{strings.Replace(good, "172.16.0.1", "fe80::1", 1), `host.underlay.providerAddress: "fe80::1" is not a host's address`},
		{swap("maxSizeMB: 5", "maxSizeMB: 0"), "log.acl.maxSizeMB: 0: want 1 to"},
		{swap("log: {acl:", "log: {audit:"), "log.audit: unknown key, want acl"},
	} {
		if _, err := Load(write(t, c.text)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("says %v, want %q", err, c.says)
		} else if n := strings.Count(err.Error(), "\n"); n > 0 {
			t.Errorf("%d complaints for one mistake: %v", n+1, err)
		}
	}
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]uint64{"1Kbit": 1000, "100Mbit": 100e6, "1.5 Gbit": 1.5e9, "64000": 64000, "64000bit": 64000, "1e6": 1e6} {
		if got, err := parseRate(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "Mbit", "-1Mbit", "100MB", "NaN", "Inf", "0x10Mbit", "1", "99999Gbit", "1_0Mbit"} {
		if got, err := parseRate(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}
