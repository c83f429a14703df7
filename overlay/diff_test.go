package overlay

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

func TestDiff(t *testing.T) {
	good := build(t, fabric(), nil, Options{})
	for _, c := range []struct {
		name   string
		change func(s *cc.Snapshot)
		want   Changes
	}{
		{"nothing", func(*cc.Snapshot) {}, Changes{}},
		{"etag only", func(s *cc.Snapshot) { network(s, "contoso").ETag = "W/2" }, Changes{}},
		{"NIC moved", func(s *cc.Snapshot) { nic(s, "contoso-web-1").Server = "/servers/host-c" },
			Changes{Endpoints: Delta{Changed: []string{"/networkInterfaces/contoso-web-1"}}, Mappings: Delta{Changed: []string{"/virtualNetworks/contoso 10.0.1.4"}}}},
		{"CA changed", func(s *cc.Snapshot) { ipconfig(s, "fabrikam-web-1").PrivateIPAddress = "10.0.1.44" },
			Changes{Endpoints: Delta{Changed: []string{"/networkInterfaces/fabrikam-web-1"}},
				Mappings: Delta{Added: []string{"/virtualNetworks/fabrikam 10.0.1.44"}, Removed: []string{"/virtualNetworks/fabrikam 10.0.1.4"}}}},
		{"rule changed", func(s *cc.Snapshot) { acl(s, "contoso-web").Rules[0].Logging = "Enabled" }, Changes{ACLs: Delta{Changed: []string{webACL}}}},
		{"network gone", func(s *cc.Snapshot) {
			s.VirtualNetworks = s.VirtualNetworks[1:]
			s.NetworkInterfaces = s.NetworkInterfaces[4:]
		}, Changes{Networks: Delta{Removed: []string{"/virtualNetworks/contoso"}},
			Subnets:   Delta{Removed: []string{"/virtualNetworks/contoso/subnets/db", "/virtualNetworks/contoso/subnets/web"}},
			Endpoints: Delta{Removed: []string{"/networkInterfaces/contoso-db-1", "/networkInterfaces/contoso-db-2", "/networkInterfaces/contoso-web-1", "/networkInterfaces/contoso-web-2"}},
			Mappings: Delta{Removed: []string{"/virtualNetworks/contoso 10.0.1.4", "/virtualNetworks/contoso 10.0.1.5", "/virtualNetworks/contoso 10.0.2.4",
				"/virtualNetworks/contoso 10.0.2.5"}}}},
		{"encapsulation", func(s *cc.Snapshot) { s.Encapsulation = "NVGRE" }, Changes{Settings: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fabric()
			c.change(s)
			got := Diff(good, build(t, s, good, Options{}))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.Empty() != (got.String() == "no changes") {
				t.Errorf("%v %q", got.Empty(), got)
			}
		})
	}
	if d := Diff(nil, good); d.String() != "networks +2 ~0 -0, subnets +4 ~0 -0, endpoints +8 ~0 -0, mappings +8 ~0 -0, hosts +3 ~0 -0, acls +4 ~0 -0" {
		t.Error(d)
	}
}
