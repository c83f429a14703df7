package overlay

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-net/fairlead/vfp"
)

// AdminACL is the reference of the operator's list, and the path of its rules.
const AdminACL = "/adminRules"

// AdminRule is a rule of the operator's own, before those of any tenant.
type AdminRule struct {
	vfp.Rule           // ID is AdminACL/NAME
	Endpoints []string // the rule is only in front of these; nil: of all
}

// AdminRuleWords is an admin rule as the configuration has it. "" is "any" where that makes sense.
type AdminRuleWords struct {
	Name, Direction, Action, Protocol, Source, Destination, SourcePorts, DestinationPorts string
	ICMP                                                                                  string // "8", "3/4", or a comma separated list
	TCPFlags                                                                              string // "syn", "syn,!ack"
	Priority                                                                              string
	Logging                                                                               bool
	Endpoints                                                                             []string
}

// FieldError says which word of a rule cannot be used, and why.
type FieldError struct {
	Field string // the configuration's key within the rule
	Value string
	Err   error
}

func (e *FieldError) Error() string { return fmt.Sprintf("%q %v", e.Value, e.Err) }
func (e *FieldError) Unwrap() error { return e.Err }

// ParseAdminRule reads a rule with the same words as a controller's. Unlike those, a rule that is not understood as a
// whole is refused: the operator is there to correct it.
func ParseAdminRule(w AdminRuleWords) (AdminRule, []*FieldError) {
	r := AdminRule{Rule: vfp.Rule{ID: AdminACL + "/" + w.Name, Logging: w.Logging}, Endpoints: w.Endpoints}
	var errs []*FieldError
	check := func(field, value string, err error) {
		if err != nil {
			errs = append(errs, &FieldError{field, value, err})
		}
	}
	if w.Name == "" || strings.ContainsAny(w.Name, "/@ \t\n") {
		check("name", w.Name, errors.New("is not a name: want one without slashes, @ and spaces"))
	}
	var err error
	r.Direction, err = parseDirection(w.Direction)
	check("direction", w.Direction, err)
	r.Action, err = parseAction(w.Action)
	check("action", w.Action, err)
	known := true
	if r.Protocol = vfp.ProtocolAny; w.Protocol != "" {
		if r.Protocol, err = parseProtocol(w.Protocol); err != nil {
			r.Protocol, known = vfp.ProtocolAny, false
		}
		check("protocol", w.Protocol, err)
	}
	prefixes := func(field, value string) []netip.Prefix {
		list, tags, _, err := parsePrefixes(value)
		if err == nil && tags != 0 {
			err = errTag
		}
		check(field, value, err)
		return list
	}
	r.Sources = prefixes("source", w.Source)
	r.Destinations = prefixes("destination", w.Destination)
	r.SourcePorts, err = rulePorts(w.SourcePorts, r.Protocol)
	check("sourcePorts", w.SourcePorts, err)
	r.DestinationPorts, err = rulePorts(w.DestinationPorts, r.Protocol)
	check("destinationPorts", w.DestinationPorts, err)
	if known { // otherwise whether they fit is not the question
		r.ICMP, err = parseICMP(w.ICMP, r.Protocol)
		check("icmp", w.ICMP, err)
		r.TCPFlags, err = parseTCPFlags(w.TCPFlags, r.Protocol)
		check("tcpFlags", w.TCPFlags, err)
	}
	if w.Priority != "" {
		r.Priority, err = parsePriority(w.Priority)
		check("priority", w.Priority, err)
	}
	return r, errs
}

// parseICMP reads "8" (a type), "3/4" (a type and a code), or a comma separated list of these; nil is every message.
func parseICMP(s string, protocol uint16) (list []vfp.ICMPMatch, err error) {
	if s = strings.TrimSpace(s); s == "" || s == "*" {
		return nil, nil
	}
	if protocol != vfp.ProtocolICMP && protocol != vfp.ProtocolICMPv6 {
		return nil, errors.New("is a condition on ICMP, want protocol icmp or icmpv6")
	}
	for word := range strings.SplitSeq(s, ",") {
		kind, code, hasCode := strings.Cut(strings.TrimSpace(word), "/")
		t, err := strconv.ParseUint(strings.TrimSpace(kind), 10, 8)
		if err != nil {
			return nil, errors.New("is not an ICMP type or type/code, want such as 8 or 3/4")
		}
		m := vfp.ICMPMatch{Type: uint8(t), Code: vfp.AnyCode}
		if hasCode {
			n, err := strconv.ParseUint(strings.TrimSpace(code), 10, 8)
			if err != nil {
				return nil, errors.New("is not an ICMP type or type/code, want such as 8 or 3/4")
			}
			m.Code = int16(n)
		}
		list = append(list, m)
	}
	return list, nil
}

var tcpFlags = map[string]uint8{"fin": 0x01, "syn": 0x02, "rst": 0x04, "psh": 0x08, "ack": 0x10, "urg": 0x20, "ece": 0x40, "cwr": 0x80}

// parseTCPFlags reads "syn,!ack": flags that must be set, and those that must not.
func parseTCPFlags(s string, protocol uint16) (m vfp.FlagMatch, err error) {
	if s = strings.TrimSpace(s); s == "" || s == "*" {
		return m, nil
	}
	if protocol != vfp.ProtocolTCP {
		return m, errors.New("is a condition on TCP, want protocol tcp")
	}
	for word := range strings.SplitSeq(strings.ToLower(s), ",") {
		name, not := strings.CutPrefix(strings.TrimSpace(word), "!")
		bit, ok := tcpFlags[name]
		switch {
		case !ok:
			return vfp.FlagMatch{}, errors.New("is not a list of TCP flags, want such as syn,!ack")
		case m.Mask&bit != 0:
			return vfp.FlagMatch{}, errors.New("names a flag twice")
		}
		m.Mask |= bit
		if !not {
			m.Value |= bit
		}
	}
	return m, nil
}

// adminFor is the list in front of an endpoint: one for all, or one of its own when a rule names it. "" is none.
func (c *compiler) adminFor(endpoint string) string {
	own := slices.ContainsFunc(c.config.AdminRules, func(r AdminRule) bool { return slices.Contains(r.Endpoints, endpoint) })
	id := AdminACL
	if own {
		id += instanceMark + endpoint
	}
	if _, made := c.admin[id]; made {
		return id
	}
	list := vfp.ACL{ID: id, Layer: vfp.LayerAdmin, Default: [2]vfp.Action{vfp.Allow, vfp.Allow}}
	for _, r := range c.config.AdminRules {
		if len(r.Endpoints) == 0 || slices.Contains(r.Endpoints, endpoint) {
			list.Rules = append(list.Rules, r.Rule)
		}
	}
	if list.Rules == nil {
		return ""
	}
	slices.SortFunc(list.Rules, compareRules)
	c.admin[id] = list
	return id
}
