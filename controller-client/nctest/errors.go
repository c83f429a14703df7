package nctest

import (
	"errors"
	"fmt"
	"net/http"
)

// apiError is an answer in the controller's error form: {"error": {"code", "message", "target"}}. The form
// is documented ([MS-NCNBI] 3.1.5.35), and so is InvalidParameterValue; the other codes are ours.
type apiError struct {
	status  int
	code    string
	message string
	target  string // field at fault; may be ""
}

func (e *apiError) Error() string { return e.message }

func badRequest(code, format string, args ...any) error {
	return &apiError{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &apiError{status: http.StatusConflict, code: "ResourceInUse", message: fmt.Sprintf(format, args...)}
}

func notFound(ref string) error {
	return &apiError{status: http.StatusNotFound, code: "ResourceNotFound", message: ref + ": resource not found"}
}

func writeError(w http.ResponseWriter, err error) {
	var e *apiError
	if !errors.As(err, &e) {
		e = &apiError{status: http.StatusInternalServerError, code: "InternalServerError", message: err.Error()}
	}
	writeJSON(w, e.status, encode(tree{"error": e.body()}))
}

func (e *apiError) body() tree {
	body := tree{"code": e.code, "message": e.message}
	if e.target != "" {
		body["target"] = e.target
	}
	return body
}

const contentType = "application/json; charset=utf-8"

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away misses it
}
