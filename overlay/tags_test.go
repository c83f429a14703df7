package overlay

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/vfp"
)

func policyACL(t *testing.T, p *vfp.Policy, id string) *vfp.ACL {
	t.Helper()
	i := slices.IndexFunc(p.ACLs, func(a vfp.ACL) bool { return a.ID == id })
	if i < 0 {
		t.Fatalf("no ACL %s in the policy", id)
	}
	return &p.ACLs[i]
}

// TestTags: one list in front of two networks means in each its own addresses.
func TestTags(t *testing.T) {
	s := fabric()
	r := acl(s, "contoso-web").Rules
	r[0].SourceAddressPrefix = "VirtualNetwork"
	r[1].SourceAddressPrefix = "Internet"
	r[2].DestinationAddressPrefix = "virtualnetwork, 192.0.2.1"
	network(s, "fabrikam").AddressPrefixes = []string{"10.0.0.0/8", "fd00::/16"}
	network(s, "fabrikam").Subnets[0].AccessControlList = webACL
	m := build(t, s, nil, Options{})
	p := compile(t, m, hostA, webPorts)
	for tenant, want := range map[string][3]string{
		"contoso":  {"[10.0.0.0/16]", "", "[10.0.0.0/16 192.0.2.1/32]"},
		"fabrikam": {"[10.0.0.0/8 fd00::/16]", "", "[10.0.0.0/8 192.0.2.1/32 fd00::/16]"},
	} {
		id := webACL + "@/virtualNetworks/" + tenant
		if ACLRef(id) != webACL {
			t.Errorf("ACLRef(%s) = %s", id, ACLRef(id))
		}
		a := policyACL(t, p, id)
		if len(a.Rules) != 3 || fmt.Sprint(a.Rules[1].Sources) != want[0] || fmt.Sprint(a.Rules[0].Destinations) != want[2] {
			t.Errorf("%s: %+v", tenant, a.Rules)
		}
		outside := a.Rules[2].Sources
		for _, c := range []struct {
			addr   string
			inside bool
		}{{"10.0.1.4", true}, {"10.200.0.1", tenant == "fabrikam"}, {"9.255.255.255", false}, {"11.0.0.0", false}, {"0.0.0.0", false}, {"255.255.255.255", false},
			{"fd00::1", tenant == "fabrikam"}, {"fd01::", false}, {"::", false}} {
			if in := slices.ContainsFunc(outside, func(p netip.Prefix) bool { return p.Contains(addr(c.addr)) }); in == c.inside {
				t.Errorf("%s: Internet contains %s: %v", tenant, c.addr, in)
			}
		}
	}
	for _, port := range p.Ports {
		if got := port.Addresses[0].ACLs; len(got) != 1 || ACLRef(got[0]) != webACL {
			t.Errorf("%s: ACLs %q", port.ID, got)
		}
	}
	// What a tag means is part of the list: changing one word changes it.
	changed := fabric()
	*acl(changed, "contoso-web") = *acl(s, "contoso-web")
	acl(changed, "contoso-web").Rules = slices.Clone(r)
	acl(changed, "contoso-web").Rules[0].SourceAddressPrefix = "Internet"
	if d := Diff(build(t, s, nil, Options{}), build(t, changed, nil, Options{})); !slices.Contains(d.ACLs.Changed, webACL) {
		t.Errorf("a changed tag is no change: %+v", d.ACLs)
	}
}

// TestTagWithoutAddresses: a condition that no address meets must not become one that all meet.
func TestTagWithoutAddresses(t *testing.T) {
	v := &VirtualNetwork{AddressPrefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
	a := &ACL{Rules: []vfp.Rule{{ID: "internet"}, {ID: "network"}, {ID: "both"}},
		tags: []ruleTags{{source: sideTags{named: tagInternet}}, {destination: sideTags{named: tagVirtualNetwork}}, {source: sideTags{named: tagInternet | tagVirtualNetwork}}}}
	got := a.rulesFor(v)
	if len(got) != 2 || got[0].ID != "network" || got[1].ID != "both" || got[1].Sources != nil {
		t.Errorf("%+v", got)
	}
	if got := a.rulesFor(&VirtualNetwork{}); len(got) != 2 || got[0].ID != "internet" || len(got[0].Sources) != 2 {
		t.Errorf("network without any address: %+v", got)
	}
}

func TestComplement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []netip.Prefix
		for range rapid.IntRange(0, 6).Draw(t, "n") {
			b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr")
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), rapid.IntRange(0, 32).Draw(t, "bits")).Masked())
		}
		inside := mergePrefixes(slices.Clone(list))
		outside := complement(inside)
		a := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "probe")))
		if len(list) > 0 && rapid.Bool().Draw(t, "edge") {
			edges := []netip.Addr{list[0].Addr(), lastAddr(list[0]), list[0].Addr().Prev(), lastAddr(list[0]).Next()}
			if e := rapid.SampledFrom(edges).Draw(t, "at"); e.IsValid() {
				a = e
			}
		}
		in := func(l []netip.Prefix) bool {
			return slices.ContainsFunc(l, func(p netip.Prefix) bool { return p.Contains(a) })
		}
		if in(inside) == in(outside) {
			t.Fatalf("%v: inside %v, outside %v", a, inside, outside)
		}
	})
}
