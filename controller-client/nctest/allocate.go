package nctest

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// allocation chooses what drafts leave to the controller. It sees the drafts of one commit beside
// what is in force.
type allocation struct {
	c         *Controller
	replaced  map[string]bool
	added     map[string]*resource // drafts that are made
	addresses map[place]string     // of drafts -> ipConfiguration
	macs      map[uint64]string    // of drafts -> NIC
	providers map[netip.Addr]string
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
		if d.made == nil && d.collection != "virtualNetworks" && c.waits(d) {
			open = append(open, d)
		} else if d.made == nil {
			d.finish()
		}
	}
	if len(open) == 0 {
		return nil
	}
	a := allocation{c, replaced, map[string]*resource{}, map[place]string{}, map[uint64]string{}, map[netip.Addr]string{}}
	for _, d := range drafts {
		r := d.made
		if r == nil {
			r = newResource(d.name, d.body, nil) // for what it has already
		} else {
			a.added[r.key] = r
		}
		for _, cl := range r.facts.claims {
			a.addresses[cl.place()] = cl.by
		}
		for _, pa := range r.facts.pas {
			a.providers[pa] = r.key
		}
		if r.facts.mac != 0 {
			a.macs[r.facts.mac] = r.key
		}
	}
	for _, d := range open {
		var err error
		if d.collection == "servers" {
			err = a.server(d)
		} else {
			err = a.nic(d)
		}
		if err != nil {
			return err
		}
		d.finish()
	}
	return nil
}

// resources answers those of a collection, drafts included.
func (a *allocation) resources(collection string) (all []*resource) {
	for _, r := range a.c.collections[collection].sorted {
		if !a.replaced[r.key] {
			all = append(all, r)
		}
	}
	for _, r := range a.added {
		if r.collection == collection {
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
