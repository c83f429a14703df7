package fabric_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/controller-client/nctest/fabric"
)

func specs() *rapid.Generator[fabric.Spec] {
	return rapid.Custom(func(t *rapid.T) fabric.Spec {
		return fabric.Spec{
			Servers:   rapid.IntRange(1, 20).Draw(t, "servers"),
			Tenants:   rapid.IntRange(1, 50).Draw(t, "tenants"),
			Subnets:   rapid.IntRange(1, 6).Draw(t, "subnets"),
			NICs:      rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, 1500)).Draw(t, "nics"),
			ACLRules:  rapid.IntRange(0, 12).Draw(t, "rules"),
			Seed:      rapid.Uint64().Draw(t, "seed"),
			DualStack: rapid.Bool().Draw(t, "dual"),
			Microsoft: rapid.Bool().Draw(t, "microsoft"),
		}
	})
}

type body = map[string]any

// census gathers what must be unique, and where things are.
type census struct {
	*rapid.T
	spec    fabric.Spec
	refs    map[string]bool // of everything so far, nested resources too
	seen    map[string]string
	subnets map[string]netip.Prefix
	spaces  map[string][]netip.Prefix
	peers   map[string]string
}

func (c *census) once(kind, value, ref string) {
	key := kind + " " + value
	if other, twice := c.seen[key]; twice {
		c.Fatalf("%s: %s is that of %s, too", ref, key, other)
	}
	c.seen[key] = ref
}

func TestFabricIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := specs().Draw(t, "spec")
		f, err := fabric.New(spec)
		if err != nil {
			t.Fatal(err)
		}
		c := &census{t, spec, map[string]bool{}, map[string]string{}, map[string]netip.Prefix{}, map[string][]netip.Prefix{}, map[string]string{}}
		nics := 0
		for ref, data := range f.Resources() {
			var b body
			if err := json.Unmarshal(data, &b); err != nil {
				t.Fatal(err)
			}
			c.identify(b, ref)
			c.resolve(b, ref)
			p := b["properties"].(body)
			switch collection, _, _ := strings.Cut(ref[1:], "/"); collection {
			case "servers":
				c.server(p, ref)
			case "accessControlLists":
				c.rules(p, ref)
			case "virtualNetworks":
				c.network(p, ref)
			case "loadBalancers":
				vip := p["frontendIPConfigurations"].([]any)[1].(body)
				c.address(vip["properties"].(body), ref)
			case "networkInterfaces":
				nics++
				c.nic(p, ref)
			}
		}
		if nics != spec.NICs {
			t.Errorf("%d NICs", nics)
		}
		for ref, remote := range c.peers {
			if c.peers[remote] != ref {
				t.Errorf("%s is peered with %s, but that with %q", ref, remote, c.peers[remote])
			}
			if c.spaces[ref][0].Overlaps(c.spaces[remote][0]) || spec.DualStack && c.spaces[ref][1].Overlaps(c.spaces[remote][1]) {
				t.Errorf("peered networks overlap: %v and %v", c.spaces[ref], c.spaces[remote])
			}
		}
		if spec.Tenants > 1 && len(c.peers) == 0 {
			t.Error("nobody is peered")
		}
	})
}

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// identify checks who a resource and those nested in it say they are.
func (c *census) identify(b body, ref string) {
	id, _ := b["resourceId"].(string)
	instance, _ := b["instanceId"].(string)
	if b["resourceRef"] != ref || !strings.HasSuffix(ref, "/"+id) || !guid.MatchString(instance) || b["etag"] != nil {
		c.Fatalf("%s: resourceRef %v, resourceId %v, instanceId %v, etag %v", ref, b["resourceRef"], b["resourceId"], b["instanceId"], b["etag"])
	}
	c.once("instanceId", instance, ref)
	c.refs[ref] = true
	for property, v := range b["properties"].(body) {
		list, _ := v.([]any)
		for _, e := range list {
			if child, ok := e.(body); ok && child["resourceId"] != nil {
				c.identify(child, fmt.Sprintf("%s/%s/%s", ref, property, child["resourceId"]))
			}
		}
	}
}

