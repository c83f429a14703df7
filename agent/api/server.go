package api

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

//go:embed openapi.json
var openAPI []byte

const maxBody = 1 << 16

// Handler serves the API.
func Handler(b Backend) http.Handler { return routes(b) }

func routes(b Backend) *mux.Router {
	r := mux.NewRouter()
	r.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		fail(w, Errorf(http.StatusNotFound, "no resource %s", q.URL.Path))
	})
	r.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		fail(w, Errorf(http.StatusMethodNotAllowed, "%s does not take %s", q.URL.Path, q.Method))
	})
	get := func(path string, f func(*http.Request) (any, error)) {
		r.HandleFunc(path, func(w http.ResponseWriter, q *http.Request) { answer(w, http.StatusOK)(f(q)) }).Methods(http.MethodGet)
	}
	get("/v1/status", func(*http.Request) (any, error) { return b.Status() })
	get("/v1/endpoints", func(*http.Request) (any, error) { return list("EndpointList")(b.Endpoints()) })
	get("/v1/endpoints/{name}", func(q *http.Request) (any, error) {
		all, err := b.Endpoints()
		if err != nil {
			return nil, err
		}
		name := mux.Vars(q)["name"]
		i := slices.IndexFunc(all, func(e Endpoint) bool { return e.Name == name })
		if i < 0 {
			return nil, Errorf(http.StatusNotFound, "no endpoint %q", name)
		}
		return document(&all[i]), nil
	})
	r.HandleFunc("/v1/endpoints", func(w http.ResponseWriter, q *http.Request) {
		var req AttachRequest
		if err := decode(w, q, &req); err != nil {
			fail(w, err)
			return
		}
		e, err := b.Attach(q.Context(), req)
		if err != nil {
			fail(w, err)
			return
		}
		w.Header().Set("Location", "/v1/endpoints/"+url.PathEscape(e.Name))
		answer(w, http.StatusCreated)(document(e), nil)
	}).Methods(http.MethodPost)
	r.HandleFunc("/v1/endpoints/{name}", func(w http.ResponseWriter, q *http.Request) {
		if err := b.Detach(q.Context(), mux.Vars(q)["name"]); err != nil {
			fail(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}).Methods(http.MethodDelete)
	get("/v1/networks", func(*http.Request) (any, error) { return list("NetworkList")(b.Networks(), nil) })
	get("/v1/subnets", func(*http.Request) (any, error) { return list("SubnetList")(b.Subnets(), nil) })
	get("/v1/mappings", func(*http.Request) (any, error) { return list("MappingList")(b.Mappings(), nil) })
	get("/v1/acls", func(*http.Request) (any, error) { return list("ACLList")(b.ACLs()) })
	get("/v1/routetables", func(*http.Request) (any, error) { return list("RouteTableList")(b.RouteTables(), nil) })
	get("/v1/loadbalancers", func(*http.Request) (any, error) { return list("LoadBalancerList")(b.LoadBalancers(), nil) })
	get("/v1/publicaddresses", func(*http.Request) (any, error) { return list("PublicAddressList")(b.PublicAddresses(), nil) })
	get("/v1/flows", func(q *http.Request) (any, error) {
		query, err := parseFlowQuery(q.URL.Query())
		if err != nil {
			return nil, err
		}
		flows, err := b.Flows()
		return list("FlowList")(query.apply(flows), err)
	})
	get("/v1/vfp/ports/{name}/layers", func(q *http.Request) (any, error) { return b.Layers(mux.Vars(q)["name"]) })
	r.HandleFunc("/v1/events", serveEvents(b)).Methods(http.MethodGet)
	r.HandleFunc("/v1/trace", func(w http.ResponseWriter, q *http.Request) {
		var req TraceRequest
		if err := decode(w, q, &req); err != nil {
			fail(w, err)
			return
		}
		answer(w, http.StatusOK)(b.Trace(req))
	}).Methods(http.MethodPost)
	get("/v1/trace", func(q *http.Request) (any, error) {
		req, err := traceQuery(q.URL.Query())
		if err != nil {
			return nil, err
		}
		return b.Trace(req)
	})
	r.HandleFunc("/v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openAPI)
	}).Methods(http.MethodGet)
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{b})
	r.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{})).Methods(http.MethodGet)
	r.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }).Methods(http.MethodGet)
	r.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := b.Ready(); err != nil {
			fail(w, Errorf(http.StatusServiceUnavailable, "%v", err))
			return
		}
		fmt.Fprintln(w, "ok")
	}).Methods(http.MethodGet)
	return r
}

// list wraps items; an empty list is [], not null.
func list(kind string) func(items any, err error) (any, error) {
	return func(items any, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		return struct {
			Kinded
			Items any `json:"items"`
		}{Kinded{Version, kind}, items}, nil
	}
}

func decode(w http.ResponseWriter, q *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, q.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON document")
		}
	}
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &large):
		return Errorf(http.StatusRequestEntityTooLarge, "request body: more than %d bytes", large.Limit)
	case errors.Is(err, io.EOF):
		return Errorf(http.StatusBadRequest, "request body: empty, want a JSON object")
	}
	return Errorf(http.StatusBadRequest, "request body: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// traceQuery reads the query form of a TraceRequest.
func traceQuery(v url.Values) (r TraceRequest, err error) {
	port := func(text string) (n uint16) {
		u, perr := strconv.ParseUint(text, 10, 16)
		if perr != nil {
			err = Errorf(http.StatusBadRequest, "%q is not a port", text)
		}
		return uint16(u)
	}
	for key := range v {
		switch text := v.Get(key); key {
		case "from":
			r.From = text
		case "to":
			r.To = text
		case "proto":
			r.Proto = text
		case "sport":
			r.Sport = port(text)
		case "dport":
			r.Dport = port(text)
		default:
			err = Errorf(http.StatusBadRequest, "unknown query parameter %q, want from, to, proto, sport, dport", key)
		}
	}
	return r, err
}

func document(e *Endpoint) *EndpointDocument {
	return &EndpointDocument{Kinded{Version, "Endpoint"}, *e}
}

func answer(w http.ResponseWriter, status int) func(v any, err error) {
	return func(v any, err error) {
		if err != nil {
			fail(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v) // the client is gone: nobody to tell
	}
}

func fail(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = Errorf(http.StatusInternalServerError, "%v", err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(e)
}
