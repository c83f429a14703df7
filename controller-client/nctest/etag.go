package nctest

import (
	"fmt"
	"strings"
)

// A resource has two etags. The one in its body is its writer's: it stays when somebody places a NIC
// in one of its subnets, so that If-Match tells writers from each other and from nobody else. What is
// served changes then, so the ETag header of a resource that shows back references is the body's with
// a hash of these behind a dot. If-Match takes either.

// frozenETag is every etag of a controller with FrozenETags.
const frozenETag = `W/"frozen"`

// validator answers the ETag header of a resource, or of one nested in it, whose body has this etag
// while r.back was back.
func (r *resource) validator(etag string, back uint64, frozen bool) string {
	switch {
	case frozen:
		return frozenETag
	case r.raw: // may hold anything, and anything as its etag
		return fmt.Sprintf(`W/"raw.%016x"`, r.tag)
	case r.showsOthers():
		return fmt.Sprintf(`W/"%s.%016x"`, opaque(etag), back)
	}
	return etag
}

func opaque(etag string) string {
	return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
}

// matches compares weakly: If-Match "W/…" is what clients of this API send.
func matches(header, etag string) bool {
	if header == "" {
		return false
	}
	for want := range strings.SplitSeq(header, ",") {
		want = strings.TrimSpace(want)
		if want == "*" || opaque(want) == opaque(etag) {
			return true
		}
	}
	return false
}

// matchesBody compares with the etag of a body, in either form.
func matchesBody(header, etag string) bool {
	if matches(header, etag) {
		return true
	}
	for want := range strings.SplitSeq(header, ",") {
		// "<etag>.<16 digits of hash>"
		if o := opaque(strings.TrimSpace(want)); len(o) > 17 && o[len(o)-17] == '.' && o[:len(o)-17] == opaque(etag) {
			return true
		}
	}
	return false
}
