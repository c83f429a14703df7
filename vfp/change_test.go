package vfp

import (
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func sortRules(rules []Rule) {
	slices.SortFunc(rules, func(x, y Rule) int {
		return cmp.Or(cmp.Compare(x.Direction, y.Direction), cmp.Compare(x.Priority, y.Priority), strings.Compare(x.ID, y.ID))
	})
}

func drawRules(t *rapid.T, label string) (rules []Rule) {
	for _, id := range rapid.SliceOfDistinct(rapid.IntRange(0, 9), rapid.ID[int]).Draw(t, label) {
		r := Rule{ID: fmt.Sprint(id), Priority: uint32(rapid.IntRange(0, 3).Draw(t, "priority")), Direction: Direction(rapid.IntRange(0, 1).Draw(t, "direction"))}
		if rapid.Bool().Draw(t, "ports") {
			r.DestinationPorts = []PortRange{{80, 80}}
		}
		rules = append(rules, r)
	}
	sortRules(rules)
	return rules
}

// TestChangeOf: the change, carried out as ACLChange says, makes the new rules of the old.
func TestChangeOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, new := drawRules(t, "old"), drawRules(t, "new")
		c, ok := ChangeOf(&Policy{ACLs: []ACL{{ID: "a"}, {ID: "b", Rules: old}}}, &Policy{ACLs: []ACL{{ID: "a"}, {ID: "b", Rules: new}}})
		same := slices.EqualFunc(old, new, sameRule)
		if ok == same || ok && c.ACL != "b" {
			t.Fatalf("%+v, %v", c, ok)
		}
		if !ok {
			return
		}
		got := slices.Clone(old)
		for _, id := range c.Remove {
			i := slices.IndexFunc(got, func(r Rule) bool { return r.ID == id })
			if i < 0 {
				t.Fatalf("removes %s, which is not there", id)
			}
			got = slices.Delete(got, i, i+1)
		}
		for _, r := range c.Put {
			if slices.ContainsFunc(got, func(g Rule) bool { return g.ID == r.ID }) {
				t.Fatalf("puts %s, which is there", r.ID)
			}
			got = append(got, r)
		}
		sortRules(got)
		if len(got)+len(new) > 0 && !reflect.DeepEqual(got, new) {
			t.Fatalf("%+v, want %+v", got, new)
		}
	})
}

func TestChangeOfMore(t *testing.T) {
	base := func() *Policy {
		return &Policy{ACLs: []ACL{{ID: "a", Rules: []Rule{{ID: "1"}}}, {ID: "b"}}, Ports: []Port{{ID: "p", Addresses: []Address{{RDID: "r"}}}}, Subnets: []Subnet{{VSID: 1}}}
	}
	many := make([]Rule, maxChange+1)
	for i := range many {
		many[i].ID = fmt.Sprint("m", i)
	}
	for name, change := range map[string]func(*Policy){
		"nothing":         func(*Policy) {},
		"two lists":       func(p *Policy) { p.ACLs[0].Rules, p.ACLs[1].Rules = nil, []Rule{{ID: "2"}} },
		"a default":       func(p *Policy) { p.ACLs[0].Rules, p.ACLs[0].Default = nil, [2]Action{Block, Block} },
		"a port":          func(p *Policy) { p.ACLs[0].Rules, p.Ports[0].Addresses = nil, []Address{{RDID: "s"}} },
		"a subnet":        func(p *Policy) { p.ACLs[0].Rules, p.Subnets[0].VSID = nil, 2 },
		"a route":         func(p *Policy) { p.ACLs[0].Rules, p.Routes = nil, []Route{{ID: "r"}} },
		"a mapping":       func(p *Policy) { p.ACLs[0].Rules, p.Mappings = nil, []Mapping{{RDID: "r"}} },
		"the MTU":         func(p *Policy) { p.ACLs[0].Rules, p.InnerMTU = nil, 1400 },
		"a list":          func(p *Policy) { p.ACLs[0].Rules, p.ACLs = nil, append(p.ACLs, ACL{ID: "c"}) },
		"the address":     func(p *Policy) { p.ACLs[0].Rules, p.ProviderAddress = nil, netip.MustParseAddr("10.0.0.1") },
		"one name twice":  func(p *Policy) { p.ACLs[0].Rules = []Rule{{ID: "1"}, {ID: "1", Direction: Inbound}} },
		"very many rules": func(p *Policy) { p.ACLs[0].Rules = many },
	} {
		p := base()
		change(p)
		if c, ok := ChangeOf(base(), p); ok {
			t.Errorf("%s: %+v", name, c)
		}
	}
	p := base()
	p.ACLs[0].Rules = []Rule{{ID: "1", Sources: []netip.Prefix{}}}
	if c, ok := ChangeOf(base(), p); !ok || len(c.Put) != 1 || !slices.Equal(c.Remove, []string{"1"}) {
		t.Errorf("a list that became empty matches nothing any more: %+v, %v", c, ok)
	}
	if _, ok := ChangeOf(nil, p); ok {
		t.Error("from nothing")
	}
}
