package rest

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// kind is what is special about a collection.
type kind[T any] struct {
	path   string // below /networking/v1, without a slash
	prefix string // of the keys of its resources
	decode func(*decoder) (T, bool)
	meta   func(*T) *cc.Meta
	// optional: HTTP 404 for the collection as a whole stands for "there are none".
	optional bool
}

// held is one resource as read. It is never changed once made: as long as its text stays the same,
// polls share it.
type held[T any] struct {
	key      string // controllerclient.RefKey of its reference
	hash     uint64 // of its text
	item     T
	problems []cc.Problem
	broken   bool     // unreadable: item is nothing, problems say why
	before   *held[T] // the last good version, while this one is Updating or Failed
	seen     int64    // unix nanoseconds of the poll that first saw it like this
}

// page is one answer of a list. It holds only the resources that were wanted when it was read.
type page[T any] struct {
	path     string // below the base, with its query
	etag     string
	hash     uint64 // of the texts of all its resources
	next     string // path of the next one, or ""
	items    []*held[T]
	problems []cc.Problem // about resources that could not even be named
}

// single is one resource read by itself; held is nil while the controller has no such resource.
type single[T any] struct {
	ref  string // as somebody refers to it
	etag string
	held *held[T]
	seen int64 // unix nanoseconds of the poll that first found it like this
}

// state is a collection as a poll left it. It is never changed once committed.
type state[T any] struct {
	listed  bool // read as a list; what it lacks, or has in an older version, is in singles
	pages   []*page[T]
	singles map[string]*single[T] // by key
	wanted  map[string]bool       // keys; nil: all
	long    int                   // pages the list had when it was last read
}

// reading is one poll's work on a collection: the state of before, made current.
type reading[T any] struct {
	*kind[T]
	state[T]
	changed bool

	mu        sync.Mutex          // guards what follows while tasks run
	index     map[string]*held[T] // of the pages, by key; made when it is asked for
	texts     map[uint64]*held[T] // of the pages, by hash; made when it is asked for
	rechecked map[string]*page[T] // by path
	fresh     []*single[T]

	awaited []string // keys of what was not there, and is looked for in the list only
}

var seed = maphash.MakeSeed()

func (r *reading[T]) wants(key string) bool { return r.wanted == nil || r.wanted[key] }

// find answers a resource by key. gone: the controller has said that there is none.
func (r *reading[T]) find(key string) (h *held[T], gone bool) {
	if s, ok := r.singles[key]; ok {
		return s.held, s.held == nil
	}
	h = r.inPages(key)
	return h, h == nil && r.listed && r.wanted == nil // a list read for all of the collection has all of it
}

func (r *reading[T]) inPages(key string) *held[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.index == nil {
		n := 0
		for _, p := range r.pages {
			n += len(p.items)
		}
		r.index = make(map[string]*held[T], n)
		for _, p := range r.pages {
			for _, h := range p.items {
				if _, twice := r.index[h.key]; !twice {
					r.index[h.key] = h
				}
			}
		}
	}
	return r.index[key]
}

// all answers every resource wanted: of the list in the controller's order, then the others by key.
func (r *reading[T]) all() []*held[T] {
	size := len(r.singles)
	for _, p := range r.pages {
		size += len(p.items)
	}
	all := make([]*held[T], 0, size)
	inPages := map[string]bool{}
	for _, p := range r.pages {
		for _, h := range p.items {
			if !r.wants(h.key) {
				continue
			}
			if s, ok := r.singles[h.key]; ok {
				inPages[h.key] = true
				h = s.held
			}
			if h != nil && !h.broken {
				all = append(all, h)
			}
		}
	}
	n := len(all)
	for key, s := range r.singles {
		if s.held == nil || s.held.broken || !r.wants(key) {
			continue
		}
		if _, listed := inPages[key]; listed {
			continue
		}
		all = append(all, s.held)
	}
	slices.SortFunc(all[n:], func(a, b *held[T]) int { return strings.Compare(a.key, b.key) })
	return all
}

func (r *reading[T]) hasChanged() bool { return r.changed }

// found keeps what a task read until all are done.
func (r *reading[T]) found(s *single[T]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh = append(r.fresh, s)
}

func (r *reading[T]) takeFound() {
	for _, s := range r.fresh {
		r.take(s)
	}
	r.fresh = nil
}

// hold makes a resource of its text, or answers the one it was before. key is "" when only the text
// says it.
func (r *reading[T]) hold(d *decoder, text []byte, hash uint64, key string, at place, old *held[T], now int64) (*held[T], *syntaxError) {
	if old != nil && old.hash == hash {
		return old, nil
	}
	d.reset(text)
	item, ok := r.decode(d)
	if d.end(); d.err != nil {
		return nil, d.err
	}
	h := &held[T]{key: key, hash: hash, item: item, seen: now}
	if !ok {
		d.undecodable(0, at.String())
		h.broken = true
	}
	h.problems = d.problems()
	m := r.meta(&h.item)
	if key == "" {
		h.key = cc.RefKey(m.Ref)
	}
	if ok && old != nil && !old.broken && superseded(m) {
		if h.before = old; !settled(r.meta(&old.item)) {
			h.before, h.seen = old.before, old.seen
		}
	}
	return h, nil
}
