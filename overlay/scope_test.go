package overlay

import (
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// A snapshot for one host lacks what guards others; what guards its own endpoints must be there.
func TestSnapshotOfOneHostLacksWhatGuardsOthers(t *testing.T) {
	s := fabric()
	s.Host = "HOST-A"
	ipconfig(s, "contoso-db-2").AccessControlList = "/accessControlLists/not-sent" // on host-c
	far := cc.VirtualNetwork{Meta: meta("/virtualNetworks/", "far"), Subnets: []cc.Subnet{{Meta: meta("/virtualNetworks/far/subnets/", "s"),
		AddressPrefix: "10.9.0.0/24", VSID: 6001, AccessControlList: "/accessControlLists/not-sent", RouteTable: "/routeTables/not-sent"}}}
	s.VirtualNetworks = append(s.VirtualNetworks, far)
	before := build(t, s, nil, Options{})

	ipconfig(s, "contoso-db-1").AccessControlList = "/accessControlLists/not-there" // on host-a
	m, problems := Build(s, nil, Options{})
	if len(problems) != 1 || problems[0].Code != "acl-unknown" {
		t.Errorf("problems %+v", problems)
	}
	if a := findACL(m, "/accessControlLists/not-there"); a == nil || !a.Missing {
		t.Error("the host's own endpoint is not blocked by a list that is missing")
	}

	// The endpoint should go where nothing is: it stays where it was, and so does what guards it there.
	s = fabric()
	s.Host = "host-a"
	ipconfig(s, "contoso-web-1").Subnet = "/virtualNetworks/nowhere/subnets/s"
	s.NetworkInterfaces = s.NetworkInterfaces[:1]
	m, _ = Build(s, before, Options{})
	if ep := m.FindEndpoint("contoso-web-1"); ep == nil || len(ep.Addresses) != 1 || ep.Addresses[0].Subnet.ACL == nil {
		t.Errorf("endpoint %+v is not guarded by its subnet's list any more", ep)
	}
}
