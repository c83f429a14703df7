package overlay

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// words draws one of a few values, so that resources collide, and now and then anything at all.
func words(t *rapid.T, label string, values ...string) string {
	if rapid.IntRange(0, 19).Draw(t, label+"?") == 0 {
		return rapid.String().Draw(t, label)
	}
	return rapid.SampledFrom(values).Draw(t, label)
}

func some[T any](t *rapid.T, label string, limit int, draw func() T) []T {
	list := make([]T, 0)
	for range rapid.IntRange(0, limit).Draw(t, label) {
		list = append(list, draw())
	}
	return list
}

func drawMeta(t *rapid.T, collection string, ids ...string) cc.Meta {
	id := words(t, "id", ids...)
	return cc.Meta{ID: id, Ref: collection + id, InstanceID: words(t, "instance", "", "", collection+id, "i1", "I1", "i2")}
}

// drawFabric draws snapshots in which tenants share everything that they may share and much that they may not.
func drawFabric(t *rapid.T) *cc.Snapshot {
	s := &cc.Snapshot{Encapsulation: words(t, "encapsulation", "", "vxlan", "NVGRE", "x")}
	aclRef := func() string {
		return words(t, "acl", "", "/accessControlLists/a1", "/AccessControlLists/A1", "/accessControlLists/a2", "/accessControlLists/gone")
	}
	s.Servers = some(t, "servers", 4, func() cc.Server {
		return cc.Server{Meta: drawMeta(t, "/servers/", "h1", "h2", "h3"),
			ProviderAddresses: some(t, "pas", 2, func() string { return words(t, "pa", "172.16.0.1", "172.16.0.2", "172.16.0.3", "fd00::1", "x") })}
	})
	tagRefs := func(label string) []string {
		return some(t, label, 2, func() string { return words(t, label, "/securityTags/t1", "/SecurityTags/T2", "/securityTags/gone") })
	}
	s.SecurityTags = some(t, "tags", 2, func() cc.SecurityTag { return cc.SecurityTag{Meta: drawMeta(t, "/securityTags/", "t1", "t2")} })
	s.RouteTables = some(t, "tables", 2, func() cc.RouteTable {
		table := cc.RouteTable{Meta: drawMeta(t, "/routeTables/", "r1", "r2")}
		table.Routes = some(t, "routes", 4, func() cc.Route {
			return cc.Route{Meta: drawMeta(t, table.Ref+"/routes/", "a", "b", "c"), AddressPrefix: words(t, "prefix", "0.0.0.0/0", "10.0.0.0/8", "10.0.2.0/24", "10.0.2.9/24", "x"),
				NextHopType: words(t, "type", "VirtualAppliance", "virtualappliance", "VnetLocal", "None", "Internet", "x"), NextHopIPAddress: words(t, "hop", "10.0.1.4", "10.0.1.5", "10.1.3.4", "fd00::4", "")}
		})
		return table
	})
	s.VirtualNetworks = some(t, "networks", 4, func() cc.VirtualNetwork {
		v := cc.VirtualNetwork{Meta: drawMeta(t, "/virtualNetworks/", "v1", "v2", "V1", "v3", "v3"),
			AddressPrefixes: some(t, "space", 2, func() string { return words(t, "prefix", "10.0.0.0/16", "10.0.0.0/8", "10.0.0.1/8", "x") }),
			Peerings: some(t, "peerings", 3, func() string {
				return words(t, "peering", "/virtualNetworks/v1", "/virtualNetworks/V2", "/virtualNetworks/v3")
			})}
		if strings.EqualFold(v.ID, "v3") { // a peer for the others
			v.AddressPrefixes = []string{"10.1.0.0/16"}
			v.Subnets = []cc.Subnet{{Meta: drawMeta(t, v.Ref+"/subnets/", "s1"), AddressPrefix: "10.1.3.0/24", VSID: 5003, RouteTable: words(t, "table", "", "/routeTables/r1", "/routeTables/gone")}}
			return v
		}
		v.Subnets = some(t, "subnets", 3, func() cc.Subnet {
			return cc.Subnet{Meta: drawMeta(t, v.Ref+"/subnets/", "s1", "s2", "s3"), AddressPrefix: words(t, "prefix", "10.0.1.0/24", "10.0.2.0/24", "10.0.1.128/25", "10.0.0.0/16", "fd00::/64", "x"),
				AccessControlList: aclRef(), RouteTable: words(t, "table", "", "/routeTables/r1", "/routetables/R2", "/routeTables/gone"), VSID: rapid.SampledFrom([]uint32{0, 0, 0, 5001, 5002, 7}).Draw(t, "vsid"), Gateway: words(t, "gateway", "", "", "10.0.1.2", "x")}
		})
		return v
	})
	s.NetworkInterfaces = some(t, "nics", 6, func() cc.NetworkInterface {
		n := cc.NetworkInterface{Meta: drawMeta(t, "/networkInterfaces/", "n1", "n2", "n3", "n4", "N1"), MAC: words(t, "mac", "001DD8070001", "00-1D-D8-07-00-01", "001DD8070002", "001DD8070003", "x"),
			Server: words(t, "server", "/servers/h1", "/servers/h1", "/servers/H2", "/servers/h3", "", "/servers/gone")}
		n.IPConfigurations = some(t, "ipconfigs", 3, func() cc.IPConfiguration {
			return cc.IPConfiguration{Meta: drawMeta(t, n.Ref+"/ipConfigurations/", "i1", "i2"), AccessControlList: aclRef(),
				PrivateIPAddress: words(t, "ca", "10.0.1.4", "10.0.1.5", "10.0.1.1", "10.0.2.4", "10.0.1.200", "10.1.3.4", "10.1.3.5", "fd00::4", "x"), SecurityTags: tagRefs("tag"),
				Subnet: words(t, "subnet", "/virtualNetworks/v3/subnets/s1", "/virtualNetworks/v1/subnets/s1", "/virtualNetworks/v1/subnets/s2", "/virtualnetworks/V2/subnets/s1", "/virtualNetworks/v2/subnets/s3", "")}
		})
		return n
	})
	s.AccessControlLists = some(t, "acls", 3, func() cc.AccessControlList {
		a := cc.AccessControlList{Meta: drawMeta(t, "/accessControlLists/", "a1", "a2", "A1")}
		a.Rules = some(t, "rules", 4, func() cc.ACLRule {
			return cc.ACLRule{Meta: drawMeta(t, a.Ref+"/aclRules/", "r1", "r2", "r3"), Protocol: words(t, "protocol", "All", "tcp", "1", "x"), Action: words(t, "action", "Allow", "Allow", "Deny", "x"),
				Direction: words(t, "direction", "Inbound", "Inbound", "Outbound", "x"), Priority: words(t, "priority", "100", "100", "200", "x"), Logging: words(t, "logging", "", "Enabled"),
				SourceAddressPrefix: words(t, "source", "*", "10.0.0.0/8", "10.0.0.1/8", "10.0.0.1-10.0.0.9,10.1.0.0/16", "x"), DestinationAddressPrefix: words(t, "destination", "*", "", "Internet"),
				SourceSecurityTags: tagRefs("source tag"), DestinationSecurityTags: tagRefs("destination tag"),
				SourcePortRange: words(t, "sport", "*", "0-65535"), DestinationPortRange: words(t, "dport", "*", "443", "90-80", "1-5,7")}
		})
		return a
	})
	return s
}

func drawOptions(t *rapid.T) Options {
	return Options{ACLDefaultAllow: rapid.Bool().Draw(t, "allow"), ACLCombine: rapid.SampledFrom([]string{"", CombineNIC}).Draw(t, "combine"),
		ProviderAddresses: map[string]netip.Addr{"h3": netip.MustParseAddr("172.16.0.3")}, VirtualSubnetIDs: map[string]encap.VSID{"/virtualNetworks/v2/subnets/s1": 5002}}
}

func shuffled[T any](t *rapid.T, list []T) []T {
	if len(list) == 0 {
		return list
	}
	return rapid.Permutation(list).Draw(t, "order")
}

func permute(t *rapid.T, s *cc.Snapshot) *cc.Snapshot {
	p := &cc.Snapshot{Encapsulation: s.Encapsulation, Servers: shuffled(t, s.Servers), SecurityTags: shuffled(t, s.SecurityTags)}
	for _, table := range shuffled(t, s.RouteTables) {
		table.Routes = shuffled(t, table.Routes)
		p.RouteTables = append(p.RouteTables, table)
	}
	for _, v := range shuffled(t, s.VirtualNetworks) {
		v.AddressPrefixes, v.Subnets, v.Peerings = shuffled(t, v.AddressPrefixes), shuffled(t, v.Subnets), shuffled(t, v.Peerings)
		p.VirtualNetworks = append(p.VirtualNetworks, v)
	}
	for _, n := range shuffled(t, s.NetworkInterfaces) {
		n.IPConfigurations = shuffled(t, n.IPConfigurations)
		for i := range n.IPConfigurations {
			n.IPConfigurations[i].SecurityTags = shuffled(t, n.IPConfigurations[i].SecurityTags)
		}
		p.NetworkInterfaces = append(p.NetworkInterfaces, n)
	}
	for _, a := range shuffled(t, s.AccessControlLists) {
		a.Rules = shuffled(t, a.Rules)
		for i := range a.Rules {
			a.Rules[i].SourceSecurityTags = shuffled(t, a.Rules[i].SourceSecurityTags)
		}
		p.AccessControlLists = append(p.AccessControlLists, a)
	}
	return p
}

