package nctest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Client makes tests and demos read well. It serves any Network Controller.
type Client struct {
	Base string       // "https://127.0.0.1:8443"
	HTTP *http.Client // with the certificates; nil is http.DefaultClient
}

// StatusError is an answer that was not a success.
type StatusError struct {
	Status  int
	Code    string // of the controller's error body
	Message string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("HTTP %d %s: %s", e.Status, e.Code, e.Message)
}

// Put creates or replaces the resource ref ("/servers/host-a") and answers its new etag. The body is
// anything that marshals to JSON: one of the Body types, a map, or json.RawMessage.
func (c Client) Put(ctx context.Context, ref string, body any) (etag string, err error) {
	return c.PutIf(ctx, ref, body, "")
}

// PutIf is Put with If-Match; "" matches always.
func (c Client) PutIf(ctx context.Context, ref string, body any, ifMatch string) (etag string, err error) {
	data, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	header, _, err := c.do(ctx, http.MethodPut, ref, data, ifMatch)
	return header.Get("ETag"), err
}

// Get decodes the resource (or collection) ref into out.
func (c Client) Get(ctx context.Context, ref string, out any) error {
	_, body, err := c.do(ctx, http.MethodGet, ref, nil, "")
	if err != nil {
		return err
	}
	return json.Unmarshal(body, out)
}

// Delete removes the resource ref.
func (c Client) Delete(ctx context.Context, ref string) error {
	_, _, err := c.do(ctx, http.MethodDelete, ref, nil, "")
	return err
}

func (c Client) do(ctx context.Context, method, ref string, body []byte, ifMatch string) (http.Header, []byte, error) {
	url := strings.TrimRight(c.Base, "/") + "/networking/v1/" + strings.TrimLeft(ref, "/")
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if ifMatch != "" {
		req.Header.Set("If-Match", ifMatch)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", method, ref, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp.Header, answer, nil
	}
	failed := &StatusError{Status: resp.StatusCode}
	var parsed struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal(answer, &parsed) == nil {
		failed.Code, failed.Message = parsed.Error.Code, parsed.Error.Message
	}
	return nil, nil, fmt.Errorf("%s %s: %w", method, ref, failed)
}
