package rest

import (
	"errors"
	"io"
)

// firstBuffer is what a splitter reads at a time; it grows to the largest element.
const firstBuffer = 64 << 10

// splitter cuts the values out of JSON text while it arrives, so that an answer of a hundred
// megabytes needs the memory of its largest element. It finds where values end; whether they are
// well-formed inside is for the cursor to say.
type splitter struct {
	r    io.Reader
	buf  []byte
	pos  int    // next byte
	keep int    // start of the value being read; -1: none
	base int64  // offset of buf[0] in the text
	ref  [2]int // of the last value, where in it the text of its resourceRef is
	err  error  // *syntaxError, or what reading said
}

func newSplitter(r io.Reader, buf []byte) *splitter {
	return &splitter{r: r, buf: buf[:0], keep: -1}
}

// element is a member of a list.
type element struct {
	text   []byte // its JSON
	ref    []byte // of text: its resourceRef as written, if it has one
	offset int64  // of text in the answer
}

// splitList reads {"value": […], "nextLink": ""} and calls do with each member of value, which is valid
// during the call. A value that is missing or no list is an error:
// taking it for "nothing is there" would take every tenant down.
func splitList(s *splitter, do func(element) error) (next string, err error) {
	if s.peek() != '{' && s.err == nil {
		s.value()
		s.end()
		return "", s.failure(errors.New("answered JSON that is no object"))
	}
	s.pos++
	listed := false
	for first := true; s.more('}', first); first = false {
		key := string(s.key())
		switch {
		case key == "value" && s.peek() == '[':
			listed = true
			s.pos++
			for first := true; s.more(']', first); first = false {
				text := s.value()
				if s.err != nil {
					break
				}
				if err := do(s.element(text)); err != nil {
					return "", err
				}
			}
		default:
			text := s.value()
			if s.err != nil {
				break
			}
			d := decoder{cursor: cursor{data: text}}
			if key == "nextLink" {
				next = d.text()
			} else {
				d.skip()
			}
			d.end()
			if d.err != nil {
				return "", d.err.at(s.base + int64(s.keep))
			}
		}
	}
	s.end()
	if err := s.failure(nil); err != nil {
		return "", err
	}
	if !listed {
		return "", errors.New(`answered JSON without a "value" list`)
	}
	return next, nil
}

func (s *splitter) element(text []byte) element {
	e := element{text: text, offset: s.base + int64(s.keep)}
	if s.ref[1] > s.ref[0] {
		e.ref = text[s.ref[0]:s.ref[1]]
	}
	return e
}

func (s *splitter) failure(otherwise error) error {
	if s.err != nil {
		return s.err
	}
	return otherwise
}

func (s *splitter) fail(truncated bool) {
	if s.err == nil {
		s.err = &syntaxError{offset: s.base + int64(s.pos), truncated: truncated}
	}
}

// fill answers whether there is a byte at pos.
func (s *splitter) fill() bool {
	if s.pos < len(s.buf) {
		return true
	}
	if s.err != nil {
		return false
	}
	from := s.pos
	if s.keep >= 0 {
		from = s.keep
	}
	rest := copy(s.buf, s.buf[from:])
	s.buf, s.pos, s.base = s.buf[:rest], s.pos-from, s.base+int64(from)
	if s.keep >= 0 {
		s.keep = 0
	}
	if rest == cap(s.buf) {
		grown := make([]byte, rest, max(2*rest, firstBuffer))
		copy(grown, s.buf)
		s.buf = grown
	}
	for {
		n, err := s.r.Read(s.buf[rest:cap(s.buf)])
		s.buf = s.buf[:rest+n]
		if n > 0 {
			return true // an error comes again
		}
		if errors.Is(err, io.EOF) {
			s.fail(true)
			return false
		}
		if err != nil {
			s.err = err
			return false
		}
	}
}

