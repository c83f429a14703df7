package rest_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

// A second address is used within the poll in which the first fails, and stays in use until it fails.
func TestSecondAddress(t *testing.T) {
	s := newSite(t)
	s.put(t, "/servers/a", nctest.ServerBody{})
	target := s.server.Listener.Addr().String()
	first, second := newRelay(t, ""), newRelay(t, target)
	cfg := s.config()
	var log bytes.Buffer
	var mu sync.Mutex
	cfg.Logger = slog.New(slog.NewTextHandler(locked{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	secret := func(url string) string { return strings.Replace(url, "://", "://me:hush@", 1) }
	cfg.URLs = []string{secret(first.url()), secret(second.url())}
	var said []cc.Status
	until := watch(t, cfg)
	see := func(what string, ok func(cc.Update) bool) cc.Update {
		t.Helper()
		return until(what, func(u cc.Update) bool { said = append(said, u.Status); return ok(u) })
	}
	in := func(r *relay) func(cc.Update) bool {
		return func(u cc.Update) bool {
			return u.Status.State == cc.StateOK && strings.HasPrefix(u.Status.URL, r.url())
		}
	}
	if u := see("a snapshot by the second", hasSnapshot); !in(second)(u) {
		t.Errorf("status %+v", u.Status)
	}
	first.turn(target)
	used := first.connections()
	for range 10 {
		if u := see("being in sync", func(cc.Update) bool { return true }); !in(second)(u) {
			t.Errorf("status %+v", u.Status)
		}
	}
	if first.connections() != used {
		t.Error("the first is tried though the second works")
	}
	second.turn("")
	see("being in sync by the first", in(first))
	for _, status := range said {
		if status.Message != "" {
			t.Errorf("a failure is reported though one address works: %+v", status)
		}
	}
	first.turn("")
	u := see("both failing", failed)
	if u.Status.State != cc.StateUnreachable || strings.Count(u.Status.Message, "GET /networking/v1/") != 2 ||
		!strings.HasPrefix(u.Status.URL, first.url()) || !strings.Contains(u.Status.Message, "; "+second.url()+": GET ") {
		t.Errorf("status %+v", u.Status)
	}
	second.turn(target)
	see("being in sync by the second", in(second))
	mu.Lock()
	defer mu.Unlock()
	for _, text := range []string{log.String(), u.Status.Message, u.Status.URL} {
		if strings.Contains(text, "hush") || strings.Contains(text, "me:") {
			t.Errorf("a secret shows in %s", text)
		}
	}
}

// A page may name any of the controller's own addresses, and no other.
func TestNextLinkToAnotherAddress(t *testing.T) {
	s := newSite(t, nctest.Options{PageSize: 1})
	for _, name := range []string{"a", "b", "c"} {
		s.put(t, "/servers/"+name, nctest.ServerBody{})
	}
	target := s.server.Listener.Addr().String()
	first, second := newRelay(t, target), newRelay(t, target)
	var origin atomic.Value
	origin.Store(second.url())
	s.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/networking/v1/servers" && r.URL.RawQuery == "" {
			_, _ = io.WriteString(w, `{"value":[],"nextLink":"`+origin.Load().(string)+`/networking/v1/servers?after="}`)
			return true
		}
		return false
	})
	cfg := s.config()
	cfg.URLs = []string{first.url(), second.url()}
	until := watch(t, cfg)
	if u := until("a snapshot", hasSnapshot); len(u.Snapshot.Servers) != 3 {
		t.Errorf("servers %+v", u.Snapshot.Servers)
	}
	if second.connections() != 0 {
		t.Error("the second is connected to though the first is in use")
	}
	origin.Store("https://evil.example")
	if u := until("a failure", failed); !strings.Contains(u.Status.Message, "nextLink to foreign host https://evil.example:443 refused") {
		t.Errorf("status %+v", u.Status)
	}
}

func TestHTTP2IsUsed(t *testing.T) {
	s := newSite(t)
	var version atomic.Int32
	s.SetFault(func(_ http.ResponseWriter, r *http.Request) bool { version.Store(int32(r.ProtoMajor)); return false })
	until := watch(t, s.config())
	until("a snapshot", hasSnapshot)
	if version.Load() != 2 {
		t.Errorf("requests are made by HTTP/%d", version.Load())
	}
}

// The environment's proxy is asked for a tunnel. net/http reads the environment once, so this runs in a process of its own.
func TestProxyOfTheEnvironment(t *testing.T) {
	if os.Getenv("FAIRLEAD_TEST_PROXY") == "" {
		var tunnels atomic.Int32
		var ended sync.WaitGroup
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodConnect || !strings.HasPrefix(r.Host, "nc.fairlead.example:") {
				http.Error(w, "only tunnels to the controller", http.StatusForbidden)
				return
			}
			_, port, _ := net.SplitHostPort(r.Host)
			far, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err != nil {
				http.Error(w, "away", http.StatusBadGateway)
				return
			}
			near, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				_ = far.Close()
				return
			}
			tunnels.Add(1)
			_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
			ended.Go(func() { defer far.Close(); _, _ = io.Copy(far, buffered) })
			ended.Go(func() { defer near.Close(); _, _ = io.Copy(near, far) })
		}))
		defer ended.Wait()
		defer proxy.Close()
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyOfTheEnvironment$", "-test.v")
		again.Env = append(os.Environ(), "FAIRLEAD_TEST_PROXY=1", "HTTPS_PROXY="+proxy.URL, "NO_PROXY=")
		out, err := again.CombinedOutput()
		if err != nil || tunnels.Load() == 0 {
			t.Errorf("%d tunnels: %v\n%s", tunnels.Load(), err, out)
		}
		return
	}
	pki, err := nctest.EnsurePKI(t.TempDir(), []string{"nc.fairlead.example"})
	if err != nil {
		t.Fatal(err)
	}
	s := newSiteWith(t, pki)
	s.put(t, "/servers/a", nctest.ServerBody{})
	cfg := s.config()
	_, port, err := net.SplitHostPort(s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cfg.URLs = []string{"https://nc.fairlead.example:" + port}
	u := watch(t, cfg)("a snapshot", func(u cc.Update) bool { return hasSnapshot(u) || failed(u) })
	if u.Snapshot == nil {
		t.Errorf("through the proxy: %+v", u.Status)
	}
}
