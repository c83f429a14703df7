package conformance

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Shape is the form of a JSON body: for the path of every member, what it is. "[]" stands for the
// elements of a list, all taken together; "?" after a type says that some of those that could have the
// member do not.
//
//	value                              list
//	value[].resourceId                 string
//	value[].properties.tags?           object
//	value[].properties.provisioningState  Succeeded|Updating
type Shape map[string]string

// words are the members whose values are words of the API, and are kept.
var words = []string{
	"action", "code", "isBMC", "loadDistribution", "logging", "networkVirtualizationProtocol", "nextHopType", "peeringState",
	"privateIPAllocationMethod", "privateMacAllocationMethod", "protocol", "provisioningState", "publicIPAddressVersion",
	"publicIPAllocationMethod", "status", "currentRestVersion",
}

// open are the members whose own members are somebody's words.
var open = []string{"tags", "additionalProperties"}

var (
	wordForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,39}$`)
	guidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	refForm  = regexp.MustCompile(`^(/[A-Za-z]+)(/\S+)*$`)
	timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d`)
	nameForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
)

const (
	maxWords  = 12
	emptyList = "empty list"
)

type sketch struct {
	types   map[string]map[string]bool
	count   map[string]int // of members by path
	objects map[string]int // that could have them, by path
}

// shapeOf reads a body; an empty one has none.
func shapeOf(body []byte) Shape {
	if len(strings.TrimSpace(string(body))) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return Shape{"": "not JSON"}
	}
	s := sketch{map[string]map[string]bool{}, map[string]int{}, map[string]int{}}
	s.add("", "", v)
	shape := Shape{}
	for path, types := range s.types {
		list := make([]string, 0, len(types))
		for t := range types {
			list = append(list, t)
		}
		if len(list) > 1 && types[emptyList] && types["list"] {
			list = slices.DeleteFunc(list, func(t string) bool { return t == emptyList })
		}
		slices.Sort(list)
		if len(list) > maxWords {
			list = append(list[:maxWords], "…")
		}
		text := strings.Join(list, "|")
		if parent := parentOf(path); path != "" && !strings.HasSuffix(path, "[]") && s.count[path] < s.objects[parent] {
			text += "?"
		}
		shape[path] = text
	}
	return shape
}

// parentOf answers the path of the object that a member is in.
func parentOf(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i]
	}
	return ""
}

func (s sketch) note(path, kind string) {
	if s.types[path] == nil {
		s.types[path] = map[string]bool{}
	}
	s.types[path][kind] = true
	s.count[path]++
}

func (s sketch) add(path, member string, v any) {
	switch v := v.(type) {
	case map[string]any:
		s.note(path, "object")
		s.objects[path]++
		if slices.Contains(open, member) {
			return
		}
		for k, e := range v {
			if !nameForm.MatchString(k) {
				k = "(name)"
			}
			at := k
			if path != "" {
				at = path + "." + k
			}
			s.add(at, k, e)
		}
	case []any:
		if len(v) == 0 {
			s.note(path, emptyList)
			return
		}
		s.note(path, "list")
		for _, e := range v {
			s.add(path+"[]", member, e)
		}
	case string:
		s.note(path, textKind(member, v))
	case float64:
		s.note(path, "number")
	case bool:
		s.note(path, "bool")
	default: // nil
		s.note(path, "null")
	}
}

func textKind(member, v string) string {
	switch {
	case slices.Contains(words, member) && wordForm.MatchString(v):
		return v
	case v == "":
		return "empty string"
	case guidForm.MatchString(v):
		return "guid"
	case strings.HasPrefix(v, `W/"`):
		return "etag"
	case refForm.MatchString(v):
		return "ref"
	case timeForm.MatchString(v):
		return "time"
	}
	return "string"
}
