package overlay

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-net/fairlead/encap"
)

func TestBuild(t *testing.T) {
	m := build(t, fabric(), nil, Options{})
	if len(m.VirtualNetworks) != 2 || len(m.Endpoints) != 8 || len(m.Hosts) != 3 || len(m.ACLs) != 4 {
		t.Fatalf("got %d networks, %d endpoints, %d hosts, %d ACLs", len(m.VirtualNetworks), len(m.Endpoints), len(m.Hosts), len(m.ACLs))
	}
	if m.Encapsulation != encap.VXLAN {
		t.Errorf("encapsulation %v", m.Encapsulation)
	}
	if want := (OriginCounts{Source: 4}); m.VSIDSource != want {
		t.Errorf("VSIDs %+v", m.VSIDSource)
	}
	if want := (OriginCounts{Source: 3}); m.PASource != want {
		t.Errorf("PAs %+v", m.PASource)
	}
	c, f := m.FindEndpoint("contoso-web-1"), m.FindEndpoint("/networking/v1/NetworkInterfaces/Fabrikam-Web-1")
	if c == nil || f == nil || c == f {
		t.Fatalf("endpoints %v %v", c, f)
	}
	ca, fa := c.Addresses[0], f.Addresses[0]
	if ca.CA != addr("10.0.1.4") || ca.CA != fa.CA || c.MAC != f.MAC {
		t.Errorf("the tenants do not look alike: %v %v", ca, fa)
	}
	if ca.Subnet.VSID != 5001 || fa.Subnet.VSID != 5011 || ca.Subnet.Network.RDID == fa.Subnet.Network.RDID {
		t.Errorf("the tenants are not apart: %+v %+v", ca.Subnet, fa.Subnet)
	}
	if ca.Subnet.Gateway != addr("10.0.1.1") {
		t.Errorf("gateway %v", ca.Subnet.Gateway)
	}
	if ca.Subnet.ACL == nil || ca.Subnet.ACL.Ref != "/accessControlLists/contoso-web" {
		t.Errorf("ACL %v", ca.Subnet.ACL)
	}
	if c.Host == nil || c.Host.ID != "host-a" || c.MAC.String() != "00:1d:d8:07:00:01" {
		t.Errorf("endpoint %+v", c)
	}
	if len(m.Subnets()) != 4 || m.FindNetwork("CONTOSO").FindSubnet("DB").VSID != 5002 || m.FindHost("/servers/HOST-B").ID != "host-b" {
		t.Error("queries")
	}
}

func TestMappingsShowWhatIsLocalAndUnreachable(t *testing.T) {
	s := fabric()
	s.Servers[2].ProviderAddresses = nil
	m, _ := Build(s, nil, Options{})
	got := map[string]int{}
	for _, mp := range m.Mappings(hostA) {
		switch {
		case mp.Local && mp.PA == hostA.ProviderAddress:
			got["local"]++
		case mp.PA.IsValid():
			got["remote"]++
		default:
			got["unreachable"]++
		}
	}
	if diff := cmp.Diff(map[string]int{"local": 4, "remote": 2, "unreachable": 2}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEncapsulation(t *testing.T) {
	nvgre := build(t, fabric(), nil, Options{Encapsulation: encap.NVGRE})
	for _, c := range []struct {
		word     string
		prev     *Model
		opts     Options
		want     encap.Type
		problems int
	}{
		{"", nil, Options{}, encap.VXLAN, 0},
		{"NvGre", nil, Options{}, encap.NVGRE, 0},
		{"VXLAN", nil, Options{Encapsulation: encap.NVGRE}, encap.NVGRE, 0},
		{"geneve", nil, Options{}, encap.VXLAN, 1},
		{"geneve", nvgre, Options{}, encap.NVGRE, 1},
		{"geneve", nil, Options{Encapsulation: encap.NVGRE}, encap.NVGRE, 0},
	} {
		s := fabric()
		s.Encapsulation = c.word
		m, problems := Build(s, c.prev, c.opts)
		if m.Encapsulation != c.want || len(problems) != c.problems {
			t.Errorf("%q: %v, %v", c.word, m.Encapsulation, problems)
		}
	}
}

func TestNilSnapshotKeepsTheModel(t *testing.T) {
	m := build(t, fabric(), nil, Options{})
	if got, _ := Build(nil, m, Options{}); got != m {
		t.Error("a nil snapshot changed the model")
	}
	if got, problems := Build(nil, nil, Options{}); got == nil || len(problems) != 0 {
		t.Error(got, problems)
	}
}

func TestProvisioningStatesArePresent(t *testing.T) {
	s := fabric()
	for i := range s.NetworkInterfaces {
		s.NetworkInterfaces[i].ProvisioningState = "Deleting"
	}
	m := build(t, s, nil, Options{})
	if len(m.FindNetwork("contoso").members) != 4 {
		t.Error("a resource that is being deleted is still there")
	}
}

func TestResourcesAreNamedByWhatTheyHave(t *testing.T) {
	s := fabric()
	n := nic(s, "contoso-web-1")
	n.Ref, n.IPConfigurations[0].Ref = "", ""
	nic(s, "contoso-web-2").ID = ""
	network(s, "contoso").Subnets[0].Ref = ""
	m := build(t, s, nil, Options{})
	if d := Diff(build(t, fabric(), nil, Options{}), m); !d.Empty() {
		t.Errorf("%+v", d)
	}
}

// Interfaces of the fabric itself (multiplexers, gateways) are in logical networks: none of our business, no problem.
func TestLogicalNetworkAddressesAreIgnored(t *testing.T) {
	s := fabric()
	ipconfig(s, "contoso-web-1").Subnet = "/logicalNetworks/hnvpa/subnets/s1"
	m := build(t, s, nil, Options{})
	if ep := m.FindEndpoint("contoso-web-1"); ep == nil || len(ep.Addresses) != 0 {
		t.Errorf("%+v", ep)
	}
}
