package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("%q is not a duration, want one such as 2s", n.Value)
	}
	*d = Duration(v)
	return nil
}

// document is the one mapping that a file holds.
func document(raw []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(raw))
	var doc, more yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty")
	} else if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file holds more than one YAML document")
	}
	return doc.Content[0], nil
}

// strict compares a node with the type it is to fill: the decoder's own errors do not name the key.
func strict(n *yaml.Node, t reflect.Type, path string) (errs []error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.ShortTag() == "!!null" && path != "" {
		return nil
	}
	bad := func(n *yaml.Node, path, format string, args ...any) {
		errs = append(errs, fmt.Errorf("line %d: %s: %s", n.Line, path, fmt.Sprintf(format, args...)))
	}
	switch {
	case t == reflect.TypeFor[Duration]() || t.Kind() != reflect.Struct && t.Kind() != reflect.Map && t.Kind() != reflect.Slice:
		if n.Kind != yaml.ScalarNode {
			bad(n, path, "want a single value")
		} else if err := n.Decode(reflect.New(t).Interface()); t == reflect.TypeFor[Duration]() && err != nil {
			bad(n, path, "%v", err)
		} else if err != nil && t.Kind() == reflect.Bool {
			bad(n, path, "%q is neither true nor false", n.Value)
		} else if err != nil {
			bad(n, path, "%q is not a number, or not one that fits", n.Value)
		}
	case t.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			bad(n, path, "want a list")
			return errs
		}
		for i, item := range n.Content {
			errs = append(errs, strict(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))...)
		}
	case n.Kind != yaml.MappingNode:
		if path == "" {
			return []error{fmt.Errorf("line %d: want keys and values", n.Line)}
		}
		bad(n, path, "want keys and values")
	default:
		seen := map[string]bool{}
		for i := 0; i < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			at := strings.TrimPrefix(path+"."+key.Value, ".")
			elem, known := fieldType(t, key.Value)
			switch {
			case seen[key.Value]:
				bad(key, at, "is given twice")
			case elem == nil:
				bad(key, at, "unknown key, want %s", strings.Join(known, ", "))
			default:
				errs = append(errs, strict(value, elem, at)...)
			}
			seen[key.Value] = true
		}
	}
	return errs
}

// fieldType is the type of what stands under a key; nil if there is no such key.
func fieldType(t reflect.Type, key string) (elem reflect.Type, known []string) {
	if t.Kind() == reflect.Map {
		return t.Elem(), nil
	}
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("yaml")
		if name == key {
			return t.Field(i).Type, nil
		}
		known = append(known, name)
	}
	return nil, known
}
