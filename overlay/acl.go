package overlay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

func (b *builder) accessControlLists(list []cc.AccessControlList) {
	meta := func(l *cc.AccessControlList) *cc.Meta { return &l.Meta }
	items := collect(&b.report, nil, "", "/accessControlLists", list, meta)
	b.acls = newIndex[*ACL](len(items))
	b.m.ACLs = make([]*ACL, 0, len(items))
	before := cursor[*ACL]{b.prev.ACLs}
	known := recaller[cc.AccessControlList]{old: b.prev.recall.lists, meta: meta}
	b.m.recall.lists, b.m.recall.acls = list, make([]*ACL, len(list))
	var rules []item[cc.ACLRule]
	for _, it := range items {
		prev := before.at(it.Key)
		if acl := b.knownACL(&known, it.at, list); acl != nil && !it.ambiguous {
			b.addACL(acl)
			b.m.recall.acls[it.at] = acl
			continue
		}
		if it.ambiguous {
			b.addACL(b.ambiguousACL(it.Resource, prev))
			continue
		}
		acl := &ACL{Resource: it.Resource}
		rules = collectRules(rules, it.Ref, it.v.Rules)
		reported := len(b.problems)
		complaints := acl.parse(rules, b.tags)
		lastGood := acl.degraded && prev.good()
		for _, c := range complaints {
			if lastGood && !c.warning {
				c.outcome = "the last good version of the whole list stays in force"
			}
			b.complain(c, c.outcome)
		}
		if lastGood {
			acl = prev
		} else if text := equalPriorities(acl.Rules); text != "" {
			b.warnf("acl-rule-priority-equal", acl.Ref, "%s; of these the rule with the lower resourceRef is evaluated first", text)
		}
		b.addACL(acl)
		if len(b.problems) == reported && !acl.securityTagged() {
			b.m.recall.acls[it.at] = acl
		}
	}
}

func (b *builder) addACL(acl *ACL) {
	acl = b.withDefault(acl)
	b.acls.byKey[acl.Key] = acl
	b.m.ACLs = append(b.m.ACLs, acl)
}

// good says whether a can be a last good version; a may be nil.
func (a *ACL) good() bool { return a != nil && !a.Missing && !a.degraded }

// ambiguousACL stands for several different lists of one name: picking any of them could open what another closes.
func (b *builder) ambiguousACL(r Resource, prev *ACL) *ACL {
	if prev.good() {
		b.errorf("acl-ambiguous", r.Ref, "properties.aclRules differ between the lists of this resourceRef; the last good version stays in force")
		return prev
	}
	b.errorf("acl-ambiguous", r.Ref, "properties.aclRules differ between the lists of this resourceRef; everything is blocked by it")
	return &ACL{Resource: r, degraded: true, blockAll: true}
}

// withDefault gives acl the default action of the options in force.
func (b *builder) withDefault(acl *ACL) *ACL {
	want := b.aclDefault(acl.filtered)
	if acl.blockAll {
		want = [2]vfp.Action{vfp.Block, vfp.Block}
	}
	if acl.Default != want {
		c := *acl
		acl = &c // a list of the previous model must not change
		acl.Default = want
	}
	return acl
}

// collectRules is collect for rules: here even what has no name, or another's name, cannot simply be left out.
func collectRules(buf []item[cc.ACLRule], parent string, list []cc.ACLRule) []item[cc.ACLRule] {
	items := buf[:0]
	for i := range list {
		r, ok := nameOf(&list[i].Meta, parent, "/aclRules")
		if !ok {
			r = Resource{Ref: parent + "/aclRules/"}
		}
		items = append(items, item[cc.ACLRule]{Resource: r, v: &list[i]})
	}
	slices.SortFunc(items, func(x, y item[cc.ACLRule]) int { return strings.Compare(x.Key, y.Key) })
	return items
}

// parse fills in the rules. Those it cannot read it treats as the package documentation says; then the list is degraded.
func (a *ACL) parse(items []item[cc.ACLRule], known map[string]*SecurityTag) []complaint {
	p := ruleParser{known: known}
	type parsed struct {
		vfp.Rule
		ruleTags
	}
	list, tagged := make([]parsed, 0, len(items)), false
	for i, it := range items {
		duplicate := i > 0 && items[i-1].Key == it.Key || i+1 < len(items) && items[i+1].Key == it.Key
		rule, directions := p.parse(it, duplicate)
		for d := range directions {
			a.filtered[d] = a.filtered[d] || directions[d]
			if directions[d] && (p.valid || rule.Action == vfp.Block) {
				rule.Direction = vfp.Direction(d)
				list = append(list, parsed{rule, p.tags})
				tagged = tagged || !p.tags.empty()
			}
		}
		a.degraded = a.degraded || !p.valid
	}
	slices.SortFunc(list, func(x, y parsed) int {
		return cmp.Or(compareRules(x.Rule, y.Rule), x.compare(y.ruleTags))
	})
	a.Rules = make([]vfp.Rule, len(list))
	if tagged {
		a.tags = make([]ruleTags, len(list))
	}
	for i := range list {
		a.Rules[i] = list[i].Rule
		if tagged {
			a.tags[i] = list[i].ruleTags
		}
	}
	return p.complaints
}

func compareRules(x, y vfp.Rule) int {
	if c := vfp.CompareRules(&x, &y); c != 0 {
		return c
	}
	return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) // rules that share a name: any order that is always the same
}

func equalPriorities(rules []vfp.Rule) string {
	first, n := -1, 0
	for i := 1; i < len(rules); i++ {
		x, y := &rules[i-1], &rules[i]
		if x.Direction == y.Direction && x.Priority == y.Priority && x.ID != y.ID {
			n++
			if first < 0 {
				first = i
			}
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("properties.priority %d is shared by the %s rules %s and %s (%d such pairs in this list)", rules[first].Priority,
		rules[first].Direction, rules[first-1].ID, rules[first].ID, n)
}
