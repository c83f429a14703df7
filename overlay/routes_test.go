package overlay

import (
	"fmt"
	"strings"
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

const hubTable = "/routeTables/t"

func routeTo(id, prefix, kind, hop string) cc.Route {
	return cc.Route{Meta: meta(hubTable+"/routes/", id), AddressPrefix: prefix, NextHopType: kind, NextHopIPAddress: hop}
}

// routedFabric is hubFabric with v1 and v2 peered, and a table at v1's subnet whose default is v2-2.
func routedFabric(routes ...cc.Route) *cc.Snapshot {
	s := peered(hubFabric(), "12")
	s.RouteTables = []cc.RouteTable{{Meta: meta("/routeTables/", "t"), Routes: append([]cc.Route{routeTo("all", "0.0.0.0/0", "VirtualAppliance", "10.2.1.5")}, routes...)}}
	network(s, "v1").Subnets[0].RouteTable = "/RouteTables/T"
	return s
}

func routesOf(p *vfp.Policy) (list []string) {
	for _, r := range p.Routes {
		line := fmt.Sprintf("%d %s %s", r.VSID, r.Prefix, r.Action)
		if r.NextHop.IsValid() {
			line += " " + r.NextHop.String()
		}
		if r.ID != "" {
			line += " " + strings.TrimPrefix(r.ID, hubTable+"/routes/")
		}
		list = append(list, line)
	}
	return list
}

func TestRoutes(t *testing.T) {
	s := routedFabric(routeTo("dark", "10.9.0.0/16", "none", ""), routeTo("space", "10.2.0.0/16", "VNETLOCAL", ""))
	m := build(t, s, nil, Options{})
	ports := []AttachedPort{{ID: "p1", NIC: "v1-1"}, {ID: "p2", NIC: "v2-1"}}
	p := compile(t, m, hostA, ports)
	// The network and the subnet are longer than the default: what is inside goes straight.
	want := []string{"6001 0.0.0.0/0 appliance 10.2.1.5 all", "6001 10.1.0.0/16 local", "6001 10.1.1.0/24 local", "6001 10.2.0.0/16 local space", "6001 10.9.0.0/16 none dark"}
	if got := routesOf(p); strings.Join(got, ";") != strings.Join(want, ";") {
		t.Errorf("%q", got)
	}
	// Who is a next hop forwards, in every domain that knows it; nobody else does.
	for _, mp := range p.Mappings {
		if mp.Forwards != (mp.CA == addr("10.2.1.5")) {
			t.Errorf("%+v", mp)
		}
	}
	if !m.FindEndpoint("v2-2").Forwards || m.FindEndpoint("v1-1").Forwards {
		t.Error("wrong endpoints forward")
	}
	hostB := HostConfig{Name: "host-b", ProviderAddress: addr("172.16.0.2")}
	if p := compile(t, m, hostB, []AttachedPort{{ID: "a", NIC: "v2-2"}}); !p.Ports[0].Forwards || len(p.Routes) != 0 {
		t.Errorf("%+v %+v", p.Ports, p.Routes)
	}
	if table := m.FindNetwork("v1").Subnets[0].RouteTable; table != m.RouteTables[0] || table.Routes[0].NextHopType() != "VirtualAppliance" {
		t.Errorf("%+v", table)
	}

	// A user route beats the system's of the same prefix, a shorter one does not.
	s = routedFabric(routeTo("space", "10.1.0.0/16", "VirtualAppliance", "10.1.1.5"), routeTo("subnet", "10.1.1.0/24", "None", ""))
	next := build(t, s, m, Options{})
	want = []string{"6001 0.0.0.0/0 appliance 10.2.1.5 all", "6001 10.1.0.0/16 appliance 10.1.1.5 space", "6001 10.1.1.0/24 none subnet", "6001 10.2.0.0/16 local"}
	if got := routesOf(compile(t, next, hostA, ports)); strings.Join(got, ";") != strings.Join(want, ";") {
		t.Errorf("%q", got)
	}
	if d := Diff(m, next); d.String() != "endpoints +0 ~1 -0, routeTables +0 ~1 -0" {
		t.Error(d)
	}
	network(s, "v1").Subnets[0].RouteTable = ""
	if d := Diff(next, build(t, s, next, Options{})); d.String() != "subnets +0 ~1 -0, endpoints +0 ~2 -0" {
		t.Error(d)
	}
}

func TestRouteProblems(t *testing.T) {
	r := func(id string) string { return hubTable + "/routes/" + id }
	set := func(change func(r *cc.Route)) func(s *cc.Snapshot) {
		return func(s *cc.Snapshot) { change(&s.RouteTables[0].Routes[1]) }
	}
	const kept = "6001 10.9.0.0/16 appliance 10.1.1.5 x"
	for _, c := range []struct {
		name           string
		change         func(s *cc.Snapshot)
		code, resource string
		message        string
		fresh, kept    string // of the route x, without and with a good version before
	}{
		{"prefix unreadable", set(func(r *cc.Route) { r.AddressPrefix = "x" }), "route-prefix-invalid", r("x"), `properties.addressPrefix "x"`, "", kept},
		{"prefix with host bits", set(func(r *cc.Route) { r.AddressPrefix = "10.9.1.1/16" }), "prefix-host-bits", r("x"), `10.9.0.0/16 is in force`, kept, kept},
		{"type unreadable", set(func(r *cc.Route) { r.NextHopType = "Magic" }), "route-next-hop-invalid", r("x"), `properties.nextHopType "Magic"`, "6001 10.9.0.0/16 none x", kept},
		{"next hop missing", set(func(r *cc.Route) { r.NextHopIPAddress = "" }), "route-next-hop-invalid", r("x"), `properties.nextHopIPAddress ""`, "6001 10.9.0.0/16 none x", kept},
		{"next hop of another family", set(func(r *cc.Route) { r.NextHopIPAddress = "fd00::1" }), "route-next-hop-invalid", r("x"), "family", "6001 10.9.0.0/16 none x", kept},
		// Known or not, its packets go nowhere else.
		{"next hop of nobody", set(func(r *cc.Route) { r.NextHopIPAddress = "10.3.1.4" }), "route-next-hop-unknown", r("x"),
			`properties.nextHopIPAddress "10.3.1.4" is no address in /virtualNetworks/v1 or its peers; packets of /virtualNetworks/v1/subnets/s to 10.9.0.0/16 are dropped`,
			"6001 10.9.0.0/16 appliance 10.3.1.4 x", "6001 10.9.0.0/16 appliance 10.3.1.4 x"},
		{"prefix used twice", func(s *cc.Snapshot) {
			s.RouteTables[0].Routes = append(s.RouteTables[0].Routes, routeTo("a", "10.9.0.0/16", "None", ""))
		}, "route-duplicate", "", "10.9.0.0/16", "6001 10.9.0.0/16 none a", kept},
		{"to the Internet", set(func(r *cc.Route) { r.NextHopType = "Internet" }), "route-internet", r("x"), "no way to the Internet", "6001 10.9.0.0/16 internet x", "6001 10.9.0.0/16 internet x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, prev := range []*Model{nil, build(t, routedFabric(routeTo("x", "10.9.0.0/16", "VirtualAppliance", "10.1.1.5")), nil, Options{})} {
				s := routedFabric(routeTo("x", "10.9.0.0/16", "VirtualAppliance", "10.1.1.5"))
				c.change(s)
				m, problems := Build(s, prev, Options{})
				resource, want := c.resource, c.fresh
				if i == 1 {
					want = c.kept
				}
				if c.code == "route-duplicate" {
					resource = []string{r("x"), r("a")}[i]
				}
				if p := find(problems, c.code, resource); p == nil || !strings.Contains(p.Message, c.message) {
					t.Errorf("%+v", problems)
				}
				p, _ := Compile(m, hostA, []AttachedPort{{ID: "p", NIC: "v1-1"}})
				got := ""
				for _, line := range routesOf(p) {
					if strings.Contains(line, "10.9.") {
						got = line
					}
				}
				if got != want {
					t.Errorf("%q in force, want %q", got, want)
				}
				if !strings.Contains(strings.Join(routesOf(p), ";"), "0.0.0.0/0 appliance 10.2.1.5 all") {
					t.Error("the other route is gone")
				}
			}
		})
	}
}

