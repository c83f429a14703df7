package controllerclient

import (
	"context"
	"strings"
	"time"
)

// Source delivers what a fabric says.
type Source interface {
	// Run calls deliver, from one goroutine, with every new snapshot and every change of status, until
	// ctx ends (it then returns nil) or the source can never work (a broken configuration: an error).
	Run(ctx context.Context, deliver func(Update)) error
}

// Update is one delivery. Snapshot is nil when only the status changed: the last good one stays in force.
type Update struct {
	Snapshot *Snapshot
	Status   Status
	Problems []Problem // what the source itself could not read; the rest is in Snapshot
}

// State of a source as the contract names it.
type State string

const (
	StateStarting    State = "starting"    // nothing received yet
	StateOK          State = "ok"          // the last synchronisation succeeded
	StateStale       State = "stale"       // the source answers, but not usably; the last good state is in force
	StateUnreachable State = "unreachable" // the source does not answer; the last good state is in force
)

// Status says how well the source is doing.
type Status struct {
	Type     string    `json:"type"` // "rest", "ovsdb", "host-agent", "file"
	URL      string    `json:"url,omitempty"`
	State    State     `json:"state"`
	LastSync time.Time `json:"lastSync,omitzero"` // of the last success
	Scope    string    `json:"scope,omitempty"`   // how much of the fabric is read: "host", "full"; "" while not known
	Message  string    `json:"message,omitempty"` // one line, never with a secret
}

// Problem is one complaint about desired state, in the words shown to the operator.
type Problem struct {
	Code     string `json:"code"`               // kebab-case, stable, e.g. "acl-rule-invalid"
	Severity string `json:"severity"`           // "error" or "warning"
	Resource string `json:"resource,omitempty"` // resourceRef
	Message  string `json:"message"`            // names the field, the value, and what stays in force
}

// RefKey is the form in which two references are compared: their writers differ in case and in the
// leading "/networking/v1".
func RefKey(ref string) string {
	k := strings.ToLower(strings.TrimRight(ref, "/"))
	for _, p := range []string{"/networking/v1", "/networking/v2", "/networking/v3", "/networking/v4", "/networking/v5", "/networking/v6"} {
		if rest, ok := strings.CutPrefix(k, p+"/"); ok {
			k = "/" + rest
			break
		}
	}
	if k != "" && k[0] != '/' {
		k = "/" + k
	}
	return k
}
