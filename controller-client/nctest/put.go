package nctest

import (
	"io"
	"net/http"
	"strings"

	"github.com/gorilla/mux"
)

const maxRequestBody = 64 << 20

func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		return nil, &apiError{status: http.StatusRequestEntityTooLarge, code: "RequestTooLarge", message: err.Error()}
	}
	return data, nil
}

// put creates or replaces one resource.
func (c *Controller) put(w http.ResponseWriter, r *http.Request) {
	n, body, err := readBody(w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	status := http.StatusOK
	var op *operation
	err = c.change(func() error {
		have, err := c.precondition(n, r.Header)
		if err != nil {
			return err
		}
		if !have {
			status = http.StatusCreated
		}
		op, err = c.place(n, body)
		return err
	})
	c.answer(w, r, n, status, op, err)
}

// answer shows what a write has led to.
func (c *Controller) answer(w http.ResponseWriter, r *http.Request, n name, status int, op *operation, err error) {
	var body []byte
	var etag string
	if err == nil {
		body, etag, err = c.one(n) // an error if someone has deleted it again
	}
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("ETag", etag)
	op.announce(w, r)
	writeJSON(w, status, body)
}

// place commits a body as the resource n, which may be nested.
func (c *Controller) place(n name, body tree) (*operation, error) {
	if err := c.busy(n); err != nil {
		return nil, err
	}
	d := &draft{name: n, body: body}
	if old := c.resources[n.topName().key]; old != nil {
		d.name = old.name // keeps the spelling of its creation
	}
	if !n.top() {
		if given, ok := body["resourceId"]; ok {
			if text, isText := given.(string); !isText || !strings.EqualFold(text, n.id()) {
				return nil, badRequest("ResourceIdMismatch", "%s: resourceId %v does not match the URL", n.ref, given)
			}
		} else {
			body["resourceId"] = n.id()
		}
		var err error
		if d, err = c.edited(n, body); err != nil {
			return nil, err
		}
	}
	if c.opts.ProvisioningDelay > 0 {
		d.state, d.above = updating, updating
	}
	if err := c.commit([]*draft{d}, nil); err != nil {
		return nil, err
	}
	return c.begin(n, d.state), nil
}

// edited answers a draft of the top-level resource that n is nested in, with n put in or (nil) out.
func (c *Controller) edited(n name, body any) (*draft, error) {
	old := c.resources[n.topName().key]
	if old == nil {
		return nil, notFound(n.topName().ref)
	}
	parent, err := parse(old.stored)
	if err == nil {
		err = graft(parent, n, body)
	}
	if err != nil {
		return nil, err
	}
	return &draft{name: old.name, body: parent, only: n.key}, nil
}

func (c *Controller) delete(w http.ResponseWriter, r *http.Request) {
	n, err := parseRef(mux.Vars(r)["path"])
	if err != nil {
		writeError(w, notFound(r.URL.Path))
		return
	}
	var op *operation
	err = c.change(func() error {
		have, err := c.precondition(n, r.Header)
		if err == nil && !have {
			err = notFound(n.ref)
		}
		if err == nil {
			op, err = c.deleteOne(n)
		}
		return err
	})
	if err != nil {
		writeError(w, err)
		return
	}
	status := http.StatusNoContent
	if op != nil {
		status = http.StatusAccepted
		op.announce(w, r)
	}
	w.WriteHeader(status)
}

// deleteOne takes out what exists, or lets it be seen as being deleted first.
func (c *Controller) deleteOne(n name) (*operation, error) {
	if c.opts.ProvisioningDelay == 0 {
		return nil, c.remove(n, succeeded)
	}
	if err := c.removable(n); err != nil {
		return nil, err
	}
	r := c.lookup(n.key)
	body, err := parse(r.stored)
	if err != nil {
		return nil, c.remove(n, succeeded) // a raw one that nobody can mark
	}
	if err := c.commit([]*draft{{name: r.name, body: body, only: n.key, state: deleting, above: updating}}, nil); err != nil {
		return nil, err
	}
	return c.begin(n, deleting), nil
}

// remove takes n out; what it is nested in gets the state above.
func (c *Controller) remove(n name, above string) error {
	if n.top() {
		return c.commit(nil, []string{n.key})
	}
	d, err := c.edited(n, nil)
	if err != nil {
		return err
	}
	d.above = above
	return c.commit([]*draft{d}, nil)
}

// removable answers whether anything still refers to n.
func (c *Controller) removable(n name) error {
	replaced := map[string]bool{n.topName().key: true}
	if n.top() {
		return c.check(nil, replaced)
	}
	d, err := c.edited(n, nil)
	if err != nil {
		return err
	}
	return c.check([]*resource{newResource(d.name, d.body, nil)}, replaced)
}
