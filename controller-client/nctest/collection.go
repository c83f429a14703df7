package nctest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// collection is the resources of one kind in the order of their keys. Guarded by Controller.mu.
type collection struct {
	sorted  []*resource
	version uint64 // changes with anything it serves
	pages   pageCache
}

func (k *collection) find(key string) (int, bool) {
	return slices.BinarySearchFunc(k.sorted, key, func(r *resource, key string) int { return strings.Compare(r.key, key) })
}

// place puts resources in their places, or in those of what they replace.
func (k *collection) place(rs []*resource) {
	k.version++
	var fresh []*resource
	for _, r := range rs {
		if i, found := k.find(r.key); found {
			k.sorted[i] = r
		} else {
			fresh = append(fresh, r)
		}
	}
	if len(fresh) > 8 {
		k.sorted = append(k.sorted, fresh...)
		slices.SortFunc(k.sorted, func(a, b *resource) int { return strings.Compare(a.key, b.key) })
		return
	}
	for _, r := range fresh {
		i, _ := k.find(r.key)
		k.sorted = slices.Insert(k.sorted, i, r)
	}
}

func (k *collection) remove(r *resource) {
	k.version++
	if i, found := k.find(r.key); found {
		k.sorted = slices.Delete(k.sorted, i, i+1)
	}
}

// page is a run of a collection.
type page struct {
	from, to int    // of sorted
	etag     string // changes with anything the page serves
	next     string // key the next page begins behind; "" when there is none
}

// maxPageBytes is where a page ends even if it holds few resources.
const maxPageBytes = 1 << 20

// page answers the page that begins behind the key after.
func (k *collection) page(after string, size int) page {
	if p, ok := k.pages.get(k.version, after); ok {
		return p
	}
	p := page{}
	if after != "" {
		i, found := k.find(after)
		if found {
			i++
		}
		p.from = i
	}
	p.to = p.from
	h := sha256.New()
	for bytes := 0; p.to < len(k.sorted) && p.to-p.from < size && bytes < maxPageBytes; p.to++ {
		r := k.sorted[p.to]
		bytes += len(r.stored) + r.backSize
		var tag [16]byte
		binary.LittleEndian.PutUint64(tag[0:], r.tag)
		binary.LittleEndian.PutUint64(tag[8:], r.back)
		h.Write(tag[:])
	}
	if p.to < len(k.sorted) {
		p.next = k.sorted[p.to-1].key
	}
	h.Write([]byte(p.next))
	p.etag = fmt.Sprintf(`W/"%x"`, h.Sum(nil)[:16])
	k.pages.put(k.version, after, p)
	return p
}

// pageCache remembers the pages of one version of a collection.
type pageCache struct {
	mu      sync.Mutex
	version uint64
	pages   map[string]page // by after
}

// maxPages bounds the cache: who asks chooses the cursors.
const maxPages = 4096

func (c *pageCache) get(version uint64, after string) (page, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version != version {
		return page{}, false
	}
	p, ok := c.pages[after]
	return p, ok
}

func (c *pageCache) put(version uint64, after string, p page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version != version || c.pages == nil || len(c.pages) >= maxPages {
		c.version, c.pages = version, map[string]page{}
	}
	c.pages[after] = p
}
