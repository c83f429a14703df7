package nctest

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// Options of a controller. The zero value is a controller in memory that says nothing.
type Options struct {
	DataDir string // where resources are kept; "" keeps them in memory only
	Logger  *slog.Logger

	PageSize int // resources on a page of a list, at most; 0 is 1000

	// Strict refuses bodies that cannot work, beyond references to what does not exist.
	Strict bool

	// ProvisioningDelay is how long a change takes after it was answered; 0: no time.
	ProvisioningDelay time.Duration

	// AssignProviderAddresses publishes a PA for every server that has none, from the ipPools of the
	// logical networks with network virtualization.
	AssignProviderAddresses bool

	// Servers that clients must get along with.
	FrozenETags   bool // no etag ever changes, though the bodies do
	NoConditional bool // If-None-Match is ignored: never a 304

	RequestLog io.Writer                                          // gets a JSON line for every request
	OnRequest  func(begin time.Time, r *http.Request, status int) // called after every request
}

// Controller is one development Network Controller. It is safe for concurrent use.
type Controller struct {
	log   *slog.Logger
	opts  Options
	fault atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]

	// write is held by whoever changes something. Who holds it reads everything below without mu,
	// which is taken only to put a finished change in force, so that readers hardly ever wait.
	write       sync.Mutex
	mu          sync.RWMutex
	resources   map[string]*resource   // top-level ones, by key
	collections map[string]*collection // by name
	targets     map[string]*target     // by key
	vsids       vsids
	addresses   holders[place]        // CA -> ipConfigurations
	macs        holders[uint64]       // MAC -> NICs
	providers   holders[netip.Addr]   // PA -> servers
	hints       map[string]netip.Addr // subnet -> where to look for a free CA
	macHints    map[string]uint64     // macPool -> where to look for a free MAC
	pending     map[string]int        // top-level key -> operations under way
	rendering   sync.Mutex

	operations operations
	requests   requests
	closed     atomic.Bool

	lock       *os.File // of the data directory
	journal    *journal // nil: memory only
	slack      int64    // a journal below this size is not compacted
	live       atomic.Int64
	compaction sync.Mutex
	compacting atomic.Bool // in the background, or about to
	background sync.WaitGroup
}

const (
	defaultPageSize = 1000
	defaultSlack    = 64 << 20
)

// Open starts a controller with what its data directory holds.
func Open(opts Options) (*Controller, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	opts.PageSize = cmp.Or(opts.PageSize, defaultPageSize)
	c := &Controller{
		log:         opts.Logger,
		opts:        opts,
		slack:       defaultSlack,
		resources:   map[string]*resource{},
		collections: map[string]*collection{},
		targets:     map[string]*target{},
		vsids:       vsids{holder: holders[uint32]{}},
		addresses:   holders[place]{},
		macs:        holders[uint64]{},
		providers:   holders[netip.Addr]{},
		hints:       map[string]netip.Addr{},
		macHints:    map[string]uint64{},
		pending:     map[string]int{},
		operations:  operations{byID: map[string]*operation{}},
		requests:    requests{count: map[RequestKind]int64{}},
	}
	for name := range singletons {
		c.collections[name] = &collection{}
	}
	if opts.DataDir != "" {
		var err error
		if c.lock, err = lockDir(opts.DataDir); err != nil {
			return nil, err
		}
		if err := c.restore(opts.DataDir); err != nil {
			_ = c.lock.Close()
			return nil, err
		}
	}
	// A real controller always has this one, and VXLAN is its documented default.
	manager, _ := parseRef("/virtualNetworkManager/configuration")
	err := c.change(func() error {
		c.resumeProvisioning()
		if c.resources[manager.key] != nil {
			return nil
		}
		body := tree{"properties": tree{"networkVirtualizationProtocol": "VXLAN"}}
		return c.commit([]*draft{{name: manager, body: body}}, nil)
	})
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends what goes on in the background and lets go of the data directory. Nothing there can be
// changed after it.
func (c *Controller) Close() error {
	if c.closed.Swap(true) || c.journal == nil {
		return nil
	}
	c.background.Wait()
	err := c.journal.close()
	if unlock := c.lock.Close(); err == nil {
		err = unlock
	}
	return err
}

const (
	journalName = "resources.journal"
	lockName    = "resources.lock"
)

func (c *Controller) restore(dir string) error {
	if err := clearAway(dir); err != nil {
		return err
	}
	j := &journal{path: filepath.Join(dir, journalName)}
	saved, err := replay(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		if saved, err = readLegacy(dir); err != nil {
			return err
		}
		all := make([]change, 0, len(saved.bodies))
		for key, body := range saved.bodies {
			all = append(all, change{key, body})
		}
		f, size, err := writeJournal(j.path, all, saved.nextVSID)
		if err != nil {
			return err
		}
		if err := j.swap(f, size); err != nil {
			return err
		}
	} else if err != nil {
		return err
	} else if err := j.resume(saved); err != nil {
		return err
	}
	if saved.torn {
		c.log.Warn("the journal's last write was not finished and is cut off", "file", j.path, "at", saved.end)
	}
	if err := setLegacyAside(dir); err != nil {
		return err
	}
	c.journal, c.vsids.next = j, saved.nextVSID
	return c.restoreBodies(saved.bodies)
}

// resume opens a journal that was replayed, without what follows its last commit.
func (j *journal) resume(saved replayed) (err error) {
	if j.file, err = os.OpenFile(j.path, os.O_WRONLY, 0); err != nil {
		return err
	}
	if err := j.file.Truncate(saved.end); err != nil {
		return err
	}
	if _, err := j.file.Seek(saved.end, 0); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	j.size, j.synced = saved.end, saved.end
	return nil
}

func refKey(ref string) string { return cc.RefKey(ref) }

// change runs f with write held, and returns when what it committed is durable.
func (c *Controller) change(f func() error) error {
	c.write.Lock()
	err := f()
	last := c.journal.last()
	c.write.Unlock()
	if err != nil {
		return err
	}
	if err := c.journal.wait(last); err != nil {
		return err
	}
	c.compactIfDue()
	return nil
}
