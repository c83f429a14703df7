package nctest

import (
	"io"
	"net/http"
	"strings"

	"github.com/gorilla/mux"
)

const maxRequestBody = 64 << 20

func (c *Controller) put(w http.ResponseWriter, r *http.Request) {
	n, err := parseRef(mux.Vars(r)["path"])
	if err != nil {
		writeError(w, notFound(r.URL.Path))
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		writeError(w, &apiError{status: http.StatusRequestEntityTooLarge, code: "RequestTooLarge", message: err.Error()})
		return
	}
	body, err := parse(data)
	if err != nil {
		writeError(w, badRequest("InvalidJson", "%s: %v", n.ref, err))
		return
	}
	created, err := c.putOne(n, body, r.Header)
	if err != nil {
		writeError(w, err)
		return
	}
	answer, etag, err := c.one(n)
	if err != nil { // deleted again by someone else
		writeError(w, err)
		return
	}
	w.Header().Set("ETag", etag)
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	writeJSON(w, status, answer)
}

// putOne creates or replaces one resource.
func (c *Controller) putOne(n name, body tree, header http.Header) (created bool, err error) {
	err = c.change(func() error {
		have, err := c.precondition(n, header)
		if err != nil {
			return err
		}
		created = !have
		return c.place(n, body)
	})
	return created, err
}

// place commits a body as the resource n, which may be nested.
func (c *Controller) place(n name, body tree) error {
	if n.top() {
		if old := c.resources[n.key]; old != nil {
			n = old.name // keeps the spelling of its creation
		}
		return c.commit([]*draft{{name: n, body: body}}, nil)
	}
	if given, ok := body["resourceId"]; ok {
		if text, isText := given.(string); !isText || !strings.EqualFold(text, n.id()) {
			return badRequest("ResourceIdMismatch", "%s: resourceId %v does not match the URL", n.ref, given)
		}
	} else {
		body["resourceId"] = n.id()
	}
	return c.edit(n, func(parent tree) error { return graft(parent, n, body) })
}

// edit changes a copy of the top-level body that n is nested in, and commits it.
func (c *Controller) edit(n name, how func(tree) error) error {
	old := c.resources[n.topName().key]
	if old == nil {
		return notFound(n.topName().ref)
	}
	body, err := parse(old.stored)
	if err != nil {
		return err
	}
	if err := how(body); err != nil {
		return err
	}
	return c.commit([]*draft{{name: old.name, body: body, only: n.key}}, nil)
}

func (c *Controller) delete(w http.ResponseWriter, r *http.Request) {
	n, err := parseRef(mux.Vars(r)["path"])
	if err != nil {
		writeError(w, notFound(r.URL.Path))
		return
	}
	err = c.change(func() error { return c.deleteOne(n, r.Header) })
	if err != nil {
		writeError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (c *Controller) deleteOne(n name, header http.Header) error {
	have, err := c.precondition(n, header)
	if err != nil {
		return err
	}
	if !have {
		return notFound(n.ref)
	}
	if !n.top() {
		return c.edit(n, func(parent tree) error { return graft(parent, n, nil) })
	}
	return c.commit(nil, []string{n.key})
}