// peek answers the first byte of what comes next, 0 at an error or the end.
func (s *splitter) peek() byte {
	for s.fill() {
		switch b := s.buf[s.pos]; b {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return b
		}
	}
	return 0
}

// more steps to the next member of an object or list that was entered.
func (s *splitter) more(closing byte, first bool) bool {
	s.keep = -1
	switch b := s.peek(); {
	case s.err != nil:
		return false
	case b == closing:
		s.pos++
		return false
	case first:
		return true
	case b != ',':
		s.fail(false)
		return false
	}
	s.pos++
	return true
}

// key reads a member's name and colon.
func (s *splitter) key() []byte {
	if s.peek() != '"' {
		s.fail(false)
		return nil
	}
	text := s.value()
	if s.err != nil {
		return nil
	}
	d := decoder{cursor: cursor{data: text}}
	name := d.str()
	if d.err != nil {
		s.err = d.err.at(s.base + int64(s.keep))
		return nil
	}
	name = append([]byte(nil), name...)
	if s.peek() != ':' {
		s.fail(false)
		return nil
	}
	s.pos++
	return name
}

// value answers the text of the next value, valid until the next call of anything.
func (s *splitter) value() []byte {
	s.keep = -1
	b := s.peek()
	if s.err != nil {
		return nil
	}
	s.keep, s.ref = s.pos, [2]int{}
	switch b {
	case '{', '[':
		s.nested()
	case '"':
		s.pos++
		s.str()
	case '}', ']', ',', ':':
		s.fail(false)
	default:
		s.scalar()
	}
	if s.err != nil {
		s.keep = -1
		return nil
	}
	return s.buf[s.keep:s.pos]
}

// nested steps over an object or list. Its brackets are only counted: the cursor sees if they match. It
// notes the text of the member resourceRef of the object itself, so that a resource that is not wanted need
// not be looked at again.
func (s *splitter) nested() {
	depth, named, isRef := 0, false, false // the next string at depth 1 is a name; is the value of resourceRef
	for s.fill() {
		i, buf := s.pos, s.buf
		for i < len(buf) {
			b := buf[i]
			i++
			switch b {
			case '"':
				s.pos = i
				start := i - s.keep
				s.str()
				if s.err != nil {
					return
				}
				i, buf = s.pos, s.buf
				if depth == 1 {
					text := buf[s.keep+start : i-1]
					switch {
					case named:
						isRef = string(text) == "resourceRef"
					case isRef:
						s.ref = [2]int{start, start + len(text)}
					}
					named = false
				}
			case '{', '[':
				if depth++; depth > maxDepth-2 { // an element is that deep already
					s.pos = i - 1
					s.fail(false)
					return
				}
				named = b == '{' && depth == 1
			case ',':
				named = depth == 1
			case '}', ']':
				if depth--; depth == 0 {
					s.pos = i
					return
				}
			}
		}
		s.pos = i
	}
}

// str steps behind the string whose opening quote was passed.
func (s *splitter) str() {
	for s.fill() {
		s.pos += plain(s.buf[s.pos:])
		if s.pos == len(s.buf) {
			continue
		}
		s.pos++
		switch s.buf[s.pos-1] {
		case '"':
			return
		case '\\':
			if s.fill() {
				s.pos++
			}
		}
	}
}

func (s *splitter) scalar() {
	for s.fill() {
		switch s.buf[s.pos] {
		case ',', '}', ']', ':', ' ', '\t', '\n', '\r', '"', '{', '[':
			return
		}
		s.pos++
	}
	if e := (*syntaxError)(nil); errors.As(s.err, &e) {
		s.err = nil // the text may end with a number
	}
}

// end wants nothing but white space after the document.
func (s *splitter) end() {
	if s.err != nil {
		return
	}
	s.keep = -1
	if s.peek(); s.err == nil {
		s.fail(false)
		return
	}
	if e := (*syntaxError)(nil); errors.As(s.err, &e) && e.truncated {
		s.err = nil // that is how it should end
	}
}
