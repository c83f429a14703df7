package conformance

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

var guidInText = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

// headers answers those that matter, without values that say something about the fabric.
func (w *run) headers(h http.Header) map[string]string {
	kept := map[string]string{}
	for _, name := range []string{"ETag", "Content-Type", "Location", "Retry-After", "Allow"} {
		if v := h.Get(name); v != "" {
			kept[name] = v
		}
	}
	if v, ok := kept["ETag"]; ok {
		kept["ETag"] = "strong"
		if strings.HasPrefix(v, "W/") {
			kept["ETag"] = "weak"
		}
	}
	if v, ok := kept["Location"]; ok {
		kept["Location"] = w.location(v)
	}
	if v, ok := kept["Retry-After"]; ok {
		kept["Retry-After"] = "date"
		if strings.Trim(v, "0123456789") == "" {
			kept["Retry-After"] = "seconds"
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// location is a path on the controller, without the names of this run.
func (w *run) location(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host != "" && !strings.EqualFold(u.Host, w.base.Host) {
		return "elsewhere"
	}
	return guidInText.ReplaceAllString(strings.ReplaceAll(u.RequestURI(), w.id, "{run}"), "{guid}")
}
