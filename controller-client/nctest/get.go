package nctest

import (
	"bufio"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gorilla/mux"
)

func (c *Controller) get(w http.ResponseWriter, r *http.Request) {
	path := mux.Vars(r)["path"]
	segments := strings.Split(strings.Trim(path, "/"), "/")
	if collection, ok := spelling[strings.ToLower(segments[0])]; ok && len(segments) == 1 && singletons[collection] == "" {
		c.getCollection(w, r, collection)
		return
	}
	if len(segments) > 2 && len(segments)%2 == 1 {
		c.getNestedList(w, r, segments)
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
	if !c.unchanged(w, r, etag) {
		writeJSON(w, http.StatusOK, body)
	}
}

// unchanged sets the ETag header, and answers a request that has seen it with 304.
func (c *Controller) unchanged(w http.ResponseWriter, r *http.Request, etag string) bool {
	if etag == "" {
		return false
	}
	w.Header().Set("ETag", etag)
	if c.opts.NoConditional || !matches(r.Header.Get("If-None-Match"), etag) {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}

// getCollection answers one page. The lock is held to gather it, not while it is written: a slow
// reader must not hold the controller up.
func (c *Controller) getCollection(w http.ResponseWriter, r *http.Request, collection string) {
	prefix := "/" + strings.ToLower(collection) + "/"
	after := r.URL.Query().Get("after")
	if after != "" {
		after = prefix + strings.ToLower(after)
	}
	k := c.collections[collection]
	c.mu.RLock()
	p := k.page(after, c.opts.PageSize)
	if c.opts.FrozenETags {
		p.etag = frozenETag
	}
	if c.unchanged(w, r, p.etag) {
		c.mu.RUnlock()
		return
	}
	bodies := make([][]byte, 0, p.to-p.from)
	for _, r := range k.sorted[p.from:p.to] {
		bodies = append(bodies, c.render(r))
	}
	c.mu.RUnlock()
	next := ""
	if p.next != "" {
		next = "/networking/" + mux.Vars(r)["version"] + "/" + collection + "?after=" + url.QueryEscape(strings.TrimPrefix(p.next, prefix))
	}
	writeList(w, bodies, next)
}

// getNestedList answers a list inside a resource. It is as long as that resource's body, which is
// answered whole, too; so it has one page.
func (c *Controller) getNestedList(w http.ResponseWriter, r *http.Request, segments []string) {
	last := len(segments) - 1
	n, err := parseRef(strings.Join(segments[:last], "/"))
	var body []byte
	var etag string
	if err == nil {
		body, etag, err = c.one(n)
	}
	if err != nil {
		writeError(w, notFound("/"+strings.Join(segments, "/")))
		return
	}
	if c.unchanged(w, r, etag) {
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
	writeList(w, bodies, "")
}

func writeList(w http.ResponseWriter, bodies [][]byte, next string) {
	const begin, middle, end = `{"value":[`, `],"nextLink":`, `}`
	quoted := encode(next)
	size := len(begin) + len(middle) + len(quoted) + len(end) + max(0, len(bodies)-1)
	for _, b := range bodies {
		size += len(b)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(size))
	// In large pieces: each makes frames and records of its own.
	out := bufio.NewWriterSize(w, min(size, writeSize))
	_, _ = out.WriteString(begin) // a client that went away misses it
	for i, b := range bodies {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		_, _ = out.Write(b)
	}
	_, _ = out.WriteString(middle + string(quoted) + end)
	_ = out.Flush()
}

// writeSize is how much of a list is written at a time.
const writeSize = 256 << 10

// one answers a resource as served and its ETag header.
func (c *Controller) one(n name) (body []byte, etag string, err error) {
	c.mu.RLock()
	r := c.resources[n.topName().key]
	if r == nil {
		c.mu.RUnlock()
		return nil, "", notFound(n.ref)
	}
	body = c.render(r)
	back := r.back
	c.mu.RUnlock()
	if n.top() {
		return body, r.validator(r.etag, back, c.opts.FrozenETags), nil
	}
	parsed, err := parse(body)
	if err == nil {
		parsed = find(parsed, n)
	}
	if parsed == nil {
		return nil, "", notFound(n.ref)
	}
	etag, _ = parsed["etag"].(string)
	return encode(parsed), r.validator(etag, back, c.opts.FrozenETags), nil
}
