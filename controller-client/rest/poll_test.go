package rest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// fabric is a transport that answers like a controller, without a network, so that time is synctest's.
type fabric struct {
	mu     sync.Mutex
	bodies map[string]string // path below /networking/v1 -> body
	fault  func(*http.Request) (*http.Response, error)
	asked  int
}

func newFabric() *fabric {
	return &fabric{bodies: map[string]string{
		"/networkInterfaces":                   `{"value":[{"resourceId":"n1"}],"nextLink":""}`,
		"/virtualNetworks":                     `{"value":[{"resourceId":"v1"}],"nextLink":""}`,
		"/accessControlLists":                  `{"value":[],"nextLink":""}`,
		"/servers":                             `{"value":[],"nextLink":""}`,
		"/virtualNetworkManager/configuration": `{"properties":{"networkVirtualizationProtocol":"Nvgre"}}`,
	}}
}

func answer(status int, body string, header ...string) *http.Response {
	r := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (f *fabric) RoundTrip(r *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(r.URL.RequestURI(), "/networking/v1")
	f.mu.Lock()
	f.asked++
	fault := f.fault
	body, ok := f.bodies[path]
	f.mu.Unlock() // a fault may take its time, which a held lock would stop in synctest
	if fault != nil {
		if resp, err := fault(r); resp != nil || err != nil {
			if resp != nil {
				resp.Request = r
			}
			return resp, err
		}
	}
	if !ok {
		return answer(404, `{}`), nil
	}
	return answer(200, body), nil
}

func (f *fabric) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// running starts a source on f inside a synctest bubble and answers where its updates arrive.
func running(t *testing.T, f *fabric, cfg Config) (*Source, <-chan cc.Update) {
	t.Helper()
	if cfg.URLs == nil {
		cfg.URLs = []string{"https://nc.example"}
	}
	s, err := newSource(cfg.withDefaults(), f)
	if err != nil {
		t.Fatal(err)
	}
	updates := make(chan cc.Update, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, func(u cc.Update) { updates <- u }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s, updates
}

func TestPollDeliversSnapshotOnlyOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFabric()
		_, updates := running(t, f, Config{})
		if u := <-updates; u.Status.State != cc.StateStarting || u.Snapshot != nil {
			t.Errorf("first update %+v, want starting", u)
		}
		first := <-updates
		diff(t, &cc.Snapshot{
			Encapsulation:     "Nvgre",
			VirtualNetworks:   []cc.VirtualNetwork{{Meta: cc.Meta{ID: "v1", Ref: "/virtualNetworks/v1"}}},
			NetworkInterfaces: []cc.NetworkInterface{{Meta: cc.Meta{ID: "n1", Ref: "/networkInterfaces/n1"}}},
		}, first.Snapshot)
		diff(t, cc.Status{Type: "rest", URL: "https://nc.example/networking/v1", State: cc.StateOK, LastSync: time.Now(), Scope: ScopeFull}, first.Status)

		start := time.Now()
		second := <-updates
		if second.Snapshot != nil {
			t.Error("an unchanged controller gives a new snapshot")
		}
		if d := time.Since(start); d < 400*time.Millisecond || d > 2*time.Second {
			t.Errorf("second poll after %v, want anything from a fifth of 2s", d)
		}
		if !second.Status.LastSync.After(first.Status.LastSync) {
			t.Error("lastSync does not move")
		}
		f.set(func() { f.bodies["/servers"] = `{"value":[{"resourceId":"a"}]}` })
		third := <-updates
		if third.Snapshot == nil || len(third.Snapshot.Servers) != 1 || len(third.Snapshot.VirtualNetworks) != 1 {
			t.Errorf("snapshot after a change: %+v", third.Snapshot)
		}
		if &third.Snapshot.VirtualNetworks[0] != &first.Snapshot.VirtualNetworks[0] {
			t.Error("an unchanged collection was decoded again")
		}
	})
}

func TestPollIntervalJitters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, updates := running(t, newFabric(), Config{PollInterval: 10 * time.Second})
		<-updates
		<-updates
		<-updates // the first pause has a wider range
		seen := map[time.Duration]bool{}
		for range 50 {
			start := time.Now()
			<-updates
			d := time.Since(start)
			if d < 7500*time.Millisecond || d > 9500*time.Millisecond {
				t.Errorf("poll after %v", d)
			}
			seen[d] = true
		}
		if len(seen) < 10 {
			t.Errorf("only %d different pauses in 50 polls", len(seen))
		}
	})
}

func TestRefreshPollsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, updates := running(t, newFabric(), Config{PollInterval: time.Hour})
		<-updates
		<-updates
		start := time.Now()
		s.Refresh()
		s.Refresh() // never blocks
		<-updates
		if d := time.Since(start); d != 0 {
			t.Errorf("refreshed after %v", d)
		}
	})
}

