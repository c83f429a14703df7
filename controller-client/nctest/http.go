package nctest

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"
)

const maxRequestBody = 64 << 20

// Handler serves /networking/v1 (and the later versions, with the same bodies) and the discovery list.
func (c *Controller) Handler() http.Handler {
	r := mux.NewRouter()
	r.HandleFunc("/networking/discovery", c.discovery).Methods(http.MethodGet)
	api := r.PathPrefix("/networking/{version:v[0-9]+}").Subrouter()
	api.HandleFunc("/{path:.+}", c.get).Methods(http.MethodGet, http.MethodHead)
	api.HandleFunc("/{path:.+}", c.put).Methods(http.MethodPut)
	api.HandleFunc("/{path:.+}", c.delete).Methods(http.MethodDelete)
	r.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeError(w, notFound(r.URL.Path))
	})
	r.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &apiError{http.StatusMethodNotAllowed, "MethodNotAllowed", r.Method + " is not possible here"})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if hook := c.fault.Load(); hook != nil && (*hook)(w, req) {
			return
		}
		c.log.Debug("request", "method", req.Method, "path", req.URL.Path)
		r.ServeHTTP(w, req)
	})
}

// discovery's exact body is not public; this is ours.
func (c *Controller) discovery(w http.ResponseWriter, _ *http.Request) {
	var value []any
	for _, collection := range slices.Sorted(maps.Keys(collections)) {
		ref := "/" + collection
		if only := collections[collection]; only != "" {
			ref += "/" + only
		}
		value = append(value, tree{"resourceRef": ref})
	}
	writeJSON(w, http.StatusOK, encode(tree{"currentRestVersion": "v1", "value": value}))
}

func (c *Controller) get(w http.ResponseWriter, r *http.Request) {
	path := mux.Vars(r)["path"]
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if collection, ok := spelling[strings.ToLower(segments[0])]; ok && len(segments) == 1 && collections[collection] == "" {
		// Outside the lock: a slow reader must not hold the controller up.
		writeList(w, c.list(collection))
		return
	}
	if len(segments) > 2 && len(segments)%2 == 1 {
		c.getNestedList(w, segments)
		return
	}
	n, err := parseRef(path)
	if err != nil {
		writeError(w, notFound("/"+path))
		return
	}
	body, etag, err := c.one(n)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	writeJSON(w, http.StatusOK, body)
}

func (c *Controller) getNestedList(w http.ResponseWriter, segments []string) {
	last := len(segments) - 1
	n, err := parseRef(strings.Join(segments[:last], "/"))
	var body []byte
	if err == nil {
		body, _, err = c.one(n)
	}
	if err != nil {
		writeError(w, notFound("/"+strings.Join(segments, "/")))
		return
	}
	parent, err := parse(body)
	if err != nil {
		writeError(w, err)
		return
	}
	var bodies [][]byte
	for _, e := range nestedList(parent, segments[last]) {
		bodies = append(bodies, encode(e))
	}
	writeList(w, bodies)
}

func writeList(w http.ResponseWriter, bodies [][]byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = io.WriteString(w, `{"value":[`)
	for i, b := range bodies {
		if i > 0 {
			_, _ = io.WriteString(w, ",")
		}
		_, _ = w.Write(b)
	}
	_, _ = io.WriteString(w, `],"nextLink":""}`)
}

// one answers a resource as served and its etag.
func (c *Controller) one(n name) (body []byte, etag string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.resources[n.topName().key]
	if r == nil {
		return nil, "", notFound(n.ref)
	}
	body = c.render(r)
	parsed, err := parse(body)
	if err != nil {
		return body, "", nil // a raw resource that is no object
	}
	if !n.top() {
		if parsed = find(parsed, n); parsed == nil {
			return nil, "", notFound(n.ref)
		}
		body = encode(parsed)
	}
	etag, _ = parsed["etag"].(string)
	return body, etag, nil
}

func (c *Controller) put(w http.ResponseWriter, r *http.Request) {
	n, err := parseRef(mux.Vars(r)["path"])
	if err != nil {
		writeError(w, notFound(r.URL.Path))
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		writeError(w, &apiError{http.StatusRequestEntityTooLarge, "RequestTooLarge", err.Error()})
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
	c.mu.Lock()
	defer c.mu.Unlock()
	have, err := c.precondition(n, header)
	if err != nil {
		return false, err
	}
	top := n.topName()
	if old := c.resources[top.key]; old != nil {
		top = old.name // keeps the spelling of its creation
	}
	if n.top() {
		_, err = c.commit([]draft{{name: top, body: body}}, nil)
		return !have, err
	}
	if given, ok := body["resourceId"]; ok {
		if text, isText := given.(string); !isText || !strings.EqualFold(text, n.id()) {
			return false, badRequest("ResourceIdMismatch", "%s: resourceId %v does not match the URL", n.ref, given)
		}
	} else {
		body["resourceId"] = n.id()
	}
	return !have, c.change(top, func(parent tree) error { return graft(parent, n, body) })
}

// change edits a copy of a top-level body and commits it.
func (c *Controller) change(top name, edit func(tree) error) error {
	old := c.resources[top.key]
	if old == nil {
		return notFound(top.ref)
	}
	body, err := parse(old.stored)
	if err != nil {
		return err
	}
	if err := edit(body); err != nil {
		return err
	}
	_, err = c.commit([]draft{{name: old.name, body: body}}, nil)
	return err
}

func (c *Controller) delete(w http.ResponseWriter, r *http.Request) {
	n, err := parseRef(mux.Vars(r)["path"])
	if err != nil {
		writeError(w, notFound(r.URL.Path))
		return
	}
	c.mu.Lock()
	err = c.deleteOne(n, r.Header)
	c.mu.Unlock()
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
		return c.change(n.topName(), func(parent tree) error { return graft(parent, n, nil) })
	}
	_, err = c.commit(nil, []string{n.key})
	return err
}
