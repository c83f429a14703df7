package nctest

import (
	"crypto/rand"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// stamping is what the controller writes into one body.
type stamping struct {
	etag      string
	state     string            // provisioningState
	above     string            // provisioningState of what only is nested in
	only      string            // key: what is neither above it nor below it keeps its etag and state; "" is all
	instances map[string]string // instanceIds that are to stay, by key
}

// changes answers whether a resource gets a new etag: with a resource everything above and below it
// changes, but nothing beside it ([MS-NCNBI] 1.3.1.1; 1.3.2.6 says the same of the state).
func (s stamping) changes(key string) bool {
	return s.only == "" || key == s.only || strings.HasPrefix(key, s.only+"/") || strings.HasPrefix(s.only, key+"/")
}

// stamp gives a body and everything nested in it what the controller owns.
func (s stamping) stamp(body tree, ref string) error {
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
	if err := s.nested(properties, ref, ""); err != nil {
		return err
	}
	key := refKey(ref)
	instance, ok := s.instances[key]
	if !ok {
		// A body exported from another controller keeps its identity.
		if instance, _ = body["instanceId"].(string); !guidForm.MatchString(instance) {
			instance = guid()
		}
	}
	body["resourceId"], body["resourceRef"], body["instanceId"] = id, ref, instance
	if _, had := body["etag"].(string); !had || s.changes(key) {
		body["etag"] = s.etag
		properties["provisioningState"] = s.state
		if strings.HasPrefix(s.only, key+"/") {
			properties["provisioningState"] = s.above
		}
	}
	return nil
}

func (s stamping) nested(v any, owner, property string) error {
	switch v := v.(type) {
	case tree:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := s.nested(v[k], owner, k); err != nil {
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
			if err := s.stamp(child, ref); err != nil {
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
