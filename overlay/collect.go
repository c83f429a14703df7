package overlay

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// item is one resource of a list, with its name made out.
type item[T any] struct {
	Resource
	v  *T
	at int // in the list
	// ambiguous: resources that differ have this name.
	ambiguous bool
}

// collect names the resources of a list and sorts them by key, one per key: everything after it is
// independent of the list's order. parent and collection make up the reference of a resource that has none.
func collect[T any](r *report, buf []item[T], parent, collection string, list []T, meta func(*T) *cc.Meta) []item[T] {
	return collectNamed(r, buf, parent, collection, list, func(i int) (Resource, bool) { return nameOf(meta(&list[i]), parent, collection) })
}

// collectNamed is collect for resources whose names are made out already, by their position in the list.
func collectNamed[T any](r *report, buf []item[T], parent, collection string, list []T, name func(i int) (Resource, bool)) []item[T] {
	items := buf[:0]
	for i := range list {
		name, ok := name(i)
		if !ok {
			r.errorf("resource-unnamed", parent+collection, "resourceRef and resourceId are empty; the resource is left out")
			continue
		}
		items = append(items, item[T]{Resource: name, v: &list[i], at: i})
	}
	if len(items) < 2 {
		return items
	}
	slices.SortFunc(items, func(x, y item[T]) int { return strings.Compare(x.Key, y.Key) })
	if !hasDuplicates(items) {
		return items
	}
	kept := items[:0]
	for i := 0; i < len(items); {
		j := i + 1
		for j < len(items) && items[j].Key == items[i].Key {
			j++
		}
		winner := items[i]
		if j-i > 1 {
			winner = oneOf(items[i:j])
			r.errorf("resource-duplicate", winner.Ref, "resourceRef %s is used by %d resources; only the one with instanceId %s is considered, the others are left out",
				quote(winner.Ref), j-i, quote(winner.InstanceID))
		}
		kept = append(kept, winner)
		i = j
	}
	return kept
}

// oneOf picks from resources of one name. Any will do, if it is always the same.
func oneOf[T any](items []item[T]) item[T] {
	type text struct{ canonical, raw string }
	textOf := func(it item[T]) text {
		raw, _ := json.Marshal(it.v)
		return text{canonical(raw), string(raw)}
	}
	winner, best, ambiguous := items[0], textOf(items[0]), false
	for _, it := range items[1:] {
		t := textOf(it)
		ambiguous = ambiguous || t.canonical != best.canonical
		if cmp.Or(strings.Compare(t.canonical, best.canonical), strings.Compare(t.raw, best.raw)) < 0 {
			winner, best = it, t
		}
	}
	winner.ambiguous = ambiguous
	return winner
}

func hasDuplicates[T any](items []item[T]) bool {
	for i := 1; i < len(items); i++ {
		if items[i].Key == items[i-1].Key {
			return true
		}
	}
	return false
}

// nameOf fills in the half of a resource's name that its writer left out.
func nameOf(m *cc.Meta, parent, collection string) (Resource, bool) {
	r := Resource{ID: m.ID, Ref: m.Ref, InstanceID: m.InstanceID}
	if r.Ref == "" && r.ID != "" {
		r.Ref = parent + collection + "/" + r.ID
	}
	if r.Key = cc.RefKey(r.Ref); r.Key == "" {
		return Resource{}, false
	}
	if r.ID == "" {
		trimmed := strings.TrimRight(r.Ref, "/")
		r.ID = trimmed[strings.LastIndexByte(trimmed, '/')+1:]
	}
	return r, true
}

// canonical is a text that does not depend on the order of the lists in a JSON text. Only duplicates pay for it.
func canonical(text []byte) string {
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return string(text)
	}
	return canonicalTree(tree)
}

func canonicalTree(v any) string {
	switch v := v.(type) {
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = canonicalTree(v[i])
		}
		slices.Sort(texts)
		return "[" + strings.Join(texts, ",") + "]"
	case map[string]any:
		texts := make([]string, 0, len(v))
		for k := range v {
			texts = append(texts, k+":"+canonicalTree(v[k]))
		}
		slices.Sort(texts)
		return "{" + strings.Join(texts, ",") + "}"
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// index finds resources by reference. Most references are spelled the same way again and again, so the spelling
// is remembered: that spares making a key of each.
type index[T any] struct {
	byKey      map[string]T
	bySpelling map[string]T
}

func newIndex[T any](size int) index[T] {
	return index[T]{byKey: make(map[string]T, size), bySpelling: make(map[string]T, size)}
}

func (x *index[T]) find(ref string) (T, bool) {
	if v, ok := x.bySpelling[ref]; ok {
		return v, true
	}
	v, ok := x.byKey[cc.RefKey(ref)]
	if ok {
		x.bySpelling[ref] = v
	}
	return v, ok
}

type keyed interface{ refKey() string }

// lookup finds key in a list that is sorted by key; the zero T if it is not there.
func lookup[T keyed](list []T, key string) (found T) {
	i, ok := slices.BinarySearchFunc(list, key, func(e T, k string) int { return strings.Compare(e.refKey(), k) })
	if ok {
		found = list[i]
	}
	return found
}

// cursor walks a sorted list beside another one: at must be called with ascending keys.
type cursor[T keyed] struct{ rest []T }

func (c *cursor[T]) at(key string) (found T) {
	for len(c.rest) > 0 {
		switch d := strings.Compare(c.rest[0].refKey(), key); {
		case d == 0:
			return c.rest[0]
		case d > 0:
			return found
		}
		c.rest = c.rest[1:]
	}
	return found
}
