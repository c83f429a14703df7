package nctest

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// Options of a controller. The zero value is a controller in memory that says nothing.
type Options struct {
	DataDir string // where resources are kept; "" keeps them in memory only
	Logger  *slog.Logger
}

// Controller is one development Network Controller. It is safe for concurrent use.
type Controller struct {
	log   *slog.Logger
	store store
	fault atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]

	mu        sync.Mutex
	resources map[string]*resource         // top-level ones, by key
	sorted    map[string][]string          // collection -> keys in order
	known     map[string]string            // every key, nested ones too -> key of its top-level resource
	incoming  map[string]map[string][]link // key -> top-level key of who refers to it -> how
	vsids     vsids
}

// resource is a top-level resource with everything nested in it. It is replaced, never changed, but
// for served.
type resource struct {
	name
	stored []byte // JSON without back references
	served []byte // JSON as answered, nil until asked for
	keys   []string
	links  []link
	vsids  map[uint32]string // VSID -> key of the subnet
	raw    bool
}

// Open starts a controller with what its data directory holds.
func Open(opts Options) (*Controller, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Controller{
		log:       opts.Logger,
		store:     store{dir: opts.DataDir},
		resources: map[string]*resource{},
		sorted:    map[string][]string{},
		known:     map[string]string{},
		incoming:  map[string]map[string][]link{},
		vsids:     vsids{holder: map[uint32]string{}},
	}
	if err := c.restore(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A real controller always has this one, and VXLAN is its documented default.
	manager, _ := parseRef("/virtualNetworkManager/configuration")
	if c.resources[manager.key] == nil {
		body := tree{"properties": tree{"networkVirtualizationProtocol": "VXLAN"}}
		if _, err := c.commit([]draft{{name: manager, body: body}}, nil); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Controller) restore() error {
	bodies, err := c.store.load()
	if err != nil {
		return err
	}
	for file, data := range bodies {
		body, err := parse(data)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		ref, _ := body["resourceRef"].(string)
		n, err := parseRef(ref)
		if err != nil || !n.top() {
			return fmt.Errorf("%s: resourceRef %q is not that of a top-level resource", file, ref)
		}
		r := &resource{name: n, stored: data}
		r.survey(body)
		c.apply(r)
	}
	c.vsids.next, err = c.store.loadVSID()
	return err
}

// SetFault lets a test answer in the controller's place: the hook sees every request first, and
// answers true when it has dealt with it. nil takes the hook away.
func (c *Controller) SetFault(hook func(http.ResponseWriter, *http.Request) bool) {
	if hook == nil {
		c.fault.Store(nil)
		return
	}
	c.fault.Store(&hook)
}

// PutRaw serves body as the resource ref, unchecked and unchanged; it only has to be JSON. Raw
// resources are not persisted.
func (c *Controller) PutRaw(ref string, body []byte) error {
	n, err := parseRef(ref)
	if err != nil {
		return err
	}
	if !validJSON(body) {
		return fmt.Errorf("%s: not JSON; use SetFault for broken answers", ref)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !n.top() {
		if body, err = c.graftRaw(n, body); err != nil {
			return err
		}
		n = n.topName()
	}
	r := &resource{name: n, stored: slices.Clone(body), raw: true}
	if b, err := parse(body); err == nil {
		r.survey(b)
	} else {
		r.keys = []string{n.key}
	}
	c.apply(r)
	return nil
}

// graftRaw answers the parent's body with one nested resource replaced.
func (c *Controller) graftRaw(n name, body []byte) ([]byte, error) {
	parent := c.resources[n.topName().key]
	if parent == nil {
		return nil, fmt.Errorf("%s: parent does not exist", n.ref)
	}
	b, err := parse(parent.stored)
	if err != nil {
		return nil, fmt.Errorf("%s: parent: %w", n.ref, err)
	}
	value, err := parseAny(body)
	if err != nil {
		return nil, err
	}
	if err := graft(b, n, value); err != nil {
		return nil, err
	}
	return encode(b), nil
}

// apply makes r the one in force.
func (c *Controller) apply(r *resource) {
	c.forget(r.key)
	c.resources[r.key] = r
	keys := c.sorted[r.collection]
	if i, found := slices.BinarySearch(keys, r.key); !found {
		c.sorted[r.collection] = slices.Insert(keys, i, r.key)
	}
	for _, k := range r.keys {
		c.known[k] = r.key
	}
	for _, l := range r.links {
		from := c.incoming[l.to]
		if from == nil {
			from = map[string][]link{}
			c.incoming[l.to] = from
		}
		from[r.key] = append(from[r.key], l)
	}
	for v, subnet := range r.vsids {
		c.vsids.holder[v] = subnet
	}
	c.touch(r)
}

// forget takes a resource out of every index, but not out of the order.
func (c *Controller) forget(key string) {
	old := c.resources[key]
	if old == nil {
		return
	}
	delete(c.resources, key)
	for _, k := range old.keys {
		if c.known[k] == key {
			delete(c.known, k)
		}
	}
	for _, l := range old.links {
		if from := c.incoming[l.to]; from != nil {
			if delete(from, key); len(from) == 0 {
				delete(c.incoming, l.to)
			}
		}
	}
	for v, subnet := range old.vsids {
		if c.vsids.holder[v] == subnet {
			delete(c.vsids.holder, v)
		}
	}
	c.touch(old)
}

// touch drops the served form of everything that shows a back reference to r.
func (c *Controller) touch(r *resource) {
	for _, l := range r.links {
		if target := c.resources[c.known[l.to]]; target != nil {
			target.served = nil
		}
	}
}

func refKey(ref string) string { return cc.RefKey(ref) }
