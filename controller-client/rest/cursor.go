package rest

import (
	"fmt"
	"unicode/utf8"
)

// maxDepth is far above what any resource needs, and low enough for the stack.
const maxDepth = 200

// syntaxError says where JSON text stops being JSON.
type syntaxError struct {
	offset    int64
	truncated bool
}

// at answers the error of a text inside another one.
func (e *syntaxError) at(start int64) *syntaxError {
	return &syntaxError{offset: start + e.offset, truncated: e.truncated}
}

func (e *syntaxError) Error() string {
	if e.truncated {
		return fmt.Sprintf("truncated JSON at byte %d", e.offset)
	}
	return fmt.Sprintf("invalid JSON at byte %d", e.offset)
}

// cursor walks JSON text once, checking its syntax on the way. A caller looks at the next value's
// first byte and reads it as whatever it is, which is what lenient decoding needs and what
// encoding/json only gives by scanning nested values again and again. The first error sticks and
// makes every loop end.
type cursor struct {
	data    []byte
	pos     int
	depth   int
	first   bool // the next call of more is the first one inside its object or list
	err     *syntaxError
	scratch []byte // of strings with escapes
}

func (c *cursor) fail() {
	if c.err == nil {
		c.err = &syntaxError{offset: int64(c.pos), truncated: c.pos >= len(c.data)}
	}
	c.pos = len(c.data)
}

// peek answers the first byte of what comes next, 0 at an error or the end.
func (c *cursor) peek() byte {
	for c.pos < len(c.data) {
		switch b := c.data[c.pos]; b {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return b
		}
	}
	c.fail()
	return 0
}

// enter steps into the object or list that peek showed; then loop while more(its closing byte).
func (c *cursor) enter() {
	if c.depth++; c.depth > maxDepth {
		c.fail()
		return
	}
	c.pos++
	c.first = true
}

func (c *cursor) more(closing byte) bool {
	b, first := c.peek(), c.first
	c.first = false
	switch {
	case c.err != nil:
		return false
	case b == closing:
		c.pos++
		c.depth--
		return false
	case first:
		return true
	case b != ',':
		c.fail()
		return false
	}
	c.pos++
	return true
}

// key reads a member's name and colon. The bytes are valid until the next string is read.
func (c *cursor) key() []byte {
	if c.peek() != '"' {
		c.fail()
		return nil
	}
	k := c.str()
	if c.peek() != ':' {
		c.fail()
		return nil
	}
	c.pos++
	return k
}

// str reads the string that peek showed. The bytes are valid until the next string is read.
func (c *cursor) str() []byte {
	start := c.pos + 1
	end := start + plain(c.data[start:])
	if end == len(c.data) {
		c.pos = end
		c.fail()
		return nil
	}
	c.pos = end
	switch c.data[end] {
	case '"':
		c.pos++
		return c.data[start:end]
	case '\\':
		c.scratch = append(c.scratch[:0], c.data[start:end]...)
		return c.escaped()
	}
	c.fail()
	return nil
}

// skip steps over any value.
func (c *cursor) skip() {
	switch b := c.peek(); b {
	case '{':
		c.enter()
		for c.more('}') {
			c.key()
			c.skip()
		}
	case '[':
		c.enter()
		for c.more(']') {
			c.skip()
		}
	case '"':
		c.str()
	default:
		c.scalar()
	}
}

// raw steps over any value and answers its text.
func (c *cursor) raw() []byte {
	c.peek()
	start := c.pos
	c.skip()
	if c.err != nil {
		return nil
	}
	return c.data[start:c.pos]
}

// scalar reads a number, true, false or null as text.
func (c *cursor) scalar() []byte {
	switch b := c.peek(); {
	case b == 't':
		return c.literal("true")
	case b == 'f':
		return c.literal("false")
	case b == 'n':
		return c.literal("null")
	case b == '-' || b >= '0' && b <= '9':
		return c.number()
	}
	c.fail()
	return nil
}

func (c *cursor) literal(word string) []byte {
	start := c.pos
	for i := range len(word) {
		if c.pos >= len(c.data) || c.data[c.pos] != word[i] {
			c.fail()
			return nil
		}
		c.pos++
	}
	return c.data[start:c.pos]
}

func (c *cursor) number() []byte {
	start := c.pos
	if c.data[c.pos] == '-' {
		c.pos++
	}
	if c.at('0') {
		c.pos++
	} else if !c.digits() {
		return nil
	}
	if c.at('.') {
		c.pos++
		if !c.digits() {
			return nil
		}
	}
	if c.at('e') || c.at('E') {
		c.pos++
		if c.at('+') || c.at('-') {
			c.pos++
		}
		if !c.digits() {
			return nil
		}
	}
	return c.data[start:c.pos]
}

func (c *cursor) at(b byte) bool { return c.pos < len(c.data) && c.data[c.pos] == b }

// digits wants at least one.
func (c *cursor) digits() bool {
	start := c.pos
	for c.pos < len(c.data) && c.data[c.pos] >= '0' && c.data[c.pos] <= '9' {
		c.pos++
	}
	if c.pos == start {
		c.fail()
		return false
	}
	return true
}

// end wants nothing but white space after the document.
func (c *cursor) end() {
	for c.err == nil && c.pos < len(c.data) {
		switch c.data[c.pos] {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			c.fail()
		}
	}
}

// clean makes text out of string bytes; a resource may hold bytes that are not UTF-8.
func clean(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string([]rune(string(b)))
}
