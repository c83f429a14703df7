package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

var (
	errTooLarge = errors.New("answer too large")
	errNotFound = errors.New("HTTP 404")
)

// keepBuffer is how much of the read buffer is kept between requests.
const keepBuffer = 4 << 20

// pollError says in one line what went wrong and which state that is.
type pollError struct {
	path       string
	state      cc.State
	what       string
	cause      error
	retryAfter time.Duration
}

func (e *pollError) Error() string { return "GET " + e.path + ": " + e.what }
func (e *pollError) Unwrap() error { return e.cause }

// client makes one request at a time.
type client struct {
	base    *url.URL // without userinfo
	user    *url.Userinfo
	http    *retryablehttp.Client
	timeout time.Duration
	body    bytes.Buffer
}

// get answers the body, which is valid until the next call, of a 200.
func (c *client) get(ctx context.Context, u *url.URL, limit int64) ([]byte, error) {
	if c.body.Cap() > keepBuffer {
		c.body = bytes.Buffer{}
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, &pollError{path: u.Path, state: cc.StateStale, what: "not a usable URL", cause: err}
	}
	req.Header.Set("Accept", "application/json")
	if c.user != nil {
		password, _ := c.user.Password()
		req.SetBasicAuth(c.user.Username(), password)
	}
	// Reading inside the handler makes a broken body an attempt that is retried.
	read := false
	req.SetResponseHandler(func(resp *http.Response) error {
		if resp.StatusCode != http.StatusOK {
			return nil
		}
		read = true
		defer resp.Body.Close()
		c.body.Reset()
		n, err := c.body.ReadFrom(io.LimitReader(resp.Body, limit+1))
		if err == nil && n > limit {
			return errTooLarge
		}
		return err
	})
	resp, err := c.http.Do(req)
	if resp != nil {
		defer resp.Body.Close()
	}
	answered := resp != nil && (err == nil || read)
	if err != nil {
		return nil, c.failure(ctx, u.Path, answered, limit, err)
	}
	if resp.StatusCode != http.StatusOK {
		wait, _ := retryAfter(resp, time.Now())
		e := &pollError{path: u.Path, state: cc.StateStale, what: fmt.Sprintf("HTTP %d", resp.StatusCode), retryAfter: wait}
		if resp.StatusCode == http.StatusNotFound {
			e.cause = errNotFound
		}
		if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
			e.what += " to " + origin(to) + " refused"
		}
		return nil, e
	}
	body := bytes.TrimPrefix(c.body.Bytes(), []byte("\xef\xbb\xbf"))
	if what := notJSON(resp, body); what != "" {
		return nil, &pollError{path: u.Path, state: cc.StateStale, what: what}
	}
	return body, nil
}

// notJSON looks at the body first: a sloppy Content-Type on good JSON is no reason to refuse it.
func notJSON(resp *http.Response, body []byte) string {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		return "answered nothing"
	}
	if body[0] == '{' {
		return ""
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err == nil && !strings.Contains(kind, "json") {
		return "answered " + kind + ", not JSON"
	}
	if body[0] == '<' {
		return "answered markup, not JSON"
	}
	return ""
}

func (c *client) failure(ctx context.Context, path string, answered bool, limit int64, err error) error {
	e := &pollError{path: path, state: cc.StateUnreachable, cause: err}
	if answered {
		e.state = cc.StateStale
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // its text repeats method and URL
	}
	var op *net.OpError
	switch {
	case errors.Is(err, errTooLarge):
		e.what = fmt.Sprintf("answer is larger than %d bytes", limit)
	case ctx.Err() != nil:
		e.what = "the poll as a whole took too long"
	case isTimeout(err):
		e.what = fmt.Sprintf("no answer within %v", c.timeout)
		if answered {
			e.what = fmt.Sprintf("answer not complete within %v", c.timeout)
		}
	case errors.Is(err, io.ErrUnexpectedEOF) && answered:
		e.what = fmt.Sprintf("answer cut off at byte %d", c.body.Len())
	case isTLS(err):
		e.what = "TLS: " + strings.TrimPrefix(strings.TrimPrefix(err.Error(), "remote error: "), "tls: ")
	case errors.As(err, &op):
		// Without the local port, which would make every poll's message a new one.
		e.what = op.Err.Error()
		if op.Addr != nil {
			e.what += " (" + op.Op + " " + op.Addr.String() + ")"
		}
	case errors.Is(err, io.EOF):
		e.what = "connection closed without an answer"
	default:
		e.what = strings.Join(strings.Fields(err.Error()), " ")
	}
	return e
}
