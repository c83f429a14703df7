package nctest

import (
	"fmt"
	"net/http"
)

// precondition checks If-Match and If-None-Match and answers whether the resource exists.
func (c *Controller) precondition(n name, header http.Header) (have bool, err error) {
	ifMatch, ifNoneMatch := header.Get("If-Match"), header.Get("If-None-Match")
	r := c.lookup(n.key)
	have = r != nil
	if ifMatch == "" && ifNoneMatch == "" {
		return have, nil
	}
	var etag string
	if have {
		if etag = r.etag; !n.top() {
			body, _ := parse(r.stored)
			etag, _ = find(body, n)["etag"].(string)
		}
	}
	changed := ifMatch != "" && (!have || !matchesBody(ifMatch, etag))
	unwanted := ifNoneMatch != "" && have && matchesBody(ifNoneMatch, etag)
	if changed || unwanted {
		return have, &apiError{status: http.StatusPreconditionFailed, code: "PreconditionFailed",
			message: fmt.Sprintf("%s: its etag is %q", n.ref, etag)}
	}
	return have, nil
}
