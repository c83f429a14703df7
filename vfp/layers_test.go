package vfp

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-net/fairlead/encap"
)

func layersPolicy() *Policy {
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	const contoso, local = "11111111-0000-0000-0000-000000000001", "host-local/nat0"
	return &Policy{Encapsulation: encap.VXLAN, ProviderAddress: addr("172.16.0.1"), InnerMTU: 1450,
		Subnets: []Subnet{{VSID: 1, RDID: local, Prefix: prefix("192.168.100.0/24"), Gateway: addr("192.168.100.1"), NAT: addr("172.16.0.1")},
			{VSID: 5001, RDID: contoso, Prefix: prefix("10.0.1.0/24"), Gateway: addr("10.0.1.1"), Multicast: MulticastReplicate},
			{VSID: 5002, RDID: contoso, Prefix: prefix("fd00::/64"), Gateway: addr("fd00::1")},
			{VSID: 6001, RDID: "other", Prefix: prefix("10.0.1.0/24")}},
		Mappings: []Mapping{{RDID: contoso, CA: addr("10.0.1.4"), VSID: 5001, PA: addr("172.16.0.1")}, {RDID: contoso, CA: addr("10.0.1.5"), VSID: 5001, PA: addr("172.16.0.2")},
			{RDID: contoso, CA: addr("10.0.1.6"), VSID: 5001, PA: addr("172.16.0.3")}, {RDID: contoso, CA: addr("fd00::5"), VSID: 5002, PA: addr("172.16.0.2")},
			{RDID: "other", CA: addr("10.0.1.9"), VSID: 6001, PA: addr("172.16.0.9")}},
		ACLs: []ACL{{ID: "/adminRules", Layer: LayerAdmin, Rules: []Rule{{ID: "/adminRules/smtp", Priority: 10, Protocol: ProtocolTCP, DestinationPorts: []PortRange{{25, 25}},
			TCPFlags: FlagMatch{Mask: 0x12, Value: 2}, Action: Block, Logging: true}}},
			{ID: "/acls/gate", Default: [2]Action{Allow, Block}, Rules: []Rule{{ID: "/acls/gate/ping", Direction: Inbound, Priority: 5, Protocol: ProtocolICMP,
				ICMP: []ICMPMatch{{8, AnyCode}, {3, 4}}, Sources: []netip.Prefix{prefix("10.0.0.0/8"), prefix("192.0.2.1/32")}}}}},
		Ports: []Port{{ID: "nat", MAC: MAC{2, 0, 0, 0, 0, 9}, Addresses: []Address{{CA: addr("192.168.100.2"), VSID: 1, RDID: local}}, AllowMACSpoofing: true},
			{ID: "web", MAC: MAC{2, 0, 0, 0, 0, 1}, Bandwidth: [2]Bandwidth{Outbound: {BitsPerSecond: 1e6}}, DHCP: &DHCP{},
				Addresses: []Address{{CA: addr("10.0.1.4"), VSID: 5001, RDID: contoso, ACLs: []string{"/adminRules", "/acls/gate"}}, {CA: addr("fd00::4"), VSID: 5002, RDID: contoso, ACLs: []string{"/adminRules"}}}}}}
}

// draw is a tree as text, with the counters that are known.
func draw(layers []LayerView) string {
	var b strings.Builder
	for _, l := range layers {
		fmt.Fprintln(&b, l.Name)
		for _, g := range l.Groups {
			fmt.Fprintf(&b, "  %s %s %s %d\n", g.Name, g.Direction, g.Type, g.Priority)
			for _, r := range g.Rules {
				var words []string
				for _, c := range r.Conditions {
					words = append(words, c.Field+"="+c.Value)
				}
				fmt.Fprintf(&b, "    %s %s [%s] %s", r.ID, r.Type, strings.Join(words, "; "), r.Action)
				if r.Packets != nil {
					fmt.Fprintf(&b, " packets=%d", *r.Packets)
				}
				if r.Bytes != nil {
					fmt.Fprintf(&b, " bytes=%d", *r.Bytes)
				}
				fmt.Fprintln(&b)
			}
		}
	}
	return b.String()
}

