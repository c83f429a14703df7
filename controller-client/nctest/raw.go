package nctest

import (
	"fmt"
	"net/http"
	"slices"
)

// SetFault lets a test answer in the controller's place: the hook sees every request first, and
// answers true when it has dealt with it. nil takes the hook away.
func (c *Controller) SetFault(hook func(http.ResponseWriter, *http.Request) bool) {
	if hook == nil {
		c.fault.Store(nil)
		return
	}
	c.fault.Store(&hook)
}

// PutRaw serves body as the resource ref, unchecked and unchanged; it only has to be JSON. Raw
// resources are not persisted: after a restart, what they hide is back.
func (c *Controller) PutRaw(ref string, body []byte) error {
	n, err := parseRef(ref)
	if err != nil {
		return err
	}
	if !validJSON(body) {
		return fmt.Errorf("%s: not JSON; use SetFault for broken answers", ref)
	}
	return c.change(func() error {
		if !n.top() {
			if body, err = c.graftRaw(n, body); err != nil {
				return err
			}
			n = n.topName()
		}
		var beneath []byte
		if old := c.resources[n.key]; old != nil {
			beneath = old.durable()
		}
		c.apply([]*resource{newRaw(n, slices.Clone(body), beneath)}, nil)
		return nil
	})
}

// graftRaw answers the parent's body with one nested resource replaced.
func (c *Controller) graftRaw(n name, body []byte) ([]byte, error) {
	parent := c.resources[n.topName().key]
	if parent == nil {
		return nil, fmt.Errorf("%s: parent does not exist", n.ref)
	}
	b, err := parse(parent.stored)
	if err != nil {
		return nil, fmt.Errorf("%s: parent: %w", n.ref, err)
	}
	value, err := parseAny(body)
	if err != nil {
		return nil, err
	}
	if err := graft(b, n, value); err != nil {
		return nil, err
	}
	return encode(b), nil
}
