package rest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"sync"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// buffers of splitters. One that had to grow for a huge resource is not kept.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, firstBuffer); return &b }}

const keepBuffer = 4 << 20

// readPage asks for one page of the list. old is what the page was before, if it is known; with
// conditional, the controller may say that it still is.
func (r *reading[T]) readPage(ctx context.Context, p *poll, path string, old *page[T], conditional bool) (*page[T], error) {
	etag := ""
	if old != nil && conditional {
		etag = old.etag
	}
	var fresh *page[T]
	answer, err := p.client.get(ctx, path, etag, func(body io.Reader) error {
		fresh = &page[T]{path: path}
		known := map[uint64]*held[T]{}
		if old != nil {
			for _, h := range old.items {
				known[h.hash] = h
			}
		}
		buf := buffers.Get().(*[]byte)
		s := newSplitter(body, *buf)
		var sum maphash.Hash
		sum.SetSeed(seed)
		i := 0
		next, err := splitList(s, func(text []byte, offset int64) error {
			_, _ = sum.Write(text)
			at := place(r.path, i)
			i++
			return r.element(p, fresh, text, offset, at, known)
		})
		if cap(s.buf) <= keepBuffer {
			*buf = s.buf
			buffers.Put(buf)
		}
		if err != nil {
			if s.err != nil && !isSyntax(s.err) {
				return s.err // the connection's, which another attempt may not have
			}
			return &contentError{err}
		}
		if next != "" {
			if fresh.next, err = p.client.nextPage(path, next); err != nil {
				return &contentError{err}
			}
		}
		fresh.hash = sum.Sum64()
		return nil
	})
	if err != nil {
		return nil, err
	}
	if answer.notModified {
		return old, nil
	}
	if old != nil && old.hash == fresh.hash && old.next == fresh.next {
		// The same text: what is held stays, and an etag that changed for nothing is taken over.
		if old.etag == answer.etag {
			return old, nil
		}
		same := *old
		same.etag = answer.etag
		return &same, nil
	}
	if fresh.etag = answer.etag; old != nil && old.etag != "" && old.etag == fresh.etag {
		p.distrust(path)
	}
	return fresh, nil
}

// place is where a resource is that does not say its name.
func place(collection string, i int) string { return fmt.Sprintf("/%s[%d]", collection, i) }

// element takes one resource of a page.
func (r *reading[T]) element(p *poll, fresh *page[T], text []byte, offset int64, at string, known map[uint64]*held[T]) error {
	if h := known[maphash.Bytes(seed, text)]; h != nil {
		if r.wants(h.key) {
			fresh.items = append(fresh.items, h)
		}
		return nil
	}
	d := &decoder{cursor: cursor{data: text}}
	var m cc.Meta
	ok := d.resource(&m, func([]byte) bool { return false })
	d.end()
	if d.err != nil {
		return d.err.at(offset)
	}
	key, old := "", (*held[T])(nil)
	if ok {
		refer(&m, "", r.path)
		if key = cc.RefKey(m.Ref); !r.wants(key) {
			return nil
		}
		old, _ = r.find(key)
	}
	h := r.hold(text, key, at, old, p.now)
	if h.broken {
		fresh.problems = append(fresh.problems, h.problems...)
		return nil
	}
	fresh.items = append(fresh.items, h)
	return nil
}

func isSyntax(err error) bool {
	var syntax *syntaxError
	return errors.As(err, &syntax)
}

// list reads the list anew, for what is wanted now.
func (r *reading[T]) list(ctx context.Context, p *poll) error {
	return r.walk(ctx, p, func(string) *page[T] { return nil }, nil)
}

// walk follows the list from its start. fresh answers the pages that were asked for already in this
// poll, old those of the last one.
func (r *reading[T]) walk(ctx context.Context, p *poll, fresh, old func(path string) *page[T]) error {
	var pages []*page[T]
	seen := map[string]bool{}
	for path := "/" + r.path; path != ""; {
		seen[path] = true
		pg := fresh(path)
		if pg == nil {
			var last *page[T]
			if old != nil {
				last = old(path)
			}
			var err error
			pg, err = r.readPage(ctx, p, path, last, p.trust)
			if r.optional && len(pages) == 0 && errors.Is(err, errNotFound) {
				break
			}
			if err != nil {
				return err
			}
		}
		pages = append(pages, pg)
		if path = pg.next; seen[path] {
			return &requestError{method: http.MethodGet, path: p.client.use().base.Path + pg.path, state: cc.StateStale,
				what: "nextLink leads back to a page already read"}
		}
	}
	if !r.listed || !samePages(pages, r.pages) {
		r.changed, r.index = true, nil
	}
	r.pages, r.listed = pages, true
	return nil
}

// samePages looks at what the pages hold: a new etag alone is no change.
func samePages[T any](a, b []*page[T]) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].hash != b[i].hash || len(a[i].items) != len(b[i].items) {
			return false
		}
	}
	return true
}
