package nctest

import (
	"fmt"
	"net/http"
	"strings"
)

// precondition checks If-Match and If-None-Match and answers whether the resource exists.
func (c *Controller) precondition(n name, header http.Header) (have bool, err error) {
	var etag string
	if r := c.resources[n.topName().key]; r != nil {
		body, _ := parse(r.stored)
		if !n.top() {
			body = find(body, n)
		}
		have = n.top() || body != nil
		etag, _ = body["etag"].(string)
	}
	ifMatch, ifNoneMatch := header.Get("If-Match"), header.Get("If-None-Match")
	changed := ifMatch != "" && (!have || !matches(ifMatch, etag))
	unwanted := ifNoneMatch != "" && have && matches(ifNoneMatch, etag)
	if changed || unwanted {
		return have, &apiError{http.StatusPreconditionFailed, "PreconditionFailed",
			fmt.Sprintf("%s: its etag is %q", n.ref, etag)}
	}
	return have, nil
}

// matches compares weakly: If-Match "W/…" is what clients of this API send.
func matches(header, etag string) bool {
	if header == "" {
		return false
	}
	for want := range strings.SplitSeq(header, ",") {
		want = strings.TrimSpace(want)
		if want == "*" || strings.TrimPrefix(want, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}
