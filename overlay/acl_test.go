package overlay

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

const webACL = "/accessControlLists/contoso-web"

func findACL(m *Model, ref string) *ACL { return lookup(m.ACLs, cc.RefKey(ref)) }

// ids of the rules in force, as "direction priority id action".
func ids(a *ACL) (list []string) {
	for _, r := range a.Rules {
		list = append(list, strings.Join([]string{r.Direction.String(), r.ID[strings.LastIndexByte(r.ID, '/')+1:], r.Action.String()}, " "))
	}
	return list
}

func TestACLDefaults(t *testing.T) {
	m := build(t, fabric(), nil, Options{})
	web, db := findACL(m, webACL), findACL(m, "/accessControlLists/contoso-db")
	if diff := cmp.Diff([]string{"outbound out allow", "inbound https allow", "inbound no-8080 block"}, ids(web)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if want := [2]vfp.Action{vfp.Block, vfp.Block}; web.Default != want {
		t.Errorf("both directions have rules: default %v", web.Default)
	}
	if want := [2]vfp.Action{vfp.Outbound: vfp.Allow, vfp.Inbound: vfp.Block}; db.Default != want {
		t.Errorf("only inbound has rules: default %v", db.Default)
	}
	// The options hold for a kept last good version too.
	s := fabric()
	acl(s, "contoso-web").Rules[0].Protocol = "x"
	allow, _ := Build(s, m, Options{ACLDefaultAllow: true})
	if want := [2]vfp.Action{}; findACL(allow, webACL).Default != want {
		t.Errorf("default %v", findACL(allow, webACL).Default)
	}
	if web.Default[0] != vfp.Block {
		t.Error("the previous model was changed")
	}
}

func TestInvalidRules(t *testing.T) {
	const allowRule, denyRule = 0, 1
	good := build(t, fabric(), nil, Options{})
	withoutAllow := []string{"outbound out allow", "inbound no-8080 block"}
	all := []string{"outbound out allow", "inbound https allow", "inbound no-8080 block"}
	for _, c := range []struct {
		name    string
		rule    int
		change  func(r *cc.ACLRule)
		code    string
		message string
		want    []string
		check   func(r vfp.Rule) bool // of the Deny rule
	}{
		{"source prefix", allowRule, func(r *cc.ACLRule) { r.SourceAddressPrefix = "10.0.0.0/33" }, "acl-rule-invalid", `properties.sourceAddressPrefix "10.0.0.0/33"`, withoutAllow, nil},
		{"prefix in a list", allowRule, func(r *cc.ACLRule) { r.SourceAddressPrefix = "*,x" }, "acl-rule-invalid", `properties.sourceAddressPrefix "*,x"`, withoutAllow, nil},
		{"destination prefix", denyRule, func(r *cc.ACLRule) { r.DestinationAddressPrefix = "ten" }, "acl-rule-invalid", `properties.destinationAddressPrefix "ten"`, all,
			func(r vfp.Rule) bool { return r.Destinations == nil && r.DestinationPorts[0].First == 8080 }},
		{"reversed address range", denyRule, func(r *cc.ACLRule) { r.SourceAddressPrefix = "10.0.0.9-10.0.0.1" }, "acl-rule-invalid", `reversed`, all, func(r vfp.Rule) bool { return r.Sources == nil }},
		{"tag", allowRule, func(r *cc.ACLRule) { r.SourceAddressPrefix = "AzureLoadBalancer" }, "acl-tag-unsupported", `properties.sourceAddressPrefix "AzureLoadBalancer"`, withoutAllow, nil},
		{"tag in a Deny", denyRule, func(r *cc.ACLRule) { r.SourceAddressPrefix = "VirtualNetwork,AZURELOADBALANCER" }, "acl-tag-unsupported", `"VirtualNetwork,AZURELOADBALANCER"`, all, func(r vfp.Rule) bool { return r.Sources == nil }},
		{"port", allowRule, func(r *cc.ACLRule) { r.DestinationPortRange = "65536" }, "acl-rule-invalid", `properties.destinationPortRange "65536"`, withoutAllow, nil},
		{"reversed port range", denyRule, func(r *cc.ACLRule) { r.DestinationPortRange = "90-80" }, "acl-rule-invalid", `properties.destinationPortRange "90-80" is a reversed`, all,
			func(r vfp.Rule) bool { return r.DestinationPorts == nil }},
		{"source port", denyRule, func(r *cc.ACLRule) { r.SourcePortRange = "," }, "acl-rule-invalid", `properties.sourcePortRange ","`, all, nil},
		{"protocol", allowRule, func(r *cc.ACLRule) { r.Protocol = "TPC" }, "acl-rule-invalid", `properties.protocol "TPC"`, withoutAllow, nil},
		{"protocol of a Deny", denyRule, func(r *cc.ACLRule) { r.Protocol = "" }, "acl-rule-invalid", `properties.protocol ""`, all, func(r vfp.Rule) bool { return r.Protocol == vfp.ProtocolAny }},
		{"ports without ports", denyRule, func(r *cc.ACLRule) { r.Protocol = "ICMP" }, "acl-rule-invalid", `properties.destinationPortRange "8080"`, all,
			func(r vfp.Rule) bool { return r.Protocol == 1 && r.DestinationPorts == nil }},
		{"action", allowRule, func(r *cc.ACLRule) { r.Action = "Alow" }, "acl-rule-invalid", `properties.action "Alow"`,
			[]string{"outbound out allow", "inbound https block", "inbound no-8080 block"}, nil},
		{"direction", allowRule, func(r *cc.ACLRule) { r.Direction = "Sideways" }, "acl-rule-invalid", `properties.type "Sideways"`, withoutAllow, nil},
		{"direction of a Deny", denyRule, func(r *cc.ACLRule) { r.Direction = "" }, "acl-rule-invalid", `properties.type ""`,
			[]string{"outbound out allow", "outbound no-8080 block", "inbound https allow", "inbound no-8080 block"}, nil},
		{"priority", allowRule, func(r *cc.ACLRule) { r.Priority = "-1" }, "acl-rule-invalid", `properties.priority "-1"`, withoutAllow, nil},
		{"priority of a Deny", denyRule, func(r *cc.ACLRule) { r.Priority = "" }, "acl-rule-invalid", `properties.priority ""`,
			[]string{"outbound out allow", "inbound no-8080 block", "inbound https allow"}, func(r vfp.Rule) bool { return r.Priority == 0 }},
		{"unnamed", allowRule, func(r *cc.ACLRule) { r.ID, r.Ref = "", "" }, "resource-unnamed", "resourceRef", withoutAllow, nil},
		{"named twice", allowRule, func(r *cc.ACLRule) { r.Ref = webACL + "/aclRules/NO-8080" }, "resource-duplicate", "resourceRef", withoutAllow, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fabric()
			r := &acl(s, "contoso-web").Rules[c.rule]
			c.change(r)
			resource := r.Ref
			if resource == "" {
				resource = webACL + "/aclRules/"
			}
			for _, prev := range []*Model{nil, good} {
				m, problems := Build(s, prev, Options{})
				p := find(problems, c.code, resource)
				if p == nil || !strings.Contains(p.Message, c.message) || p.Severity != "error" {
					t.Fatalf("%+v", problems)
				}
				if prev != nil {
					if d := Diff(good, m); !d.Empty() {
						t.Errorf("the last good version is not in force: %+v", d)
					}
					if !strings.Contains(p.Message, "last good") {
						t.Errorf("message %q", p.Message)
					}
					continue
				}
				a := findACL(m, webACL)
				if diff := cmp.Diff(c.want, ids(a)); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				if a.Default != ([2]vfp.Action{vfp.Block, vfp.Block}) {
					t.Errorf("default %v", a.Default)
				}
				for _, r := range a.Rules {
					if c.check != nil && strings.HasSuffix(r.ID, "no-8080") && !c.check(r) {
						t.Errorf("%+v", r)
					}
				}
				d := Diff(good, m)
				if d.ACLs = (Delta{}); !d.Empty() {
					t.Errorf("changed %s", d)
				}
				// What was never good is not a last good version.
				again, problems2 := Build(s, m, Options{})
				if d := Diff(m, again); !d.Empty() || !cmp.Equal(problems, problems2) {
					t.Errorf("%+v\n%s", d, cmp.Diff(problems, problems2))
				}
			}
		})
	}
}

