package nctest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// tree is a JSON object; numbers stay as written.
type tree = map[string]any

func parse(data []byte) (tree, error) {
	v, err := parseAny(data)
	if err != nil {
		return nil, err
	}
	body, ok := v.(tree)
	if !ok {
		return nil, errors.New("JSON is not an object")
	}
	return body, nil
}

func parseAny(data []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("invalid JSON at byte %d: %w", d.InputOffset(), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("invalid JSON at byte %d: text after the document", d.InputOffset())
	}
	return v, nil
}

func validJSON(data []byte) bool { return json.Valid(data) }

// encode writes members in alphabetical order, so equal bodies are equal bytes.
func encode(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // v came from parse
	}
	return bytes.TrimRight(out.Bytes(), "\n")
}

// nested tells a resource inside its parent's list from a reference to one elsewhere and from a mere
// structure.
func nested(v tree, owner string) bool {
	_, hasID := v["resourceId"]
	_, hasProperties := v["properties"]
	if !hasID && !hasProperties {
		return false
	}
	ref, ok := v["resourceRef"].(string)
	return !ok || strings.HasPrefix(refKey(ref), refKey(owner)+"/")
}

func childRef(child tree, owner, property string) string {
	if ref, ok := child["resourceRef"].(string); ok {
		return ref
	}
	id, _ := child["resourceId"].(string)
	return owner + "/" + property + "/" + id
}
