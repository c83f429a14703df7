package rest

import (
	"fmt"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// decoder reads resources. Complaints about them are collected; only text that is not JSON makes an
// answer as a whole unusable.
type decoder struct {
	cursor
	words      map[string]string
	etag       string // the last one read: nested resources often carry their parent's
	complaints []complaint
}

// reset makes d read another text, with the words it knows.
func (d *decoder) reset(text []byte) {
	d.cursor = cursor{data: text, scratch: d.scratch}
	d.complaints = nil
}

// complaint is a problem whose resource may still lack its parent's reference in front.
type complaint struct {
	cc.Problem
	absolute bool
}

func (d *decoder) complain(code, severity, resource, message string) {
	d.complaints = append(d.complaints, complaint{Problem: cc.Problem{
		Code: code, Severity: severity, Resource: resource, Message: message}})
}

func (d *decoder) problems() (all []cc.Problem) {
	for _, c := range d.complaints {
		all = append(all, c.Problem)
	}
	return all
}

// resource reads what every resource has; property reads one member of its properties, or answers
// false without touching it. It answers false, with a complaint, when the resource is unreadable.
func (d *decoder) resource(m *cc.Meta, property func(key []byte) bool) bool {
	if d.peek() != '{' {
		what := excerpt(d.raw())
		d.complain("resource-undecodable", "error", "", fmt.Sprintf("resource is %s, not an object; it is left out", what))
		return false
	}
	usable := true
	d.object(func(key []byte) bool {
		switch string(key) {
		case "resourceId":
			m.ID = d.text()
		case "resourceRef":
			m.Ref = d.text()
		case "instanceId":
			m.InstanceID = d.text()
		case "etag":
			m.ETag = d.again(&d.etag)
		case "properties":
			usable = d.object(func(key []byte) bool {
				if string(key) == "provisioningState" {
					m.ProvisioningState = d.word()
					return true
				}
				return property(key)
			})
		default:
			return false
		}
		return true
	})
	switch {
	case d.err != nil:
		return false
	case m.ID == "" && m.Ref == "":
		d.complain("resource-undecodable", "error", "", "resource has neither resourceId nor resourceRef; it is left out")
		return false
	case !usable:
		d.complain("resource-undecodable", "error", m.Ref, "field properties is not an object; the resource is left out")
		return false
	}
	if m.ID == "" {
		m.ID = m.Ref[strings.LastIndexByte(m.Ref, '/')+1:]
	}
	return true
}

// undecodable gives the complaint that a resource was left out its place, unless the resource
// could still say its own name, and drops what was said about its parts.
func (d *decoder) undecodable(mark int, place string) {
	if len(d.complaints) <= mark {
		return // a syntax error: the whole page is refused
	}
	last := d.complaints[len(d.complaints)-1]
	if last.Resource == "" {
		last.Resource = place
	} else {
		last.absolute = true
	}
	d.complaints = append(d.complaints[:mark], last)
}

// settle puts a readable resource's reference in front of what was complained about it since mark.
// A nested resource without a resourceRef settles to a path below its parent, which settles later.
func (d *decoder) settle(m *cc.Meta, collection string, mark int) {
	prefix, absolute := m.Ref, m.Ref != ""
	if !absolute {
		prefix = "/" + collection + "/" + m.ID
	}
	for i := range d.complaints[mark:] {
		if c := &d.complaints[mark+i]; !c.absolute {
			c.Resource, c.absolute = prefix+c.Resource, absolute
		}
	}
}

// resources reads a list of resources, leaving out the unreadable ones.
func resources[T any](d *decoder, collection string, decode func(*decoder) (T, bool)) (all []T) {
	d.list(func(i int) {
		mark := len(d.complaints)
		if item, ok := decode(d); ok {
			all = append(all, item)
		} else {
			d.undecodable(mark, fmt.Sprintf("/%s[%d]", collection, i))
		}
	})
	return all
}
