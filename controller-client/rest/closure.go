package rest

import (
	"context"
	"errors"
	"maps"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

const (
	// singlesAtMost is how many resources of a collection are asked for one by one. More are looked for in
	// its list, of which the rest is thrown away at once.
	singlesAtMost = 256
	// accumulatedAtMost is how many of a collection are asked for at every poll before its list is tried, and
	// listedAtLeast how many must be needed to stay with it.
	accumulatedAtMost, listedAtLeast = 4 * singlesAtMost, singlesAtMost / 4
	// roundsAtMost bounds how often a poll looks again because what it read refers to more.
	roundsAtMost = 12
	// suspectsAtMost bounds how many resources a poll reads again because they don't fit together.
	suspectsAtMost = 64
)

// suspect is a resource that may have changed since it was read.
type suspect struct {
	of   rereader
	ref  string
	seen int64 // when what is known of it was read
}

type rereader interface {
	collectionPath() string
	task(p *poll, ref string) task
}

func (r *reading[T]) collectionPath() string { return r.path }

// task reads one resource by itself, whatever is known of it.
func (r *reading[T]) task(p *poll, ref string) task {
	old := r.singles[cc.RefKey(ref)]
	if old == nil {
		if h := r.inPages(cc.RefKey(ref)); h != nil {
			old = &single[T]{ref: ref, held: h}
		}
	}
	return task{refPath(ref), func(ctx context.Context, conditional bool) error {
		s, err := r.readSingle(ctx, p, ref, old, conditional)
		if err == nil {
			r.found(s)
		}
		return err
	}}
}

// demand is what a collection has to hold.
type demand[T any] struct {
	r       *reading[T]
	keys    map[string]bool
	missing []string            // refs
	there   map[string]*held[T] // by reference: many are spelled alike
}

func demandOf[T any](r *reading[T]) *demand[T] {
	return &demand[T]{r: r, keys: make(map[string]bool, len(r.wanted)), there: map[string]*held[T]{}}
}

// target is a reference to a top-level resource.
type target struct{ ref, key string }

func targetOf(ref string) target {
	top := topRef(ref)
	return target{top, cc.RefKey(top)}
}

// need answers the resource of this collection that ref names, or is nested in. If by's reference leads
// nowhere, one of the two may have been read before the other changed: both are suspected.
func (d *demand[T]) need(p *poll, ref string, by suspect) *held[T] {
	if h := d.there[ref]; h != nil {
		return h
	}
	h := d.needTarget(p, targetOf(ref), by)
	if h != nil {
		d.there[ref] = h
	}
	return h
}

// needTarget is need of a reference that was taken apart already.
func (d *demand[T]) needTarget(p *poll, to target, by suspect) *held[T] {
	if id, ok := strings.CutPrefix(to.key, d.r.prefix); !ok || id == "." || id == ".." {
		return nil // what a reference names is asked for, so it must not lead out of the collection
	}
	asked := d.keys[to.key]
	d.keys[to.key] = true
	h, gone := d.r.find(to.key)
	switch {
	case gone:
		if s := d.r.singles[to.key]; s == nil || s.seen == p.now || by.seen == p.now {
			p.suspected = append(p.suspected, suspect{d.r, to.ref, 0}, by)
		}
	case h == nil && !asked:
		d.missing = append(d.missing, to.ref)
	}
	if h == nil || h.broken {
		return nil
	}
	return h
}

// demanding is a demand without its type.
type demanding interface {
	fetch(ctx context.Context, p *poll) (tasks []task, listed bool, err error)
	finish()
}

// fetch makes tasks of what is missing, after looking it up in the list if that is shorter. What was found there
// may need more.
func (d *demand[T]) fetch(ctx context.Context, p *poll) (tasks []task, listed bool, err error) {
	r, missing := d.r, d.missing
	if len(missing) > singlesAtMost || len(missing) > 0 && len(missing)+r.accumulated() > max(accumulatedAtMost, r.long) {
		r.wanted = d.keys
		if err := r.list(ctx, p); err != nil {
			return nil, false, err
		}
		listed = true
		for key, s := range r.singles {
			if s.seen != p.now && r.inPages(key) != nil {
				delete(r.singles, key) // the list is newer
			}
		}
		missing = nil
		for _, ref := range d.missing {
			if h, _ := r.find(cc.RefKey(ref)); h != nil {
				continue
			}
			if len(missing) < singlesAtMost {
				missing = append(missing, ref)
			} else {
				r.take(&single[T]{ref: ref, seen: p.now}) // the list is complete, so it is not there
			}
		}
	}
	for _, ref := range missing {
		tasks = append(tasks, r.task(p, ref))
	}
	return tasks, listed, nil
}

// accumulated is how many resources every poll asks for by themselves.
func (r *reading[T]) accumulated() (n int) {
	for key, s := range r.singles {
		if r.alone(key, s) {
			n++
		}
	}
	return n
}

// finish forgets what is not needed any more.
func (d *demand[T]) finish() {
	r := d.r
	if r.wanted != nil {
		r.changed = r.changed || !maps.Equal(r.wanted, d.keys)
		r.wanted = d.keys
		if r.listed && len(d.keys) < max(len(r.pages), listedAtLeast) {
			r.unlist()
		}
	}
	for key, s := range r.singles {
		listed := r.inPages(key)
		switch {
		case s.held == nil && !d.keys[key] && listed == nil,
			s.held != nil && s.held == listed,
			s.held != nil && r.wanted != nil && !d.keys[key],
			s.held != nil && r.wanted == nil && !r.listed && !d.keys[key]:
			delete(r.singles, key)
		}
	}
}

// unlist goes over to asking one by one.
func (r *reading[T]) unlist() {
	for _, pg := range r.pages {
		for _, h := range pg.items {
			if _, ok := r.singles[h.key]; !ok && r.wants(h.key) {
				r.singles[h.key] = &single[T]{ref: r.meta(&h.item).Ref, held: h}
			}
		}
	}
	r.pages, r.listed, r.index = nil, false, nil
}

// needs are the demands on all collections.
type needs struct {
	nics        *demand[cc.NetworkInterface]
	networks    *demand[virtualNetwork]
	acls        *demand[cc.AccessControlList]
	servers     *demand[server]
	routeTables *demand[cc.RouteTable]
	publicIPs   *demand[cc.PublicIPAddress]
	balancers   *demand[cc.LoadBalancer]
	tags        *demand[cc.SecurityTag]
	manager     *demand[manager]
}

func (n *needs) each() []demanding {
	return []demanding{n.nics, n.networks, n.acls, n.servers, n.routeTables, n.publicIPs, n.balancers, n.tags, n.manager}
}

// errNotSaid: the controller leaves out by what the resources of one host are found.
var errNotSaid = errors.New("not said")

// complete reads until everything that is needed is there and fits together.
func (p *poll) complete(ctx context.Context) error {
	for range roundsAtMost {
		p.suspected = nil
		n, err := p.needs(ctx)
		if err != nil {
			return err
		}
		var tasks []task
		listed := false
		for _, d := range n.each() {
			more, l, err := d.fetch(ctx, p)
			if err != nil {
				return err
			}
			tasks, listed = append(tasks, more...), listed || l
		}
		if len(tasks) == 0 && !listed { // first what is missing: it may explain what does not fit
			tasks = p.again()
		}
		if len(tasks) == 0 && !listed {
			for _, d := range n.each() {
				d.finish()
			}
			return nil
		}
		if err := run(ctx, tasks, func(int) bool { return false }); err != nil {
			return err
		}
		for _, c := range p.each() {
			c.takeFound()
		}
	}
	return errors.New("the controller changes faster than it can be read")
}

// again makes tasks of the suspects that were not read again yet.
func (p *poll) again() (tasks []task) {
	for _, s := range p.suspected {
		if s.of == nil || len(p.reread) >= suspectsAtMost {
			continue
		}
		name := s.of.collectionPath() + cc.RefKey(s.ref)
		if !p.reread[name] {
			p.reread[name] = true
			tasks = append(tasks, s.of.task(p, s.ref))
		}
	}
	return tasks
}

// topRef is the reference of the top-level resource that ref names or is nested in.
func topRef(ref string) string {
	ref = strings.Trim(below(ref), "/")
	i := strings.IndexByte(ref, '/')
	if i < 0 {
		return "/" + ref
	}
	if j := strings.IndexByte(ref[i+1:], '/'); j >= 0 {
		ref = ref[:i+1+j]
	}
	return "/" + ref
}
