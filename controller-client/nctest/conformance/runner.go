package conformance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest/fabric"
)

const apiPath = "/networking/v1"

// maxBody of an answer, in bytes.
const maxBody = 256 << 20

// SmallFabric is what a development controller holds when it is asked, so that there is something to read.
var SmallFabric = fabric.Spec{Servers: 2, Tenants: 3, Subnets: 2, NICs: 12, ACLRules: 4, Seed: 1, DualStack: true}

// Runner asks a controller.
type Runner struct {
	URL   string       // "https://nc.contoso.example"
	HTTP  *http.Client // with the certificates
	Write bool         // also make, change and delete resources
	// Patience is how long a change may take to settle, and a deletion to be done; 0 is a minute.
	Patience time.Duration
	// Progress, if not nil, is told every answer.
	Progress func(Answer)
}

// run is one run of a Runner.
type run struct {
	Runner
	client http.Client
	base   *url.URL
	id     string
	known  known
	made   []string // paths of top-level resources, in the order of their creation
}

// Run goes through the script. Whatever happens, it deletes what it made; an error says if something
// had to stay, or why the run ended early. The record is good up to there.
func (r Runner) Run(ctx context.Context) (record Record, err error) {
	base, err := url.Parse(strings.TrimRight(r.URL, "/"))
	if err != nil || base.Host == "" {
		return Record{}, fmt.Errorf("%q is not the URL of a controller", r.URL)
	}
	if r.Patience == 0 {
		r.Patience = time.Minute
	}
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	id := hex.EncodeToString(b[:])
	w := &run{Runner: r, base: base, id: id, known: known{"run": id, "RUN": strings.ToUpper(id), "logicalNetwork": ""}}
	if r.HTTP != nil {
		w.client = *r.HTTP
	}
	// A redirect is an answer, too.
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	steps := readSteps()
	if r.Write {
		steps = append(steps, writeSteps()...)
		defer func() { err = errors.Join(err, w.clear(context.WithoutCancel(ctx))) }()
	}
	record = Record{ReadOnly: !r.Write}
	for i, step := range steps {
		a := w.do(ctx, step)
		record.Steps = append(record.Steps, a)
		if r.Progress != nil {
			r.Progress(a)
		}
		if ctx.Err() != nil {
			return record, fmt.Errorf("ended at step %q: %w", step.Name, context.Cause(ctx))
		}
		if i == 0 && a.Failed != "" {
			return record, a.Err
		}
	}
	return record, nil
}

func (w *run) do(ctx context.Context, s Step) Answer {
	a := Answer{Step: s.Name, Method: s.Method, Path: s.Path}
	req, err := w.request(ctx, s)
	if err != nil {
		a.Skipped = err.Error()
		return a
	}
	resp, body, err := w.send(req)
	if err != nil {
		a.Failed, a.Err = "no answer", err
		return a
	}
	a.Status, a.Header, a.Body = resp.StatusCode, w.headers(resp.Header), shapeOf(body)
	if resp.StatusCode/100 != 2 {
		return a
	}
	if s.Label != "" {
		w.keep(s.Label, resp.Header, body)
	}
	switch s.Method {
	case http.MethodPut, http.MethodPatch, http.MethodPost:
		w.madeAt(req.URL.Path)
		a.Settled = w.settle(ctx, req.URL.Path, false)
		if s.Trial {
			w.undo(ctx, req.URL.Path)
		}
	case http.MethodDelete:
		a.Settled = w.settle(ctx, req.URL.Path, true)
	}
	return a
}

// request fills the placeholders in.
func (w *run) request(ctx context.Context, s Step) (*http.Request, error) {
	path, err := w.known.expand(s.Path)
	if err != nil {
		return nil, err
	}
	body, err := w.known.expand(s.Body)
	if err != nil {
		return nil, err
	}
	target, err := w.resolve(path)
	if err != nil {
		return nil, err
	}
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, s.Method, target, reader)
	if err != nil {
		return nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	for name, value := range s.Header {
		if value, err = w.known.expand(value); err != nil {
			return nil, err
		}
		if req.Header.Set(name, value); value == "" {
			req.Header.Del(name)
		}
	}
	return req, nil
}

// resolve takes a path of the script, or a link that the controller gave: only one to itself.
func (w *run) resolve(path string) (string, error) {
	link, err := url.Parse(path)
	if err != nil {
		return "", errors.New("the link is not a URL")
	}
	if link.Host != "" {
		if !strings.EqualFold(link.Host, w.base.Host) || link.Scheme != w.base.Scheme {
			return "", errors.New("the link leads to another server")
		}
		return path, nil
	}
	if !strings.HasPrefix(path, "/") {
		return "", errors.New("the link is not an absolute path")
	}
	if !strings.HasPrefix(strings.ToLower(path), "/networking/") {
		path = apiPath + path
	}
	return w.base.String() + path, nil
}

func (w *run) send(req *http.Request) (*http.Response, []byte, error) {
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = fmt.Errorf("the answer is longer than %d bytes", maxBody)
	}
	return resp, body, err
}

// keep what later steps may want of an answer.
func (w *run) keep(label string, header http.Header, body []byte) {
	var v struct {
		ETag       string
		InstanceID string
		NextLink   string
		Value      []struct {
			ResourceID  string
			ResourceRef string
			Properties  struct{ NetworkVirtualizationEnabled any }
		}
	}
	_ = json.Unmarshal(body, &v) // what is missing, no later step gets
	set := func(kind, value string) {
		if value != "" {
			w.known[kind+"."+label] = value
		}
	}
	if header.Get("ETag") != "" {
		v.ETag = header.Get("ETag")
	}
	set("etag", v.ETag)
	set("instanceId", v.InstanceID)
	set("nextLink", v.NextLink)
	if len(v.Value) > 0 {
		set("first", url.PathEscape(v.Value[0].ResourceID))
	}
	for _, r := range v.Value {
		if strings.EqualFold(fmt.Sprint(r.Properties.NetworkVirtualizationEnabled), "true") {
			ref, _ := json.Marshal(r.ResourceRef) // a string
			w.known["logicalNetwork"] = `"logicalNetwork":{"resourceRef":` + string(ref) + `},`
		}
	}
}
