package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// fakeBackend knows one of everything, or fails.
type fakeBackend struct {
	err      error
	attached AttachRequest
	detached string
	traced   TraceRequest
	watched  EventFilter
	events   []Event // then the stream fails with failure, or waits
	failure  error
	flows    []Flow
}

var oneEndpoint = Endpoint{Name: "web", NIC: "nic-web", Network: "contoso", Subnet: "web", MAC: "00:1d:d8:07:00:01", Addresses: []string{"10.0.1.11"},
	Netns: "/run/netns/web", Ifname: "eth0", Device: "fl0", MTU: 1450, State: "up",
	Counters: Counters{RxPackets: 1, RxBytes: 2, TxPackets: 3, TxBytes: 4, Drops: map[string]uint64{"ca-spoof": 5},
		Meter: map[string]Meter{"subnet": {RxBytes: 8, TxBytes: 9}}, Flows: &FlowCounters{Now: 1, Created: 12, Evicted: 13, Refused: 14}}}

func (b *fakeBackend) Status() (*Status, error) {
	return &Status{Kinded: Kinded{Version, "Status"}, Host: "host-a", Controller: cc.Status{State: cc.StateOK, LastSync: time.Unix(1700000000, 0)},
		Datapath: DatapathStatus{Flows: 7, Generation: 3, Drops: map[string]uint64{"pa-spoof": 6}},
		Problems: []cc.Problem{{Code: "x", Severity: "warning", Message: "m"}}}, b.err
}
func (b *fakeBackend) Ready() error                   { return b.err }
func (b *fakeBackend) Endpoints() ([]Endpoint, error) { return []Endpoint{oneEndpoint}, b.err }
func (b *fakeBackend) Attach(_ context.Context, r AttachRequest) (*Endpoint, error) {
	b.attached = r
	return &oneEndpoint, b.err
}
func (b *fakeBackend) Detach(_ context.Context, name string) error { b.detached = name; return b.err }
func (b *fakeBackend) Networks() []Network                         { return []Network{} }
func (b *fakeBackend) Subnets() []Subnet                           { return []Subnet{{ID: "web"}} }
func (b *fakeBackend) RouteTables() []RouteTable                   { return []RouteTable{{ID: "t"}} }
func (b *fakeBackend) LoadBalancers() []LoadBalancer               { return []LoadBalancer{{ID: "l"}} }
func (b *fakeBackend) PublicAddresses() []PublicAddress            { return []PublicAddress{{ID: "p"}} }
func (b *fakeBackend) Mappings() []Mapping                         { return []Mapping{{CA: "10.0.1.11"}} }
func (b *fakeBackend) ACLs() ([]ACL, error)                        { return []ACL{{ID: "gate"}}, b.err }
func (b *fakeBackend) Layers(port string) (*PortLayers, error) {
	n := uint64(7)
	return &PortLayers{Kinded: Kinded{Version, "PortLayers"}, Port: port, Layers: []Layer{{Name: "L", Groups: []LayerGroup{{Name: "g", Rules: []LayerRule{{ID: "r", Packets: &n}}}}}}}, b.err
}
func (b *fakeBackend) Events(ctx context.Context, f EventFilter) (func() (Event, error), error) {
	b.watched = f
	left, failure := b.events, b.failure
	return func() (Event, error) {
		if len(left) > 0 {
			e := left[0]
			left = left[1:]
			return e, nil
		}
		if failure != nil {
			return Event{}, failure
		}
		<-ctx.Done()
		return Event{}, ctx.Err()
	}, b.err
}
func (b *fakeBackend) Flows() ([]Flow, error) {
	if b.flows != nil {
		return slices.Clone(b.flows), b.err
	}
	return []Flow{{Endpoint: "web"}, {Endpoint: "app"}}, b.err
}
func (b *fakeBackend) Trace(r TraceRequest) (*Trace, error) {
	b.traced = r
	return &Trace{Kinded: Kinded{Version, "Trace"}, Verdict: "allow"}, b.err
}

