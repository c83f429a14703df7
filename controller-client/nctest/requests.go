package nctest

import (
	"bufio"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// RequestKind is what requests are counted by. Status is 0 for those that got no answer.
type RequestKind struct {
	Method string
	Status int
}

// requests counts and logs.
type requests struct {
	mu    sync.Mutex
	count map[RequestKind]int64
}

// Requests answers how many requests there have been of each kind.
func (c *Controller) Requests() map[RequestKind]int64 {
	c.requests.mu.Lock()
	defer c.requests.mu.Unlock()
	return maps.Clone(c.requests.count)
}

// requestLine is a line of the request log. It has no body, no header and no secret.
type requestLine struct {
	Time     time.Time `json:"time"`
	Method   string    `json:"method"`
	Path     string    `json:"path"`
	Status   int       `json:"status"`
	Bytes    int64     `json:"bytes"` // of the answer's body
	Duration float64   `json:"milliseconds"`
	Client   string    `json:"client,omitempty"` // common name of its certificate
}

// observe wraps a handler in counters, the log and the hook.
func (c *Controller) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		seen := &recorder{ResponseWriter: w}
		defer func() { // also for a fault that panics to cut the connection
			c.saw(begin, r, seen)
		}()
		next.ServeHTTP(seen, r)
		if seen.status == 0 {
			seen.status = http.StatusOK
		}
	})
}

func (c *Controller) saw(begin time.Time, r *http.Request, answer *recorder) {
	c.requests.mu.Lock()
	c.requests.count[RequestKind{r.Method, answer.status}]++
	c.requests.mu.Unlock()
	if c.opts.OnRequest != nil {
		c.opts.OnRequest(begin, r, answer.status)
	}
	if c.opts.RequestLog == nil {
		return
	}
	line := requestLine{Time: begin, Method: r.Method, Path: r.URL.RequestURI(), Status: answer.status, Bytes: answer.bytes,
		Duration: float64(time.Since(begin).Microseconds()) / 1000}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		line.Client = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	text, err := json.Marshal(line)
	if err != nil {
		return // a time before year 0
	}
	c.requests.mu.Lock()
	defer c.requests.mu.Unlock()
	if _, err := c.opts.RequestLog.Write(append(text, '\n')); err != nil {
		c.log.Warn("the request log cannot be written", "error", err)
	}
}

// recorder remembers what went out.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush and Hijack are for faults, which may break an answer off in the middle.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() }

func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(data []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(data)
	r.bytes += int64(n)
	return n, err
}