// A direction whose only rule is unreadable must not become an open one.
func TestLeftOutRuleStillCloses(t *testing.T) {
	s := fabric()
	acl(s, "contoso-db").Rules[0].SourceAddressPrefix = "x"
	m, _ := Build(s, nil, Options{})
	if a := findACL(m, "/accessControlLists/contoso-db"); len(a.Rules) != 0 || a.Default[vfp.Inbound] != vfp.Block {
		t.Errorf("%+v", a)
	}
}

func TestRuleWarnings(t *testing.T) {
	s := fabric()
	rules := acl(s, "contoso-web").Rules
	rules[0].SourceAddressPrefix = "10.0.1.7/24"
	rules[1].Priority = "100"
	rules[2].Logging = "Perhaps"
	m, problems := Build(s, nil, Options{})
	for _, want := range []struct{ code, resource string }{
		{"prefix-host-bits", rules[0].Ref}, {"acl-rule-priority-equal", webACL}, {"acl-rule-logging", rules[2].Ref}} {
		if p := find(problems, want.code, want.resource); p == nil || p.Severity != "warning" {
			t.Errorf("no warning %v in %+v", want, problems)
		}
	}
	if len(problems) != 3 || len(findACL(m, webACL).Rules) != 3 {
		t.Errorf("%+v", problems)
	}
	if got := findACL(m, webACL).Rules[1].Sources[0].String(); got != "10.0.1.0/24" {
		t.Error(got)
	}
}

