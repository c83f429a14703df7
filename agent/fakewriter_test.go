package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// fakeController is what a writer writes to: the fabric of the tests, with what was added to it.
type fakeController struct {
	mu        sync.Mutex
	added     map[string]cc.IPRequest // by reference, with the address given
	next      netip.Addr
	addErr    error
	lost      bool // an added one is kept although the answer is addErr
	hold      chan struct{}
	asked     *cc.IPRequest // the last
	removeErr error
	removes   int
	reportErr error
	reports   []reported
	writes    int
	etags     map[string]string // by reference, of what was reported on
	refreshed func()            // on Refresh
}

type reported struct {
	ref string
	cc.ConfigurationState
}

// writable is a source that is a writer, too, as long as its process lives.
type writable struct {
	*fakeSource
	*fakeController
	dead atomic.Bool
}

var errDead = errors.New("the process is dead")

func (w *writable) AddIPConfiguration(ctx context.Context, r cc.IPRequest) (netip.Addr, error) {
	if w.dead.Load() {
		return netip.Addr{}, errDead
	}
	return w.fakeController.AddIPConfiguration(ctx, r)
}

func (w *writable) RemoveIPConfiguration(ctx context.Context, ref string) (bool, error) {
	if w.dead.Load() {
		return false, errDead
	}
	return w.fakeController.RemoveIPConfiguration(ctx, ref)
}

func (w *writable) Refresh() {
	if !w.dead.Load() {
		w.fakeController.Refresh()
	}
}

func (c *fakeController) AddIPConfiguration(ctx context.Context, r cc.IPRequest) (netip.Addr, error) {
	c.mu.Lock()
	hold := c.hold
	c.asked = &r
	c.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return netip.Addr{}, ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.addErr != nil && !c.lost {
		return netip.Addr{}, c.addErr
	}
	return c.give(r), c.addErr
}

// give an address; the same to who has one. c.mu is held.
func (c *fakeController) give(r cc.IPRequest) netip.Addr {
	if have, ok := c.added[r.Ref]; ok {
		return have.Address
	}
	if !r.Address.IsValid() {
		r.Address = c.next
		c.next = c.next.Next()
	}
	c.added[r.Ref] = r
	c.write(nicOfConfiguration(r.Ref))
	return r.Address
}

func (c *fakeController) RemoveIPConfiguration(_ context.Context, ref string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removes++
	if c.removeErr != nil {
		return false, c.removeErr
	}
	_, found := c.added[ref]
	if delete(c.added, ref); found {
		c.write(nicOfConfiguration(ref))
	}
	return found, nil
}

func (c *fakeController) ReportState(_ context.Context, ref string, s cc.ConfigurationState) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports = append(c.reports, reported{ref, s})
	if c.reportErr != nil {
		return "", c.reportErr
	}
	c.write(ref)
	return c.etags[ref], nil
}

func nicOfConfiguration(ref string) string {
	nic, _, _ := strings.Cut(ref, "/ipConfigurations/")
	return nic
}

// write gives a resource another etag. c.mu is held.
func (c *fakeController) write(ref string) {
	c.writes++
	c.etags[ref] = fmt.Sprintf("W/%d", c.writes)
}

func (c *fakeController) Refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refreshed != nil {
		go c.refreshed() // it does not wait
	}
}

func (c *fakeController) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// taken are the ids of what was added.
func (c *fakeController) taken() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	for _, ref := range slices.Sorted(maps.Keys(c.added)) {
		ids = append(ids, lastPart(ref))
	}
	return strings.Join(ids, " ")
}

// fabric with what was added.
func (c *fakeController) fabric() *cc.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := fabric()
	for i := range s.Servers {
		s.Servers[i].ETag = c.etags[s.Servers[i].Ref]
	}
	for i := range s.NetworkInterfaces {
		s.NetworkInterfaces[i].ETag = c.etags[s.NetworkInterfaces[i].Ref]
	}
	for _, ref := range slices.Sorted(maps.Keys(c.added)) {
		for i := range s.NetworkInterfaces {
			if n := &s.NetworkInterfaces[i]; strings.HasPrefix(ref, n.Ref+"/") {
				r := c.added[ref]
				n.IPConfigurations = append(n.IPConfigurations, cc.IPConfiguration{Meta: meta(ref), PrivateIPAddress: r.Address.String(), Subnet: r.Subnet, AccessControlList: r.AccessControlList})
			}
		}
	}
	return s
}

// newWritingBed is an agent that may write everything.
func newWritingBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, cfg: testConfig(t), dp: &fakeDatapath{}, wiring: newWiring(),
		nc: &fakeController{added: map[string]cc.IPRequest{}, etags: map[string]string{}, next: netip.MustParseAddr("10.0.1.100")}}
	t.Cleanup(synctest.Wait) // what it asked its source for is saved in a directory that goes with the test
	b.cfg.Controller.REST.Writes.IPConfigurations, b.cfg.Controller.REST.Writes.ConfigurationState = true, true
	return b.restarted().synced()
}

// synced has heard from its controller, and does again when it asks.
func (b *bed) synced() *bed {
	b.nc.set(func() { b.nc.refreshed = func() { b.ok(b.nc.fabric()) } })
	b.ok(b.nc.fabric())
	return b
}