// TestUnknownRouteTable: a table that is not there opens no way past what it would have said.
func TestUnknownRouteTable(t *testing.T) {
	s := routedFabric()
	good := build(t, s, nil, Options{})
	s.RouteTables = nil
	for _, c := range []struct {
		prev    *Model
		message string
		want    string
	}{
		{nil, "nothing leaves the subnet", "6001 0.0.0.0/0 none /routetables/t;6001 10.1.1.0/24 local;6001 ::/0 none /routetables/t"},
		{good, "stays in force", "6001 0.0.0.0/0 appliance 10.2.1.5 all;6001 10.1.0.0/16 local;6001 10.1.1.0/24 local;6001 10.2.0.0/16 local"},
	} {
		m, problems := Build(s, c.prev, Options{})
		p := find(problems, "route-table-unknown", "/virtualNetworks/v1/subnets/s")
		if p == nil || !strings.Contains(p.Message, `properties.routeTable "/RouteTables/T"`) || !strings.Contains(p.Message, c.message) {
			t.Errorf("%+v", problems)
		}
		policy, _ := Compile(m, hostA, []AttachedPort{{ID: "p", NIC: "v1-1"}})
		if got := strings.Join(routesOf(policy), ";"); got != c.want {
			t.Errorf("%s", got)
		}
		if again, _ := Build(s, m, Options{}); !Diff(m, again).Empty() {
			t.Errorf("%s", Diff(m, again))
		}
	}
}

