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
	i := 0
	next, err := splitList(newSplitter(bytes.NewReader(body), nil), func(text []byte, offset int64) error {
		d := decoder{cursor: cursor{data: text}}
		d.skip()
		d.end()
		if d.err != nil {
			return d.err.at(offset)
		}
		h := r.hold(text, "", place(collection, i), nil, 0)
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
	d := decoder{cursor: cursor{data: body}}
	d.skip()
	d.end()
	if d.err != nil {
		return nil, d.err
	}
	out := &answered[T]{}
	h := unread("", false, decode, func(*T) *cc.Meta { return &cc.Meta{} }).hold(body, ref, ref, nil, 0)
	if out.problems = h.problems; !h.broken {
		out.items = []T{h.item}
	}
	return out, nil
}
