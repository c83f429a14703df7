package nctest

import (
	"cmp"
	"slices"
)

// draft is a body on its way in.
type draft struct {
	name
	body  tree   // nil once made
	only  string // key of the nested resource that changes, "" for all of it
	state string // provisioningState it gets, "" for Succeeded
	above string // and what it is nested in

	failure  *apiError // why it could not be provisioned
	reported bool      // its configurationState is what a host has reported, and stays

	prepared bool
	packed   []byte // what body was, while it waits for allocation
	known    facts  // of packed
	made     *resource
}

// The provisioningStates.
const (
	succeeded = "Succeeded"
	updating  = "Updating"
	deleting  = "Deleting"
	failed    = "Failed"
)

// commit makes drafts and deletions true together, or answers why not. Every change of desired state
// comes through here, with write held. Drafts may be prepared and finished already.
func (c *Controller) commit(drafts []*draft, deletions []string) error {
	drafts = append(drafts, c.serversWithoutPA(drafts)...)
	replaced := map[string]bool{}
	var gone []*resource
	for _, key := range deletions {
		replaced[key] = true
		gone = append(gone, c.resources[key])
	}
	for _, d := range drafts {
		replaced[d.key] = true
		if err := c.prepare(d); err != nil {
			return err
		}
	}
	if err := c.allocate(drafts, replaced); err != nil {
		return err
	}
	made := make([]*resource, len(drafts))
	for i, d := range drafts {
		made[i] = d.made
	}
	if err := c.check(made, replaced); err != nil {
		return err
	}
	if c.opts.Strict && !slices.ContainsFunc(drafts, func(d *draft) bool { return d.failure != nil }) {
		if err := c.validateClaims(made, replaced); err != nil {
			return err
		}
	}
	if err := c.journal.append(made, deletions, c.vsids.next); err != nil {
		return err
	}
	c.apply(made, gone)
	return nil
}

// prepare stamps a draft, once. It only reads; drafts can be prepared side by side.
func (c *Controller) prepare(d *draft) error {
	if d.prepared {
		return nil
	}
	d.prepared = true
	s := stamping{etag: c.newETag(), state: cmp.Or(d.state, succeeded), above: cmp.Or(d.above, succeeded), only: d.only, instances: map[string]string{}}
	if old := c.resources[d.key]; old != nil {
		if body, err := parse(old.stored); err == nil {
			instances(body, s.instances)
		}
	}
	dropBackReferences(d)
	if err := s.stamp(d.body, d.ref); err != nil {
		return err
	}
	properties := d.body["properties"].(tree)
	if !d.reported {
		properties["configurationState"] = tree{"status": "Success", "detailedInfo": []any{}}
	}
	if d.failure != nil {
		properties["configurationState"] = tree{"status": "Failure", "detailedInfo": []any{
			tree{"source": "fairlead-nc", "code": d.failure.code, "message": d.failure.message}}}
	}
	if c.opts.Strict && d.failure == nil {
		return d.validate()
	}
	return nil
}

func (c *Controller) newETag() string {
	if c.opts.FrozenETags {
		return frozenETag
	}
	return `W/"` + guid() + `"`
}

// finish turns a prepared draft into a resource and lets the tree go.
func (d *draft) finish() {
	d.made = newResource(d.name, d.body, encode(d.body))
	d.body = nil
}

// check refuses references to what is not there and the removal of what is referred to.
func (c *Controller) check(made []*resource, replaced map[string]bool) error {
	added := map[string]*resource{}
	for _, r := range made {
		added[r.key] = r
	}
	exists := func(key string) bool {
		top := topKey(key)
		if r := added[top]; r != nil {
			return r.has(key)
		}
		r := c.lookup(key)
		return !replaced[top] && r != nil && r.facts.state != deleting
	}
	for _, r := range made {
		for _, l := range r.links {
			if !exists(l.to) {
				return badRequest("ReferenceNotFound", "%s: %s refers to %s, which does not exist or is being deleted", l.from, l.property, l.to)
			}
		}
	}
	for key := range replaced {
		old := c.resources[key]
		if old == nil {
			continue
		}
		for _, k := range old.keys {
			if r := added[key]; r != nil && r.has(k) {
				continue
			}
			if t := c.targets[k]; t != nil {
				for from := range t.from {
					if !replaced[from.key] {
						return conflict("%s: still referred to by %s", k, from.linkTo(k))
					}
				}
			}
		}
	}
	return nil
}

// linkTo answers who in r refers to key.
func (r *resource) linkTo(key string) string {
	for _, l := range r.links {
		if l.to == key {
			return l.from
		}
	}
	return r.ref
}

// dropBackReferences removes what only the controller says, which a client that changes a body it
// has read sends back.
func dropBackReferences(d *draft) {
	properties, _ := d.body["properties"].(tree)
	switch d.collection {
	case "servers":
		delete(properties, "virtualNetworkInterfaces")
	case "virtualNetworks":
		for _, e := range nestedList(d.body, "subnets") {
			if subnet, ok := e.(tree); ok {
				if p, ok := subnet["properties"].(tree); ok {
					delete(p, "ipConfigurations")
				}
			}
		}
	}
}