func ask(b Backend, method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	Handler(b).ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

func TestReading(t *testing.T) {
	for path, kind := range map[string]string{"/v1/status": "Status", "/v1/endpoints": "EndpointList", "/v1/endpoints/web": "Endpoint", "/v1/networks": "NetworkList",
		"/v1/subnets": "SubnetList", "/v1/mappings": "MappingList", "/v1/acls": "ACLList", "/v1/routetables": "RouteTableList", "/v1/loadbalancers": "LoadBalancerList", "/v1/publicaddresses": "PublicAddressList",
		"/v1/flows": "FlowList", "/v1/vfp/ports/web/layers": "PortLayers"} {
		w := ask(&fakeBackend{}, "GET", path, "")
		var doc struct {
			APIVersion, Kind string
			Items            json.RawMessage
		}
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s %v", path, w.Code, w.Header(), err)
		}
		if doc.APIVersion != Version || doc.Kind != kind || strings.HasSuffix(kind, "List") != strings.HasPrefix(string(doc.Items), "[") {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	if w := ask(&fakeBackend{}, "GET", "/v1/networks", ""); !strings.Contains(w.Body.String(), `"items":[]`) {
		t.Errorf("an empty list: %s", w.Body)
	}
	var flows List[Flow]
	if err := json.Unmarshal(ask(&fakeBackend{}, "GET", "/v1/flows?endpoint=app", "").Body.Bytes(), &flows); err != nil || len(flows.Items) != 1 || flows.Items[0].Endpoint != "app" {
		t.Errorf("%+v, %v", flows, err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if w := ask(&fakeBackend{}, "GET", path, ""); w.Code != 200 || w.Body.String() != "ok\n" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestChanging(t *testing.T) {
	b := &fakeBackend{}
	w := ask(b, "POST", "/v1/endpoints", `{"name":"web","netns":"/run/netns/web","nic":"nic-web"}`)
	if w.Code != 201 || w.Header().Get("Location") != "/v1/endpoints/web" || b.attached != (AttachRequest{Name: "web", Netns: "/run/netns/web", NIC: "nic-web"}) {
		t.Errorf("%d %s %+v", w.Code, w.Header(), b.attached)
	}
	if w := ask(b, "DELETE", "/v1/endpoints/web", ""); w.Code != 204 || b.detached != "web" || w.Body.Len() != 0 {
		t.Errorf("%d %q", w.Code, b.detached)
	}
	want := TraceRequest{From: "web", To: "10.0.1.12", Proto: "tcp", Sport: 1, Dport: 443}
	for method, r := range map[string][2]string{"POST": {"/v1/trace", `{"from":"web","to":"10.0.1.12","proto":"tcp","sport":1,"dport":443}`},
		"GET": {"/v1/trace?from=web&to=10.0.1.12&proto=tcp&sport=1&dport=443", ""}} {
		b.traced = TraceRequest{}
		if w := ask(b, method, r[0], r[1]); w.Code != 200 || b.traced != want {
			t.Errorf("%s: %d %+v", method, w.Code, b.traced)
		}
	}
}

// TestProblems: every error is an RFC 9457 document.
func TestProblems(t *testing.T) {
	mine, theirs := Errorf(409, "endpoint %q exists", "web"), errors.New("map is full")
	for _, c := range []struct {
		method, target, body string
		err                  error
		status               int
		detail               string
	}{
		{"GET", "/v1/nothing", "", nil, 404, "no resource /v1/nothing"},
		{"GET", "/", "", nil, 404, "no resource /"},
		{"DELETE", "/v1/status", "", nil, 405, "/v1/status does not take DELETE"},
		{"GET", "/v1/endpoints/app", "", nil, 404, `no endpoint "app"`},
		{"GET", "/v1/endpoints/web", "", theirs, 500, "map is full"},
		{"GET", "/v1/endpoints", "", theirs, 500, "map is full"},
		{"GET", "/v1/acls", "", theirs, 500, "map is full"},
		{"GET", "/v1/flows?endpoint=web", "", theirs, 500, "map is full"},
		{"GET", "/readyz", "", theirs, 503, "map is full"},
		{"DELETE", "/v1/endpoints/web", "", mine, 409, `endpoint "web" exists`},
		{"POST", "/v1/endpoints", `{"name":"web"}`, mine, 409, `endpoint "web" exists`},
		{"POST", "/v1/endpoints", `{"name":"web","colour":"blue"}`, nil, 400, `request body: unknown field "colour"`},
		{"POST", "/v1/endpoints", `{"name":1}`, nil, 400, "request body: cannot unmarshal number"},
		{"POST", "/v1/endpoints", `{`, nil, 400, "request body: unexpected EOF"},
		{"POST", "/v1/endpoints", ``, nil, 400, "request body: empty"},
		{"POST", "/v1/endpoints", `{} {}`, nil, 400, "request body: more than one"},
		{"POST", "/v1/endpoints", `{"name":"` + strings.Repeat("a", maxBody) + `"}`, nil, 413, "request body: more than 65536 bytes"},
		{"POST", "/v1/trace", `{"dport":65536}`, nil, 400, "request body: cannot unmarshal number 65536"},
		{"GET", "/v1/vfp/ports/web/layers", "", Errorf(404, "endpoint %q has no port", "web"), 404, `endpoint "web" has no port`},
		{"GET", "/v1/events?kind=acl,dorp", "", nil, 400, `kind: "dorp": want acl, drop or flow`},
		{"GET", "/v1/events?colour=blue", "", nil, 400, `unknown query parameter "colour"`},
		{"GET", "/v1/events", "", theirs, 500, "map is full"},
		{"GET", "/v1/flows?colour=blue", "", nil, 400, `unknown query parameter "colour"`},
		{"GET", "/v1/flows?proto=sctp", "", nil, 400, `proto: "sctp"`},
		{"GET", "/v1/flows?state=dead", "", nil, 400, `state: "dead"`},
		{"GET", "/v1/flows?source=there", "", nil, 400, `source: "there" is neither`},
		{"GET", "/v1/flows?destination=10.0.0.0/40", "", nil, 400, `destination: "10.0.0.0/40" is neither`},
		{"GET", "/v1/flows?port=65536", "", nil, 400, `port: "65536" is not a port`},
		{"GET", "/v1/flows?direction=up", "", nil, 400, `direction: "up"`},
		{"GET", "/v1/flows?sort=colour", "", nil, 400, `sort: "colour": want age, bytes`},
		{"GET", "/v1/flows?limit=0", "", nil, 400, `limit: "0"`},
		{"GET", "/v1/trace?dport=x", "", nil, 400, `"x" is not a port`},
		{"GET", "/v1/trace?colour=blue", "", nil, 400, `unknown query parameter "colour"`},
	} {
		w := ask(&fakeBackend{err: c.err}, c.method, c.target, c.body)
		var p Error
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("%s %s: %s", c.method, c.target, w.Body)
			continue
		}
		if w.Code != c.status || p.Status != c.status || p.Type != "about:blank" || p.Title != http.StatusText(c.status) ||
			!strings.HasPrefix(p.Detail, c.detail) || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %+v", c.method, c.target, w.Code, p)
		}
	}
}

func TestMetrics(t *testing.T) {
	w := ask(&fakeBackend{}, "GET", "/metrics", "")
	for _, line := range []string{
		`fairlead_endpoint_packets_total{direction="rx",endpoint="web"} 1`,
		`fairlead_endpoint_bytes_total{direction="tx",endpoint="web"} 4`,
		`fairlead_endpoint_drops_total{endpoint="web",reason="ca-spoof"} 5`,
		`fairlead_host_drops_total{reason="pa-spoof"} 6`,
		`fairlead_endpoint_meter_bytes_total{class="subnet",direction="tx",endpoint="web"} 9`,
		`fairlead_endpoint_flows{endpoint="web"} 1`, `fairlead_endpoint_flows_created_total{endpoint="web"} 12`,
		`fairlead_endpoint_flows_evicted_total{endpoint="web"} 13`, `fairlead_endpoint_flows_refused_total{endpoint="web"} 14`,
		`fairlead_flows 7`, `fairlead_policy_generation 3`,
		`fairlead_problems{severity="error"} 0`, `fairlead_problems{severity="warning"} 1`,
		`fairlead_controller_last_sync_timestamp_seconds 1.7e+09`,
	} {
		if !strings.Contains(w.Body.String(), "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, w.Body)
		}
	}
	if w := ask(&fakeBackend{err: errors.New("map is full")}, "GET", "/metrics", ""); w.Code != 500 || !strings.Contains(w.Body.String(), "map is full") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestDegraded(t *testing.T) {
	for _, c := range []struct {
		state    cc.State
		severity string
		want     bool
	}{{cc.StateOK, "", false}, {cc.StateOK, "warning", false}, {cc.StateOK, "error", true}, {cc.StateStale, "", true}, {cc.StateStarting, "", true}} {
		s := Status{Controller: cc.Status{State: c.state}}
		if c.severity != "" {
			s.Problems = []cc.Problem{{Severity: c.severity}}
		}
		if s.Degraded() != c.want {
			t.Errorf("%+v: %v", c, !c.want)
		}
	}
}

// TestClientOfAStranger: an answer that is not an agent's is told as it is.
func TestClientOfAStranger(t *testing.T) {
	for _, answer := range []string{"<html>", `{"x":1}`} {
		c := NewClient("unused")
		c.http.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 502, Status: "502 Bad Gateway", Body: io.NopCloser(strings.NewReader(answer))}, nil
		})
		if err := c.Get(t.Context(), "/v1/status", nil); err == nil || !strings.Contains(err.Error(), "502 Bad Gateway: "+answer) {
			t.Errorf("%v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewClient("none").Get(ctx, "/", nil); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }
