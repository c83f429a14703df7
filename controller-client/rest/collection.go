package rest

import (
	"context"
	"errors"
	"hash/maphash"
	"net/url"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// collection is one thing to read, with the pages of the last good poll.
type collection[T any] struct {
	path     string // below /networking/v1
	optional bool   // HTTP 404 stands for "not said"
	decode   func(body []byte) (*page[T], error)
	limit    int64
	seed     maphash.Seed
	pages    []*page[T]
}

func listOf[T any](path string, cfg Config, seed maphash.Seed, decode func(*decoder) (T, bool)) collection[T] {
	return collection[T]{path: path, limit: cfg.MaxBody, seed: seed, decode: func(body []byte) (*page[T], error) {
		return decodeList(body, path, decode)
	}}
}

// read fetches all pages. A page whose bytes are the same as last time is the page of last time. The
// collection itself is left alone: only a poll that succeeded as a whole may commit.
func (k *collection[T]) read(ctx context.Context, c *client) (pages []*page[T], err error) {
	u := c.base.JoinPath(k.path)
	seen, left := map[string]bool{}, k.limit
	for {
		seen[u.String()] = true
		body, err := c.get(ctx, u, left)
		if k.optional && errors.Is(err, errNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		left -= int64(len(body))
		p, err := k.page(len(pages), body)
		if err != nil {
			return nil, &pollError{path: u.Path, state: cc.StateStale, what: err.Error(), cause: err}
		}
		pages = append(pages, p)
		if p.next == "" {
			return pages, nil
		}
		next, err := nextPage(c.base, u, p.next)
		if err == nil && seen[next.String()] {
			err = errors.New("nextLink leads back to a page already read")
		}
		if err != nil {
			return nil, &pollError{path: u.Path, state: cc.StateStale, what: err.Error(), cause: err}
		}
		u = next
	}
}

func (k *collection[T]) page(i int, body []byte) (*page[T], error) {
	hash := maphash.Bytes(k.seed, body)
	if i < len(k.pages) && k.pages[i].hash == hash {
		return k.pages[i], nil
	}
	p, err := k.decode(body)
	if err != nil {
		return nil, err
	}
	p.hash = hash
	return p, nil
}

// commit takes over the pages and answers whether they are other ones.
func (k *collection[T]) commit(pages []*page[T]) (changed bool) {
	changed = len(pages) != len(k.pages)
	for i := 0; !changed && i < len(pages); i++ {
		changed = pages[i] != k.pages[i]
	}
	k.pages = pages
	return changed
}

// items answers all resources in the controller's order.
func (k *collection[T]) items() []T {
	if len(k.pages) == 1 {
		return k.pages[0].items
	}
	var all []T
	for _, p := range k.pages {
		all = append(all, p.items...)
	}
	return all
}

func (k *collection[T]) problems() (all []cc.Problem) {
	for _, p := range k.pages {
		all = append(all, p.problems...)
	}
	return all
}

// nextPage resolves a nextLink: a whole URL, a path, or a path below /networking/v1.
func nextPage(base, current *url.URL, link string) (*url.URL, error) {
	u, err := current.Parse(link)
	if err != nil {
		return nil, errors.New("nextLink is not a URL")
	}
	if origin(u) != origin(base) {
		return nil, errors.New("nextLink to foreign host " + origin(u) + " refused")
	}
	if strings.HasPrefix(link, "/") && !strings.HasPrefix(u.Path, base.Path+"/") {
		u.Path, u.RawPath = base.Path+u.Path, ""
	}
	u.User, u.Fragment = nil, ""
	return u, nil
}