// Whatever goes wrong: one line, no partial snapshot, and recovery without a restart.
func TestFailedPollKeepsLastGoodState(t *testing.T) {
	get := func(what string) string { return "GET /networking/v1/servers: " + what }
	only := func(resp func() *http.Response) func(*http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/servers") {
				return resp(), nil
			}
			return nil, nil
		}
	}
	for name, tc := range map[string]struct {
		fault   func(*http.Request) (*http.Response, error)
		state   cc.State
		message string
	}{
		"500":  {only(func() *http.Response { return answer(500, `{}`) }), cc.StateStale, get("HTTP 500")},
		"503":  {only(func() *http.Response { return answer(503, ``, "Retry-After", "1") }), cc.StateStale, get("HTTP 503")},
		"401":  {only(func() *http.Response { return answer(401, ``) }), cc.StateStale, get("HTTP 401")},
		"404":  {only(func() *http.Response { return answer(404, ``) }), cc.StateStale, get("HTTP 404")},
		"204":  {only(func() *http.Response { return answer(204, ``) }), cc.StateStale, get("HTTP 204")},
		"away": {only(func() *http.Response { return answer(302, ``, "Location", "https://u:p@login.example/x?secret=1") }), cc.StateStale, get("HTTP 302 to https://login.example:443 refused")},
		"html": {only(func() *http.Response { return answer(200, "\n<html>hello", "Content-Type", "text/html; charset=utf-8") }), cc.StateStale, get("answered text/html, not JSON")},
		"xml":  {only(func() *http.Response { return answer(200, "<a/>") }), cc.StateStale, get("answered markup, not JSON")},
		"none": {only(func() *http.Response { return answer(200, " \n") }), cc.StateStale, get("answered nothing")},
		"cut":  {only(func() *http.Response { return answer(200, `{"value":[{"resourceId":"a"`) }), cc.StateStale, get("truncated JSON at byte 27")},
		"bad":  {only(func() *http.Response { return answer(200, `{"value":[}`) }), cc.StateStale, get("invalid JSON at byte 10")},
		"list": {only(func() *http.Response { return answer(200, `[]`) }), cc.StateStale, get("answered JSON that is no object")},
		"null": {only(func() *http.Response { return answer(200, `{"value":null}`) }), cc.StateStale, get(`answered JSON without a "value" list`)},
		"huge": {only(func() *http.Response { return answer(200, `{"value":[`+strings.Repeat(" ", 2000)+`]}`) }), cc.StateStale, get("answer is larger than 1000 bytes")},
		"loop": {only(func() *http.Response {
			return answer(200, `{"value":[],"nextLink":"https://nc.example/networking/v1/servers"}`)
		}), cc.StateStale, get("nextLink leads back to a page already read")},
		"foreign": {only(func() *http.Response {
			return answer(200, `{"value":[],"nextLink":"https://evil.example/networking/v1/servers?p=2"}`)
		}), cc.StateStale,
			get("nextLink to foreign host https://evil.example:443 refused")},
		"downgrade": {only(func() *http.Response {
			return answer(200, `{"value":[],"nextLink":"http://nc.example/networking/v1/servers?p=2"}`)
		}), cc.StateStale,
			get("nextLink to foreign host http://nc.example:80 refused")},
		"stalled": {func(r *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, "/servers") {
				return nil, nil
			}
			resp := answer(200, "")
			resp.Body = io.NopCloser(stalled{r.Context()})
			return resp, nil
		}, cc.StateStale, get("answer not complete within 10s")},
		"refused": {func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }, cc.StateUnreachable,
			"GET /networking/v1/networkInterfaces: connection refused"},
		"silent": {func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }, cc.StateUnreachable,
			"GET /networking/v1/networkInterfaces: no answer within 10s"},
		"hangup": {func(*http.Request) (*http.Response, error) { return nil, io.EOF }, cc.StateUnreachable,
			"GET /networking/v1/networkInterfaces: connection closed without an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFabric()
				_, updates := running(t, f, Config{URLs: []string{"https://user:secret@nc.example"}, MaxBody: 1000})
				<-updates
				good := <-updates
				f.set(func() {
					f.fault = tc.fault
					f.bodies["/networkInterfaces"] = `{"value":[]}` // must not come through alone
				})
				start := time.Now()
				bad := <-updates
				if d := time.Since(start); d > 15*time.Second {
					t.Errorf("said only after %v", d)
				}
				if bad.Snapshot != nil {
					t.Error("a failed poll delivers a snapshot")
				}
				diff(t, cc.Status{Type: "rest", URL: "https://nc.example/networking/v1", State: tc.state,
					LastSync: good.Status.LastSync, Scope: ScopeFull, Message: tc.message}, bad.Status)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if len(updates) != 0 {
					t.Errorf("the same failure is delivered again: %+v", <-updates)
				}
				f.set(func() { f.fault = nil })
				back := <-updates
				if back.Status.State != cc.StateOK || back.Status.Message != "" || back.Snapshot == nil || len(back.Snapshot.NetworkInterfaces) != 0 {
					t.Errorf("after recovery: %+v", back)
				}
			})
		})
	}
}

