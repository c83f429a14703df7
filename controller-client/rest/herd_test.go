package rest

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// counted counts requests by when they come.
type counted struct {
	http.RoundTripper
	step  time.Duration
	begin time.Time

	mu    sync.Mutex
	steps []int
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	i := int(time.Since(c.begin) / c.step)
	c.mu.Lock()
	c.steps = append(c.steps, make([]int, max(0, i+1-len(c.steps)))...)
	c.steps[i]++
	c.mu.Unlock()
	return c.RoundTripper.RoundTrip(r)
}

// most answers the greatest number of requests in a step of a time after begin, and their mean.
func (c *counted) most(from, to time.Duration) (most int, mean float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := 0
	steps := c.steps[min(len(c.steps), int(from/c.step)):min(len(c.steps), int(to/c.step))]
	for _, n := range steps {
		most, sum = max(most, n), sum+n
	}
	return most, float64(sum) / float64(to/c.step-from/c.step)
}

// No herd: however many agents are started, or lose their controller, at the same moment.
func TestHerd(t *testing.T) {
	for name, fault := range map[string]func(*http.Request) (*http.Response, error){
		"refused":     func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED },
		"silent":      func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() },
		"overloaded":  func(*http.Request) (*http.Response, error) { return answer(503, ``), nil },
		"retry after": func(*http.Request) (*http.Response, error) { return answer(503, ``, "Retry-After", "20"), nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const agents = 200
				f := newTenancy()
				f.put("/logicalNetworks", `{"value":[]}`)
				f.put("/servers", `{"value":[]}`)
				f.acl("web")
				for i := range agents {
					server, nic, network := fmt.Sprintf("s%d", i), fmt.Sprintf("n%d", i), fmt.Sprintf("v%d", i)
					f.server(server, "/networkInterfaces/"+nic)
					f.network(network, "/accessControlLists/web", "/networkInterfaces/"+nic)
					f.nic(nic, server, network, "")
				}
				serve := f.fault
				c := &counted{RoundTripper: f.fabric, step: 250 * time.Millisecond, begin: time.Now()}
				var synced sync.Map
				for i := range agents {
					s, err := newSource(Config{URLs: []string{"https://nc.example"}, Host: fmt.Sprintf("s%d", i)}.withDefaults(), c)
					if err != nil {
						t.Fatal(err)
					}
					go func() {
						_ = s.Run(t.Context(), func(u cc.Update) { synced.Store(i, u.Status.State == cc.StateOK) })
					}()
				}
				const away, back, end = 30 * time.Second, time.Minute, 2 * time.Minute
				at := func(d time.Duration) { <-time.After(time.Until(c.begin.Add(d))) }
				at(away)
				f.set(func() { f.fault = fault })
				at(back)
				f.set(func() { f.fault = serve })
				at(end)
				steady, mean := c.most(10*time.Second, away)
				start, _ := c.most(0, 5*time.Second)
				failing, _ := c.most(away, back)
				again, _ := c.most(back, end)
				t.Logf("requests per 250 ms: %.0f on average and %d at most in the steady state; at most %d at the start, %d while it was away, %d when it was back",
					mean, steady, start, failing, again)
				if start > 10*int(mean) || failing > 3*int(mean) || again > 2*int(mean) {
					t.Errorf("want at most %.0f at the start, %.0f while it is away, %.0f when it is back", 10*mean, 3*mean, 2*mean)
				}
				left := 0
				synced.Range(func(_, ok any) bool {
					if !ok.(bool) {
						left++
					}
					return true
				})
				if left > 0 {
					t.Errorf("%d agents are not in sync a minute after", left)
				}
				recovered := slices.IndexFunc(c.steps[int(back/c.step):], func(n int) bool { return float64(n) > 0.7*mean })
				t.Logf("more than 70%% of the steady rate after %v", time.Duration(recovered)*c.step)
			})
		})
	}
}
