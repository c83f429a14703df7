package rest_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

// Where what may go wrong with a controller is tried. After each of them the last good state is in force, the status says
// since when and why, and what comes after it is read without a restart.
//
//	controller restarts, connection reset mid-page, slow or stalled headers and bodies,   TestFaults
//	500, 503, 401, 403, HTML, truncated JSON, 1 GB body, expired server certificate
//	machine gone without closing its connections                                          TestVanishedController
//	expired client certificate, files replaced while running, a broken file               TestCertificateFiles
//	other CA, no client certificate, plain HTTP on the port                               TestTLSFailuresAreUnreachable
//	the same and more in simulated time (429, redirects, loops and foreign nextLinks …)   TestFailedPollKeepsLastGoodState
//	200 MB and 1 GB of which little is needed                                             TestMemoryOfALongList
//	duplicate resourceIds, expired nextLinks, dangling references, unreadable server      reread_test.go
//	reference cycles, NICs that move, subnets that go, 100,000 rules, equal priorities    fabric_test.go
//	etags that never change or are never heeded                                           TestFrozenETags, TestNoConditional, TestFrozenETagIsFoundOut
//	one of several addresses away, nextLink to another one                                failover_test.go
//	Kerberos: KDC away, keys changed, unknown names                                       TestKerberos
//	many agents at once                                                                   TestHerd
func TestFaults(t *testing.T) {
	const attempt = 500 * time.Millisecond
	hook := func(answer func(w http.ResponseWriter, r *http.Request)) func(t *testing.T, s *site, r *relay) (over func()) {
		return func(t *testing.T, s *site, _ *relay) func() {
			s.SetFault(func(w http.ResponseWriter, r *http.Request) bool { answer(w, r); return true })
			return func() { s.SetFault(nil) }
		}
	}
	status := func(code int, kind, body string, header ...string) func(t *testing.T, s *site, r *relay) func() {
		return hook(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		})
	}
	half := func(w http.ResponseWriter) {
		_, _ = io.WriteString(w, `{"value":[{"resourceId":"half`)
		_ = http.NewResponseController(w).Flush()
	}
	// behind makes the connections lead to a raw server that answers like this.
	behind := func(handle func(net.Conn)) func(t *testing.T, s *site, r *relay) func() {
		return func(t *testing.T, s *site, r *relay) func() {
			r.turn(raw(t, s.server.TLS, handle))
			return func() { r.turn(s.server.Listener.Addr().String()) }
		}
	}
	trickle := func(c net.Conn, text string) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
			<-tick.C
		}
	}
	for name, tc := range map[string]struct {
		begin   func(t *testing.T, s *site, r *relay) (over func())
		state   cc.State
		message string // a regular expression, behind method and path
	}{
		"HTTP 500":                 {status(500, "application/json", `{}`), cc.StateStale, "HTTP 500"},
		"HTTP 503":                 {status(503, "application/json", `{}`), cc.StateStale, "HTTP 503"},
		"HTTP 503 and Retry-After": {status(503, "text/plain", "later", "Retry-After", "1"), cc.StateStale, "HTTP 503"},
		"HTTP 401":                 {status(401, "text/html", "<html>"), cc.StateStale, "HTTP 401"},
		"HTTP 403":                 {status(403, "text/html", "<html>"), cc.StateStale, "HTTP 403"},
		"HTML error page":          {status(502, "text/html", "<html>Bad Gateway</html>"), cc.StateStale, "HTTP 502"},
		"HTML with HTTP 200":       {status(200, "text/html", "<html>Log in</html>"), cc.StateStale, "answered text/html, not JSON"},
		"truncated JSON":           {status(200, "application/json", `{"value":[{"resourceId":"ho`), cc.StateStale, "truncated JSON at byte 27"},
		"body shorter than said":   {status(200, "application/json", `{"value":[`, "Content-Length", "100"), cc.StateStale, "answer cut off at byte 10"},
		"stream reset mid-page": {hook(func(w http.ResponseWriter, _ *http.Request) { half(w); panic(http.ErrAbortHandler) }), cc.StateStale,
			"stream error.*INTERNAL_ERROR.*|answer cut off at byte 29"},
		"connection reset mid-page": {func(t *testing.T, s *site, r *relay) func() {
			s.SetFault(func(w http.ResponseWriter, _ *http.Request) bool { half(w); r.reset(); return true })
			return func() { s.SetFault(nil) }
		}, "", ".*connection reset by peer.*|answer cut off.*|.*connection lost.*|.*EOF.*|truncated JSON at byte 29"},
		"controller restarts mid-page": {func(t *testing.T, s *site, r *relay) func() {
			s.SetFault(func(w http.ResponseWriter, _ *http.Request) bool { half(w); r.turn(""); return true })
			return func() { s.SetFault(nil); r.turn(s.server.Listener.Addr().String()) }
		}, "", ".*"},
		"headers stall": {hook(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), cc.StateUnreachable, "no answer within 500ms"},
		"body stalls":   {hook(func(w http.ResponseWriter, r *http.Request) { half(w); <-r.Context().Done() }), cc.StateStale, "answer not complete within 500ms"},
		"body trickles": {hook(func(w http.ResponseWriter, r *http.Request) {
			half(w)
			for tick := time.Tick(20 * time.Millisecond); r.Context().Err() == nil; <-tick {
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
			}
		}), cc.StateStale, "answer not complete within 500ms"},
		"slowloris: headers trickle": {behind(func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			trickle(c, "X-Again: x\r\n")
		}), cc.StateUnreachable, "no answer within 500ms"},
		"slowloris: body trickles": {behind(func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
			trickle(c, " ")
		}), cc.StateStale, "answer not complete within 500ms"},
		"not HTTP": {behind(func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH\r\n") }), cc.StateUnreachable, ".*malformed HTTP response.*"},
		"endless headers": {behind(func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			line := "X-A: " + strings.Repeat("x", 64<<10) + "\r\n"
			for {
				if _, err := io.WriteString(c, line); err != nil {
					return
				}
			}
		}), cc.StateUnreachable, ".*(server response headers exceeded|no answer within).*"},
		"1 GB body": {hook(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"value":[`)
			spaces := bytes.Repeat([]byte(" "), 1<<20)
			for range 1024 {
				if _, err := w.Write(spaces); err != nil {
					return
				}
			}
		}), cc.StateStale, "answer is larger than 4194304 bytes"},
		"expired server certificate": {func(t *testing.T, s *site, r *relay) func() {
			cert, key := filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "key")
			expired(t, s.pki, x509.ExtKeyUsageServerAuth, cert, key)
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			r.turn(raw(t, &tls.Config{Certificates: []tls.Certificate{pair}}, func(net.Conn) {}))
			return func() { r.turn(s.server.Listener.Addr().String()) }
		}, cc.StateUnreachable, "TLS: failed to verify certificate: x509: certificate has expired or is not yet valid: .*"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.put(t, "/servers/first", nctest.ServerBody{})
			r := newRelay(t, s.server.Listener.Addr().String())
			cfg := s.config()
			cfg.URLs, cfg.AttemptTimeout, cfg.MaxBody = []string{r.url()}, attempt, 4<<20
			until := watch(t, cfg)
			until("a snapshot", hasSnapshot)
			good := until("being in sync", func(u cc.Update) bool { return u.Status.State == cc.StateOK })
			over := tc.begin(t, s, r)
			bad := until("a failure", failed)
			what := regexp.MustCompile(`^GET /networking/v1/[a-zA-Z/]+: (` + tc.message + `)$`)
			if bad.Snapshot != nil || tc.state != "" && bad.Status.State != tc.state || !what.MatchString(bad.Status.Message) {
				t.Errorf("%+v, want %s and %s", bad, tc.state, what)
			}
			if since := bad.Status.LastSync; since.Before(good.Status.LastSync) {
				t.Errorf("last sync was %v, and %v before that", since, good.Status.LastSync)
			}
			over()
			s.put(t, "/servers/second", nctest.ServerBody{})
			u := until("the change after it", hasSnapshot)
			if len(u.Snapshot.Servers) != 2 || u.Status.State != cc.StateOK || u.Status.Message != "" || !u.Status.LastSync.After(bad.Status.LastSync) {
				t.Errorf("after it: %+v", u)
			}
		})
	}
}

// Etags that never change, though the bodies do, are found out.
func TestFrozenETags(t *testing.T) {
	s := newSite(t, nctest.Options{FrozenETags: true})
	s.put(t, "/servers/host-a", nctest.ServerBody{ProviderAddresses: []string{"172.16.0.1"}})
	until := watch(t, s.config())
	until("a snapshot", hasSnapshot)
	for i := 2; i < 5; i++ {
		pa := fmt.Sprintf("172.16.0.%d", i)
		s.put(t, "/servers/host-a", nctest.ServerBody{ProviderAddresses: []string{pa}})
		u := until("the change", func(u cc.Update) bool {
			return u.Snapshot != nil && u.Snapshot.Servers[0].ProviderAddresses[0] == pa
		})
		if len(u.Problems) != 1 || u.Problems[0].Code != "controller-etag" {
			t.Errorf("problems %+v", u.Problems)
		}
	}
}

// A server that ignores If-None-Match costs bytes, no snapshots.
func TestNoConditional(t *testing.T) {
	s := newSite(t, nctest.Options{NoConditional: true})
	s.put(t, "/servers/host-a", nctest.ServerBody{})
	until := watch(t, s.config())
	until("a snapshot", hasSnapshot)
	polls := 0
	until("ten polls", func(u cc.Update) bool {
		if u.Snapshot != nil || len(u.Problems) != 0 || failed(u) {
			t.Errorf("without a change: %+v", u)
		}
		polls++
		return polls > 10
	})
	s.put(t, "/servers/host-b", nctest.ServerBody{})
	if u := until("a change", hasSnapshot); len(u.Snapshot.Servers) != 2 {
		t.Errorf("servers %+v", u.Snapshot.Servers)
	}
}

// A controller, or the virtual address in front of it, moves without a word to those who were connected.
func TestVanishedController(t *testing.T) {
	s := newSite(t)
	s.put(t, "/servers/first", nctest.ServerBody{})
	r := newRelay(t, s.server.Listener.Addr().String())
	cfg := s.config()
	cfg.URLs, cfg.AttemptTimeout = []string{r.url()}, 500*time.Millisecond
	until := watch(t, cfg)
	until("a snapshot", hasSnapshot)
	r.freeze()
	before := r.connections()
	s.put(t, "/servers/second", nctest.ServerBody{})
	if u := until("the change after it", hasSnapshot); len(u.Snapshot.Servers) != 2 {
		t.Errorf("servers %+v", u.Snapshot.Servers)
	}
	if r.connections() == before {
		t.Error("without a new connection")
	}
}
