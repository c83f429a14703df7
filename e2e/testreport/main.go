// Testreport reads `go test -json` and says what a person wants to know: each package's result, the
// output of what failed, and every test that was skipped with its reason.
//
//	go test -json ./... | go run ./e2e/testreport [-tests] [-allow FILE]
//
// With -tests every test is a line, down to the third level. With -allow a skip is a failure unless a line of FILE is
// part of its reason; lines that begin with # are comments.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	tests := flag.Bool("tests", false, "a line for every test, down to the third level")
	allow := flag.String("allow", "", "file with the reasons for which a test may be skipped")
	flag.Parse()
	r := report{tests: *tests, out: os.Stdout, output: map[name][]string{}}
	if *allow != "" {
		var err error
		if r.allowed, err = readAllowed(*allow); err != nil {
			fmt.Fprintln(os.Stderr, "testreport:", err)
			os.Exit(2)
		}
		r.strict = true
	}
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	if !r.summary() {
		os.Exit(1)
	}
}

func readAllowed(file string) (reasons []string, err error) {
	text, err := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			reasons = append(reasons, line)
		}
	}
	return reasons, err
}

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

type name struct{ pkg, test string }

type skip struct {
	name
	reason  string
	allowed bool
}

type report struct {
	tests, strict bool
	allowed       []string
	out           io.Writer

	output         map[name][]string
	passed, failed int
	skips          []skip
	broken         bool // a package that did not build, or anything else that is no test
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(r.out, "%s", line) // what go itself has to say
			} else {
				r.take(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	n := name{e.Package, e.Test}
	switch e.Action {
	case "output":
		r.output[n] = append(r.output[n], e.Output)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "build-fail":
		r.broken = true
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e)
		}
		delete(r.output, n)
	}
}

func (r *report) endTest(e event) {
	n := name{e.Package, e.Test}
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
		fmt.Fprintf(r.out, "%s", strings.Join(r.output[n], ""))
	case "skip":
		r.skips = append(r.skips, r.skipped(n))
	}
	if r.tests && strings.Count(e.Test, "/") < 3 {
		fmt.Fprintf(r.out, "  %-5s %-75s %6.1f s\n", e.Action, e.Test, e.Elapsed)
	}
}

// skipped finds the reason of a skip in the test's output, between the lines that go test adds.
func (r *report) skipped(n name) skip {
	var reason []string
	for _, line := range r.output[n] {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			reason = append(reason, line)
		}
	}
	s := skip{name: n, reason: strings.Join(reason, " ")}
	for _, a := range r.allowed {
		s.allowed = s.allowed || strings.Contains(s.reason, a)
	}
	return s
}

func (r *report) endPackage(e event) {
	switch e.Action {
	case "pass":
		fmt.Fprintf(r.out, "ok    %s  %.1f s\n", e.Package, e.Elapsed)
	case "fail":
		r.broken = true
		// Panics and the like are said outside any test.
		fmt.Fprintf(r.out, "%sFAIL  %s  %.1f s\n", strings.Join(r.output[name{e.Package, ""}], ""), e.Package, e.Elapsed)
	}
}

// summary says how it went, and answers whether all is well.
func (r *report) summary() bool {
	well := r.failed == 0 && !r.broken
	for _, s := range r.skips {
		word := "skipped"
		if r.strict && !s.allowed {
			word, well = "SKIPPED, which is not allowed here", false
		}
		fmt.Fprintf(r.out, "%s: %s %s: %s\n", word, s.pkg, s.test, s.reason)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skips))
	return well
}
