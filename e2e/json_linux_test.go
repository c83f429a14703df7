package e2e

import (
	"encoding/json"
	"strings"

	"github.com/fairlead-net/fairlead/e2e/lab"
)

// items of a list that a command prints.
func items[T any](d *dual, h *lab.Host, args ...string) []T {
	d.t.Helper()
	r := h.Fairlead(append(args, "-o", "json")...)
	var l struct{ Items []T }
	if err := json.Unmarshal([]byte(r.Stdout), &l); r.Code != 0 || err != nil {
		d.t.Fatalf("fairlead %s: exit code %d: %s %v", strings.Join(args, " "), r.Code, r.Stderr, err)
	}
	return l.Items
}

// trace is `fairlead trace -o json`.
type trace struct {
	Verdict, Reason, Disagreement string
	DatapathAgrees                bool
	Encapsulation                 *struct {
		Type                string
		VSID                uint32
		Source, Destination string
	}
}

// traces asserts that the kernel does what the trace says.
func (d *dual) traces(args ...string) (t trace) {
	d.t.Helper()
	r := d.a.Fairlead(append([]string{"trace", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(r.Stdout), &t); err != nil || r.Code != 0 {
		d.t.Fatalf("trace %v: exit code %d: %s %v", args, r.Code, r.Stderr, err)
	}
	if !t.DatapathAgrees {
		d.t.Errorf("trace %v: %s %s: the datapath disagrees: %s", args, t.Verdict, t.Reason, t.Disagreement)
	}
	return t
}