// TestRoutesOfPeersInScope: of a snapshot for one host, the routes of a peer's subnets say that the endpoint here forwards; what
// is not in the snapshot is no problem.
func TestRoutesOfPeersInScope(t *testing.T) {
	s := routedFabric(routeTo("far", "10.9.0.0/16", "VirtualAppliance", "10.4.1.4"))
	s.Host = "host-b"
	var nics []cc.NetworkInterface
	for _, n := range s.NetworkInterfaces {
		if n.ID == "v2-2" || n.ID == "v1-1" {
			nics = append(nics, n)
		}
	}
	s.NetworkInterfaces = nics // host-b has nothing in v1
	m := build(t, s, nil, Options{})
	hostB := HostConfig{Name: "host-b", ProviderAddress: addr("172.16.0.2")}
	if p := compile(t, m, hostB, []AttachedPort{{ID: "a", NIC: "v2-2"}}); !p.Ports[0].Forwards {
		t.Error("the appliance does not forward")
	}
	s.RouteTables = nil
	build(t, s, nil, Options{})
}

// TestNextHopComesBack: the appliance appears later, and the route is in force.
func TestNextHopComesBack(t *testing.T) {
	s := routedFabric()
	all := s.NetworkInterfaces
	s.NetworkInterfaces = nil
	for _, n := range all {
		if n.ID != "v2-2" {
			s.NetworkInterfaces = append(s.NetworkInterfaces, n)
		}
	}
	m, problems := Build(s, nil, Options{})
	if find(problems, "route-next-hop-unknown", hubTable+"/routes/all") == nil || len(problems) != 1 {
		t.Errorf("%+v", problems)
	}
	s.NetworkInterfaces = all
	m = build(t, s, m, Options{})
	if p := compile(t, m, hostA, []AttachedPort{{ID: "p", NIC: "v1-1"}}); !p.Mappings[3].Forwards {
		t.Errorf("%+v", p.Mappings)
	}
}
