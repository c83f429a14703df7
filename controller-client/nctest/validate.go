package nctest

import (
	"fmt"
	"net/http"
	"net/netip"
)

// What a controller with Strict refuses beyond references. It is what is certainly wrong, and only of
// virtual networks and NICs; the agent judges the rest, as it must with any controller.

// invalid is the documented complaint about a value ([MS-NCNBI] 3.1.5.35).
func invalid(ref, property string, value any, what string) error {
	return &apiError{status: http.StatusBadRequest, code: "InvalidParameterValue", target: property,
		message: fmt.Sprintf("%s: %v is not a valid argument for '%s': %s", ref, quote(value), property, what)}
}

func quote(v any) any {
	if s, ok := v.(string); ok {
		return "'" + s + "'"
	}
	return v
}

// validate judges a prepared body by itself.
func (d *draft) validate() error {
	properties := d.body["properties"].(tree)
	switch d.collection {
	case "virtualNetworks":
		return validateNetwork(d.ref, d.body)
	case "networkInterfaces":
		if mac := text(properties, "privateMacAddress"); mac != "" && parseMAC(mac) == 0 {
			return invalid(d.ref, "privateMacAddress", mac, "it is not a MAC address")
		}
		for _, e := range nestedList(d.body, "ipConfigurations") {
			ip, _ := e.(tree)
			p, _ := ip["properties"].(tree)
			if a := text(p, "privateIPAddress"); a != "" && !addressOf(p, "privateIPAddress").IsValid() {
				return invalid(fmt.Sprint(ip["resourceRef"]), "privateIPAddress", a, "it is not an IP address")
			}
		}
	}
	return nil
}

func validateNetwork(ref string, body tree) error {
	properties := body["properties"].(tree)
	addressSpace, _ := field(properties, "addressSpace").(tree)
	list, _ := field(addressSpace, "addressPrefixes").([]any)
	var space []netip.Prefix
	for _, e := range list {
		s, _ := e.(string)
		p, err := netip.ParsePrefix(s)
		if err != nil || p != p.Masked() {
			return invalid(ref, "addressPrefixes", e, "it is not the prefix of a network")
		}
		space = append(space, p)
	}
	var seen []netip.Prefix
	for _, e := range nestedList(body, "subnets") {
		subnet, ok := e.(tree)
		p, _ := subnet["properties"].(tree)
		if !ok || p == nil {
			continue // assignVSIDs names it
		}
		at, value := fmt.Sprint(subnet["resourceRef"]), text(p, "addressPrefix")
		prefix, err := netip.ParsePrefix(value)
		if err != nil || prefix != prefix.Masked() {
			return invalid(at, "addressPrefix", value, "it is not the prefix of a network")
		}
		if !within(prefix, space) {
			return invalid(at, "addressPrefix", value, fmt.Sprintf("it is not in the address space %v of the virtual network", space))
		}
		for _, other := range seen {
			if other.Overlaps(prefix) {
				return invalid(at, "addressPrefix", value, fmt.Sprintf("it overlaps with subnet %s", other))
			}
		}
		seen = append(seen, prefix)
	}
	return nil
}

func within(p netip.Prefix, space []netip.Prefix) bool {
	for _, s := range space {
		if s.Bits() <= p.Bits() && s.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// validateClaims judges what NICs claim beside what others have: a CA is in its subnet and taken
// once, and no two NICs of a virtual network have the same MAC.
func (c *Controller) validateClaims(made []*resource, replaced map[string]bool) error {
	added := map[string]*resource{}
	for _, r := range made {
		added[r.key] = r
	}
	taken := map[place]string{}
	type card struct {
		network string
		mac     uint64
	}
	cards := map[card]string{}
	for _, r := range made {
		if err := c.validateClaimsIn(r, replaced); err != nil {
			return err
		}
		for _, cl := range r.facts.claims {
			network := added[topKey(cl.subnet)]
			if network == nil {
				network = c.resources[topKey(cl.subnet)]
			}
			for _, s := range network.facts.subnets { // check has seen that it is there
				if s.key == cl.subnet && s.prefix.IsValid() && !s.prefix.Contains(cl.address) {
					return invalid(cl.by, "privateIPAddress", cl.address.String(), fmt.Sprintf("it is not in %s of %s", s.prefix, s.key))
				}
			}
			p := cl.place()
			other := taken[p]
			if other == "" {
				other = c.addresses.other(p, replaced)
			}
			if other != "" {
				return invalid(cl.by, "privateIPAddress", cl.address.String(), "it is already that of "+other)
			}
			taken[p] = cl.by
			if r.facts.mac == 0 {
				continue
			}
			k := card{p.network, r.facts.mac}
			if other := cards[k]; other != "" && other != r.key {
				return sameMAC(r, other)
			}
			cards[k] = r.key
			for _, other := range c.macs[r.facts.mac] {
				if !replaced[other] && c.resources[other].in(p.network) {
					return sameMAC(r, other)
				}
			}
		}
	}
	return nil
}

// validateClaimsIn refuses to take a subnet's prefix away from those who live in it.
func (c *Controller) validateClaimsIn(network *resource, replaced map[string]bool) error {
	for _, s := range network.facts.subnets {
		t := c.targets[s.key]
		if t == nil || !s.prefix.IsValid() {
			continue
		}
		for r := range t.from {
			for _, cl := range r.facts.claims {
				if cl.subnet == s.key && !replaced[r.key] && !s.prefix.Contains(cl.address) {
					return invalid(s.key, "addressPrefix", s.prefix.String(), fmt.Sprintf("%s has the address %s", cl.by, cl.address))
				}
			}
		}
	}
	return nil
}

func sameMAC(r *resource, other string) error {
	return invalid(r.ref, "privateMacAddress", fmt.Sprintf("%012X", r.facts.mac), "it is already that of "+other+" in the same virtual network")
}

// in answers whether a NIC has a CA in a virtual network.
func (r *resource) in(network string) bool {
	for _, cl := range r.facts.claims {
		if topKey(cl.subnet) == network {
			return true
		}
	}
	return false
}
