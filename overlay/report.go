package overlay

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// report gathers problems.
type report struct{ problems []cc.Problem }

func (r *report) errorf(code, resource, format string, args ...any) {
	r.problems = append(r.problems, cc.Problem{Code: code, Severity: "error", Resource: resource, Message: fmt.Sprintf(format, args...)})
}

func (r *report) warnf(code, resource, format string, args ...any) {
	r.problems = append(r.problems, cc.Problem{Code: code, Severity: "warning", Resource: resource, Message: fmt.Sprintf(format, args...)})
}

// complaint is a problem whose outcome is not known yet: what stays in force depends on the rest of the resource.
type complaint struct {
	code, resource, text string
	warning              bool
	outcome              string // without a last good version
}

func (r *report) complain(c complaint, outcome string) {
	if c.warning {
		r.warnf(c.code, c.resource, "%s; %s", c.text, outcome)
		return
	}
	r.errorf(c.code, c.resource, "%s; %s", c.text, outcome)
}

// sorted makes the problems a value that depends on nothing but the input.
func (r *report) sorted() []cc.Problem {
	slices.SortFunc(r.problems, func(a, b cc.Problem) int {
		return cmp.Or(strings.Compare(a.Resource, b.Resource), strings.Compare(a.Code, b.Code), strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(r.problems)
}

// quote shows a value of the source to the operator: one line, bounded, no control characters.
func quote(s string) string {
	const limit = 80
	if len(s) > limit {
		return strconv.Quote(s[:limit]) + "…"
	}
	return strconv.Quote(s)
}
