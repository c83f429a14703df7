package overlay

import (
	"net/netip"
	"strings"
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/encap"
)

// Every case breaks contoso's part of the fabric. fresh is what that takes out of force when there never was a
// good version, kept what it changes when there was one ("" for nothing): both as Diff against the good fabric, so
// whatever they do not name is in force as before.
func TestProblems(t *testing.T) {
	const (
		net     = "/virtualNetworks/contoso"
		web     = net + "/subnets/web"
		db      = net + "/subnets/db"
		nicWeb1 = "/networkInterfaces/contoso-web-1"
		nicWeb2 = "/networkInterfaces/contoso-web-2"
		ipWeb1  = nicWeb1 + "/ipConfigurations/ip1"
		ipWeb2  = nicWeb2 + "/ipConfigurations/ip1"

		noSubnet  = "subnets +0 ~0 -1, endpoints +0 ~2 -0, mappings +0 ~0 -2"
		noAddress = "endpoints +0 ~1 -0, mappings +0 ~0 -1"
		unplaced  = "endpoints +0 ~1 -0, mappings +0 ~1 -0"
	)
	setIP := func(value string) func(s *cc.Snapshot) {
		return func(s *cc.Snapshot) { ipconfig(s, "contoso-web-1").PrivateIPAddress = value }
	}
	setMAC := func(value string) func(s *cc.Snapshot) {
		return func(s *cc.Snapshot) { nic(s, "contoso-web-1").MAC = value }
	}
	setPrefix := func(value string) func(s *cc.Snapshot) {
		return func(s *cc.Snapshot) { network(s, "contoso").Subnets[0].AddressPrefix = value }
	}
	for _, c := range []struct {
		name           string
		change         func(s *cc.Snapshot)
		code, resource string
		message        string // field, value
		fresh, kept    string
	}{
		{"network prefix unreadable", func(s *cc.Snapshot) { network(s, "contoso").AddressPrefixes = []string{"10.0.0.0/99"} },
			"network-prefix-invalid", net, `properties.addressSpace.addressPrefixes "10.0.0.0/99"`, "networks +0 ~1 -0", ""},
		{"network prefix host bits", func(s *cc.Snapshot) { network(s, "contoso").AddressPrefixes = []string{"10.0.3.0/16"} },
			"prefix-host-bits", net, `"10.0.3.0/16" has host bits set; 10.0.0.0/16 is in force`, "", ""},
		{"network instanceId used twice", func(s *cc.Snapshot) {
			network(s, "fabrikam").InstanceID = strings.ToUpper(network(s, "contoso").InstanceID)
		}, "network-instance-duplicate", "/virtualNetworks/fabrikam", "instanceId", "networks +0 ~1 -0", "networks +0 ~1 -0"},
		{"network ref used twice", func(s *cc.Snapshot) { s.VirtualNetworks = append(s.VirtualNetworks, *network(s, "contoso")) },
			"resource-duplicate", net, "resourceRef", "", ""},
		{"network unnamed", func(s *cc.Snapshot) { s.VirtualNetworks = append(s.VirtualNetworks, cc.VirtualNetwork{}) },
			"resource-unnamed", "/virtualNetworks", "resourceRef", "", ""},
		{"peering", func(s *cc.Snapshot) { network(s, "contoso").Peerings = []string{"/virtualNetworks/fabrikam"} },
			"peering-one-sided", net, "properties.virtualNetworkPeerings", "networks +0 ~1 -0", "networks +0 ~1 -0"},
		{"peering with a stranger", func(s *cc.Snapshot) { network(s, "contoso").Peerings = []string{"/virtualNetworks/x"} },
			"peering-unknown", net, `properties.virtualNetworkPeerings "/virtualNetworks/x"`, "networks +0 ~1 -0", "networks +0 ~1 -0"},

		{"subnet prefix unreadable", setPrefix("10.0.1.0"), "subnet-prefix-invalid", web, `properties.addressPrefix "10.0.1.0"`, noSubnet, ""},
		{"subnet prefix empty", setPrefix(""), "subnet-prefix-invalid", web, `properties.addressPrefix ""`, noSubnet, ""},
		{"subnet prefix too small", setPrefix("10.0.1.4/32"), "subnet-prefix-invalid", web, `properties.addressPrefix "10.0.1.4/32"`, noSubnet, ""},
		{"subnet prefix host bits", setPrefix("10.0.1.9/24"), "prefix-host-bits", web, `properties.addressPrefix "10.0.1.9/24"`, "", ""},
		{"subnet outside its network", func(s *cc.Snapshot) { network(s, "contoso").AddressPrefixes = []string{"10.0.0.0/23"} },
			"subnet-outside-network", db, `properties.addressPrefix "10.0.2.0/24"`, "networks +0 ~1 -0", "networks +0 ~1 -0"},
		{"subnets overlap", func(s *cc.Snapshot) { network(s, "contoso").Subnets[0].AddressPrefix = "10.0.0.0/22" },
			"subnet-overlap", web, `properties.addressPrefix "10.0.0.0/22"`, noSubnet, ""},
		{"subnet VSID out of range", func(s *cc.Snapshot) { network(s, "contoso").Subnets[0].VSID = 99 }, "vsid-invalid", web, `properties.vsid "99"`, noSubnet, ""},
		{"subnet VSID of another tenant's", func(s *cc.Snapshot) { network(s, "fabrikam").Subnets[0].VSID = 5001 },
			"vsid-conflict", "/virtualNetworks/fabrikam/subnets/web", "VSID 5001", noSubnet, ""},
		{"subnet gateway unreadable", func(s *cc.Snapshot) { network(s, "contoso").Subnets[0].Gateway = "x" }, "subnet-gateway-invalid", web, `"x"`, "", ""},
		{"subnet gateway outside", func(s *cc.Snapshot) { network(s, "contoso").Subnets[0].Gateway = "10.0.2.1" }, "subnet-gateway-invalid", web, `"10.0.2.1"`, "", ""},
		{"subnet gateway broadcast", func(s *cc.Snapshot) { network(s, "contoso").Subnets[0].Gateway = "10.0.1.255" }, "subnet-gateway-invalid", web, `broadcast`, "", ""},
		{"subnet ACL unknown", func(s *cc.Snapshot) { network(s, "contoso").Subnets[0].AccessControlList = "/accessControlLists/x" },
			"acl-unknown", web, `properties.accessControlList "/accessControlLists/x"`, "subnets +0 ~1 -0, acls +1 ~0 -0", ""},
		{"subnet in two networks", func(s *cc.Snapshot) {
			network(s, "fabrikam").Subnets = append(network(s, "fabrikam").Subnets, network(s, "contoso").Subnets[0])
		}, "resource-duplicate", web, "resourceRef", "", ""},

		{"MAC unreadable", setMAC("001DD807"), "mac-invalid", nicWeb1, `properties.privateMacAddress "001DD807"`, "endpoints +0 ~0 -1, mappings +0 ~0 -1", ""},
		{"MAC empty", setMAC(""), "mac-invalid", nicWeb1, `properties.privateMacAddress ""`, "endpoints +0 ~0 -1, mappings +0 ~0 -1", ""},
		{"MAC multicast", setMAC("01-1D-D8-07-00-01"), "mac-invalid", nicWeb1, `multicast`, "endpoints +0 ~0 -1, mappings +0 ~0 -1", ""},
		{"MAC zero", setMAC("00:00:00:00:00:00"), "mac-invalid", nicWeb1, `zero`, "endpoints +0 ~0 -1, mappings +0 ~0 -1", ""},
		{"MAC of the router", setMAC("02:fa:1e:ad:00:01"), "mac-invalid", nicWeb1, `router`, "endpoints +0 ~0 -1, mappings +0 ~0 -1", ""},
		// web-2 is the one that changed; TestOneMistakeNeverTakesTheOldHolderDown has it the other way round.
		{"MAC used twice", func(s *cc.Snapshot) { nic(s, "contoso-web-2").MAC = nic(s, "contoso-web-1").MAC }, "mac-duplicate", ipWeb2,
			`properties.privateMacAddress "00:1d:d8:07:00:01"`, noAddress, noAddress},
		{"server unknown", func(s *cc.Snapshot) { nic(s, "contoso-web-1").Server = "/servers/x" }, "server-unknown", nicWeb1, `properties.server "/servers/x"`, unplaced, ""},
		{"NIC unnamed", func(s *cc.Snapshot) { s.NetworkInterfaces = append(s.NetworkInterfaces, cc.NetworkInterface{MAC: "x"}) },
			"resource-unnamed", "/networkInterfaces", "resourceRef", "", ""},
		{"NIC ref used twice", func(s *cc.Snapshot) {
			dup := *nic(s, "contoso-web-1")
			dup.InstanceID, dup.MAC, dup.IPConfigurations = "x", "", nil
			s.NetworkInterfaces = append(s.NetworkInterfaces, dup)
		}, "resource-duplicate", nicWeb1, "resourceRef", "", ""},
		{"NIC id used twice", func(s *cc.Snapshot) {
			s.NetworkInterfaces = append(s.NetworkInterfaces, cc.NetworkInterface{Meta: cc.Meta{ID: "contoso-web-1", Ref: "/other/contoso-web-1"}, MAC: "001DD8070099"})
		}, "resource-duplicate", "/other/contoso-web-1", "resourceId", "endpoints +1 ~0 -0", "endpoints +1 ~0 -0"},

		{"CA unreadable", setIP("10.0.1"), "address-invalid", ipWeb1, `properties.privateIPAddress "10.0.1"`, noAddress, ""},
		{"CA empty", setIP(""), "address-invalid", ipWeb1, `properties.privateIPAddress ""`, noAddress, ""},
		{"CA outside", setIP("10.0.2.9"), "address-invalid", ipWeb1, `outside`, noAddress, ""},
		{"CA gateway", setIP("10.0.1.1"), "address-invalid", ipWeb1, `gateway`, noAddress, ""},
		{"CA network", setIP("10.0.1.0"), "address-invalid", ipWeb1, `network address`, noAddress, ""},
		{"CA broadcast", setIP("10.0.1.255"), "address-invalid", ipWeb1, `broadcast`, noAddress, ""},
		{"CA zone", setIP("fe80::1%eth0"), "address-invalid", ipWeb1, `zone`, noAddress, ""},
		{"subnet unknown", func(s *cc.Snapshot) { ipconfig(s, "contoso-web-1").Subnet = net + "/subnets/x" }, "subnet-unknown", ipWeb1, `properties.subnet "` + net + `/subnets/x"`, noAddress, ""},
		{"subnet empty", func(s *cc.Snapshot) { ipconfig(s, "contoso-web-1").Subnet = "" }, "subnet-unknown", ipWeb1, `properties.subnet ""`, noAddress, ""},
		{"ipConfiguration ACL unknown", func(s *cc.Snapshot) { ipconfig(s, "contoso-web-1").AccessControlList = "/accessControlLists/x" },
			"acl-unknown", ipWeb1, `properties.accessControlList "/accessControlLists/x" does not exist; everything is blocked`, "endpoints +0 ~1 -0, acls +1 ~0 -0", "endpoints +0 ~1 -0, acls +1 ~0 -0"},
		{"ipConfiguration ACL deleted", func(s *cc.Snapshot) {
			s.AccessControlLists = append(s.AccessControlLists[:1], s.AccessControlLists[2:]...)
		},
			"acl-unknown", "/networkInterfaces/contoso-db-2/ipConfigurations/ip1", `properties.accessControlList "/accessControlLists/contoso-db"`, "acls +0 ~1 -0", ""},

		{"PA unreadable", func(s *cc.Snapshot) { s.Servers[0].ProviderAddresses = []string{"172.16.0"} }, "provider-address-invalid", "/servers/host-a",
			`properties.providerAddresses "172.16.0"`, "mappings +0 ~4 -0, hosts +0 ~1 -0", ""},
		{"PA not unicast", func(s *cc.Snapshot) { s.Servers[0].ProviderAddresses = []string{"224.0.0.1"} }, "provider-address-invalid", "/servers/host-a",
			`unicast`, "mappings +0 ~4 -0, hosts +0 ~1 -0", ""},
		{"PA missing", func(s *cc.Snapshot) { s.Servers[0].ProviderAddresses = nil }, "provider-address-missing", "/servers/host-a",
			`providerAddresses; the 4 mappings`, "mappings +0 ~4 -0, hosts +0 ~1 -0", "mappings +0 ~4 -0, hosts +0 ~1 -0"},
		{"PA used twice", func(s *cc.Snapshot) { s.Servers[1].ProviderAddresses = []string{"172.16.0.1"} }, "provider-address-duplicate", "/servers/host-b",
			`"172.16.0.1"`, "mappings +0 ~2 -0, hosts +0 ~1 -0", "mappings +0 ~2 -0, hosts +0 ~1 -0"},
		{"server id used twice", func(s *cc.Snapshot) {
			s.Servers = append(s.Servers, cc.Server{Meta: cc.Meta{ID: "host-a", Ref: "/x/host-a"}})
		}, "resource-duplicate", "/x/host-a", "resourceId", "hosts +1 ~0 -0", "hosts +1 ~0 -0"},
		{"ACL ref used twice", func(s *cc.Snapshot) {
			s.AccessControlLists = append(s.AccessControlLists, cc.AccessControlList{Meta: cc.Meta{Ref: "/accessControlLists/contoso-web", InstanceID: "~"}})
		}, "resource-duplicate", "/accessControlLists/contoso-web", "resourceRef", "acls +0 ~1 -0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := build(t, fabric(), nil, Options{})
			s := fabric()
			c.change(s)
			checkProblem(t, s, nil, good, c.code, c.resource, c.message, c.fresh)
			checkProblem(t, s, good, good, c.code, c.resource, c.message, c.kept)
		})
	}
}

