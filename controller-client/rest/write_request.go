package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

const (
	maxWriteAnswer = 16 << 20 // bytes; a NIC has a few kilobytes
	maxErrorAnswer = 64 << 10
	maxErrorText   = 400 // of what is shown of it
)

// unanswered is a write that may have happened.
type unanswered struct{ *requestError }

func (unanswered) Is(target error) bool { return target == cc.ErrUnanswered }

// here is a client for the address in use, which stays with it: a poll may turn to another meanwhile.
func (s *Source) here() *client {
	at := *s.client
	at.endpoints = endpoints{all: []endpoint{s.client.use()}, current: new(atomic.Int32)}
	at.limit = min(at.limit, maxWriteAnswer)
	return &at
}

// body reads a resource as it is.
func (s *Source) body(ctx context.Context, ref string) (t tree, err error) {
	_, err = s.here().get(ctx, refPath(ref), "", func(body io.Reader) error {
		var syntax error
		if t, syntax = parseTree(body); syntax != nil && !errors.Is(syntax, io.ErrUnexpectedEOF) {
			return &contentError{syntax}
		}
		return syntax
	})
	return t, err
}

// send makes one write. It is never sent twice: who wants that reads first. The answer is nil if it is not a JSON object.
func (c *client) send(ctx context.Context, method, path, etag string, body any) (tree, error) {
	text, err := encodeTree(body)
	if err != nil {
		return nil, err
	}
	u, err := c.resolve(path)
	if err != nil {
		return nil, &requestError{method: method, path: path, what: "not a usable path", cause: err}
	}
	req, err := c.request(ctx, method, u, text)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if etag != "" {
		req.Header.Set("If-Match", etag)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		e := c.failure(ctx, false, nil, err)
		if e.method, e.path = method, u.Path; ctx.Err() != nil {
			e.what = "no answer in time"
		}
		return nil, unanswered{e}
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		answer, _ := parseTree(io.LimitReader(resp.Body, c.limit)) // it is done, whatever is said about it
		return answer, nil
	}
	e := &cc.WriteError{Method: method, Path: u.Path, Status: resp.StatusCode}
	e.RetryAfter, _ = retryAfter(resp, time.Now())
	var said struct {
		Error struct{ Code, Message string }
	}
	if raw, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer)); err == nil && json.Unmarshal(raw, &said) == nil {
		e.Code, e.Message = oneLine(said.Error.Code), oneLine(said.Error.Message)
	}
	return nil, e
}

// oneLine is text of a controller's, fit to be shown.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "..."
	}
	return text
}

// pauses double from attempt to attempt, and are drawn: who came between at the same moment does so only once.
type pauses struct{ next time.Duration }

const (
	firstPause = 20 * time.Millisecond
	mostPause  = time.Second
)

// wait is longer if what a controller last answered asks for that.
func (p *pauses) wait(ctx context.Context, last error) error {
	p.next = min(max(2*p.next, firstPause), mostPause)
	pause := p.next/4 + rand.N(p.next*3/4+1)
	if e := (*cc.WriteError)(nil); errors.As(last, &e) {
		pause += e.RetryAfter
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
