package rest

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// below is a path without what stands in front of a reference: everything up to /networking/vN.
func below(path string) string {
	const api = "/networking/v"
	i := strings.LastIndex(path, api)
	if i < 0 {
		return path
	}
	version, rest, found := strings.Cut(path[i+len(api):], "/")
	if _, err := strconv.Atoi(version); err != nil || !found {
		return path
	}
	return "/" + rest
}

// endpoint is one address of the controller.
type endpoint struct {
	base *url.URL // without userinfo, ends in /networking/vN
	user *url.Userinfo
}

// endpoints are all addresses of one controller: they hold the same state, so what was read from one
// is continued with the next.
type endpoints struct {
	all     []endpoint
	current *atomic.Int32 // writes look at it while a poll may change it
}

func newEndpoints(urls []string) (e endpoints, err error) {
	e.current = new(atomic.Int32)
	for _, u := range urls {
		base, user, err := baseURL(u)
		if err != nil {
			return e, err
		}
		e.all = append(e.all, endpoint{base, user})
	}
	if len(e.all) == 0 {
		return e, errors.New("controller.rest.url: missing")
	}
	return e, nil
}

func (e *endpoints) use() endpoint { return e.all[e.current.Load()] }

// next turns to another address; with only one, it is the same again.
func (e *endpoints) next() { e.current.Store((e.current.Load() + 1) % int32(len(e.all))) }

// allFailed is the error of a poll that failed with each address: the one in use and then the others in turn.
func (e *endpoints) allFailed(failures []error) error {
	if len(failures) == 1 {
		return failures[0]
	}
	all := &requestError{state: cc.StateUnreachable, cause: errors.Join(failures...)}
	for i, err := range failures {
		if i > 0 {
			all.text += "; " + origin(e.all[(int(e.current.Load())+i)%len(e.all)].base) + ": "
			all.what += "; "
		}
		all.text += err.Error()
		var failed *requestError
		if !errors.As(err, &failed) {
			failed = &requestError{state: cc.StateStale, what: err.Error()}
		}
		all.what += failed.what
		all.retryAfter = max(all.retryAfter, failed.retryAfter)
		if failed.state != cc.StateUnreachable {
			all.state = failed.state // one of them answers at least
		}
	}
	return all
}

func (e *endpoints) owns(u *url.URL) bool {
	for _, p := range e.all {
		if origin(p.base) == origin(u) {
			return true
		}
	}
	return false
}

// resolve turns a path below the base ("/servers/a", "/servers?page=2") into a URL.
func (e *endpoints) resolve(path string) (*url.URL, error) {
	base := e.use().base
	u := *base
	path, query, _ := strings.Cut(path, "?")
	raw := base.EscapedPath() + path
	unescaped, err := url.PathUnescape(raw)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawPath, u.RawQuery = unescaped, raw, query
	return &u, nil
}

// nextPage turns the nextLink of a page into a path below the base. It may be a whole URL of any of the
// controller's addresses, a path, or a path below /networking/v1.
func (e *endpoints) nextPage(current, link string) (path string, err error) {
	at, err := e.resolve(current)
	if err != nil {
		return "", err
	}
	u, err := at.Parse(link)
	if err != nil {
		return "", errors.New("nextLink is not a URL")
	}
	if !e.owns(u) {
		return "", errors.New("nextLink to foreign host " + origin(u) + " refused")
	}
	path = below(u.EscapedPath()) // another address may have another path in front
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	return path, nil
}

// refPath is the path of a resource reference: its segments, escaped.
func refPath(ref string) string {
	ref = strings.Trim(below(ref), "/")
	segments := strings.Split(ref, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return "/" + strings.Join(segments, "/")
}