func mustEqual(t *rapid.T, what string, a, b *Model, ap, bp []cc.Problem) {
	t.Helper()
	if d := Diff(a, b); !d.Empty() {
		t.Fatalf("%s: models differ: %+v", what, d)
	}
	x, y := *a, *b
	x.recall, y.recall = recall{}, recall{} // says nothing
	if !reflect.DeepEqual(&x, &y) {
		t.Fatalf("%s: models differ somewhere Diff does not look", what)
	}
	if diff := cmp.Diff(ap, bp); diff != "" {
		t.Fatalf("%s: problems differ\n%s", what, diff)
	}
}

func TestBuildProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := drawOptions(t)
		var prev *Model
		if rapid.Bool().Draw(t, "with prev") {
			prev, _ = Build(drawFabric(t), nil, opts)
		}
		s := drawFabric(t)
		m, problems := Build(s, prev, opts)
		if d := Diff(m, m); !d.Empty() {
			t.Fatalf("Diff(m, m) = %+v", d)
		}
		other, otherProblems := Build(permute(t, s), prev, opts)
		mustEqual(t, "permuted", m, other, problems, otherProblems)
		again, againProblems := Build(s, m, opts)
		mustEqual(t, "again", m, again, problems, againProblems)
		checkModel(t, m)
		for _, p := range problems {
			if p.Code == "" || p.Resource == "" || p.Message == "" || p.Severity != "error" && p.Severity != "warning" {
				t.Fatalf("problem %+v", p)
			}
		}
	})
}

// checkModel checks what everything behind the model relies on.
func checkModel(t *rapid.T, m *Model) {
	rdids, vsids, pas := map[string]bool{}, map[encap.VSID]bool{}, map[netip.Addr]bool{}
	for _, h := range m.Hosts {
		for _, a := range h.ProviderAddresses {
			if pas[a] {
				t.Fatalf("provider address %s twice", a)
			}
			pas[a] = true
		}
	}
	for _, v := range m.VirtualNetworks {
		if v.RDID == "" || rdids[v.RDID] {
			t.Fatalf("RDID %q of %s", v.RDID, v.Ref)
		}
		rdids[v.RDID] = true
		for i, s := range v.Subnets {
			if s.Network != v || !s.VSID.Valid() || vsids[s.VSID] || !s.Prefix.Contains(s.Gateway) || s.Prefix.Masked() != s.Prefix {
				t.Fatalf("subnet %+v", s)
			}
			vsids[s.VSID] = true
			for _, o := range v.Subnets[:i] {
				if o.Prefix.Overlaps(s.Prefix) {
					t.Fatalf("%s overlaps %s", s.Ref, o.Ref)
				}
			}
			checkACL(t, m, s.ACL)
			if s.RouteTable != nil && !slices.Contains(m.RouteTables, s.RouteTable) {
				t.Fatalf("%s is not in the model", s.RouteTable.Ref)
			}
		}
		for _, p := range v.Peers {
			if p == v || !slices.Contains(m.VirtualNetworks, p) || !slices.Contains(p.Peers, v) || !p.wants(v) || !v.wants(p) || overlap(v.everywhere(), p.everywhere()) {
				t.Fatalf("%s is a peer of %s", p.Ref, v.Ref)
			}
		}
		for i, mb := range v.members {
			if mb.addr.Subnet.Network != v || mb.addr.Subnet.usable(mb.addr.CA) != nil || i > 0 && !v.members[i-1].addr.CA.Less(mb.addr.CA) {
				t.Fatalf("member %+v", mb.addr)
			}
			if !slices.Contains(v.Subnets, mb.addr.Subnet) || mb.ep.Host != nil && !slices.Contains(m.Hosts, mb.ep.Host) {
				t.Fatalf("%s points out of the model", mb.addr.Ref)
			}
			checkACL(t, m, mb.addr.ACL)
		}
	}
}

