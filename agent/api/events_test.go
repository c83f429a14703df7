package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// onSocket serves b as an agent does.
func onSocket(t *testing.T, b Backend) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: Handler(b)}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return NewClient(socket)
}

func TestEvents(t *testing.T) {
	events := []Event{{Event: "drop", Endpoint: "web", Reason: "ca-spoof"}, {Event: "flow-new", Endpoint: "web", Lost: 3}}
	b := &fakeBackend{events: events}
	c := onSocket(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	var got []Event
	err := c.Events(ctx, url.Values{"kind": {"drop,flow", "flow-new"}, "endpoint": {"web"}}, func(e Event) error {
		if got = append(got, e); len(got) == 2 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || !slices.Equal(got, events) {
		t.Errorf("%+v, %v", got, err)
	}
	if b.watched.Endpoint != "web" || !slices.Equal(b.watched.Kinds, []string{"drop", "flow-closed", "flow-new"}) {
		t.Errorf("asked for %+v", b.watched)
	}
	enough := errors.New("enough")
	if err := c.Events(t.Context(), nil, func(Event) error { return enough }); !errors.Is(err, enough) || b.watched.Kinds != nil {
		t.Errorf("%v, %+v", err, b.watched)
	}
	b.failure = errors.New("ring is gone")
	var problem *Error
	if err := c.Events(t.Context(), nil, func(Event) error { return nil }); !errors.As(err, &problem) || problem.Detail != "events: ring is gone" {
		t.Errorf("%v", err)
	}
	if err := c.Events(t.Context(), url.Values{"kind": {"x"}}, nil); !errors.As(err, &problem) || problem.Status != 400 {
		t.Errorf("%v", err)
	}
	if err := NewClient("/nonexistent/s").Events(t.Context(), nil, nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

// TestEventStream: the form is that of server-sent events.
func TestEventStream(t *testing.T) {
	w := ask(&fakeBackend{events: []Event{{Event: "acl", Rule: "r"}}, failure: errors.New("x")}, "GET", "/v1/events", "")
	body := w.Body.String()
	if w.Header().Get("Content-Type") != "text/event-stream" || !strings.HasPrefix(body, ": watching\n\nevent: acl\ndata: {") || !strings.Contains(body, "}\n\nevent: error\ndata: {") || !w.Flushed {
		t.Errorf("%s %q", w.Header(), body)
	}
}