func TestDanglingACL(t *testing.T) {
	db2 := func(m *Model) *ACL { return m.FindEndpoint("contoso-db-2").Addresses[0].ACL }
	good := build(t, fabric(), nil, Options{})
	s := fabric()
	ipconfig(s, "contoso-db-2").AccessControlList = "/accessControlLists/gone"

	fresh, _ := Build(s, nil, Options{ACLDefaultAllow: true})
	if a := db2(fresh); a == nil || !a.Missing || len(a.Rules) != 0 || a.Default != ([2]vfp.Action{vfp.Block, vfp.Block}) {
		t.Errorf("without a previous ACL everything is blocked, not %+v", a)
	}
	kept, problems := Build(s, good, Options{})
	if a := db2(kept); a == nil || a.Ref != "/accessControlLists/contoso-db" {
		t.Errorf("the previous ACL is not in force but %+v", a)
	}
	if p := find(problems, "acl-unknown", "/networkInterfaces/contoso-db-2/ipConfigurations/ip1"); p == nil || !strings.Contains(p.Message, "contoso-db") {
		t.Errorf("%+v", problems)
	}
	// The previous list goes on changing. (A snapshot that was delivered does not: it is another.)
	s = fabric()
	ipconfig(s, "contoso-db-2").AccessControlList = "/accessControlLists/gone"
	acl(s, "contoso-db").Rules[0].DestinationPortRange = "1434"
	kept, _ = Build(s, kept, Options{})
	if db2(kept).Rules[0].DestinationPorts[0].First != 1434 {
		t.Error("an old version of the previous ACL is in force")
	}
	// A list that was deleted stays in force even for who only now refers to it.
	s = fabric()
	s.AccessControlLists = append(s.AccessControlLists[:1], s.AccessControlLists[2:]...)
	ipconfig(s, "contoso-db-1").AccessControlList = "/accessControlLists/contoso-db"
	kept, _ = Build(s, good, Options{})
	if a := kept.FindEndpoint("contoso-db-1").Addresses[0].ACL; a.Missing || a != db2(kept) || len(a.Rules) != 1 {
		t.Errorf("%+v", a)
	}
	back := build(t, fabric(), fresh, Options{})
	if d := Diff(good, back); !d.Empty() {
		t.Errorf("%+v", d)
	}
}

func TestAmbiguousACL(t *testing.T) {
	good := build(t, fabric(), nil, Options{})
	s := fabric()
	first, second := *acl(s, "contoso-web"), *acl(s, "contoso-web")
	first.InstanceID, second.InstanceID, second.Rules = "1", "2", nil
	*acl(s, "contoso-web") = first
	s.AccessControlLists = append(s.AccessControlLists, second)
	m, problems := Build(s, nil, Options{})
	for range 2 {
		if a := findACL(m, webACL); len(a.Rules) != 0 || a.Default[0] != vfp.Block || a.Default[1] != vfp.Block {
			t.Errorf("%+v", a)
		}
		if find(problems, "acl-ambiguous", webACL) == nil {
			t.Errorf("%+v", problems)
		}
		m, problems = Build(s, m, Options{})
	}
	if m, _ = Build(s, good, Options{}); !Diff(good, m).Empty() {
		t.Errorf("%+v", Diff(good, m))
	}
}