// resolve checks that all that is referred to has come before, peered networks excepted.
func (c *census) resolve(v any, ref string) {
	switch v := v.(type) {
	case body:
		if to, ok := v["resourceRef"].(string); ok && !c.refs[to] {
			c.Fatalf("%s: refers to %s", ref, to)
		}
		for k, e := range v {
			if k == "remoteVirtualNetwork" {
				c.peers[ref] = e.(body)["resourceRef"].(string)
				continue
			}
			c.resolve(e, ref)
		}
	case []any:
		for _, e := range v {
			c.resolve(e, ref)
		}
	}
}

func (c *census) server(p body, ref string) {
	if c.spec.Microsoft {
		return
	}
	pa := netip.MustParseAddr(p["fairlead"].(body)["providerAddresses"].([]any)[0].(string))
	if !netip.MustParsePrefix("172.16.0.0/16").Contains(pa) || pa == netip.MustParseAddr("172.16.0.1") {
		c.Fatalf("%s: provider address %s", ref, pa)
	}
	c.once("provider address", pa.String(), ref)
}

func (c *census) rules(p body, ref string) {
	list := p["aclRules"].([]any)
	if len(list) != c.spec.ACLRules {
		c.Fatalf("%s: %d rules", ref, len(list))
	}
	last := map[any]body{}
	for _, e := range list {
		r := e.(body)["properties"].(body)
		priority, err := strconv.Atoi(r["priority"].(string))
		if err != nil || priority < 100 || priority > 65000 {
			c.Fatalf("%s: priority %v", ref, r["priority"])
		}
		c.once(fmt.Sprint(ref, r["type"], " priority"), fmt.Sprint(priority), ref)
		last[r["type"]] = r
	}
	for direction, r := range last {
		if r["action"] != "Allow" || r["protocol"] != "All" || r["sourceAddressPrefix"] != "*" || r["destinationAddressPrefix"] != "*" {
			c.Fatalf("%s: the last rule %v does not allow all: %v", ref, direction, r)
		}
	}
}

func (c *census) network(p body, ref string) {
	for _, e := range p["addressSpace"].(body)["addressPrefixes"].([]any) {
		c.spaces[ref] = append(c.spaces[ref], netip.MustParsePrefix(e.(string)))
	}
	var before []netip.Prefix
	for _, e := range p["subnets"].([]any) {
		s := e.(body)
		q := s["properties"].(body)
		prefix := netip.MustParsePrefix(q["addressPrefix"].(string))
		inside := false
		for _, space := range c.spaces[ref] {
			inside = inside || space.Contains(prefix.Addr()) && space.Bits() <= prefix.Bits()
		}
		for _, other := range before {
			inside = inside && !other.Overlaps(prefix)
		}
		if !inside || prefix != prefix.Masked() {
			c.Fatalf("%s: subnet %s in %v beside %v", ref, prefix, c.spaces[ref], before)
		}
		before = append(before, prefix)
		c.subnets[s["resourceRef"].(string)] = prefix
		if !c.spec.Microsoft {
			vsid := q["fairlead"].(body)["vsid"].(float64)
			if vsid < 4096 || vsid > 16777214 {
				c.Fatalf("%s: VSID %v", ref, vsid)
			}
			c.once("VSID", fmt.Sprint(vsid), ref)
		}
	}
}

var macForm = regexp.MustCompile(`^001DD8[0-9A-F]{6}$`)

func (c *census) nic(p body, ref string) {
	mac := p["privateMacAddress"].(string)
	if !macForm.MatchString(mac) {
		c.Fatalf("%s: MAC %q", ref, mac)
	}
	c.once("MAC", mac, ref)
	families := map[bool]bool{}
	for _, e := range p["ipConfigurations"].([]any) {
		families[c.address(e.(body)["properties"].(body), ref).Is4()] = true
	}
	if !families[true] || families[false] != c.spec.DualStack {
		c.Fatalf("%s: families %v", ref, families)
	}
}

// address checks one CA: in its subnet, nobody else's in the network, and none of the reserved ones.
func (c *census) address(p body, ref string) netip.Addr {
	subnet := p["subnet"].(body)["resourceRef"].(string)
	a, prefix := netip.MustParseAddr(p["privateIPAddress"].(string)), c.subnets[subnet]
	network, _, _ := strings.Cut(subnet, "/subnets/")
	c.once("address in "+network, a.String(), ref)
	if gateway := prefix.Addr().Next(); !prefix.Contains(a) || a == prefix.Addr() || a == gateway || !prefix.Contains(a.Next()) {
		c.Fatalf("%s: %s in %s", ref, a, prefix)
	}
	return a
}
