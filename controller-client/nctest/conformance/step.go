package conformance

import (
	"fmt"
	"regexp"
)

// Step is one request. Path, header values and body may hold placeholders:
//
//	{run} {RUN}        what makes this run's names unique, six hexadecimal digits
//	{etag.LABEL}       of the last answer to a step of that label
//	{instanceId.LABEL}
//	{first.LABEL}      resourceId of the first resource in a list
//	{nextLink.LABEL}   of a list
//	{logicalNetwork}   the property that refers to the controller's HNVPA network, with a comma, or nothing
//
// A step whose placeholders nothing has filled in is skipped.
type Step struct {
	Name   string // unique in the script
	Method string
	Path   string // below /networking/v1, unless it starts with /networking/
	Header map[string]string
	Body   string
	Label  string // "": nothing of the answer is kept for later steps
	Trial  bool   // likely to be refused; if it is not, what it made is deleted at once
}

var placeholder = regexp.MustCompile(`\{[A-Za-z]+(\.[A-Za-z]+)?\}`)

// known are the placeholders' values.
type known map[string]string

// expand fills placeholders in.
func (k known) expand(text string) (string, error) {
	var missing error
	text = placeholder.ReplaceAllStringFunc(text, func(p string) string {
		v, ok := k[p[1:len(p)-1]]
		if !ok && missing == nil {
			missing = fmt.Errorf("nothing is known for %s", p)
		}
		return v
	})
	return text, missing
}
