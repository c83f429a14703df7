package rest

import (
	"context"
	"errors"
	"hash/maphash"
	"io"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// readSingle asks for one resource. old is what it was before, or nil.
func (r *reading[T]) readSingle(ctx context.Context, p *poll, ref string, old *single[T], conditional bool) (*single[T], error) {
	etag := ""
	var before *held[T]
	if old != nil {
		before = old.held
		if conditional && before != nil {
			etag = old.etag
		}
	}
	path := refPath(ref)
	fresh := &single[T]{ref: ref, seen: p.now}
	answer, err := p.client.get(ctx, path, etag, func(body io.Reader) error {
		text, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		h, syntax := r.hold(&decoder{}, text, maphash.Bytes(seed, text), cc.RefKey(ref), place{ref: ref}, before, p.now)
		if syntax != nil {
			return &contentError{syntax}
		}
		fresh.held = h
		return nil
	})
	switch {
	case errors.Is(err, errNotFound):
		if old != nil && before == nil {
			return old, nil // as before
		}
		return fresh, nil
	case err != nil:
		return nil, err
	case answer.notModified:
		return old, nil
	}
	fresh.etag = answer.etag
	if before != nil && before != fresh.held && old.etag != "" && old.etag == fresh.etag {
		p.distrust(path)
	}
	return fresh, nil
}

// take makes a single part of the reading.
func (r *reading[T]) take(s *single[T]) {
	key := cc.RefKey(s.ref)
	_, known := r.singles[key]
	if was, _ := r.find(key); was != s.held || !known && s.held == nil {
		r.changed = true
	}
	r.singles[key] = s
}
