package overlay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

// tagFabric is fabric with the tags app and db; contoso's web list lets app in by tag, whatever the prefix says.
func tagFabric() *cc.Snapshot {
	s := fabric()
	s.SecurityTags = []cc.SecurityTag{{Meta: meta("/securityTags/", "app"), Type: "App"}, {Meta: meta("/securityTags/", "db")}}
	r := acl(s, "contoso-web").Rules
	r[0].SourceSecurityTags = []string{"/securityTags/APP"}
	r[0].SourceAddressPrefix = "not looked at"
	r[1].SourceSecurityTags = []string{"/securityTags/app", "/securityTags/db"}
	for _, id := range []string{"contoso-web-1", "contoso-web-2", "fabrikam-db-1"} {
		ipconfig(s, id).SecurityTags = []string{"/SecurityTags/app"}
	}
	ipconfig(s, "contoso-db-2").SecurityTags = []string{"/securityTags/db", "/securityTags/app", "/securityTags/db"}
	return s
}

func sourcesOf(t *testing.T, p *vfp.Policy, id, rule string) string {
	t.Helper()
	a := policyACL(t, p, id)
	i := slices.IndexFunc(a.Rules, func(r vfp.Rule) bool { return strings.HasSuffix(r.ID, "/"+rule) })
	if i < 0 {
		return "none"
	}
	return fmt.Sprint(a.Rules[i].Sources)
}

// TestSecurityTags: a tag is the CAs in the guarded network that carry it, and nobody else's.
func TestSecurityTags(t *testing.T) {
	const contoso, fabrikam = webACL + "@/virtualNetworks/contoso", webACL + "@/virtualNetworks/fabrikam"
	s := tagFabric()
	network(s, "fabrikam").Subnets[0].AccessControlList = webACL
	m := build(t, s, nil, Options{})
	p := compile(t, m, hostA, webPorts)
	for _, c := range []struct{ acl, rule, want string }{
		{contoso, "https", "[10.0.1.4/31 10.0.2.5/32]"}, // two neighbours are one prefix
		{contoso, "no-8080", "[10.0.1.4/31 10.0.2.5/32]"},
		{contoso, "out", "[]"},
		{fabrikam, "https", "[10.0.2.4/32]"},
	} {
		if got := sourcesOf(t, p, c.acl, c.rule); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.acl, c.rule, got, c.want)
		}
	}
	a := findACL(m, webACL)
	if source, destination := a.Tags(1); !slices.Equal(source, []string{"/securitytags/app"}) || destination != nil {
		t.Errorf("tags %q %q", source, destination)
	}
	if got := m.FindEndpoint("contoso-db-2").Addresses[0].SecurityTags; len(got) != 2 {
		t.Errorf("db-2 carries %q", got)
	}
	if len(m.SecurityTags) != 2 || m.SecurityTags[0].Type != "App" {
		t.Errorf("%+v", m.SecurityTags)
	}

	// Nobody carries it: the rule matches nothing, which is not everything.
	for i := range s.NetworkInterfaces {
		s.NetworkInterfaces[i].IPConfigurations[0].SecurityTags = nil
	}
	next := build(t, s, m, Options{})
	p = compile(t, next, hostA, webPorts)
	for _, rule := range []string{"https", "no-8080"} {
		if got := sourcesOf(t, p, contoso, rule); got != "none" {
			t.Errorf("%s: %s", rule, got)
		}
	}
	if d := Diff(m, next); len(d.Endpoints.Changed) != 4 || !d.ACLs.empty() {
		t.Errorf("%s", d)
	}
}

// TestSecurityTagDestination is for the other side of a rule.
func TestSecurityTagDestination(t *testing.T) {
	s := tagFabric()
	r := &acl(s, "contoso-web").Rules[2]
	r.DestinationSecurityTags = []string{"/securityTags/db"}
	p := compile(t, build(t, s, nil, Options{}), hostA, webPorts)
	a := policyACL(t, p, webACL+"@/virtualNetworks/contoso")
	if got := fmt.Sprint(a.Rules[0].Destinations); got != "[10.0.2.5/32]" || a.Rules[0].Sources != nil {
		t.Errorf("%+v", a.Rules[0])
	}
}

// TestUnknownSecurityTag: an allow rule lets nobody in, a deny rule stays as wide as can be, and what was good stays.
func TestUnknownSecurityTag(t *testing.T) {
	s := tagFabric()
	s.SecurityTags = s.SecurityTags[:1] // db is gone
	acl(s, "contoso-web").Rules[0].SourceSecurityTags = []string{"/securityTags/db"}
	m, problems := Build(s, nil, Options{})
	for _, resource := range []string{webACL + "/aclRules/https", webACL + "/aclRules/no-8080"} {
		p := find(problems, "security-tag-unknown", resource)
		if p == nil || p.Severity != "error" || !strings.Contains(p.Message, `properties.sourceSecurityTags "/securityTags/db" does not exist`) {
			t.Errorf("%s: %+v", resource, problems)
		}
	}
	if p := find(problems, "security-tag-unknown", "/networkInterfaces/contoso-db-2/ipConfigurations/ip1"); p == nil || p.Severity != "warning" {
		t.Errorf("%+v", problems)
	}
	a := findACL(m, webACL)
	if got := strings.Join(ids(a), ","); got != "outbound out allow,inbound no-8080 block" || a.Rules[1].Sources != nil {
		t.Errorf("%s %+v", got, a.Rules)
	}

	good := build(t, tagFabric(), nil, Options{})
	m, problems = Build(s, good, Options{})
	if p := find(problems, "security-tag-unknown", webACL+"/aclRules/no-8080"); p == nil || !strings.Contains(p.Message, "last good version") {
		t.Errorf("%+v", problems)
	}
	p := compile(t, m, hostA, webPorts)
	for rule, want := range map[string]string{"https": "[10.0.1.4/31 10.0.2.5/32]", "no-8080": "[10.0.1.4/31 10.0.2.5/32]"} {
		if got := sourcesOf(t, p, webACL+"@/virtualNetworks/contoso", rule); got != want {
			t.Errorf("%s: %s, want %s", rule, got, want)
		}
	}
}
