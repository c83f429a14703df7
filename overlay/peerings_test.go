package overlay

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

// hubFabric has three networks, 10.1.0.0/16 to 10.3.0.0/16, with one subnet (VSID 6001 to 6003) and two NICs each:
// v1-1 is 10.1.1.4 on host-a, v1-2 is 10.1.1.5 on host-b, and so on.
func hubFabric() *cc.Snapshot {
	s := &cc.Snapshot{Servers: fabric().Servers}
	for n := 1; n <= 3; n++ {
		v := cc.VirtualNetwork{Meta: meta("/virtualNetworks/", fmt.Sprintf("v%d", n)), AddressPrefixes: []string{fmt.Sprintf("10.%d.0.0/16", n)}}
		v.Subnets = []cc.Subnet{{Meta: meta(v.Ref+"/subnets/", "s"), AddressPrefix: fmt.Sprintf("10.%d.1.0/24", n), VSID: uint32(6000 + n)}}
		s.VirtualNetworks = append(s.VirtualNetworks, v)
		for i, host := range []string{"host-a", "host-b"} {
			m := meta("/networkInterfaces/", fmt.Sprintf("v%d-%d", n, i+1))
			s.NetworkInterfaces = append(s.NetworkInterfaces, cc.NetworkInterface{Meta: m, MAC: fmt.Sprintf("001DD807%02X%02X", n, i+1), Server: "/servers/" + host,
				IPConfigurations: []cc.IPConfiguration{{Meta: meta(m.Ref+"/ipConfigurations/", "ip"), PrivateIPAddress: fmt.Sprintf("10.%d.1.%d", n, 4+i), Subnet: v.Subnets[0].Ref}}})
		}
	}
	return s
}

// peered makes peers of networks of hubFabric, such as "12".
func peered(s *cc.Snapshot, pairs ...string) *cc.Snapshot {
	ref := func(n byte) string { return "/VirtualNetworks/v" + string(n) }
	for _, p := range pairs {
		a, b := network(s, "v"+p[:1]), network(s, "v"+p[1:])
		a.Peerings, b.Peerings = append(a.Peerings, ref(p[1])), append(b.Peerings, ref(p[0]))
	}
	return s
}

func peersOf(m *Model, id string) (list []string) {
	for _, p := range m.FindNetwork(id).Peers {
		list = append(list, p.ID)
	}
	return list
}

func TestPeering(t *testing.T) {
	m := build(t, peered(hubFabric(), "12", "23"), nil, Options{})
	for id, want := range map[string]string{"v1": "[v2]", "v2": "[v1 v3]", "v3": "[v2]"} {
		if got := fmt.Sprint(peersOf(m, id)); got != want {
			t.Errorf("peers of %s: %s, want %s", id, got, want)
		}
	}
	// Only v1 has a port: it reaches v2's addresses under v2's VSID, at their hosts, and none of v3's.
	p := compile(t, m, hostA, []AttachedPort{{ID: "p", Device: "p", NIC: "v1-1"}})
	rdid := m.FindNetwork("v1").RDID
	var got []string
	for _, mp := range p.Mappings {
		if mp.RDID != rdid {
			t.Errorf("mapping %+v", mp)
		}
		got = append(got, fmt.Sprintf("%s %d %s", mp.CA, mp.VSID, mp.PA))
	}
	if want := "[10.1.1.4 6001 172.16.0.1 10.1.1.5 6001 172.16.0.2 10.2.1.4 6002 172.16.0.1 10.2.1.5 6002 172.16.0.2]"; fmt.Sprint(got) != want {
		t.Errorf("mappings %v", got)
	}
	if len(p.Subnets) != 2 || p.Subnets[1].VSID != 6002 || p.Subnets[1].RDID != m.FindNetwork("v2").RDID {
		t.Errorf("subnets %+v", p.Subnets)
	}
	// Ports in all three: every network has its own view, and each subnet is there once.
	p = compile(t, m, hostA, []AttachedPort{{ID: "p1", NIC: "v1-1"}, {ID: "p2", NIC: "v2-1"}, {ID: "p3", NIC: "v3-1"}})
	count := map[string]int{}
	for _, mp := range p.Mappings {
		count[mp.RDID]++
	}
	if len(p.Subnets) != 3 || count[rdid] != 4 || count[m.FindNetwork("v2").RDID] != 6 || count[m.FindNetwork("v3").RDID] != 4 {
		t.Errorf("%v %+v", count, p.Subnets)
	}
	byRDIDAndCA := func(a, b vfp.Mapping) int {
		if c := strings.Compare(a.RDID, b.RDID); c != 0 {
			return c
		}
		return a.CA.Compare(b.CA)
	}
	if !slices.IsSortedFunc(p.Mappings, byRDIDAndCA) {
		t.Error("mappings are not sorted")
	}
	if d := Diff(m, build(t, peered(hubFabric(), "12", "23", "13"), m, Options{})); fmt.Sprint(d.Networks.Changed) != "[/virtualNetworks/v1 /virtualNetworks/v3]" {
		t.Errorf("a cycle is fine, and a change: %s", d)
	}
}

