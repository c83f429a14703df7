package nctest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// tree is a JSON object; numbers stay as written.
type tree = map[string]any

func parse(data []byte) (tree, error) {
	v, err := parseAny(data)
	if err != nil {
		return nil, err
	}
	body, ok := v.(tree)
	if !ok {
		return nil, errors.New("JSON is not an object")
	}
	return body, nil
}

func parseAny(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("invalid JSON at byte %d: %w", d.InputOffset(), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("invalid JSON at byte %d: text after the document", d.InputOffset())
	}
	return v, nil
}

func validJSON(data []byte) bool { return json.Valid(data) }

// encode writes members in alphabetical order, so equal bodies are equal bytes.
func encode(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // v came from parse
	}
	return bytes.TrimRight(out.Bytes(), "\n")
}

// link is one reference from a resource (perhaps a nested one) to another.
type link struct {
	from     string // ref
	property string
	to       string // key
}

// survey finds every nested resource, every reference and every VSID in a body.
func (r *resource) survey(body tree) {
	r.keys, r.links, r.vsids = nil, nil, map[uint32]string{}
	r.visit(body, r.ref)
}

func (r *resource) visit(body tree, ref string) {
	key := refKey(ref)
	r.keys = append(r.keys, key)
	if v := publishedVSID(body); v != 0 && r.collection == "virtualNetworks" {
		r.vsids[v] = key
	}
	properties, _ := body["properties"].(tree)
	r.search(properties, ref, "")
}

func (r *resource) search(v any, owner, property string) {
	switch v := v.(type) {
	case tree:
		if to, ok := v["resourceRef"].(string); ok {
			r.links = append(r.links, link{from: owner, property: property, to: refKey(to)})
			return
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			r.search(v[k], owner, k)
		}
	case []any:
		for _, e := range v {
			if child, ok := e.(tree); ok && nested(child, owner) {
				r.visit(child, childRef(child, owner, property))
			} else {
				r.search(e, owner, property)
			}
		}
	}
}

// nested tells a resource inside its parent's list from a reference to one elsewhere and from a mere
// structure.
func nested(v tree, owner string) bool {
	_, hasID := v["resourceId"]
	_, hasProperties := v["properties"]
	if !hasID && !hasProperties {
		return false
	}
	ref, ok := v["resourceRef"].(string)
	return !ok || strings.HasPrefix(refKey(ref), refKey(owner)+"/")
}

func childRef(child tree, owner, property string) string {
	if ref, ok := child["resourceRef"].(string); ok {
		return ref
	}
	id, _ := child["resourceId"].(string)
	return owner + "/" + property + "/" + id
}

// stamp gives a body and everything nested in it what the controller owns. Nested resources carry
// their parent's etag, as in the published examples.
func stamp(body tree, ref, etag string, instances map[string]string) error {
	id := ref[strings.LastIndexByte(ref, '/')+1:]
	if given, ok := body["resourceId"]; ok {
		if text, isText := given.(string); !isText || !strings.EqualFold(text, id) {
			return badRequest("ResourceIdMismatch", "%s: resourceId %v does not match the URL", ref, given)
		}
	}
	if given, ok := body["resourceRef"].(string); ok && refKey(given) != refKey(ref) {
		return badRequest("ResourceRefMismatch", "%s: resourceRef %q does not match the URL", ref, given)
	}
	properties, ok := body["properties"].(tree)
	if !ok {
		if body["properties"] != nil {
			return badRequest("InvalidJson", "%s: properties is not an object", ref)
		}
		properties = tree{}
		body["properties"] = properties
	}
	if err := stampNested(properties, ref, "", etag, instances); err != nil {
		return err
	}
	instance, ok := instances[refKey(ref)]
	if !ok {
		// A body exported from another controller keeps its identity.
		if instance, _ = body["instanceId"].(string); !guidForm.MatchString(instance) {
			instance = guid()
		}
	}
	body["resourceId"], body["resourceRef"], body["instanceId"], body["etag"] = id, ref, instance, etag
	properties["provisioningState"] = "Succeeded"
	return nil
}

func stampNested(v any, owner, property, etag string, instances map[string]string) error {
	switch v := v.(type) {
	case tree:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := stampNested(v[k], owner, k, etag, instances); err != nil {
				return err
			}
		}
	case []any:
		seen := map[string]bool{}
		for i, e := range v {
			child, ok := e.(tree)
			if !ok || !nested(child, owner) {
				continue
			}
			id, _ := child["resourceId"].(string)
			if id == "" || strings.Contains(id, "/") {
				return badRequest("InvalidResourceId", "%s: %s[%d] needs a resourceId", owner, property, i)
			}
			ref := owner + "/" + property + "/" + id
			if seen[refKey(ref)] {
				return badRequest("DuplicateResourceId", "%s: appears twice", ref)
			}
			seen[refKey(ref)] = true
			if err := stamp(child, ref, etag, instances); err != nil {
				return err
			}
		}
	}
	return nil
}

// instances answers the instanceId of a body and of everything nested in it.
func instances(v any, into map[string]string) {
	switch v := v.(type) {
	case tree:
		ref, hasRef := v["resourceRef"].(string)
		if id, ok := v["instanceId"].(string); ok && hasRef {
			into[refKey(ref)] = id
		}
		for _, e := range v {
			instances(e, into)
		}
	case []any:
		for _, e := range v {
			instances(e, into)
		}
	}
}

var guidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func guid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
