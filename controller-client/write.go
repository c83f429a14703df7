package controllerclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"
)

// Writer changes the little that is a host agent's to change. It may be used while the source runs.
type Writer interface {
	// AddIPConfiguration gives a NIC another address, and returns when it has it. Asked again, the address is the same.
	// After an error that is [ErrUnanswered] it may have one all the same.
	AddIPConfiguration(ctx context.Context, r IPRequest) (netip.Addr, error)
	// RemoveIPConfiguration takes one away, and says whether it was there.
	RemoveIPConfiguration(ctx context.Context, ref string) (found bool, err error)
	// ReportState says how a resource is doing on this host. The etag is the one that the resource has with it, or "".
	ReportState(ctx context.Context, ref string, s ConfigurationState) (etag string, err error)
	// Refresh asks the source to look now for what has changed. It does not wait.
	Refresh()
}

// IPRequest is what an ipConfiguration is to be.
type IPRequest struct {
	Ref               string     // of the ipConfiguration: NIC's/ipConfigurations/ID
	Subnet            string     // ref
	Address           netip.Addr // the zero value leaves the choice to the controller
	AccessControlList string     // ref, or ""
}

// The words of a configurationState ([MS-NCNBI] 2.2.4). A Microsoft controller writes it itself, of what its southbound
// tells; that a host agent's own report takes its place is derived.
const (
	StatusSuccess = "Success"
	StatusWarning = "Warning"
	StatusFailure = "Failure"
)

// The codes of its details ([MS-NCNBI] 3.1.5.11.1.2.3) that a host agent has a use for.
const (
	CodePA     = "PAAddressConfigurationFailure"
	CodeVFP    = "PolicyConfigurationFailureOnVfp"
	CodePolicy = "PolicyConfigurationFailure"
)

// ConfigurationState of a resource.
type ConfigurationState struct {
	Status      string        `json:"status"`
	Details     []StateDetail `json:"detailedInfo"`
	LastUpdated time.Time     `json:"lastUpdatedTime"`
	ID          string        `json:"id,omitempty"` // instanceId of the resource
}

// StateDetail is one complaint.
type StateDetail struct {
	Source  string `json:"source"`
	Message string `json:"message"`
	Code    string `json:"code"`
}

var (
	// ErrRefused says that the controller does not take such a write from this host: asking again is no use.
	ErrRefused = errors.New("refused")
	// ErrUnanswered says that a write may have happened.
	ErrUnanswered = errors.New("unanswered")
	// ErrGone says that what was to be written to is not there.
	ErrGone = errors.New("gone")
)

// WriteError is what a controller answered instead of doing what it was asked for.
type WriteError struct {
	Method, Path  string
	Status        int    // HTTP
	Code, Message string // of the error body; one line each
	RetryAfter    time.Duration
}

func (e *WriteError) Error() string {
	text := fmt.Sprintf("%s %s: HTTP %d", e.Method, e.Path, e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Is sorts it by what there is to do.
func (e *WriteError) Is(target error) bool {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return target == ErrRefused
	case http.StatusNotFound:
		return target == ErrGone
	}
	return target == ErrUnanswered && e.Status >= http.StatusInternalServerError // a gateway's, perhaps
}
