package rest

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// escaped reads the rest of a string from its first backslash, behind what is in scratch already.
func (c *cursor) escaped() []byte {
	for c.pos < len(c.data) {
		switch b := c.data[c.pos]; {
		case b == '"':
			c.pos++
			return c.scratch
		case b == '\\':
			c.pos++
			if !c.escape() {
				return nil
			}
		case b < 0x20:
			c.fail()
			return nil
		default:
			c.scratch = append(c.scratch, b)
			c.pos++
		}
	}
	c.fail()
	return nil
}

var shortEscapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (c *cursor) escape() bool {
	if c.pos >= len(c.data) {
		c.fail()
		return false
	}
	b := c.data[c.pos]
	if short, ok := shortEscapes[b]; ok {
		c.scratch = append(c.scratch, short)
		c.pos++
		return true
	}
	r, ok := c.unicodeEscape()
	if !ok {
		c.fail()
		return false
	}
	if utf16.IsSurrogate(r) {
		// Half a pair stands for nothing: it becomes U+FFFD, as in encoding/json.
		mark, low := c.pos, rune(0)
		if c.at('\\') {
			c.pos++
			low, _ = c.unicodeEscape()
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			c.pos = mark
		}
	}
	c.scratch = utf8.AppendRune(c.scratch, r)
	return true
}

// unicodeEscape reads uXXXX; pos stays where reading stopped.
func (c *cursor) unicodeEscape() (rune, bool) {
	if !c.at('u') {
		return 0, false
	}
	if len(c.data)-c.pos < 5 {
		c.pos = len(c.data)
		return 0, false
	}
	v, err := strconv.ParseUint(string(c.data[c.pos+1:c.pos+5]), 16, 16)
	if err != nil {
		return 0, false
	}
	c.pos += 5
	return rune(v), true
}