func checkProblem(t *testing.T, s *cc.Snapshot, prev, good *Model, code, resource, message, changes string) {
	t.Helper()
	m, problems := Build(s, prev, Options{})
	p := find(problems, code, resource)
	if p == nil {
		t.Fatalf("no problem %s at %s in %+v", code, resource, problems)
	}
	if !strings.Contains(p.Message, message) {
		t.Errorf("message %q does not say %q", p.Message, message)
	}
	if p.Severity != "error" && p.Severity != "warning" {
		t.Errorf("severity %q", p.Severity)
	}
	if changes == "" {
		changes = "no changes"
	}
	if d := Diff(good, m); d.String() != changes {
		t.Errorf("prev %t: changed %q, want %q\n%+v", prev != nil, d, changes, d)
	}
	again, againProblems := Build(s, m, Options{})
	if d := Diff(m, again); !d.Empty() {
		t.Errorf("building once more changes %+v", d)
	}
	if len(againProblems) != len(problems) {
		t.Errorf("building once more says %+v, first it was %+v", againProblems, problems)
	}
}

func TestOneMistakeNeverTakesTheOldHolderDown(t *testing.T) {
	// web-1 sorts before web-2, but web-2 was there first.
	good := build(t, fabric(), nil, Options{})
	s := fabric()
	nic(s, "contoso-web-1").MAC = nic(s, "contoso-web-2").MAC
	m, problems := Build(s, good, Options{})
	if find(problems, "mac-duplicate", "/networkInterfaces/contoso-web-1/ipConfigurations/ip1") == nil {
		t.Errorf("%+v", problems)
	}
	if len(m.FindEndpoint("contoso-web-2").Addresses) != 1 || len(m.FindEndpoint("contoso-web-1").Addresses) != 0 {
		t.Error("web-2 lost its MAC to web-1")
	}
	// It keeps its address even while its own MAC changes.
	s = fabric()
	nic(s, "contoso-web-2").MAC = "001DD80700FF"
	ipconfig(s, "contoso-web-1").PrivateIPAddress = "10.0.1.5"
	m, _ = Build(s, good, Options{})
	if ep := m.FindEndpoint("contoso-web-2"); len(ep.Addresses) != 1 || ep.MAC[5] != 0xff {
		t.Errorf("%+v", ep)
	}
	s = fabric()
	s.Servers[0].ProviderAddresses = []string{"172.16.0.2"} // host-b's
	m, problems = Build(s, good, Options{})
	if find(problems, "provider-address-duplicate", "/servers/host-a") == nil || len(m.FindHost("host-b").ProviderAddresses) != 1 {
		t.Errorf("%+v", problems)
	}
	s = fabric()
	network(s, "contoso").Subnets[0].VSID = 5011 // fabrikam's
	m, problems = Build(s, good, Options{})
	if find(problems, "vsid-conflict", "/virtualNetworks/contoso/subnets/web") == nil {
		t.Errorf("%+v", problems)
	}
	if d := Diff(good, m); !d.Empty() {
		t.Errorf("%+v", d)
	}
}

