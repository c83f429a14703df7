package fabric

import (
	"fmt"
	"net/netip"
	"strconv"
)

// classes of machines; the fabric has one ACL for each, shared by all tenants.
var classes = []string{"web", "app", "db", "management"}

// lists are the tenants' ACLs, which guard subnets, and those of the classes, which guard NICs.
func (s Spec) lists() int {
	if s.ACLRules == 0 {
		return 0
	}
	return s.Tenants + len(classes)
}

func (s Spec) tenantACL(tenant int) string {
	if s.ACLRules == 0 {
		return ""
	}
	return fmt.Sprintf("/accessControlLists/acl-vnet-%04d", tenant+1)
}

func classACL(class string) string { return "/accessControlLists/acl-" + class }

type accessControlList struct {
	Rules []resource `json:"aclRules"`
}

type aclRule struct {
	Protocol         string      `json:"protocol"`
	SourcePorts      string      `json:"sourcePortRange"`
	DestinationPorts string      `json:"destinationPortRange"`
	Action           string      `json:"action"`
	Source           string      `json:"sourceAddressPrefix"`
	Destination      string      `json:"destinationAddressPrefix"`
	Priority         string      `json:"priority"`
	Type             string      `json:"type"`
	Logging          string      `json:"logging"`
	SourceTags       []reference `json:"sourceSecurityTags,omitempty"`
}

func (s Spec) accessControlList(n int) resource {
	if n < s.Tenants {
		ref := s.tenantACL(n)
		return s.ofTenant(n, s.resource(ref, accessControlList{s.rules(ref, s.roll(forTenantACL, n), s.space(n).Addr(), nil)}))
	}
	n -= s.Tenants
	ref := classACL(classes[n])
	tag := []reference{{securityTagRef(n % securityTags)}}
	return s.resource(ref, accessControlList{s.rules(ref, s.roll(forClassACL, n), s.space(0).Addr(), tag)})
}

// Priorities: 100 on, then those of the rules at the end.
const (
	firstPriority = 100
	lastPriority  = 65000
	priorityStep  = 10
)

// rules are many narrow ones and at the end one per direction that allows all, so that traffic passes.
// A list of one rule has only the inbound one: a direction without rules is not filtered.
func (s Spec) rules(ref string, d *dice, base netip.Addr, tag []reference) []resource {
	narrow := max(s.ACLRules-2, 0)
	step := max(1, min(priorityStep, (lastPriority-firstPriority)/max(narrow, 1)))
	list := make([]resource, 0, s.ACLRules)
	add := func(name string, r aclRule) {
		list = append(list, s.resource(ref+"/aclRules/"+name, r))
	}
	for i := range narrow {
		r := s.narrowRule(d, base)
		if i == 0 && tag != nil {
			// The tag is in the place of the source.
			r.Type, r.Action, r.Source, r.SourceTags = "Inbound", "Allow", "*", tag
		}
		r.Priority = strconv.Itoa(firstPriority + i*step)
		add(fmt.Sprintf("rule-%05d", i+1), r)
	}
	for _, direction := range []string{"Inbound", "Outbound"}[:min(s.ACLRules, 2)] {
		add("allow-all-"+direction, aclRule{Protocol: "All", SourcePorts: "0-65535", DestinationPorts: "0-65535", Action: "Allow",
			Source: "*", Destination: "*", Priority: strconv.Itoa(lastPriority), Type: direction, Logging: "Disabled"})
	}
	return list
}

var (
	tcpPorts = []string{"22", "80", "443", "1433", "3306", "3389", "5432", "6379", "8080", "8443", "9000-9100", "30000-32767"}
	udpPorts = []string{"53", "123", "161-162", "500", "4500", "4789", "5060-5061", "27000-27100"}
	outside  = []string{"198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/25", "203.0.113.77/32", "192.168.0.0/16"}
)

// narrowRule allows, or in three of ten cases denies, some service or some addresses.
func (s Spec) narrowRule(d *dice, base netip.Addr) aclRule {
	r := aclRule{Protocol: "TCP", SourcePorts: "*", DestinationPorts: pick(d, tcpPorts), Action: "Allow", Type: "Inbound", Logging: "Disabled"}
	switch n := d.below(100); {
	case n < 15:
		r.Protocol, r.DestinationPorts = "All", pick(d, []string{"*", "0-65535"})
	case n < 40:
		r.Protocol, r.DestinationPorts = "UDP", pick(d, udpPorts)
	}
	if r.Protocol != "All" && d.chance(20) {
		r.SourcePorts = "1024-65535"
	}
	if d.chance(30) {
		r.Action = "Deny"
	}
	if d.chance(5) {
		r.Logging = "Enabled"
	}
	// A rule for every service must not be one for everybody, too.
	remote, local := s.otherSide(d, base, r.Protocol != "All"), "*"
	if d.chance(30) {
		local = s.inside(d, base, 24, 32)
	}
	r.Source, r.Destination = remote, local
	if d.chance(40) {
		r.Type, r.Source, r.Destination = "Outbound", local, remote
	}
	return r
}

// otherSide is anybody only where that may be.
func (s Spec) otherSide(d *dice, base netip.Addr, wide bool) string {
	switch n := d.below(100); {
	case n < 30 && wide:
		return pick(d, []string{"*", "VirtualNetwork", "Internet"})
	case n < 60:
		return s.inside(d, base, 28, 32)
	case n < 80:
		return s.inside(d, base, 20, 27)
	}
	return pick(d, outside)
}

// inside is a prefix of a tenant's addresses: half of them where its subnets are, half in what may come.
func (s Spec) inside(d *dice, base netip.Addr, widest, narrowest int) string {
	span := 1 << 16
	if d.chance(50) {
		span = s.Subnets << s.hostBits()
	}
	p := netip.PrefixFrom(add4(base, uint32(d.below(span))), widest+d.below(narrowest-widest+1))
	return p.Masked().String()
}

const securityTags = 3

func securityTagRef(n int) string { return fmt.Sprintf("/securityTags/tag-%d", n+1) }

func (s Spec) securityTag(n int) resource {
	return s.resource(securityTagRef(n), struct {
		Type string `json:"type"`
	}{"Application"})
}