func TestLayers(t *testing.T) {
	p := layersPolicy()
	layers := Layers(p, "web")
	hit := time.Unix(1700000000, 0)
	c := Counters{Ports: map[string]PortCounters{"web": {Drops: map[DropReason]uint64{DropMACSpoof: 3, DropNoMapping: 4, DropBandwidth: 5, DropMulticast: 6},
		Meter: [MeterClasses][2]RuleCounters{MeterNetwork: {Inbound: {Packets: 7, Bytes: 700}}}}},
		Rules: map[RuleKey]RuleCounters{{"/adminRules", "/adminRules/smtp"}: {Packets: 1, Bytes: 60, LastHit: hit}, {"/acls/gate", "default-inbound"}: {Packets: 2, Bytes: 80}}}
	CountLayers(layers, "web", c)
	want := `PORT_SECURITY
  port-security outbound both 1
    source-mac guard [source MAC=not 02:00:00:00:00:01] block packets=3
    vlan guard [ethertype=802.1Q,802.1ad] block packets=0
    arp-spoof guard [ARP sender=not the endpoint's] block packets=0
    arp guard [ARP target=an address of the subnet] answer
    ra-guard guard [icmpv6=134,137] block packets=0
    nd-spoof guard [ND source=not the endpoint's] block packets=0
    nd guard [ND target=an address of the subnet] answer
    dhcp guard [protocol=udp; destination port=67] answer
    source-address guard [source=not 10.0.1.4,fd00::4] block packets=0
    dhcp-guard guard [protocol=udp; source port=67,547] block packets=0
    multicast-5001 guard [destination=multicast; vsid=5001] replicate
    multicast-5002 guard [destination=multicast; vsid=5002] block
    bandwidth guard [rate=more than 1000000 bit/s] block packets=5
    endpoint guard [] allow
  port-security inbound both 1
    endpoint guard [destination=10.0.1.4,fd00::4] allow
FW_ADMIN_LAYER_ID
  /adminRules outbound both 1
    /adminRules/smtp filter [protocol=tcp; destination port=25; tcp flags=syn,!ack] block packets=1 bytes=60
    default-outbound filter [] allow packets=0 bytes=0
  /adminRules inbound both 1
    default-inbound filter [] allow packets=0 bytes=0
FW_CONTROLLER_LAYER_ID
  /acls/gate outbound IPv4 2
    default-outbound filter [endpoint source=10.0.1.4] allow packets=0 bytes=0
  /acls/gate inbound IPv4 2
    /acls/gate/ping filter [endpoint destination=10.0.1.4; protocol=icmp; source=10.0.0.0/8,192.0.2.1/32; icmp=8,3/4] allow packets=0 bytes=0
    default-inbound filter [endpoint destination=10.0.1.4] block packets=2 bytes=80
VNET_METER_LAYER_OUT
  meter outbound both 1
    subnet meter [other end=in the same subnet] count packets=0 bytes=0
    network meter [other end=in another subnet of the routing domain] count packets=0 bytes=0
  meter inbound both 1
    subnet meter [other end=in the same subnet] count packets=0 bytes=0
    network meter [other end=in another subnet of the routing domain] count packets=7 bytes=700
VNET_DR_REDIRECTION_LAYER
  router outbound both 1
    subnet-5001 route [destination=10.0.1.0/24; rdid=11111111-0000-0000-0000-000000000001] forward by mapping
    subnet-5002 route [destination=fd00::/64; rdid=11111111-0000-0000-0000-000000000001] forward by mapping
    no-mapping route [] block packets=4
VNET_MAC_REWRITE_LAYER
  next-hop outbound both 1
    next-hop rewrite [destination MAC=02:fa:1e:ad:00:01] source MAC becomes 02:fa:1e:ad:00:01, destination MAC the endpoint's, TTL minus one
VNET_ENCAP_LAYER
  encap outbound both 1
    subnet-5001 encap [destination=10.0.1.0/24; rdid=11111111-0000-0000-0000-000000000001; host=another] encapsulate vxlan vsid 5001 from 172.16.0.1 by mapping
    subnet-5002 encap [destination=fd00::/64; rdid=11111111-0000-0000-0000-000000000001; host=another] encapsulate vxlan vsid 5002 from 172.16.0.1 to 172.16.0.2
VNET_DECAP_LAYER
  decap inbound both 1
    subnet-5001 decap [outer destination=172.16.0.1; outer source=that of the inner source's mapping; vsid=5001] decapsulate vxlan
    subnet-5002 decap [outer destination=172.16.0.1; outer source=that of the inner source's mapping; vsid=5002] decapsulate vxlan
VNET_PA_ROUTE_LAYER
  pa-route outbound IPv4 1
    underlay route [outer destination=172.16.0.2,172.16.0.3] the host's routes and neighbours
`
	if diff := cmp.Diff(want, draw(layers)); diff != "" {
		t.Error(diff)
	}
	smtp := layers[1].Groups[0].Rules[0]
	if !smtp.LastHit.Equal(hit) || !smtp.Logging || smtp.Priority != 10 {
		t.Errorf("%+v", smtp)
	}
}

// TestLayersOfAHostLocalPort: nothing is encapsulated, and what nobody filters has no firewall.
func TestLayersOfAHostLocalPort(t *testing.T) {
	layers := Layers(layersPolicy(), "nat")
	var names []string
	for _, l := range layers {
		names = append(names, l.Name)
	}
	if want := []string{LayerNameSecurity, LayerNameNAT, LayerNameMeter, LayerNameRouter, LayerNameRewrite}; !slices.Equal(names, want) {
		t.Errorf("layers %q, want %q", names, want)
	}
	text := draw(layers)
	for _, line := range []string{"nat-1 nat [vsid=1; destination=not 192.168.100.0/24; protocol=tcp,udp,icmp echo] source becomes 172.16.0.1", "outside meter [other end=outside] count"} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	for _, line := range []string{"source-mac", "network meter", "ra-guard", "packets="} {
		if strings.Contains(text, line) {
			t.Errorf("%q in\n%s", line, text)
		}
	}
	if got := Layers(layersPolicy(), "gone"); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestWords(t *testing.T) {
	for want, got := range map[string]string{
		"syn,!ack": FlagMatch{Mask: 0x12, Value: 0x02}.String(), "fin,syn,rst,psh,ack,urg,ece,cwr": FlagMatch{Mask: 0xff, Value: 0xff}.String(),
		"8,3/4,0/0": ICMPWords([]ICMPMatch{{8, AnyCode}, {3, 4}, {0, 0}}), "443,8443-8450": PortWords([]PortRange{{443, 443}, {8443, 8450}}),
		"icmpv6": ProtocolName(58), "all": ProtocolName(ProtocolAny), "132": ProtocolName(132), "*": FlagMatch{}.String(),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if PortWords(nil) != "*" || ICMPWords(nil) != "*" {
		t.Error("nil is everything")
	}
}
