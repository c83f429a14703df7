package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	retries      = 2
	retryWaitMin = 100 * time.Millisecond
	retryWaitMax = 2 * time.Second // a longer Retry-After is waited for between polls, not inside one
)

func newRetryClient(cfg Config, rt http.RoundTripper) *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{Transport: rt, Timeout: cfg.AttemptTimeout, CheckRedirect: sameOrigin}
	c.Logger = nil
	if cfg.Logger.Enabled(context.Background(), slog.LevelDebug) { // otherwise the library words for nobody
		c.Logger = quiet{cfg.Logger}
	}
	c.RetryMax = retries
	c.RetryWaitMin, c.RetryWaitMax = retryWaitMin, retryWaitMax
	c.CheckRetry = mayRetry
	c.Backoff = backoff
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	return c
}

// sameOrigin keeps the client certificate at home: a redirect elsewhere is an answer, not a way.
func sameOrigin(next *http.Request, via []*http.Request) error {
	if len(via) > 3 || origin(next.URL) != origin(via[0].URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(net.JoinHostPort(u.Hostname(), port))
}

// mayRetry retries GETs that failed in a way that passes soon. A timeout has cost enough already,
// and a refused certificate stays refused: both wait for the next poll.
func mayRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	var content *contentError
	var login *kerberosError
	if ctx.Err() != nil || errors.As(err, &login) || errors.As(err, &content) || errors.Is(err, errTooLarge) || isTimeout(err) || isTLS(err) {
		return false, nil
	}
	if resp != nil && resp.Request != nil && resp.Request.Method != http.MethodGet {
		return false, nil
	}
	if err != nil {
		var failed *url.Error
		return !errors.As(err, &failed) || failed.Op == "Get", nil
	}
	if wait, ok := retryAfter(resp, time.Now()); ok && wait > retryWaitMax {
		return false, nil
	}
	return resp.StatusCode == http.StatusTooManyRequests ||
		resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented, nil
}

// backoff doubles, with up to a quarter less so that many agents spread out.
func backoff(low, high time.Duration, attempt int, resp *http.Response) time.Duration {
	if wait, ok := retryAfter(resp, time.Now()); ok {
		return min(wait, high)
	}
	wait := min(low<<attempt, high)
	return wait - rand.N(wait/4+1)
}

func retryAfter(resp *http.Response, now time.Time) (time.Duration, bool) {
	if resp == nil {
		return 0, false
	}
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// isTLS answers whether one side refused the other in the handshake.
func isTLS(err error) bool {
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var op *net.OpError
	return errors.As(err, &verify) || errors.As(err, &record) ||
		errors.As(err, &op) && op.Op == "remote error"
}

// quiet sends what the retry library says to the debug level: a failed poll is reported once, as a
// change of status.
type quiet struct{ log *slog.Logger }

func (q quiet) Error(msg string, kv ...any) { q.log.Debug(msg, kv...) }
func (q quiet) Warn(msg string, kv ...any)  { q.log.Debug(msg, kv...) }
func (q quiet) Info(msg string, kv ...any)  { q.log.Debug(msg, kv...) }
func (q quiet) Debug(msg string, kv ...any) { q.log.Debug(msg, kv...) }
