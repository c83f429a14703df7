package nctest

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// allocation chooses what drafts leave to the controller. It sees the drafts of one commit beside
// what is in force.
type allocation struct {
	c         *Controller
	replaced  map[string]bool
	networks  map[string]*resource  // virtual networks among the drafts
	addresses map[place]string      // of drafts -> ipConfiguration
	macs      map[uint64]string     // of drafts -> NIC
	providers map[netip.Addr]string // of drafts -> server
	pools     []*resource           // macPools
	underlays []*resource           // logicalNetworks
}

// waits answers whether a draft has to come to allocate before it is finished.
func (c *Controller) waits(d *draft) bool {
	properties, _ := d.body["properties"].(tree)
	switch d.collection {
	case "virtualNetworks":
		return true
	case "servers":
		return c.opts.AssignProviderAddresses
	case "networkInterfaces":
		waits := leftOpen(properties, "privateMacAddress", "privateMacAllocationMethod")
		for _, e := range nestedList(d.body, "ipConfigurations") {
			ip, _ := e.(tree)
			p, _ := ip["properties"].(tree)
			waits = waits || leftOpen(p, "privateIPAddress", "privateIPAllocationMethod")
		}
		return waits
	}
	return false
}

// leftOpen answers whether a value is the controller's to choose.
func leftOpen(properties tree, value, method string) bool {
	return text(properties, value) == "" && strings.EqualFold(text(properties, method), "Dynamic")
}

// allocate finishes all drafts, which are prepared, and gives them what the controller chooses.
func (c *Controller) allocate(drafts []*draft, replaced map[string]bool) error {
	if err := c.assignVSIDs(drafts, replaced); err != nil {
		return err
	}
	var open []*draft
	for _, d := range drafts {
		if d.made == nil && d.collection != "virtualNetworks" && (d.packed != nil || c.waits(d)) {
			open = append(open, d)
		} else if d.made == nil {
			d.finish()
		}
	}
	if len(open) == 0 {
		return nil
	}
	a := c.newAllocation(drafts, replaced)
	for _, d := range open {
		if err := d.unpack(); err != nil {
			return err
		}
		choose := a.nic
		if d.collection == "servers" {
			choose = a.server
		}
		if err := choose(d); err != nil {
			return err
		}
		d.finish()
	}
	return nil
}

func (c *Controller) newAllocation(drafts []*draft, replaced map[string]bool) *allocation {
	a := &allocation{c: c, replaced: replaced, networks: map[string]*resource{}, addresses: map[place]string{},
		macs: map[uint64]string{}, providers: map[netip.Addr]string{}, pools: c.others("macPools", replaced), underlays: c.others("logicalNetworks", replaced)}
	for _, d := range drafts {
		has := d.has()
		for _, cl := range has.claims {
			a.addresses[cl.place()] = cl.by
		}
		for _, pa := range has.pas {
			a.providers[pa] = d.key
		}
		if has.mac != 0 {
			a.macs[has.mac] = d.key
		}
		switch d.collection {
		case "virtualNetworks":
			a.networks[d.key] = d.made
		case "macPools":
			a.pools = append(a.pools, d.made)
		case "logicalNetworks":
			a.underlays = append(a.underlays, d.made)
		}
	}
	for _, list := range [][]*resource{a.pools, a.underlays} {
		slices.SortFunc(list, func(x, y *resource) int { return strings.Compare(x.key, y.key) })
	}
	return a
}

// has answers the facts of a draft as far as they are known.
func (d *draft) has() facts {
	switch {
	case d.made != nil:
		return d.made.facts
	case d.packed != nil:
		return d.known
	}
	return newResource(d.name, d.body, nil).facts
}

// pack trades the tree of a draft that waits for its text: a load may have many of them.
func (d *draft) pack() {
	d.known = d.has()
	d.packed, d.body = encode(d.body), nil
}

func (d *draft) unpack() (err error) {
	if d.packed != nil {
		d.body, err = parse(d.packed)
		d.packed = nil
	}
	return err
}

// others answers the resources of a collection that stay.
func (c *Controller) others(collection string, replaced map[string]bool) (all []*resource) {
	for _, r := range c.collections[collection].sorted {
		if !replaced[r.key] {
			all = append(all, r)
		}
	}
	return all
}

func (a *allocation) nic(d *draft) error {
	properties := d.body["properties"].(tree)
	old := a.c.resources[d.key]
	if leftOpen(properties, "privateMacAddress", "privateMacAllocationMethod") {
		mac, err := a.mac(d, old)
		if err != nil {
			return err
		}
		if mac != 0 {
			setField(properties, "privateMacAddress", fmt.Sprintf("%012X", mac))
		}
	}
	for _, e := range nestedList(d.body, "ipConfigurations") {
		ip, _ := e.(tree)
		p, _ := ip["properties"].(tree)
		if !leftOpen(p, "privateIPAddress", "privateIPAllocationMethod") {
			continue
		}
		subnet, _ := field(p, "subnet").(tree)
		to, _ := subnet["resourceRef"].(string)
		ref, _ := ip["resourceRef"].(string)
		address, err := a.address(refKey(ref), refKey(to), old)
		if err != nil {
			return err
		}
		if address.IsValid() {
			setField(p, "privateIPAddress", address.String())
		}
	}
	return nil
}

func setField(properties tree, name, value string) {
	for k := range properties {
		if strings.EqualFold(k, name) {
			name = k
		}
	}
	properties[name] = value
}

func exhausted(code, format string, args ...any) error {
	return &apiError{status: http.StatusConflict, code: code, message: fmt.Sprintf(format, args...)}
}