func TestSameAddressTwice(t *testing.T) {
	good := build(t, fabric(), nil, Options{})
	s := fabric()
	ipconfig(s, "contoso-web-1").PrivateIPAddress = "10.0.1.5"
	const message = `properties.privateIPAddress "10.0.1.5" is also that of /networkInterfaces/contoso-web-`
	// Nobody was first: the lowest reference gets it.
	checkProblem(t, s, nil, good, "address-duplicate", "/networkInterfaces/contoso-web-2/ipConfigurations/ip1", message+"1", "endpoints +0 ~2 -0, mappings +0 ~1 -1")
	// web-2 was first; web-1 keeps the address it had.
	checkProblem(t, s, good, good, "address-duplicate", "/networkInterfaces/contoso-web-1/ipConfigurations/ip1", message+"2", "")
	// Within one network interface, and not across tenants.
	s = fabric()
	n := nic(s, "fabrikam-web-1")
	second := n.IPConfigurations[0]
	second.Meta = meta(n.Ref+"/ipConfigurations/", "ip0")
	n.IPConfigurations = append(n.IPConfigurations, second)
	checkProblem(t, s, good, good, "address-duplicate", second.Ref, n.IPConfigurations[0].Ref, "")
}

func TestSwappedAddressesAreNoConflict(t *testing.T) {
	good := build(t, fabric(), nil, Options{})
	s := fabric()
	a, b := ipconfig(s, "contoso-web-1"), ipconfig(s, "contoso-web-2")
	a.PrivateIPAddress, b.PrivateIPAddress = b.PrivateIPAddress, a.PrivateIPAddress
	m := build(t, s, good, Options{})
	if m.FindEndpoint("contoso-web-1").Addresses[0].CA != addr("10.0.1.5") {
		t.Error("not swapped")
	}
}

