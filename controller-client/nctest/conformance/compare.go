package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Compare says where a record differs from an earlier one, one line per difference. Steps that only
// one of them has because the other was made read-only are no difference, nor is what a list holds
// when one of the two lists is empty.
func Compare(earlier, now Record) (differences []string) {
	before, after := byStep(earlier), byStep(now)
	for _, a := range now.Steps {
		b, had := before[a.Step]
		switch {
		case had:
			differences = append(differences, compareAnswers(b, a)...)
		case !earlier.ReadOnly || now.ReadOnly:
			differences = append(differences, a.Step+": is not in the earlier record")
		}
	}
	for _, b := range earlier.Steps {
		if _, has := after[b.Step]; !has && (!now.ReadOnly || earlier.ReadOnly) {
			differences = append(differences, b.Step+": is only in the earlier record")
		}
	}
	return differences
}

func byStep(r Record) map[string]Answer {
	m := map[string]Answer{}
	for _, a := range r.Steps {
		m[a.Step] = a
	}
	return m
}

func compareAnswers(b, a Answer) (differences []string) {
	differ := func(what, before, now string) {
		if before != now {
			differences = append(differences, fmt.Sprintf("%s: %s %s, earlier %s", a.Step, what, orNone(now), orNone(before)))
		}
	}
	differ("outcome", outcome(b), outcome(a))
	if len(differences) > 0 {
		return differences // the rest follows from that
	}
	differ("settled state", b.Settled, a.Settled)
	for _, name := range union(b.Header, a.Header) {
		differ("header "+name, b.Header[name], a.Header[name])
	}
	for _, path := range union(b.Body, a.Body) {
		before, now := strings.TrimSuffix(b.Body[path], "?"), strings.TrimSuffix(a.Body[path], "?")
		if below(path, b.Body, a.Body) || before == emptyList && now == "list" || before == "list" && now == emptyList {
			continue
		}
		differ("body "+path, before, now)
	}
	return differences
}

func outcome(a Answer) string {
	switch {
	case a.Skipped != "":
		return "skipped"
	case a.Failed != "":
		return "no answer"
	}
	return fmt.Sprintf("status %d", a.Status)
}

// below tells members inside a list that is empty on one side.
func below(path string, shapes ...Shape) bool {
	for i := range path {
		if !strings.HasPrefix(path[i:], "[]") {
			continue
		}
		for _, s := range shapes {
			if strings.TrimSuffix(s[path[:i]], "?") == emptyList {
				return true
			}
		}
	}
	return false
}

func union(a, b map[string]string) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
