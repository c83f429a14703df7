package nctest

// draft is a body on its way in.
type draft struct {
	name
	body tree
}

// commit makes drafts and deletions true together, or answers why not. Every change of desired state
// comes through here, with mu held.
func (c *Controller) commit(drafts []draft, deletions []string) ([]*resource, error) {
	replaced := map[string]bool{}
	for _, key := range deletions {
		replaced[key] = true
	}
	for _, d := range drafts {
		replaced[d.key] = true
	}
	made, err := c.make(drafts, replaced)
	if err != nil {
		return nil, err
	}
	if err := c.check(made, replaced); err != nil {
		return nil, err
	}
	for _, r := range made {
		if err := c.store.write(r.name, r.stored); err != nil {
			return nil, err
		}
		c.apply(r)
	}
	for _, key := range deletions {
		r := c.resources[key]
		if err := c.store.remove(r.name); err != nil {
			return nil, err
		}
		c.forget(key)
		c.unsort(r)
	}
	return made, nil
}

// make stamps and surveys the drafts.
func (c *Controller) make(drafts []draft, replaced map[string]bool) ([]*resource, error) {
	for _, d := range drafts {
		ids := map[string]string{}
		if old := c.resources[d.key]; old != nil {
			if body, err := parse(old.stored); err == nil {
				instances(body, ids)
			}
		}
		dropBackReferences(d)
		if err := stamp(d.body, d.ref, `W/"`+guid()+`"`, ids); err != nil {
			return nil, err
		}
		properties := d.body["properties"].(tree)
		properties["configurationState"] = tree{"status": "Success", "detailedInfo": []any{}}
	}
	if err := c.assignVSIDs(drafts, replaced); err != nil {
		return nil, err
	}
	var made []*resource
	for _, d := range drafts {
		r := &resource{name: d.name, stored: encode(d.body)}
		r.survey(d.body)
		made = append(made, r)
	}
	return made, nil
}

// check refuses references to what is not there and the removal of what is referred to.
func (c *Controller) check(made []*resource, replaced map[string]bool) error {
	added := map[string]bool{}
	for _, r := range made {
		for _, k := range r.keys {
			added[k] = true
		}
	}
	for _, r := range made {
		for _, l := range r.links {
			top, known := c.known[l.to]
			if !added[l.to] && (!known || replaced[top]) {
				return badRequest("ReferenceNotFound", "%s: %s refers to %s, which does not exist", l.from, l.property, l.to)
			}
		}
	}
	for key := range replaced {
		old := c.resources[key]
		if old == nil {
			continue
		}
		for _, k := range old.keys {
			if added[k] {
				continue
			}
			for top, links := range c.incoming[k] {
				if !replaced[top] {
					return conflict("%s: still referred to by %s", k, links[0].from)
				}
			}
		}
	}
	return nil
}

// dropBackReferences removes what only the controller says, which a client that changes a body it
// has read sends back.
func dropBackReferences(d draft) {
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
