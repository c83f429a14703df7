package rest

import (
	"bytes"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// answered is a body read at once.
type answered[T any] struct {
	items    []T
	problems []cc.Problem
	next     string
}

// decodeList reads a list as readPage does, without its filter.
func decodeList[T any](body []byte, collection string, decode func(*decoder) (T, bool)) (*answered[T], error) {
	out := &answered[T]{}
	r := unread(collection, false, decode, func(*T) *cc.Meta { return &cc.Meta{} })
	i, d := 0, &decoder{}
	next, err := splitList(newSplitter(bytes.NewReader(body), nil), func(e element) error {
		h, syntax := r.hold(d, e.text, 1, "", place{collection: collection, i: i}, nil, 0)
		if syntax != nil {
			return syntax.at(e.offset)
		}
		i++
		out.problems = append(out.problems, h.problems...)
		if !h.broken {
			out.items = append(out.items, h.item)
		}
		return nil
	})
	out.next = next
	return out, err
}

// decodeSingleton reads one resource as readSingle does.
func decodeSingleton[T any](body []byte, ref string, decode func(*decoder) (T, bool)) (*answered[T], error) {
	out := &answered[T]{}
	h, syntax := unread("", false, decode, func(*T) *cc.Meta { return &cc.Meta{} }).hold(&decoder{}, body, 1, ref, place{ref: ref}, nil, 0)
	if syntax != nil {
		return nil, syntax
	}
	if out.problems = h.problems; !h.broken {
		out.items = []T{h.item}
	}
	return out, nil
}