func TestLastGoodNeverDisplacesWhatIsGoodNow(t *testing.T) {
	good := build(t, fabric(), nil, Options{})
	s := fabric()
	ipconfig(s, "contoso-web-1").PrivateIPAddress = "x"
	ipconfig(s, "contoso-web-2").PrivateIPAddress = "10.0.1.4"
	m, _ := Build(s, good, Options{})
	if len(m.FindEndpoint("contoso-web-1").Addresses) != 0 || m.FindEndpoint("contoso-web-2").Addresses[0].CA != addr("10.0.1.4") {
		t.Error("10.0.1.4 belongs to web-2 now")
	}
}

func TestLastGoodMustStillFit(t *testing.T) {
	good := build(t, fabric(), nil, Options{})
	s := fabric()
	network(s, "contoso").Subnets[0].AddressPrefix = "10.0.9.0/24" // web-2 does not follow, web-1 becomes unreadable
	ipconfig(s, "contoso-web-1").PrivateIPAddress = "x"
	m, _ := Build(s, good, Options{})
	if len(m.FindEndpoint("contoso-web-1").Addresses)+len(m.FindEndpoint("contoso-web-2").Addresses) != 0 {
		t.Error("an address outside its subnet is in force")
	}
}

func TestVSIDSources(t *testing.T) {
	s := fabric()
	for i := range s.VirtualNetworks {
		for j := range s.VirtualNetworks[i].Subnets {
			s.VirtualNetworks[i].Subnets[j].VSID = 0
		}
	}
	m := build(t, s, nil, Options{})
	if want := (OriginCounts{Derived: 4}); m.VSIDSource != want {
		t.Errorf("%+v", m.VSIDSource)
	}
	seen := map[encap.VSID]bool{}
	for _, sub := range m.Subnets() {
		if !sub.VSID.Valid() || seen[sub.VSID] {
			t.Errorf("%s has VSID %d", sub.Ref, sub.VSID)
		}
		seen[sub.VSID] = true
	}
	// Pinned: another number would cut hosts of different versions off from each other.
	if v := deriveVSID("00000000-0000-0000-0000-000000000001", 0); v != 552635 {
		t.Errorf("derived VSID %d, it was always 552635", v)
	}
	opts := Options{VirtualSubnetIDs: map[string]encap.VSID{"/networking/v1/virtualnetworks/CONTOSO/subnets/web": 7001}}
	m, problems := Build(s, nil, opts)
	if m.FindNetwork("contoso").FindSubnet("web").VSID != 7001 || m.VSIDSource != (OriginCounts{Config: 1, Derived: 3}) {
		t.Errorf("%+v", m.VSIDSource)
	}
	if len(problems) != 1 || problems[0].Code != "vsid-mixed" {
		t.Errorf("%+v", problems)
	}
	opts.VirtualSubnetIDs["/virtualNetworks/contoso/subnets/web"] = 7
	delete(opts.VirtualSubnetIDs, "/networking/v1/virtualnetworks/CONTOSO/subnets/web")
	m, problems = Build(s, nil, opts)
	if p := find(problems, "vsid-invalid", "/virtualNetworks/contoso/subnets/web"); p == nil || !strings.Contains(p.Message, `virtualSubnetIds entry "7"`) {
		t.Errorf("%+v", problems)
	}
	if m.FindNetwork("contoso").FindSubnet("web") != nil {
		t.Error("a wrong VSID in the config must not be replaced by a derived one")
	}
}

