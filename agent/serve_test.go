package agent

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/agent/api"
)

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "fairlead", "fairlead.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v: want mode 0660", info.Mode(), err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "answers on "+path) {
		t.Errorf("second agent: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // as SIGKILL leaves it
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, err = Listen(path)
	if err != nil {
		t.Fatalf("stale socket: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file: %v", err)
	}
	if text, err := os.ReadFile(path); string(text) != "precious" {
		t.Errorf("the file is gone: %v", err)
	}
}

// TestServe: the whole way from the client through the socket to the agent and back, until ctx ends.
func TestServe(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- b.Serve(ctx, l) }()
	c := api.NewClient(path)
	e, err := c.Attach(t.Context(), api.AttachRequest{Name: "web", Netns: "/run/netns/web", NIC: "nic-web1"})
	if err != nil || e.State != "up" {
		t.Errorf("%+v, %v", e, err)
	}
	if tr, err := c.Trace(t.Context(), api.TraceRequest{From: "web", To: "10.0.1.13"}); err != nil || tr.Verdict != "allow" {
		t.Errorf("%+v, %v", tr, err)
	}
	var problem *api.Error
	if err := c.Detach(t.Context(), "app"); !errors.As(err, &problem) || problem.Status != 404 || problem.Detail != `no endpoint "app"` {
		t.Errorf("%v", err)
	}
	if err := c.Detach(t.Context(), "web"); err != nil {
		t.Error(err)
	}
	// A stream of events carries what happens, and holds nobody up when the agent stops.
	watching, streamed := make(chan struct{}), make(chan error, 1)
	go func() {
		streamed <- c.Events(t.Context(), url.Values{"kind": {"drop"}}, func(api.Event) error { close(watching); return nil })
	}()
	for ready := false; !ready; {
		b.dp.set(func() {
			if ready = b.dp.emit != nil; ready {
				b.dp.emit(dropOf("web", 1))
			}
		})
		runtime.Gosched()
	}
	<-watching
	start := time.Now()
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := <-streamed; !errors.Is(err, api.ErrStreamEnded) {
		t.Errorf("stream: %v", err)
	}
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if err := c.Get(t.Context(), "/v1/status", nil); !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("%v", err)
	}
}
