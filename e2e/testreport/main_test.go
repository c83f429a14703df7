package main

import (
	"strings"
	"testing"
)

const events = `{"Action":"run","Package":"p","Test":"TestGood"}
{"Action":"pass","Package":"p","Test":"TestGood","Elapsed":1.5}
{"Action":"output","Package":"p","Test":"TestSkipped","Output":"=== RUN   TestSkipped\n"}
{"Action":"output","Package":"p","Test":"TestSkipped","Output":"    x_test.go:3: needs root\n"}
{"Action":"output","Package":"p","Test":"TestSkipped","Output":"--- SKIP: TestSkipped (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestSkipped","Elapsed":0}
{"Action":"pass","Package":"p","Elapsed":2}
`

const failing = `{"Action":"output","Package":"q","Test":"TestBad","Output":"    y_test.go:7: want 1, got 2\n"}
{"Action":"fail","Package":"q","Test":"TestBad","Elapsed":0.1}
{"Action":"output","Package":"q","Output":"panic: oh\n"}
{"Action":"fail","Package":"q","Elapsed":0.2}
`

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name, events    string
		strict          bool
		allowed         []string
		well            bool
		contains, lacks []string
	}{
		{"a skip is told", events, false, nil, true, []string{"ok    p", "skipped: p TestSkipped: x_test.go:3: needs root", "1 passed, 0 failed, 1 skipped"}, nil},
		{"a skip that is not allowed", events, true, []string{"no IPv6"}, false, []string{"SKIPPED, which is not allowed here: p TestSkipped"}, nil},
		{"a skip that is allowed", events, true, []string{"needs root"}, true, []string{"skipped: p TestSkipped"}, []string{"not allowed"}},
		{"a failure", events + failing, false, nil, false, []string{"want 1, got 2", "panic: oh", "FAIL  q", "1 passed, 1 failed"}, nil},
		{"a build failure", `{"Action":"build-output","ImportPath":"q","Output":"x.go:1: no\n"}` + "\n" + `{"Action":"build-fail","ImportPath":"q"}` + "\n", false, nil, false, []string{"x.go:1: no"}, nil},
		{"words of go itself", "go: no such tool\n", false, nil, true, []string{"go: no such tool"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			r := report{out: &out, output: map[name][]string{}, strict: c.strict, allowed: c.allowed}
			if err := r.read(strings.NewReader(c.events)); err != nil {
				t.Fatal(err)
			}
			if well := r.summary(); well != c.well {
				t.Errorf("all is well: %v, want %v", well, c.well)
			}
			for _, text := range c.contains {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%q is not in:\n%s", text, &out)
				}
			}
			for _, text := range c.lacks {
				if strings.Contains(out.String(), text) {
					t.Errorf("%q is in:\n%s", text, &out)
				}
			}
		})
	}
}
