package nctest

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"sync/atomic"
)

// resource is a top-level resource with everything nested in it. It is replaced, never changed, but
// for what it shows of others.
type resource struct {
	name
	etag    string // of the body
	stored  []byte // JSON without back references
	beneath []byte // what a raw resource hides, and the journal has
	keys    []string
	links   []link
	facts   facts
	raw     bool
	tag     uint64 // stands for stored

	// What refers to it and shows, kept by remember and forget under Controller.mu: the sum of the
	// hashes of these references and about how many bytes they take.
	back     uint64
	backSize int

	rendered atomic.Pointer[rendering]
	shape    *shape // guarded by Controller.rendering
}

// link is one reference from a resource (perhaps a nested one) to another.
type link struct {
	from     string // ref
	property string
	to       string // key
}

// shows answers whether the body referred to shows this reference: a server the NICs placed on it, a
// subnet who lives in it.
func (l link) shows() bool {
	return l.property == "server" && strings.HasPrefix(l.to, "/servers/") ||
		l.property == "subnet" && strings.HasPrefix(l.to, "/virtualnetworks/")
}

func (l link) hash() uint64 { return hash(l.property + "\x00" + l.from + "\x00" + l.to) }

// size is about what a reference takes in a body.
func (l link) size() int { return len(l.from) + len(`{"resourceRef":""},`) }

func hash(s string) uint64 {
	sum := sha256.Sum256([]byte(s))
	return binary.LittleEndian.Uint64(sum[:])
}

// target is something that is referred to, whether it exists or not.
type target struct {
	key  string
	from map[*resource]struct{}
	back uint64
	size int
	refs []string // of what shows, in order; nil until someone asks, then kept
}

// has answers whether key is this resource or nested in it.
func (r *resource) has(key string) bool {
	_, found := slices.BinarySearch(r.keys, key)
	return found
}

// durable answers what the journal has of it, or nil.
func (r *resource) durable() []byte {
	if r.raw {
		return r.beneath
	}
	return r.stored
}

// topKey answers the key of the top-level resource that key is, or is nested in.
func topKey(key string) string {
	rest := key[1:]
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		if j := strings.IndexByte(rest[i+1:], '/'); j >= 0 {
			return key[:i+j+2]
		}
	}
	return key
}

// lookup answers the top-level resource with this key, nested or not, in it, or nil.
func (c *Controller) lookup(key string) *resource {
	if r := c.resources[topKey(key)]; r != nil && r.has(key) {
		return r
	}
	return nil
}

// apply makes resources the ones in force, and others gone. The caller holds write.
func (c *Controller) apply(made, gone []*resource) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range gone {
		c.forget(r)
		delete(c.resources, r.key)
		c.collections[r.collection].remove(r)
	}
	byCollection := map[string][]*resource{}
	for _, r := range made {
		if old := c.resources[r.key]; old != nil {
			c.forget(old)
		}
		c.resources[r.key] = r
		byCollection[r.collection] = append(byCollection[r.collection], r)
	}
	for name, rs := range byCollection {
		c.collections[name].place(rs)
	}
	for _, r := range made {
		c.remember(r)
	}
}

// remember puts a resource into every index.
func (c *Controller) remember(r *resource) {
	c.live.Add(int64(len(r.stored)))
	r.back, r.backSize = 0, 0
	for _, k := range r.keys {
		if t := c.targets[k]; t != nil {
			r.back += t.back
			r.backSize += t.size
		}
	}
	for i := range r.links {
		l := &r.links[i]
		t := c.targets[l.to]
		if t == nil {
			t = &target{key: l.to, from: map[*resource]struct{}{}}
			c.targets[l.to] = t
		}
		l.to = t.key // one string for all
		t.from[r] = struct{}{}
		if l.shows() {
			c.showLink(t, l, true)
		}
	}
	c.index(r)
}

// forget takes a resource out of every index.
func (c *Controller) forget(r *resource) {
	c.live.Add(-int64(len(r.stored)))
	for i := range r.links {
		l := &r.links[i]
		t := c.targets[l.to]
		if l.shows() {
			c.showLink(t, l, false)
		}
		delete(t.from, r)
	}
	for _, l := range r.links {
		if t := c.targets[l.to]; t != nil && len(t.from) == 0 {
			delete(c.targets, l.to)
		}
	}
	c.unindex(r)
}

func (c *Controller) showLink(t *target, l *link, appears bool) {
	h, size := l.hash(), l.size()
	if !appears {
		h, size = -h, -size
	}
	t.back += h
	t.size += size
	if t.refs != nil {
		switch i, found := slices.BinarySearch(t.refs, l.from); {
		case appears && !found:
			t.refs = slices.Insert(t.refs, i, l.from)
		case !appears && found:
			t.refs = slices.Delete(t.refs, i, i+1)
		}
	}
	if owner := c.lookup(t.key); owner != nil {
		owner.back += h
		owner.backSize += size
		c.collections[owner.collection].version++
	}
}