func checkACL(t *rapid.T, m *Model, a *ACL) {
	if a == nil {
		return
	}
	if !slices.Contains(m.ACLs, a) {
		t.Fatalf("%s is not in the model", a.Ref)
	}
	if !slices.IsSortedFunc(a.Rules, compareRules) {
		t.Fatalf("rules of %s are not sorted", a.Ref)
	}
}

// A policy never lets a tenant reach another one's subnets or mappings, whatever the fabric says, unless both say that they
// are peers.
func TestCompileProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, _ := Build(drawFabric(t), nil, drawOptions(t))
		host := HostConfig{Name: "h1", ProviderAddress: netip.MustParseAddr("172.16.0.1")}
		var ports []AttachedPort
		for _, n := range []string{"n1", "n2", "n3", "/networkInterfaces/n4"} {
			ports = append(ports, AttachedPort{ID: words(t, "port", "p1", "p2", "p3", "p4"), NIC: n})
		}
		p, problems := Compile(m, host, ports)
		p2, problems2 := Compile(m, host, shuffled(t, ports))
		if !reflect.DeepEqual(p, p2) || !reflect.DeepEqual(problems, problems2) {
			t.Fatal("the order of the ports matters")
		}
		vsids, used, peers := map[encap.VSID]string{}, map[string]bool{}, map[[2]string]bool{}
		for _, v := range m.VirtualNetworks {
			peers[[2]string{v.RDID, v.RDID}] = true
			for _, p := range v.Peers {
				peers[[2]string{v.RDID, p.RDID}] = true
			}
			for _, s := range v.Subnets {
				vsids[s.VSID] = v.RDID
			}
		}
		for _, port := range p.Ports {
			if len(port.Addresses) == 0 {
				t.Fatalf("port %s has no address", port.ID)
			}
			for _, a := range port.Addresses {
				used[a.RDID] = true
				if vsids[a.VSID] != a.RDID || len(a.ACLs) > vfp.MaxACLs {
					t.Fatalf("address %+v", a)
				}
				for _, id := range a.ACLs {
					if !slices.ContainsFunc(p.ACLs, func(x vfp.ACL) bool { return x.ID == id }) {
						t.Fatalf("ACL %s is missing", id)
					}
				}
			}
		}
		for _, s := range p.Subnets {
			reached := false
			for rdid := range used {
				reached = reached || peers[[2]string{rdid, s.RDID}]
			}
			if vsids[s.VSID] != s.RDID || !reached {
				t.Fatalf("subnet %+v", s)
			}
		}
		for i, r := range p.Routes {
			if !used[vsids[r.VSID]] || (r.Action == vfp.RouteAppliance) != r.NextHop.IsValid() || i > 0 && vfp.CompareRoutes(p.Routes[i-1], r) >= 0 {
				t.Fatalf("route %+v", r)
			}
		}
		seen := map[string]bool{}
		for _, mp := range p.Mappings {
			key := fmt.Sprint(mp.RDID, mp.CA)
			if !peers[[2]string{mp.RDID, vsids[mp.VSID]}] || !used[mp.RDID] || !mp.PA.Is4() || seen[key] {
				t.Fatalf("mapping %+v", mp)
			}
			seen[key] = true
		}
		if !slices.IsSortedFunc(p.Ports, func(a, b vfp.Port) int { return strings.Compare(a.ID, b.ID) }) || !slices.IsSortedFunc(p.ACLs, func(a, b vfp.ACL) int { return strings.Compare(a.ID, b.ID) }) {
			t.Fatal("not sorted")
		}
	})
}
