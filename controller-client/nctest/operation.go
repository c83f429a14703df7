package nctest

import (
	"errors"
	"net/http"
	"sync"

	"github.com/gorilla/mux"
)

// operation is one asynchronous change, asked about under /operations/ID and /operationResults/ID
// ([MS-NCNBI] 1.3.2). A restart forgets it, but not the change.
type operation struct {
	name
	id    string
	state string // of the resource meanwhile
	done  bool
	err   error
}

// operations remembers the last ones.
type operations struct {
	mu    sync.Mutex
	byID  map[string]*operation
	order []string
}

const maxOperations = 10_000

func (o *operations) add(n name, state string) *operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.order) >= maxOperations {
		delete(o.byID, o.order[0])
		o.order = o.order[1:]
	}
	op := &operation{name: n, id: guid(), state: state}
	o.byID[op.id] = op
	o.order = append(o.order, op.id)
	return op
}

func (o *operations) end(op *operation, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	op.done, op.err = true, err
}

func (o *operations) get(id string) (operation, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if op := o.byID[id]; op != nil {
		return *op, true
	}
	return operation{}, false
}

// announce tells the client where to ask; a nil operation has nothing to tell.
func (op *operation) announce(w http.ResponseWriter, r *http.Request) {
	if op == nil {
		return
	}
	at := "/networking/" + mux.Vars(r)["version"]
	w.Header().Set("x-ms-request-id", op.id)
	w.Header().Set("Azure-AsyncOperation", at+"/operations/"+op.id)
	if op.state == deleting {
		w.Header().Set("Location", at+"/operationResults/"+op.id)
	}
}

// getOperation answers how far an operation is.
func (c *Controller) getOperation(w http.ResponseWriter, r *http.Request) {
	op, ok := c.operations.get(mux.Vars(r)["id"])
	if !ok {
		writeError(w, notFound(r.URL.Path))
		return
	}
	body := tree{"status": "InProgress"}
	var refused *apiError
	switch {
	case errors.As(op.err, &refused):
		body = tree{"status": failed, "error": refused.body()}
	case op.done:
		body = tree{"status": succeeded}
	}
	writeJSON(w, http.StatusOK, encode(body))
}

// getOperationResult answers what the request would have been answered had it not been asynchronous.
func (c *Controller) getOperationResult(w http.ResponseWriter, r *http.Request) {
	op, ok := c.operations.get(mux.Vars(r)["id"])
	switch {
	case !ok:
		writeError(w, notFound(r.URL.Path))
	case !op.done:
		w.WriteHeader(http.StatusAccepted)
	case op.err != nil:
		writeError(w, op.err)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
