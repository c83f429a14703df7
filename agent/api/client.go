package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// timeout of one request; the agent answers all of them at once, or as soon as a policy is in force.
const timeout = time.Minute

// Client talks to an agent's socket.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient for the agent on a socket. No connection is made yet.
func NewClient(socket string) *Client {
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}, Timeout: timeout}}
}

// ErrUnreachable says that no agent answers on the socket.
var ErrUnreachable = errors.New("agent unreachable")

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	q, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, body)
	if err != nil {
		return err
	}
	resp, err := c.send(c.http, q)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("agent on %s: answer: %w", c.socket, err)
	}
	return nil
}

// send returns an answer that is not an error.
func (c *Client) send(by *http.Client, q *http.Request) (*http.Response, error) {
	resp, err := by.Do(q)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		if q.Context().Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	var e Error
	if json.Unmarshal(raw, &e) != nil || e.Detail == "" {
		return nil, fmt.Errorf("agent on %s answers %s: %s", c.socket, resp.Status, strings.TrimSpace(string(raw)))
	}
	return nil, &e
}

// Get reads a document such as "/v1/status" into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, path, nil, out)
}

// Endpoint reads one endpoint into out.
func (c *Client) Endpoint(ctx context.Context, name string, out *EndpointDocument) error {
	return c.Get(ctx, "/v1/endpoints/"+url.PathEscape(name), out)
}

// Attach an endpoint.
func (c *Client) Attach(ctx context.Context, r AttachRequest) (*Endpoint, error) {
	var e Endpoint
	return &e, c.do(ctx, http.MethodPost, "/v1/endpoints", r, &e)
}

// Detach an endpoint.
func (c *Client) Detach(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/v1/endpoints/"+url.PathEscape(name), nil, nil)
}

// Layers of an endpoint's port.
func (c *Client) Layers(ctx context.Context, port string) (*PortLayers, error) {
	var l PortLayers
	return &l, c.Get(ctx, "/v1/vfp/ports/"+url.PathEscape(port)+"/layers", &l)
}

// ErrStreamEnded says that the agent ended a stream of events: it stopped.
var ErrStreamEnded = errors.New("the agent ended the stream of events")

// Events calls each with what happens, until ctx ends or each returns an error, which it returns.
func (c *Client) Events(ctx context.Context, query url.Values, each func(Event) error) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/v1/events?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := c.send(&http.Client{Transport: c.http.Transport}, q) // without a timeout
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxBody)
	name := ""
	for lines.Scan() {
		switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
		case "event":
			name = value
		case "data":
			if name == "error" {
				var e Error
				if err := json.Unmarshal([]byte(value), &e); err != nil {
					return fmt.Errorf("agent on %s: events: %w", c.socket, err)
				}
				return &e
			}
			var e Event
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				return fmt.Errorf("agent on %s: events: %w", c.socket, err)
			}
			if err := each(e); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return ErrStreamEnded
}

// Trace a packet.
func (c *Client) Trace(ctx context.Context, r TraceRequest) (*Trace, error) {
	var t Trace
	return &t, c.do(ctx, http.MethodPost, "/v1/trace", r, &t)
}
