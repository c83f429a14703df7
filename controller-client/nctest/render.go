package nctest

import (
	"slices"
	"strings"
)

// render answers a resource as served, with the back references that only the controller knows:
// who lives in a subnet, and which NICs are placed on a server.
func (c *Controller) render(r *resource) []byte {
	if r.served == nil {
		r.served = c.withBackReferences(r)
	}
	return r.served
}

func (c *Controller) withBackReferences(r *resource) []byte {
	if r.raw || r.collection != "servers" && r.collection != "virtualNetworks" {
		return r.stored
	}
	body, err := parse(r.stored)
	if err != nil {
		return r.stored
	}
	if properties, ok := body["properties"].(tree); ok && r.collection == "servers" {
		properties["virtualNetworkInterfaces"] = c.referrers(r.key, "server")
	}
	for _, e := range nestedList(body, "subnets") {
		subnet, _ := e.(tree)
		ref, _ := subnet["resourceRef"].(string)
		if properties, ok := subnet["properties"].(tree); ok {
			properties["ipConfigurations"] = c.referrers(refKey(ref), "subnet")
		}
	}
	return encode(body)
}

// referrers answers references to everyone who refers to key by a property of that name.
func (c *Controller) referrers(key, property string) []any {
	var refs []string
	for _, links := range c.incoming[key] {
		for _, l := range links {
			if l.property == property {
				refs = append(refs, l.from)
			}
		}
	}
	slices.SortFunc(refs, func(a, b string) int { return strings.Compare(refKey(a), refKey(b)) })
	list := make([]any, 0, len(refs))
	for _, ref := range refs {
		list = append(list, tree{"resourceRef": ref})
	}
	return list
}

// list answers all bodies of a collection, in order.
func (c *Controller) list(collection string) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	bodies := make([][]byte, 0, len(c.sorted[collection]))
	for _, key := range c.sorted[collection] {
		bodies = append(bodies, c.render(c.resources[key]))
	}
	return bodies
}

func (c *Controller) unsort(r *resource) {
	keys := c.sorted[r.collection]
	if i, found := slices.BinarySearch(keys, r.key); found {
		c.sorted[r.collection] = slices.Delete(keys, i, i+1)
	}
}
