package rest

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-cleanhttp"
)

// reloading is a transport that follows its certificate files: when one changes, the next connections are
// made with the new ones. A pair that is not usable, as in the middle of being replaced, changes nothing.
type reloading struct {
	files TLS
	log   *slog.Logger
	fresh func(*tls.Config) *http.Transport

	mu      sync.Mutex
	current *http.Transport
	stamps  [3]stamp
	checked time.Time
	broken  error // why the files as they are now are not in use
}

// stamp tells versions of a file apart.
type stamp struct {
	size  int64
	mtime time.Time
}

// readFrame is the largest HTTP/2 frame that is taken: a list of a hundred megabytes in the usual 16 KiB is thousands of them.
const readFrame = 256 << 10

// checkEvery bounds how often the files are looked at.
const checkEvery = 250 * time.Millisecond

func newTransport(cfg Config) (*reloading, error) {
	t := &reloading{files: cfg.TLS, log: cfg.Logger, fresh: func(c *tls.Config) *http.Transport {
		t := cleanhttp.DefaultPooledTransport() // proxy from the environment, HTTP/2
		t.TLSClientConfig = c
		t.ResponseHeaderTimeout = cfg.AttemptTimeout
		t.MaxIdleConnsPerHost, t.MaxConnsPerHost = parallel, parallel
		t.HTTP2 = &http.HTTP2Config{MaxReadFrameSize: readFrame}
		if cfg.Kerberos != (Kerberos{}) {
			// Windows authenticates over HTTP/1.1 only.
			t.Protocols = new(http.Protocols)
			t.Protocols.SetHTTP1(true)
			t.ForceAttemptHTTP2 = false
		}
		return t
	}}
	t.stamps = t.files.stamps()
	config, err := t.files.load()
	if err != nil {
		return nil, err
	}
	t.current = t.fresh(config)
	return t, nil
}

// RoundTrip implements http.RoundTripper.
func (t *reloading) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.transport().RoundTrip(r)
}

// CloseIdleConnections is what http.Client looks for.
func (t *reloading) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.CloseIdleConnections()
}

// failure says why the files as they are now are not in use.
func (t *reloading) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broken
}

func (t *reloading) transport() *http.Transport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files == (TLS{}) || time.Since(t.checked) < checkEvery {
		return t.current
	}
	t.checked = time.Now()
	stamps := t.files.stamps()
	if stamps == t.stamps {
		return t.current
	}
	config, err := t.files.load()
	t.broken, t.stamps = err, stamps // one that is mended changes again
	if err != nil {
		return t.current
	}
	t.log.Info("certificate files changed: new connections use them")
	old := t.current
	t.current = t.fresh(config)
	old.CloseIdleConnections()
	return t.current
}

func stampOf(file string) (s stamp) {
	if info, err := os.Stat(file); file != "" && err == nil {
		s = stamp{info.Size(), info.ModTime()}
	}
	return s
}

func (f TLS) stamps() (s [3]stamp) {
	for i, name := range []string{f.CA, f.Cert, f.Key} {
		s[i] = stampOf(name)
	}
	return s
}
