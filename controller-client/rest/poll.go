package rest

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// parallel is how many requests a poll has under way.
const parallel = 16

// task is one request. do's conditional tells whether the controller may answer that nothing changed.
type task struct {
	path string
	do   func(ctx context.Context, conditional bool) error
}

// poll is one synchronisation: it works on readings of its own, which count only if all of it succeeds.
type poll struct {
	client *client
	now    int64 // unix nanoseconds
	host   string
	all    bool // everything is wanted, not only what the host needs
	trust  bool // conditional requests are made
	readings

	reread     map[string]bool // collection and key: at most once a poll
	suspected  []suspect
	verified   bool // it is a controller that answers
	distrusted atomic.Pointer[string]
}

// distrust notes that path answered another text under the same etag.
func (p *poll) distrust(path string) { p.distrusted.CompareAndSwap(nil, &path) }

// run does tasks at the same time. Each worker does many: a goroutine a request would grow a stack a request.
func run(ctx context.Context, tasks []task, conditional func(i int) bool) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(parallel, len(tasks)) {
		group.Go(func() error {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(tasks) {
					return nil
				}
				if err := tasks[i].do(ctx, conditional(i)); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}

// recheckAll asks for everything that is known whether it is still so. One request of each poll makes no
// condition, so that a controller whose etags don't tell is found out.
func (p *poll) recheckAll(ctx context.Context) error {
	var tasks []task
	for _, c := range p.each() {
		tasks = append(tasks, c.recheck(p)...)
	}
	if len(tasks) == 0 {
		return nil
	}
	// One goes ahead: a controller that is down is not asked hundreds of times, and what is said about that
	// is always said about the same request.
	lead := max(0, slices.IndexFunc(tasks, func(t task) bool { return !p.all && t.path == refPath("/servers/"+p.host) }))
	tasks[0], tasks[lead] = tasks[lead], tasks[0]
	spot := rand.IntN(len(tasks))
	conditional := func(i int) bool { return p.trust && i != spot }
	if err := tasks[0].do(ctx, conditional(0)); err != nil {
		return err
	}
	if err := run(ctx, tasks[1:], func(i int) bool { return conditional(i + 1) }); err != nil {
		return err
	}
	for _, c := range p.each() {
		if err := c.settleRecheck(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// recheck makes a task of each page and each single.
func (r *reading[T]) recheck(p *poll) (tasks []task) {
	r.rechecked = make(map[string]*page[T], len(r.pages))
	for _, pg := range r.pages {
		tasks = append(tasks, task{pg.path, func(ctx context.Context, conditional bool) error {
			fresh, err := r.readPage(ctx, p, pg.path, pg, conditional)
			if pageGone(err) {
				return nil // following the list tells what that means
			}
			if err != nil {
				return err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.rechecked[pg.path] = fresh
			return nil
		}})
	}
	for key, s := range r.singles {
		if r.alone(key, s) {
			tasks = append(tasks, r.task(p, s.ref))
		} else {
			r.awaited = append(r.awaited, key)
		}
	}
	return tasks
}

// alone answers whether a single has to be asked for: that something is still not there, the list tells.
func (r *reading[T]) alone(key string, s *single[T]) bool {
	return s.held != nil || !r.listed || !r.wants(key) || r.inPages(key) != nil
}

// settleRecheck takes over what the tasks found.
func (r *reading[T]) settleRecheck(ctx context.Context, p *poll) error {
	r.takeFound()
	if !r.listed {
		return nil
	}
	fresh, old := r.rechecked, make(map[string]*page[T], len(r.pages))
	for _, pg := range r.pages {
		old[pg.path] = pg
	}
	r.rechecked = nil
	err := r.walk(ctx, p, func(path string) *page[T] { return fresh[path] }, func(path string) *page[T] { return old[path] })
	if len(r.pages) > 1 && pageGone(err) {
		err = r.list(ctx, p) // from the start without condition: that gives new links
	}
	if err != nil {
		return err
	}
	for _, key := range r.awaited {
		if r.inPages(key) != nil {
			delete(r.singles, key)
		}
	}
	return nil
}
