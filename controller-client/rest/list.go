package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/http"
	"slices"
	"sync"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// buffers of splitters. One that had to grow for a huge resource is not kept.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, firstBuffer); return &b }}

const keepBuffer = 4 << 20

// hashStep makes a page's hash depend on the order of its resources.
const hashStep = 0x9e3779b97f4a7c15

// readPage asks for one page of the list. old is what the page was before, if it is known; with
// conditional, the controller may say that it still is.
func (r *reading[T]) readPage(ctx context.Context, p *poll, path string, old *page[T], conditional bool) (*page[T], error) {
	etag := ""
	if old != nil && conditional {
		etag = old.etag
	}
	var fresh *page[T]
	answer, err := p.client.get(ctx, path, etag, func(body io.Reader) error {
		buf := buffers.Get().(*[]byte)
		s := newSplitter(body, *buf)
		fresh = &page[T]{path: path}
		next, err := r.split(p, s, fresh, old)
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
		return nil
	})
	if err != nil {
		return nil, err
	}
	if answer.notModified {
		return old, nil
	}
	fresh.etag = answer.etag
	if old == nil {
		return fresh, nil
	}
	if old.hash == fresh.hash && old.next == fresh.next {
		// The same text: what is held stays, and an etag that changed for nothing is taken over.
		same := *old
		same.etag = fresh.etag
		return &same, nil
	}
	if old.hash != fresh.hash && old.etag != "" && old.etag == fresh.etag {
		p.distrust(path)
	}
	return fresh, nil
}

// split fills a page.
func (r *reading[T]) split(p *poll, s *splitter, fresh, old *page[T]) (next string, err error) {
	known := r.knownTexts(old)
	d := &decoder{}
	at := place{collection: r.path, i: -1}
	return splitList(s, func(e element) error {
		at.i++
		hash := maphash.Bytes(seed, e.text)
		fresh.hash = fresh.hash*hashStep + hash
		if h := known[hash]; h != nil {
			if r.wants(h.key) {
				fresh.items = append(fresh.items, h)
			}
			return nil
		}
		var key string
		var old *held[T]
		if e.ref != nil && !bytes.ContainsRune(e.ref, '\\') {
			if key = cc.RefKey(string(e.ref)); !r.wants(key) {
				return nil // not even looked at
			}
			old, _ = r.find(key)
		}
		h, syntax := r.hold(d, e.text, hash, key, at, old, p.now)
		switch {
		case syntax != nil:
			return syntax.at(e.offset)
		case h.broken:
			fresh.problems = append(fresh.problems, h.problems...)
		case r.wants(h.key):
			fresh.items = append(fresh.items, h)
		}
		return nil
	})
}

// knownTexts are the resources of a page by their texts, or of all pages if it is a new one: resources move
// from page to page.
func (r *reading[T]) knownTexts(old *page[T]) map[uint64]*held[T] {
	if old != nil {
		return byText([]*page[T]{old})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.texts == nil {
		r.texts = byText(r.pages)
	}
	return r.texts
}

func byText[T any](pages []*page[T]) map[uint64]*held[T] {
	known := map[uint64]*held[T]{}
	for _, pg := range pages {
		for _, h := range pg.items {
			known[h.hash] = h
		}
	}
	return known
}

// place is where a resource is that may not say its name.
type place struct {
	collection string
	i          int    // in the list
	ref        string // of a single
}

func (p place) String() string {
	if p.ref != "" {
		return p.ref
	}
	return fmt.Sprintf("/%s[%d]", p.collection, p.i)
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
			return &requestError{method: http.MethodGet, path: p.client.use().base.Path + "/" + r.path, state: cc.StateStale,
				what: "nextLink leads back to a page already read"}
		}
	}
	if !r.listed || !samePages(pages, r.pages) {
		r.changed, r.index = true, nil
	}
	r.pages, r.listed, r.long, r.texts = pages, true, len(pages), nil
	return nil
}

// samePages looks at what the pages hold: a new etag alone is no change, but other resources of the same
// text are one.
func samePages[T any](a, b []*page[T]) bool {
	return slices.EqualFunc(a, b, func(a, b *page[T]) bool {
		return a == b || a.hash == b.hash && slices.Equal(a.items, b.items)
	})
}

// pageGone answers whether a page may be refused because the link to it was good only for a while.
func pageGone(err error) bool {
	var e *requestError
	return errors.As(err, &e) && (e.status == http.StatusNotFound || e.status == http.StatusGone || e.status == http.StatusBadRequest)
}
