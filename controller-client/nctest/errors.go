package nctest

import (
	"errors"
	"fmt"
	"net/http"
)

// apiError is an answer in the controller's error form: {"error": {"code", "message"}}. The form is
// documented; the codes are ours.
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) Error() string { return e.message }

func badRequest(code, format string, args ...any) error {
	return &apiError{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &apiError{http.StatusConflict, "ResourceInUse", fmt.Sprintf(format, args...)}
}

func notFound(ref string) error {
	return &apiError{http.StatusNotFound, "ResourceNotFound", ref + ": resource not found"}
}

func writeError(w http.ResponseWriter, err error) {
	var e *apiError
	if !errors.As(err, &e) {
		e = &apiError{http.StatusInternalServerError, "InternalServerError", err.Error()}
	}
	writeJSON(w, e.status, encode(tree{"error": tree{"code": e.code, "message": e.message}}))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away misses it
}
