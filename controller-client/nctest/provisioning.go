package nctest

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// With a ProvisioningDelay a change is visible at once and takes effect later, as [MS-NCNBI] 1.3.2
// has it: a resource is Updating until the delay has passed, then Succeeded or Failed; or it is
// Deleting, then gone. What is unfinished is in the bodies, so a restart goes on with it.

// begin starts what follows on a commit that left n in this state; nil if nothing does.
func (c *Controller) begin(n name, state string) *operation {
	if state != updating && state != deleting {
		return nil
	}
	op := c.operations.add(n, state)
	c.pending[n.topName().key]++
	time.AfterFunc(c.opts.ProvisioningDelay, func() {
		if c.closed.Load() {
			return
		}
		if err := c.change(func() error { return c.settle(op) }); err != nil {
			c.log.Error("provisioning", "resource", op.ref, "error", err)
		}
	})
	return op
}

// settle ends an operation, with write held.
func (c *Controller) settle(op *operation) error {
	top := op.topName().key
	if c.pending[top]--; c.pending[top] == 0 {
		delete(c.pending, top)
	}
	above := succeeded
	if c.pending[top] > 0 {
		above = updating
	}
	r := c.lookup(op.key)
	var body tree
	if r != nil {
		body, _ = parse(r.stored)
	}
	if found := find(body, op.name); found == nil || state(found) != op.state {
		c.operations.end(op, nil) // someone else has dealt with it
		return nil
	}
	if above == succeeded {
		calm(body)
	}
	var err error
	if op.state == deleting {
		err = c.remove(op.name, above)
	} else {
		err = c.commit([]*draft{{name: r.name, body: body, only: op.key, above: above}}, nil)
	}
	c.operations.end(op, err)
	var refused *apiError
	if !errors.As(err, &refused) {
		return err
	}
	if body, err = parse(r.stored); err != nil {
		return err
	}
	if above == succeeded {
		calm(body)
	}
	return c.commit([]*draft{{name: r.name, body: body, only: op.key, state: failed, above: above, failure: refused}}, nil)
}

// calm ends the Updating of everything in a body that no operation is left for.
func calm(v any) {
	switch v := v.(type) {
	case tree:
		if v["provisioningState"] == updating {
			v["provisioningState"] = succeeded
		}
		for _, e := range v {
			calm(e)
		}
	case []any:
		for _, e := range v {
			calm(e)
		}
	}
}

// busy refuses a write to what is still being changed ([MS-NCNBI] 1.3.3.3).
func (c *Controller) busy(n name) error {
	r := c.resources[n.topName().key]
	if r == nil || r.facts.state == "" {
		return nil
	}
	body, err := parse(r.stored)
	if err != nil {
		return nil
	}
	for i := 2; i <= len(n.segments); i += 2 {
		at := makeName(n.segments[:i])
		found := find(body, at)
		if found == nil {
			break
		}
		if s := state(found); s == deleting || s == updating && i == len(n.segments) {
			return &apiError{status: http.StatusConflict, code: "ResourceBusy", message: fmt.Sprintf("%s: is %s", at.ref, s)}
		}
	}
	return nil
}

// resumeProvisioning goes on with what a restart found unfinished.
func (c *Controller) resumeProvisioning() {
	for _, r := range c.resources {
		if r.facts.state != updating && r.facts.state != deleting {
			continue
		}
		if body, err := parse(r.stored); err == nil {
			for _, u := range unfinished(body, r.ref) {
				c.begin(u.name, u.state)
			}
		}
	}
}

type unfinishedResource struct {
	name
	state string
}

// unfinished answers what is being deleted, and what is updating with nothing below it that is.
func unfinished(body tree, ref string) (all []unfinishedResource) {
	if state(body) == "" {
		return nil
	}
	n, err := parseRef(ref)
	if err != nil {
		return nil
	}
	if s := state(body); s == deleting {
		return []unfinishedResource{{n, s}}
	}
	properties, _ := body["properties"].(tree)
	for _, v := range properties {
		list, _ := v.([]any)
		for _, e := range list {
			if child, ok := e.(tree); ok && nested(child, ref) {
				if to, _ := child["resourceRef"].(string); to != "" {
					all = append(all, unfinished(child, to)...)
				}
			}
		}
	}
	if len(all) == 0 && state(body) == updating {
		all = []unfinishedResource{{n, updating}}
	}
	return all
}
