package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShape(t *testing.T) {
	for body, want := range map[string]Shape{
		"":                   nil,
		" \n":                nil,
		"<html>":             {"": "not JSON"},
		`"text"`:             {"": "string"},
		`[]`:                 {"": "empty list"},
		`{"a":null,"b":1.5}`: {"": "object", "a": "null", "b": "number"},
		`{"value":[{"a":true,"etag":"W/\"1\""},{"a":"","b":["x",1]},{"b":[]}]}`: {
			"": "object", "value": "list", "value[]": "object", "value[].a": "bool|empty string?", "value[].etag": "etag?",
			"value[].b": "list?", "value[].b[]": "number|string"},
		`{"instanceId":"60b36f34-e880-4792-ad0d-df18d4fcfcc7","resourceRef":"/servers/a","at":"2026-11-01T00:00:00Z"}`: {
			"": "object", "instanceId": "guid", "resourceRef": "ref", "at": "time"},
		`{"provisioningState":"Succeeded","code":"Not a word","name":"Succeeded","message":"/servers/a: not there"}`: {
			"": "object", "provisioningState": "Succeeded", "code": "string", "name": "string", "message": "string"},
		// Members that somebody has named.
		`{"tags":{"owner":"me"},"host-a.contoso.example":{"10.0.0.1":1}}`: {
			"": "object", "tags": "object", "(name)": "object", "(name).(name)": "number"},
		`{"a":{"b":1},"c":[{"b":1},{}],"d":[[1],[]]}`: {
			"": "object", "a": "object", "a.b": "number", "c": "list", "c[]": "object", "c[].b": "number?",
			"d": "list", "d[]": "list", "d[][]": "number"},
	} {
		if diff := cmp.Diff(want, shapeOf([]byte(body))); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", body, diff)
		}
	}
}

func TestCompare(t *testing.T) {
	step := func(status int, body string) Answer {
		return Answer{Step: "s", Status: status, Header: map[string]string{"ETag": "weak"}, Settled: "Succeeded", Body: shapeOf([]byte(body))}
	}
	other := step(200, `{}`)
	other.Header, other.Settled = map[string]string{"Retry-After": "seconds"}, "Failed"
	for _, tc := range []struct {
		name         string
		earlier, now Answer
		want         []string
	}{
		{"equal", step(200, `{"a":1}`), step(200, `{"a":2}`), nil},
		{"status, and then nothing more", step(200, `{"a":1}`), step(404, `{"error":{}}`), []string{"s: outcome status 404, earlier status 200"}},
		{"no answer", step(200, ``), Answer{Step: "s", Failed: "no answer"}, []string{"s: outcome no answer, earlier status 200"}},
		{"skipped for another reason", Answer{Step: "s", Skipped: "x"}, Answer{Step: "s", Skipped: "y"}, nil},
		{"headers and state", step(200, `{}`), other, []string{
			"s: settled state Failed, earlier Succeeded", "s: header ETag none, earlier weak", "s: header Retry-After seconds, earlier none"}},
		{"members", step(200, `{"a":1,"b":1}`), step(200, `{"a":"1","c":1}`), []string{
			"s: body a string, earlier number", "s: body b none, earlier number", "s: body c number, earlier none"}},
		{"a list was empty", step(200, `{"value":[]}`), step(200, `{"value":[{"a":[1]}]}`), nil},
		{"a list is empty", step(200, `{"value":[{"a":[{"b":1}]}]}`), step(200, `{"value":[{"a":[]}]}`), nil},
		{"a list became a text", step(200, `{"value":[]}`), step(200, `{"value":""}`), []string{"s: body value empty string, earlier empty list"}},
		{"not all have it", step(200, `{"value":[{"a":1},{}]}`), step(200, `{"value":[{"a":1}]}`), nil},
	} {
		if diff := cmp.Diff(tc.want, Compare(Record{Steps: []Answer{tc.earlier}}, Record{Steps: []Answer{tc.now}})); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tc.name, diff)
		}
	}
}

func TestCompareSteps(t *testing.T) {
	one, two := Answer{Step: "one", Status: 200}, Answer{Step: "two", Status: 200}
	short, long := Record{Steps: []Answer{one}}, Record{Steps: []Answer{one, two}}
	if got := Compare(short, long); !slices.Equal(got, []string{"two: is not in the earlier record"}) {
		t.Errorf("%q", got)
	}
	if got := Compare(long, short); !slices.Equal(got, []string{"two: is only in the earlier record"}) {
		t.Errorf("%q", got)
	}
	short.ReadOnly = true
	if got := append(Compare(short, long), Compare(long, short)...); len(got) > 0 {
		t.Errorf("read-only: %q", got)
	}
}

// Records are compared by the steps' names, and kept values are found by the labels.
func TestScript(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range append(readSteps(), writeSteps()...) {
		if seen[s.Name] {
			t.Errorf("%q: twice", s.Name)
		}
		seen[s.Name] = true
	}
	for _, s := range readSteps() {
		if s.Method != http.MethodGet && s.Method != http.MethodHead || s.Body != "" {
			t.Errorf("%s: is not reading", s.Name)
		}
	}
}

// A link is followed to the controller itself only: the client certificate is for nobody else.
func TestResolve(t *testing.T) {
	base, err := url.Parse("https://nc.contoso.example")
	if err != nil {
		t.Fatal(err)
	}
	w := &run{base: base}
	for path, want := range map[string]string{
		"/servers":                "https://nc.contoso.example/networking/v1/servers",
		"/networkInterfaces?$x=1": "https://nc.contoso.example/networking/v1/networkInterfaces?$x=1",
		"/networking/v2/servers":  "https://nc.contoso.example/networking/v2/servers",
		"/NETWORKING/V1/servers":  "https://nc.contoso.example/NETWORKING/V1/servers",
		"https://NC.contoso.example/networking/v1/servers?p=2": "https://NC.contoso.example/networking/v1/servers?p=2",
		"https://elsewhere.example/networking/v1/servers":      "",
		"http://nc.contoso.example/networking/v1/servers":      "",
		"//elsewhere.example/x":                                "",
		"servers":                                              "",
		"%":                                                    "",
	} {
		if got, err := w.resolve(path); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q %v, want %q", path, got, err, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	base, err := url.Parse("https://nc.contoso.example")
	if err != nil {
		t.Fatal(err)
	}
	w := &run{base: base, id: "a1b2c3"}
	got := w.headers(http.Header{
		"Etag": {`"x"`}, "Content-Type": {"application/json"}, "Retry-After": {"10"}, "Server": {"secret"},
		"Location": {"https://nc.contoso.example/networking/v1/operations/60b36f34-e880-4792-ad0d-df18d4fcfcc7?for=a1b2c3"},
	})
	want := map[string]string{"ETag": "strong", "Content-Type": "application/json", "Retry-After": "seconds",
		"Location": "/networking/v1/operations/{guid}?for={run}"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := w.location("https://elsewhere.example/x"); got != "elsewhere" {
		t.Errorf("%q", got)
	}
}