// stalled is a body of which nothing ever arrives, ended as the real transport ends one.
type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) { <-s.ctx.Done(); return 0, s.ctx.Err() }

func TestPollRetriesWhatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFabric()
		failures, start := 0, time.Time{}
		f.fault = func(r *http.Request) (*http.Response, error) {
			failures++
			switch failures {
			case 1:
				start = time.Now()
				return answer(503, ``, "Retry-After", "2"), nil
			case 2:
				return nil, syscall.ECONNRESET
			}
			return nil, nil
		}
		_, updates := running(t, f, Config{})
		<-updates
		u := <-updates
		if u.Status.State != cc.StateOK {
			t.Fatalf("status %+v", u.Status)
		}
		if d := time.Since(start); d < 2*time.Second || d > 3*time.Second {
			t.Errorf("in sync after %v, want Retry-After's 2s and one short backoff", d)
		}
	})
}

func TestLongRetryAfterIsWaitedForBetweenPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFabric()
		f.fault = func(*http.Request) (*http.Response, error) { return answer(429, ``, "Retry-After", "30"), nil }
		_, updates := running(t, f, Config{})
		<-updates
		<-updates
		time.Sleep(25 * time.Second)
		synctest.Wait()
		f.set(func() {
			if f.asked != 1 {
				t.Errorf("asked %d times within the 30s the controller asked for", f.asked)
			}
			f.fault = nil
		})
		start := time.Now()
		<-updates
		if d := time.Since(start); d > 15*time.Second {
			t.Errorf("recovered only after %v more", d)
		}
	})
}

// A controller that trickles pages must not hold a poll up for ever.
func TestPollIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFabric()
		n := 0
		f.fault = func(r *http.Request) (*http.Response, error) {
			time.Sleep(5 * time.Second)
			n++
			return answer(200, `{"value":[],"nextLink":"?page=`+strings.Repeat("x", n)+`"}`), r.Context().Err()
		}
		_, updates := running(t, f, Config{PollTimeout: 20 * time.Second})
		<-updates
		start := time.Now()
		u := <-updates
		if d := time.Since(start); d > 30*time.Second || !strings.HasSuffix(u.Status.Message, "the poll as a whole took too long") {
			t.Errorf("after %v: %+v", d, u.Status)
		}
	})
}

func TestPollFollowsPages(t *testing.T) {
	for name, link := range map[string]string{
		"whole URL":      "https://NC.example:443/networking/v1/servers?page=2",
		"path":           "/networking/v1/servers?page=2",
		"below the base": "/servers?page=2",
		"query":          "?page=2",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFabric()
				f.bodies["/servers"] = `{"value":[{"resourceId":"a"}],"nextLink":"` + link + `"}`
				f.bodies["/servers?page=2"] = `{"value":[{"resourceId":"b"}, 5],"nextLink":""}`
				_, updates := running(t, f, Config{})
				<-updates
				u := <-updates
				if u.Snapshot == nil || len(u.Snapshot.Servers) != 2 || u.Snapshot.Servers[1].ID != "b" {
					t.Fatalf("update %+v", u)
				}
				if again := <-updates; again.Snapshot != nil || len(u.Problems) != 1 || len(again.Problems) != 1 {
					t.Errorf("problems %v, then %v with snapshot %v", u.Problems, again.Problems, again.Snapshot)
				}
				f.set(func() { f.bodies["/servers"] = `{"value":[{"resourceId":"a"}],"nextLink":""}` })
				if u = <-updates; u.Snapshot == nil || len(u.Snapshot.Servers) != 1 || len(u.Problems) != 0 {
					t.Errorf("after a page went away: %+v", u)
				}
			})
		})
	}
}

func TestControllerWithoutConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFabric()
		delete(f.bodies, "/virtualNetworkManager/configuration")
		_, updates := running(t, f, Config{})
		<-updates
		if u := <-updates; u.Status.State != cc.StateOK || u.Snapshot.Encapsulation != "" {
			t.Errorf("update %+v", u)
		}
	})
}

// A controller that is slow for long is asked less often; one slow answer changes nothing.
func TestPaceFollowsASlowController(t *testing.T) {
	p := pace{interval: time.Second, spread: true}
	between := func(what string, got, low, high time.Duration) {
		t.Helper()
		if got < low || got > high {
			t.Errorf("%s: %v, want %v to %v", what, got, low, high)
		}
	}
	between("one slow poll", p.afterSuccess(3*time.Second), 750*time.Millisecond, 950*time.Millisecond)
	between("another", p.afterSuccess(3*time.Second), 11250*time.Millisecond, 14250*time.Millisecond)
	between("a quick one", p.afterSuccess(100*time.Millisecond), 750*time.Millisecond, 950*time.Millisecond)
	between("a slow one again", p.afterSuccess(3*time.Second), 750*time.Millisecond, 950*time.Millisecond)
}
