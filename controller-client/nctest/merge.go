package nctest

import (
	"net/http"

	"github.com/gorilla/mux"
)

// patch changes a resource by a JSON merge patch (RFC 7396). [MS-NCNBI] names PATCH beside PUT without
// a word on its body; this is what its neighbours take.
func (c *Controller) patch(w http.ResponseWriter, r *http.Request) {
	n, changes, err := readBody(w, r)
	if err != nil {
		writeError(w, err)
		return
	}
	var op *operation
	err = c.change(func() error {
		have, err := c.precondition(n, r.Header)
		if err != nil {
			return err
		}
		if !have {
			return notFound(n.ref)
		}
		body, err := parse(c.lookup(n.key).stored)
		if err != nil {
			return err
		}
		if n.top() && isReport(changes) {
			return c.report(n, mergePatch(body, changes))
		}
		op, err = c.place(n, mergePatch(find(body, n), changes))
		return err
	})
	c.answer(w, r, n, http.StatusOK, op, err)
}

// isReport tells what a host says of its work from a change of what is wanted.
func isReport(changes tree) bool {
	properties, _ := changes["properties"].(tree)
	_, has := properties["configurationState"].(tree)
	return has && len(properties) == 1 && len(changes) == 1
}

// report keeps a configurationState until the next write of the resource proper. There is nothing to provision, and
// no state but this one changes.
func (c *Controller) report(n name, body tree) error {
	if err := c.busy(n); err != nil {
		return err
	}
	return c.commit([]*draft{{name: c.resources[n.key].name, body: body, only: n.key + "/configurationstate", above: state(body), reported: true}}, nil)
}

// readBody reads a request that brings an object for a resource.
func readBody(w http.ResponseWriter, r *http.Request) (name, tree, error) {
	n, err := parseRef(mux.Vars(r)["path"])
	if err != nil {
		return name{}, nil, notFound(r.URL.Path)
	}
	data, err := readAll(w, r)
	if err != nil {
		return name{}, nil, err
	}
	body, err := parse(data)
	if err != nil {
		return name{}, nil, badRequest("InvalidJson", "%s: %v", n.ref, err)
	}
	return n, body, nil
}

func mergePatch(body, changes tree) tree {
	if body == nil {
		body = tree{}
	}
	for k, v := range changes {
		switch v := v.(type) {
		case nil:
			delete(body, k)
		case tree:
			inner, _ := body[k].(tree)
			body[k] = mergePatch(inner, v)
		default:
			body[k] = v
		}
	}
	return body
}
