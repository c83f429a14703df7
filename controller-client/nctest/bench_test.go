package nctest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// sink takes an answer and keeps its status.
type sink struct {
	header http.Header
	status int
	bytes  int
}

func (s *sink) Header() http.Header { return s.header }

func (s *sink) WriteHeader(status int) { s.status = status }

func (s *sink) Write(data []byte) (int, error) {
	s.bytes += len(data)
	return len(data), nil
}

func benchFabric(b *testing.B, dataDir string) *Controller {
	b.Helper()
	in := b.TempDir()
	tenthFabric.write(b, in)
	c, err := Open(Options{DataDir: dataDir})
	must(b, err)
	must(b, c.Load(in))
	b.Cleanup(func() { _ = c.Close() })
	return c
}

func benchGet(b *testing.B, handler http.Handler, ifNoneMatch string, want int) *sink {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, "/networking/v1/networkInterfaces", nil)
	if ifNoneMatch != "" {
		r.Header.Set("If-None-Match", ifNoneMatch)
	}
	s := &sink{header: http.Header{}, status: http.StatusOK}
	handler.ServeHTTP(s, r)
	if s.status != want {
		b.Fatalf("HTTP %d, want %d", s.status, want)
	}
	return s
}

// BenchmarkListPage304 is a poll of a page that has not changed.
func BenchmarkListPage304(b *testing.B) {
	h := benchFabric(b, "").Handler()
	etag := benchGet(b, h, "", http.StatusOK).header.Get("ETag")
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			benchGet(b, h, etag, http.StatusNotModified)
		}
	})
}

// BenchmarkListPage is a page of 1000 NICs, after the collection has changed.
func BenchmarkListPage(b *testing.B) {
	c := benchFabric(b, "")
	h := c.Handler()
	k := c.collections["networkInterfaces"]
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		k.version++
		b.SetBytes(int64(benchGet(b, h, "", http.StatusOK).bytes))
	}
}

// BenchmarkPut replaces NICs, each PUT durable, with many writers at once.
func BenchmarkPut(b *testing.B) {
	c := benchFabric(b, b.TempDir())
	var i atomic.Int64
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ref, body := tenthFabric.nic(int(i.Add(1)) % tenthFabric.nics)
			if err := c.do(ref, body); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkServersAfterPut is what a moving NIC costs a poller of servers: the page is another one,
// and two of its bodies are rendered anew.
func BenchmarkServersAfterPut(b *testing.B) {
	c := benchFabric(b, "")
	h := c.Handler()
	ref, body := tenthFabric.nic(0)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		body.Server = fmt.Sprintf("/servers/host-%04d", i%tenthFabric.servers)
		must(b, c.do(ref, body))
		s := httptest.NewRecorder()
		h.ServeHTTP(s, httptest.NewRequest(http.MethodGet, "/networking/v1/servers", nil))
		_, _ = io.Copy(io.Discard, s.Body)
	}
}
