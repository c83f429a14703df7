package nctest

import (
	"bytes"
	"encoding/json"
	"slices"
)

// rendering is a resource as served while what refers to it is back.
type rendering struct {
	back uint64
	body []byte
}

// shape is a stored body cut at the places of its back references.
type shape struct {
	parts   [][]byte // one more than targets
	targets []string // keys
}

// showsOthers answers whether the body shows back references.
func (r *resource) showsOthers() bool {
	return !r.raw && (r.collection == "servers" || r.collection == "virtualNetworks")
}

// render answers a resource as served, with the back references that only the controller knows:
// who lives in a subnet, and which NICs are placed on a server. The caller holds mu for reading.
func (c *Controller) render(r *resource) []byte {
	if !r.showsOthers() {
		return r.stored
	}
	if done := r.rendered.Load(); done != nil && done.back == r.back {
		return done.body
	}
	c.rendering.Lock()
	defer c.rendering.Unlock()
	if done := r.rendered.Load(); done != nil && done.back == r.back {
		return done.body
	}
	if r.shape == nil {
		r.shape = makeShape(r)
	}
	body := make([]byte, 0, len(r.stored)+r.backSize+64)
	for i, key := range r.shape.targets {
		body = append(body, r.shape.parts[i]...)
		body = append(body, '[')
		for j, ref := range c.shown(key) {
			if j > 0 {
				body = append(body, ',')
			}
			body = append(body, `{"resourceRef":`...)
			body = append(append(body, encode(ref)...), '}')
		}
		body = append(body, ']')
	}
	body = append(body, r.shape.parts[len(r.shape.targets)]...)
	r.rendered.Store(&rendering{back: r.back, body: body})
	return body
}

// shown answers the references that key shows, in order. The caller holds rendering.
func (c *Controller) shown(key string) []string {
	t := c.targets[key]
	if t == nil {
		return nil
	}
	if t.refs == nil {
		for r := range t.from {
			for _, l := range r.links {
				if l.to == key && l.shows() {
					t.refs = append(t.refs, l.from)
				}
			}
		}
		slices.Sort(t.refs)
		t.refs = slices.Compact(t.refs)
	}
	return t.refs
}

// placeholder stands where back references belong; no body holds it by chance.
var placeholder = "back references " + guid()

func makeShape(r *resource) *shape {
	body, err := parse(r.stored)
	if err != nil {
		return &shape{parts: [][]byte{r.stored}}
	}
	s := &shape{}
	if properties, ok := body["properties"].(tree); ok && r.collection == "servers" {
		properties["virtualNetworkInterfaces"] = placeholder
		s.targets = append(s.targets, r.key)
	}
	for _, e := range nestedList(body, "subnets") {
		subnet, _ := e.(tree)
		ref, _ := subnet["resourceRef"].(string)
		if properties, ok := subnet["properties"].(tree); ok && r.collection == "virtualNetworks" {
			properties["ipConfigurations"] = placeholder
			s.targets = append(s.targets, refKey(ref))
		}
	}
	quoted, _ := json.Marshal(placeholder)
	s.parts = bytes.Split(encode(body), quoted)
	return s
}