func TestDerivedVSIDCollision(t *testing.T) {
	s := fabric()
	c, f := &network(s, "contoso").Subnets[0], &network(s, "fabrikam").Subnets[0]
	c.VSID, f.VSID = 0, 0
	f.InstanceID = strings.ToUpper(c.InstanceID) // the same hash
	m, problems := Build(s, nil, Options{})
	p := find(problems, "vsid-collision", f.Ref)
	if p == nil || p.Severity != "warning" {
		t.Fatalf("%+v", problems)
	}
	if a, b := m.FindNetwork("contoso").FindSubnet("web").VSID, m.FindNetwork("fabrikam").FindSubnet("web").VSID; a == b || a != deriveVSID(strings.ToLower(c.InstanceID), 0) {
		t.Errorf("VSIDs %d and %d", a, b)
	}
}

func TestProviderAddressSources(t *testing.T) {
	s := fabric()
	s.Servers[0].ProviderAddresses = nil
	s.Servers[1].ProviderAddresses = []string{"bad", "172.16.0.22"}
	m, problems := Build(s, nil, Options{ProviderAddresses: map[string]netip.Addr{"HOST-A": addr("172.16.0.11"), "/servers/host-b": addr("172.16.0.99")}})
	if a := m.FindHost("host-a"); a.PAOrigin != OriginConfig || a.ProviderAddresses[0] != addr("172.16.0.11") {
		t.Errorf("%+v", a)
	}
	if b := m.FindHost("host-b"); b.PAOrigin != OriginSource || len(b.ProviderAddresses) != 1 || b.ProviderAddresses[0] != addr("172.16.0.22") {
		t.Errorf("%+v", b)
	}
	if len(problems) != 1 || m.PASource != (OriginCounts{Source: 2, Config: 1}) {
		t.Errorf("%+v %+v", problems, m.PASource)
	}
	_, problems = Build(s, nil, Options{ProviderAddresses: map[string]netip.Addr{"host-a": addr("224.0.0.1")}})
	if find(problems, "provider-address-invalid", "/servers/host-a") == nil || find(problems, "provider-address-missing", "/servers/host-a") == nil {
		t.Errorf("%+v", problems)
	}
}
