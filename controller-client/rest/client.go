package rest

import (
	"bufio"
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

// contentError is a whole answer that makes no sense: asking again at once would give the same.
type contentError struct{ cause error }

func (e *contentError) Error() string { return e.cause.Error() }
func (e *contentError) Unwrap() error { return e.cause }

// requestError says in one line what went wrong with a request and which state that is.
type requestError struct {
	method, path string
	state        cc.State
	what         string
	cause        error
	status       int // HTTP; 0: no answer
	retryAfter   time.Duration
	text         string // instead of all that, of several
}

func (e *requestError) Error() string {
	if e.text != "" {
		return e.text
	}
	return e.method + " " + e.path + ": " + e.what
}
func (e *requestError) Unwrap() error { return e.cause }

// closedAfterHandshake is all that is left at times of the controller's reason to refuse a client certificate.
const closedAfterHandshake = "TLS: connection closed after the handshake: is the client certificate refused?"

// client talks to one controller, at whichever of its addresses is in use. Requests may run at the
// same time, changing the address may not.
type client struct {
	endpoints
	http    *retryablehttp.Client
	timeout time.Duration
	limit   int64
}

// reply is what an answer says beside its body.
type reply struct {
	notModified bool
	etag        string // the ETag header
	size        int64  // of the body, decompressed
}

// get asks for a path below the base, on condition that it has changed since it had the etag (if that
// is not ""), and hands the body of a 200 to consume: from its start again when an attempt failed in the
// middle. It reads at most limit bytes.
func (c *client) get(ctx context.Context, path, etag string, consume func(body io.Reader) error) (r reply, err error) {
	u, err := c.resolve(path)
	if err != nil {
		return r, &requestError{method: http.MethodGet, path: path, state: cc.StateStale, what: "not a usable path", cause: err}
	}
	req, err := c.request(ctx, http.MethodGet, u, nil)
	if err != nil {
		return r, err
	}
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	// Reading inside the handler makes a broken body an attempt that is retried.
	read := false
	var in *counter
	req.SetResponseHandler(func(resp *http.Response) error {
		if resp.StatusCode != http.StatusOK {
			return nil
		}
		read = true
		defer resp.Body.Close()
		in = &counter{r: resp.Body, left: c.limit}
		body := bufio.NewReader(in)
		if what, err := notJSON(resp, body); err != nil {
			return err
		} else if what != "" {
			return &contentError{errors.New(what)}
		}
		return consume(body)
	})
	resp, err := c.http.Do(req)
	if resp != nil {
		defer resp.Body.Close()
	}
	if err != nil {
		e := c.failure(ctx, read, in, err)
		e.method, e.path = http.MethodGet, u.Path
		return r, e
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return reply{etag: resp.Header.Get("ETag"), size: in.n}, nil
	case http.StatusNotModified:
		if etag != "" {
			return reply{notModified: true}, nil
		}
	}
	return r, unexpected(http.MethodGet, u.Path, resp)
}

func (c *client) request(ctx context.Context, method string, u *url.URL, body any) (*retryablehttp.Request, error) {
	req, err := retryablehttp.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, &requestError{method: method, path: u.Path, state: cc.StateStale, what: "not a usable URL", cause: err}
	}
	req.Header.Set("Accept", "application/json")
	if user := c.use().user; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	return req, nil
}

// unexpected is the error of a status that was not asked for.
func unexpected(method, path string, resp *http.Response) *requestError {
	wait, _ := retryAfter(resp, time.Now())
	e := &requestError{method: method, path: path, state: cc.StateStale, status: resp.StatusCode,
		what: fmt.Sprintf("HTTP %d", resp.StatusCode), retryAfter: wait}
	if resp.StatusCode == http.StatusNotFound {
		e.cause = errNotFound
	}
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		e.what += " to " + origin(to) + " refused"
	}
	return e
}

// counter reads no more than left bytes.
type counter struct {
	r       io.Reader
	n, left int64
}

func (c *counter) Read(p []byte) (int, error) {
	if c.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	c.n, c.left = c.n+int64(n), c.left-int64(n)
	if c.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// notJSON looks at the body first: a sloppy Content-Type on good JSON is no reason to refuse it.
func notJSON(resp *http.Response, body *bufio.Reader) (what string, err error) {
	b, err := firstByte(body)
	switch {
	case errors.Is(err, io.EOF):
		return "answered nothing", nil
	case err != nil || b == '{':
		return "", err
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err == nil && !strings.Contains(kind, "json") {
		return "answered " + kind + ", not JSON", nil
	}
	if b == '<' {
		return "answered markup, not JSON", nil
	}
	return "", nil
}

// firstByte steps over a byte order mark and white space.
func firstByte(body *bufio.Reader) (byte, error) {
	if mark, err := body.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		_, _ = body.Discard(3)
	}
	for {
		b, err := body.ReadByte()
		if err != nil {
			return 0, err
		}
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return b, body.UnreadByte()
		}
	}
}

func (c *client) failure(ctx context.Context, answered bool, in *counter, err error) *requestError {
	e := &requestError{state: cc.StateUnreachable, cause: err}
	if answered {
		e.state = cc.StateStale
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // its text repeats method and URL
	}
	var op *net.OpError
	var content *contentError
	var login *kerberosError
	switch {
	case errors.As(err, &content):
		e.what = content.Error()
	case errors.As(err, &login):
		e.what = oneLine(login)
	case errors.Is(err, errTooLarge):
		e.what = fmt.Sprintf("answer is larger than %d bytes", c.limit)
	case ctx.Err() != nil:
		e.what = "the poll as a whole took too long"
	case isTimeout(err):
		e.what = fmt.Sprintf("no answer within %v", c.timeout)
		if answered {
			e.what = fmt.Sprintf("answer not complete within %v", c.timeout)
		}
	case errors.Is(err, io.ErrUnexpectedEOF) && answered:
		e.what = fmt.Sprintf("answer cut off at byte %d", in.n)
	case strings.Contains(err.Error(), "http2: client conn could not be established"):
		e.what = closedAfterHandshake
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
		e.what = oneLine(err)
	}
	return e
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
