package nctest

import (
	"maps"
	"slices"
)

// newResource reads a body that is to be in force: its nested resources, its references, and what
// checks and allocation ask for later, when the tree is gone.
func newResource(n name, body tree, stored []byte) *resource {
	r := &resource{name: n, stored: stored}
	r.etag, _ = body["etag"].(string)
	r.tag = hash(r.key + "\x00" + r.etag)
	r.visit(body, n.ref, n.key)
	slices.Sort(r.keys)
	r.facts.state = state(body)
	return r
}

// newRaw is a resource of any JSON.
func newRaw(n name, stored, beneath []byte) *resource {
	body, err := parse(stored)
	r := newResource(n, body, stored)
	if err != nil {
		r.keys = []string{n.key}
	}
	r.raw, r.beneath, r.tag = true, beneath, hash(string(stored))
	return r
}

func (r *resource) visit(body tree, ref, key string) {
	r.keys = append(r.keys, key)
	properties, _ := body["properties"].(tree)
	r.note(properties, ref, key)
	r.search(properties, ref, "")
}

func (r *resource) search(v any, owner, property string) {
	switch v := v.(type) {
	case tree:
		if to, ok := v["resourceRef"].(string); ok {
			r.links = append(r.links, link{from: owner, property: property, to: refKey(to)})
			return
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			r.search(v[k], owner, k)
		}
	case []any:
		for _, e := range v {
			if child, ok := e.(tree); ok && nested(child, owner) {
				ref := childRef(child, owner, property)
				r.visit(child, ref, refKey(ref))
			} else {
				r.search(e, owner, property)
			}
		}
	}
}
