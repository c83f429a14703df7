package nctest

import (
	"slices"
	"strings"
)

// find answers a nested resource's body inside its top-level resource's, or nil.
func find(body tree, n name) tree {
	for i := 2; i < len(n.segments); i += 2 {
		list := nestedList(body, n.segments[i])
		at := indexOf(list, n.segments[i+1])
		if at < 0 {
			return nil
		}
		body, _ = list[at].(tree)
	}
	return body
}

func nestedList(body tree, property string) []any {
	properties, _ := body["properties"].(tree)
	for k, v := range properties {
		if strings.EqualFold(k, property) {
			list, _ := v.([]any)
			return list
		}
	}
	return nil
}

func indexOf(list []any, id string) int {
	return slices.IndexFunc(list, func(e any) bool {
		child, _ := e.(tree)
		have, _ := child["resourceId"].(string)
		return have != "" && strings.EqualFold(have, id)
	})
}

// graft puts value where the nested resource n is or belongs; nil takes it out.
func graft(body tree, n name, value any) error {
	parent := find(body, name{segments: n.segments[:len(n.segments)-2]})
	if parent == nil {
		return notFound(n.ref)
	}
	properties, ok := parent["properties"].(tree)
	if !ok {
		properties = tree{}
		parent["properties"] = properties
	}
	property := n.segments[len(n.segments)-2]
	for k := range properties {
		if strings.EqualFold(k, property) {
			property = k
		}
	}
	list := nestedList(parent, property)
	switch at := indexOf(list, n.id()); {
	case at >= 0 && value == nil:
		list = slices.Delete(list, at, at+1)
	case at >= 0:
		list[at] = value
	case value != nil:
		list = append(list, value)
	}
	properties[property] = list
	return nil
}
