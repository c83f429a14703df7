package nctest

import (
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
)

// TestSlowDisk: readers do not wait for the disk, and writers that wait for it wait together.
func TestSlowDisk(t *testing.T) {
	c := openAt(t, t.TempDir())
	h := c.Handler()
	queued := c.journal.last()
	c.journal.writing.Lock() // the disk is busy
	var wg sync.WaitGroup
	const writers = 20
	for i := range writers {
		wg.Go(func() {
			if err := c.do(fmt.Sprintf("/servers/%d", i), ServerBody{}); err != nil {
				t.Error(err)
			}
		})
	}
	for c.journal.last() < queued+writers {
		runtime.Gosched()
	}
	for _, path := range []string{"/servers", "/virtualNetworkManager/configuration"} {
		if status := get(h, path, "").status; status != http.StatusOK {
			t.Errorf("%s: HTTP %d", path, status)
		}
	}
	must(t, c.journal.flush(true)) // one for all
	if c.journal.durable != queued+writers {
		t.Errorf("%d of %d commits on disk after one fsync", c.journal.durable-queued, writers)
	}
	c.journal.writing.Unlock()
	wg.Wait()
}
