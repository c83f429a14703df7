package nctest

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls f with 0 to n-1 on all processors and answers the error of the lowest number that
// failed; the others may not have been called.
func parallel(n int, f func(i int) error) error {
	var (
		next  atomic.Int64
		wg    sync.WaitGroup
		mu    sync.Mutex
		at    = n
		first error
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					mu.Lock()
					if i < at {
						at, first = i, err
					}
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}

// restoreBodies puts in force what the journal has.
func (c *Controller) restoreBodies(bodies map[string][]byte) error {
	all := make([]*resource, 0, len(bodies))
	for key, body := range bodies {
		n, err := parseRef(key)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		all = append(all, &resource{name: n, stored: body})
	}
	err := parallel(len(all), func(i int) error {
		body, err := parse(all[i].stored)
		if err != nil {
			return fmt.Errorf("journal: %s: %w", all[i].key, err)
		}
		n := all[i].name
		if ref, ok := body["resourceRef"].(string); ok && refKey(ref) == n.key { // in the spelling of its creation
			if n, err = parseRef(ref); err != nil {
				return fmt.Errorf("journal: %w", err)
			}
		}
		all[i] = newResource(n, body, all[i].stored)
		return nil
	})
	if err == nil {
		c.apply(all, nil)
	}
	return err
}
