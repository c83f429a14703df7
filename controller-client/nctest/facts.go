package nctest

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// facts are what checks and allocation ask of a resource.
type facts struct {
	state   string // provisioningState, "" for Succeeded
	subnets []subnetFacts
	claims  []claim
	mac     uint64 // 0: none
	pools   []macRange
	pas     []netip.Addr   // of a server
	pa      []addressRange // pools to take these from
	hnv     bool           // logical network with network virtualization
}

// subnetFacts are a virtual network's subnet; what does not parse is zero.
type subnetFacts struct {
	key     string
	prefix  netip.Prefix
	gateway netip.Addr
	vsid    uint32
}

// claim is a CA that an ipConfiguration has.
type claim struct {
	by      string // key
	subnet  string // key
	address netip.Addr
}

// place is an address in a virtual network.
type place struct {
	network string // key
	address netip.Addr
}

func (cl claim) place() place { return place{topKey(cl.subnet), cl.address} }

type macRange struct{ first, last uint64 }

type addressRange struct{ first, last netip.Addr }

// note takes the facts of the resource key, which may be nested.
func (r *resource) note(properties tree, ref, key string) {
	switch {
	case r.collection == "virtualNetworks" && isChild(ref, "subnets"):
		r.facts.subnets = append(r.facts.subnets, subnetFacts{
			key: key, prefix: prefixOf(properties, "addressPrefix"),
			gateway: addressOf(own(properties), "gateway"), vsid: vsidOf(properties),
		})
	case r.collection == "networkInterfaces" && key == r.key:
		r.facts.mac = parseMAC(text(properties, "privateMacAddress"))
	case r.collection == "networkInterfaces" && isChild(ref, "ipConfigurations"):
		subnet, _ := field(properties, "subnet").(tree)
		to, _ := subnet["resourceRef"].(string)
		if a := addressOf(properties, "privateIPAddress"); a.IsValid() && to != "" {
			r.facts.claims = append(r.facts.claims, claim{by: key, subnet: refKey(to), address: a})
		}
	case r.collection == "macPools":
		first, last := parseMAC(text(properties, "startMacAddress")), parseMAC(text(properties, "endMacAddress"))
		if first != 0 && first <= last {
			r.facts.pools = append(r.facts.pools, macRange{first, last})
		}
	case r.collection == "servers" && key == r.key:
		list, _ := own(properties)["providerAddresses"].([]any)
		for _, e := range list {
			s, _ := e.(string)
			if a, err := netip.ParseAddr(s); err == nil {
				r.facts.pas = append(r.facts.pas, a)
			}
		}
	case r.collection == "logicalNetworks" && key == r.key:
		on := field(properties, "networkVirtualizationEnabled")
		word, _ := on.(string)
		r.facts.hnv = on == true || strings.EqualFold(word, "true") // real bodies have booleans as strings, too
	case r.collection == "logicalNetworks" && r.facts.hnv && isChild(ref, "ipPools"):
		first, last := addressOf(properties, "startIpAddress"), addressOf(properties, "endIpAddress")
		if first.IsValid() && first.BitLen() == last.BitLen() {
			r.facts.pa = append(r.facts.pa, addressRange{first, last})
		}
	}
}

// isChild answers whether ref is that of a resource in a list of this name.
func isChild(ref, list string) bool {
	segments := strings.Split(ref, "/")
	return len(segments) > 3 && strings.EqualFold(segments[len(segments)-2], list)
}

// field answers a property whose writers differ in case.
func field(properties tree, name string) any {
	if v, ok := properties[name]; ok {
		return v
	}
	for k, v := range properties {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

func text(properties tree, name string) string {
	s, _ := field(properties, name).(string)
	return s
}

// own is what this project publishes beyond Microsoft's bodies.
func own(properties tree) tree {
	t, _ := properties["fairlead"].(tree)
	return t
}

func addressOf(properties tree, name string) netip.Addr {
	a, _ := netip.ParseAddr(text(properties, name))
	return a
}

func prefixOf(properties tree, name string) netip.Prefix {
	p, _ := netip.ParsePrefix(text(properties, name))
	return p.Masked()
}

// state answers a provisioningState, "" for what is usual.
func state(body tree) string {
	properties, _ := body["properties"].(tree)
	if s := text(properties, "provisioningState"); s != succeeded {
		return s
	}
	return ""
}

// parseMAC reads a MAC address in any spelling, 0 for none.
func parseMAC(s string) uint64 {
	digits := strings.NewReplacer("-", "", ":", "", ".", "").Replace(s)
	v, err := strconv.ParseUint(digits, 16, 64)
	if err != nil || len(digits) != 12 {
		return 0
	}
	return v
}

// holders says who has a thing; tests may have broken state in which several do.
type holders[K comparable] map[K][]string

func (h holders[K]) add(k K, who string) { h[k] = append(h[k], who) }

func (h holders[K]) remove(k K, who string) {
	if i := slices.Index(h[k], who); i >= 0 {
		if h[k] = slices.Delete(h[k], i, i+1); len(h[k]) == 0 {
			delete(h, k)
		}
	}
}

// other answers a holder that is not among the replaced top-level resources.
func (h holders[K]) other(k K, replaced map[string]bool) string {
	for _, who := range h[k] {
		if !replaced[topKey(who)] {
			return who
		}
	}
	return ""
}

// index and unindex keep what allocation asks. The caller holds mu.
func (c *Controller) index(r *resource) {
	for _, s := range r.facts.subnets {
		if s.vsid != 0 {
			c.vsids.holder.add(s.vsid, s.key)
		}
	}
	for _, cl := range r.facts.claims {
		c.addresses.add(cl.place(), cl.by)
	}
	if r.facts.mac != 0 {
		c.macs.add(r.facts.mac, r.key)
	}
	for _, pa := range r.facts.pas {
		c.providers.add(pa, r.key)
	}
}

func (c *Controller) unindex(r *resource) {
	for _, s := range r.facts.subnets {
		c.vsids.holder.remove(s.vsid, s.key)
	}
	for _, cl := range r.facts.claims {
		c.addresses.remove(cl.place(), cl.by)
	}
	c.macs.remove(r.facts.mac, r.key)
	for _, pa := range r.facts.pas {
		c.providers.remove(pa, r.key)
	}
}