func TestPeeringProblems(t *testing.T) {
	for _, c := range []struct {
		name           string
		change         func(s *cc.Snapshot)
		code, resource string
		message        string
		peers          string // of v1
	}{
		{"one-sided", func(s *cc.Snapshot) { network(s, "v1").Peerings = []string{"/virtualNetworks/v2"} }, "peering-one-sided", "/virtualNetworks/v1", "/virtualNetworks/v2", "[]"},
		{"itself", func(s *cc.Snapshot) {
			peered(s, "12")
			network(s, "v1").Peerings = append(network(s, "v1").Peerings, "/virtualnetworks/V1")
		},
			"peering-self", "/virtualNetworks/v1", "itself", "[v2]"},
		{"unknown", func(s *cc.Snapshot) { network(s, "v1").Peerings = []string{"/virtualNetworks/v9"} }, "peering-unknown", "/virtualNetworks/v1", "v9", "[]"},
		{"address spaces overlap", func(s *cc.Snapshot) { peered(s, "12"); network(s, "v2").AddressPrefixes = []string{"10.0.0.0/8"} },
			"peering-overlap", "/virtualNetworks/v1", "/virtualNetworks/v1 and /virtualNetworks/v2", "[]"},
		{"a subnet outside its space overlaps", func(s *cc.Snapshot) {
			peered(s, "12")
			v := network(s, "v2")
			v.Subnets = append(v.Subnets, cc.Subnet{Meta: meta(v.Ref+"/subnets/", "x"), AddressPrefix: "10.1.9.0/24", VSID: 6009})
		}, "peering-overlap", "/virtualNetworks/v1", "/virtualNetworks/v2 overlap those of /virtualNetworks/v1", "[]"},
		{"two peers of one network overlap", func(s *cc.Snapshot) {
			peered(s, "12", "13")
			network(s, "v3").AddressPrefixes = []string{"10.2.0.0/15"}
		}, "peering-overlap", "/virtualNetworks/v1", "addresses of /virtualNetworks/v3 overlap those of /virtualNetworks/v2", "[v2]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := hubFabric()
			c.change(s)
			m, problems := Build(s, nil, Options{})
			p := find(problems, c.code, c.resource)
			if p == nil || !strings.Contains(p.Message, c.message) {
				t.Errorf("%+v", problems)
			}
			if got := fmt.Sprint(peersOf(m, "v1")); got != c.peers {
				t.Errorf("peers %s", got)
			}
		})
	}
}

// TestPeeringHeld: the peering that was there first stays when another one gets in its way.
func TestPeeringHeld(t *testing.T) {
	m := build(t, peered(hubFabric(), "13"), nil, Options{})
	s := peered(hubFabric(), "12", "13")
	network(s, "v2").AddressPrefixes = []string{"10.2.0.0/15"}
	next, _ := Build(s, m, Options{})
	if got := fmt.Sprint(peersOf(next, "v1")); got != "[v3]" {
		t.Errorf("peers %s", got)
	}
}

// TestTagsReachPeers: VirtualNetwork and security tags take in the peers, Internet leaves them out.
func TestTagsReachPeers(t *testing.T) {
	s := peered(hubFabric(), "12")
	s.SecurityTags = []cc.SecurityTag{{Meta: meta("/securityTags/", "app")}}
	for _, id := range []string{"v1-2", "v2-1", "v3-1"} {
		nic(s, id).IPConfigurations[0].SecurityTags = []string{"/securityTags/app"}
	}
	list := cc.AccessControlList{Meta: meta("/accessControlLists/", "l")}
	for i, id := range []string{"network", "internet", "tag"} {
		list.Rules = append(list.Rules, rule("l", id, "All", "Allow", "Inbound", fmt.Sprint(100+i), "*"))
	}
	list.Rules[0].SourceAddressPrefix, list.Rules[1].SourceAddressPrefix = "VirtualNetwork", "Internet"
	list.Rules[2].SourceSecurityTags = []string{"/securityTags/app"}
	s.AccessControlLists = []cc.AccessControlList{list}
	network(s, "v1").Subnets[0].AccessControlList = list.Ref
	p := compile(t, build(t, s, nil, Options{}), hostA, []AttachedPort{{ID: "p", NIC: "v1-1"}})
	rules := p.ACLs[0].Rules
	if got := fmt.Sprint(rules[0].Sources, rules[2].Sources); got != "[10.1.0.0/16 10.2.0.0/16] [10.1.1.5/32 10.2.1.4/32]" {
		t.Error(got)
	}
	for ca, want := range map[string]bool{"10.1.0.1": false, "10.2.0.1": false, "10.3.0.1": true} {
		if slices.ContainsFunc(rules[1].Sources, func(p netip.Prefix) bool { return p.Contains(addr(ca)) }) != want {
			t.Errorf("Internet and %s", ca)
		}
	}
}
