package rest

import (
	"bytes"
	"strings"
)

// The readers here take a value in whatever form a real body has it. What has no sensible reading
// is kept as its JSON text, so that validation can name field and value.

// text reads a string, number or boolean as text; null is "".
func (d *decoder) text() string {
	switch b := d.peek(); b {
	case '"':
		return clean(d.str())
	case 'n':
		d.scalar()
		return ""
	case '{', '[':
		return excerpt(d.raw())
	default:
		return string(d.scalar())
	}
}

// word is text that many resources share: one copy is kept.
func (d *decoder) word() string {
	if d.peek() != '"' {
		return d.text()
	}
	b := d.str()
	if w, ok := d.words[string(b)]; ok {
		return w
	}
	w := clean(b)
	if d.words == nil {
		d.words = map[string]string{}
	}
	d.words[w] = w
	return w
}

// again is text that is often the same as last.
func (d *decoder) again(last *string) string {
	if d.peek() != '"' {
		return d.text()
	}
	if b := d.str(); string(b) != *last {
		*last = clean(b)
	}
	return *last
}

// flag reads true, "True", "Enabled", 1; everything else is false.
func (d *decoder) flag() bool {
	switch strings.ToLower(d.word()) {
	case "true", "enabled", "yes", "1":
		return true
	}
	return false
}

// list calls element for every member of a list. null and "" are an empty list, any other single
// value is a list of one.
func (d *decoder) list(element func(i int)) {
	switch b := d.peek(); b {
	case '[':
		d.enter()
		for i := 0; d.more(']'); i++ {
			element(i)
		}
		return
	case 'n':
		d.scalar()
		return
	case '"':
		if bytes.HasPrefix(d.data[d.pos:], []byte(`""`)) {
			d.pos += 2
			return
		}
	}
	if d.err == nil {
		element(0)
	}
}

func (d *decoder) texts() (all []string) {
	d.list(func(int) {
		if t := d.text(); t != "" {
			all = append(all, t)
		}
	})
	return all
}

// joined reads text that may be written as a list: one, or several separated by commas.
func (d *decoder) joined() string {
	if d.peek() == '[' {
		return strings.Join(d.texts(), ",")
	}
	return d.word()
}

// ref reads {"resourceRef": "…"}, or the reference itself; "", null and {} are no reference.
func (d *decoder) ref() (ref string) {
	if d.peek() != '{' {
		return d.word()
	}
	start, empty := d.pos, true
	d.enter()
	for d.more('}') {
		empty = false
		if string(d.key()) == "resourceRef" {
			ref = d.word()
		} else {
			d.skip()
		}
	}
	if ref == "" && !empty && d.err == nil {
		return excerpt(d.data[start:d.pos])
	}
	return ref
}

// refs reads a list of references; those that are none are left out.
func (d *decoder) refs() (all []string) {
	d.list(func(int) {
		if ref := d.ref(); ref != "" {
			all = append(all, ref)
		}
	})
	return all
}

// object calls member for every member of an object, which reads the value or answers false without
// touching it. null, "" and a missing object are the same; anything else is complained about.
func (d *decoder) object(member func(key []byte) bool) (ok bool) {
	switch b := d.peek(); b {
	case '{':
		d.enter()
		for d.more('}') {
			if k := d.key(); !member(k) {
				d.skip()
			}
		}
		return true
	case 'n':
		d.scalar()
		return true
	case '"':
		return len(d.str()) == 0
	}
	d.skip()
	return false
}

// member reads the member of an object that alone is of interest.
func (d *decoder) member(name string, read func()) {
	d.object(func(key []byte) bool {
		if string(key) != name {
			return false
		}
		read()
		return true
	})
}

// excerpt keeps a complaint short and on one line.
func excerpt(raw []byte) string {
	const limit = 200
	s := strings.Join(strings.Fields(clean(raw)), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}
