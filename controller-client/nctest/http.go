package nctest

import (
	"maps"
	"net/http"
	"slices"

	"github.com/gorilla/mux"
)

// Handler serves /networking/v1 (and the later versions, with the same bodies) and the discovery list.
func (c *Controller) Handler() http.Handler {
	r := mux.NewRouter()
	r.HandleFunc("/networking/discovery", c.discovery).Methods(http.MethodGet)
	api := r.PathPrefix("/networking/{version:v[0-9]+}").Subrouter()
	api.HandleFunc("/operations/{id}", c.getOperation).Methods(http.MethodGet)
	api.HandleFunc("/operationResults/{id}", c.getOperationResult).Methods(http.MethodGet)
	api.HandleFunc("/{path:.+}", c.get).Methods(http.MethodGet, http.MethodHead)
	api.HandleFunc("/{path:.+}", c.put).Methods(http.MethodPut)
	api.HandleFunc("/{path:.+}", c.patch).Methods(http.MethodPatch)
	api.HandleFunc("/{path:.+}", c.delete).Methods(http.MethodDelete)
	r.NotFoundHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeError(w, notFound(r.URL.Path))
	})
	r.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &apiError{status: http.StatusMethodNotAllowed, code: "MethodNotAllowed", message: r.Method + " is not possible here"})
	})
	return c.observe(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if hook := c.fault.Load(); hook != nil && (*hook)(w, req) {
			return
		}
		c.log.Debug("request", "method", req.Method, "path", req.URL.Path)
		r.ServeHTTP(w, req)
	}))
}

// discovery's exact body is not public; this is ours.
func (c *Controller) discovery(w http.ResponseWriter, _ *http.Request) {
	var value []any
	for _, collection := range slices.Sorted(maps.Keys(singletons)) {
		ref := "/" + collection
		if only := singletons[collection]; only != "" {
			ref += "/" + only
		}
		value = append(value, tree{"resourceRef": ref})
	}
	writeJSON(w, http.StatusOK, encode(tree{"currentRestVersion": "v1", "value": value}))
}
