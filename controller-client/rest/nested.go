package rest

import cc "github.com/fairlead-net/fairlead/controller-client"

// properties reads one member of a resource's properties, or answers false without touching it.
type properties[T any] func(d *decoder, v *T, key string) bool

// decoderOf makes a decoder of a resource of a collection, at the top or nested.
func decoderOf[T any](collection string, meta func(*T) *cc.Meta, read properties[T]) func(*decoder) (T, bool) {
	return func(d *decoder) (v T, ok bool) {
		mark := len(d.complaints)
		m := meta(&v)
		if ok = d.resource(m, func(key []byte) bool { return read(d, &v, string(key)) }); ok {
			d.settle(m, collection, mark)
		}
		return v, ok
	}
}

// top is decoderOf for a top-level resource, whose nested ones get their references by name.
func top[T any](collection string, meta func(*T) *cc.Meta, read properties[T], name func(v *T)) func(*decoder) (T, bool) {
	decode := decoderOf(collection, meta, read)
	return func(d *decoder) (v T, ok bool) {
		if v, ok = decode(d); ok {
			refer(meta(&v), "", collection)
			name(&v)
		}
		return v, ok
	}
}

// referAll derives the references of nested resources.
func referAll[T any](list []T, meta func(*T) *cc.Meta, parent *cc.Meta, collection string) {
	for i := range list {
		refer(meta(&list[i]), parent.Ref, collection)
	}
}

// refer derives the reference of a resource that did not say it.
func refer(m *cc.Meta, parent, collection string) {
	if m.Ref == "" {
		m.Ref = parent + "/" + collection + "/" + m.ID
	}
}
