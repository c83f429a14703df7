package overlay

import (
	"errors"
	"fmt"
	"net/netip"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

// ruleParser reads one rule after another and gathers the complaints of all.
type ruleParser struct {
	known      map[string]*SecurityTag // by key
	tags       ruleTags                // of the last rule read
	complaints []complaint
	valid      bool // the last rule read
	ref        string
	first      int // of the last rule's complaints
}

// parse reads a rule, widening what it cannot read, and says in which directions the rule was declared.
func (p *ruleParser) parse(it item[cc.ACLRule], duplicate bool) (r vfp.Rule, in [2]bool) {
	p.valid, p.ref, p.first = true, it.Ref, len(p.complaints)
	v := it.v
	r.ID = it.Ref
	switch {
	case it.Key == "":
		p.invalid("resource-unnamed", "resourceRef and resourceId are empty")
	case duplicate:
		p.invalid("resource-duplicate", "resourceRef "+quote(it.Ref)+" is used by several rules of the list")
	}

	var err error
	r.Action, err = parseAction(v.Action)
	p.check("properties.action", v.Action, err)
	direction, err := parseDirection(v.Direction)
	p.check("properties.type", v.Direction, err)
	in[direction] = true
	if err != nil {
		in = [2]bool{true, true}
	}
	r.Priority, err = parsePriority(v.Priority)
	p.check("properties.priority", v.Priority, err)
	if r.Protocol, err = parseProtocol(v.Protocol); err != nil {
		r.Protocol = vfp.ProtocolAny
	}
	p.check("properties.protocol", v.Protocol, err)

	r.Sources, p.tags.source = p.side("source", v.SourceAddressPrefix, v.SourceSecurityTags)
	r.Destinations, p.tags.destination = p.side("destination", v.DestinationAddressPrefix, v.DestinationSecurityTags)
	r.SourcePorts, err = rulePorts(v.SourcePortRange, r.Protocol)
	p.check("properties.sourcePortRange", v.SourcePortRange, err)
	r.DestinationPorts, err = rulePorts(v.DestinationPortRange, r.Protocol)
	p.check("properties.destinationPortRange", v.DestinationPortRange, err)

	if r.Logging, err = parseLogging(v.Logging); err != nil {
		p.complaints = append(p.complaints, complaint{code: "acl-rule-logging", resource: p.ref, warning: true,
			text: fmt.Sprintf("properties.logging %s %v", quote(v.Logging), err), outcome: "the rule is in force without logging"})
	}
	p.settle(r.Action)
	return r, in
}

// side reads who is at one end. Security tags stand in the place of the prefix, which is not looked at then. One that is
// not known makes the whole side unreadable, which is any.
func (p *ruleParser) side(end, prefix string, refs []string) (list []netip.Prefix, t sideTags) {
	if len(refs) > 0 {
		t.security = tagKeys(refs)
		for _, ref := range refs {
			if p.known[cc.RefKey(ref)] == nil {
				p.invalid("security-tag-unknown", fmt.Sprintf("properties.%sSecurityTags %s does not exist", end, quote(ref)))
				t.security = nil
			}
		}
		return nil, t
	}
	list, named, masked, err := parsePrefixes(prefix)
	p.checkPrefix("properties."+end+"AddressPrefix", prefix, masked, err)
	return list, sideTags{named: named}
}

// rulePorts refuses a port condition that the protocol could never meet: such a Deny rule would silently match nothing.
func rulePorts(value string, protocol uint16) ([]vfp.PortRange, error) {
	list, err := parsePorts(value)
	if err == nil && list != nil && protocol != 6 && protocol != 17 && protocol != vfp.ProtocolAny {
		return nil, fmt.Errorf("is a port condition on protocol %d, which has no ports", protocol)
	}
	return list, err
}

func (p *ruleParser) check(field, value string, err error) {
	if err == nil {
		return
	}
	code := "acl-rule-invalid"
	if errors.Is(err, errTag) {
		code = "acl-tag-unsupported"
	}
	p.invalid(code, fmt.Sprintf("%s %s %v", field, quote(value), err))
}

func (p *ruleParser) checkPrefix(field, value string, masked bool, err error) {
	if masked && err == nil {
		p.complaints = append(p.complaints, complaint{code: "prefix-host-bits", resource: p.ref, warning: true,
			text: fmt.Sprintf("%s %s has host bits set", field, quote(value)), outcome: "they are ignored"})
	}
	p.check(field, value, err)
}

func (p *ruleParser) invalid(code, text string) {
	p.valid = false
	p.complaints = append(p.complaints, complaint{code: code, resource: p.ref, text: text})
}

// settle says what happens to an unreadable rule without a last good version; that depends on its action.
func (p *ruleParser) settle(action vfp.Action) {
	outcome := "the rule is left out"
	if action == vfp.Block {
		outcome = "the rule stays in force as Deny with every unreadable field widened to any"
	}
	for i := p.first; i < len(p.complaints); i++ {
		if p.complaints[i].outcome == "" {
			p.complaints[i].outcome = outcome
		}
	}
}
