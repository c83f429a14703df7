package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// Record is what a controller answered, step by step.
type Record struct {
	ReadOnly bool     `json:"readOnly"`
	Steps    []Answer `json:"steps"`
}

// Answer to one step. Placeholders stand where they stood in the script.
type Answer struct {
	Step    string            `json:"step"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Skipped string            `json:"skipped,omitempty"` // why the request was not made
	Failed  string            `json:"failed,omitempty"`  // there was no answer: Err says why
	Err     error             `json:"-"`                 // names the controller, so it stays out of the record
	Status  int               `json:"status,omitempty"`
	Header  map[string]string `json:"header,omitempty"`
	// Settled is the provisioningState that a change ended in; a controller may answer before that.
	// "gone" is that of what was deleted.
	Settled string `json:"settled,omitempty"`
	Body    Shape  `json:"body,omitempty"`
	// BodyAs names an earlier step with the same shape, which keeps files short: see WriteFile.
	BodyAs string `json:"bodyAs,omitempty"`
}

// WriteFile keeps the record as JSON.
func (r Record) WriteFile(path string) error {
	r.Steps = slices.Clone(r.Steps)
	first := map[string]string{} // shape as text -> step
	for i := range r.Steps {
		a := &r.Steps[i]
		if a.Body == nil {
			continue
		}
		text := fmt.Sprint(a.Body) // maps print in order
		if step, known := first[text]; known {
			a.Body, a.BodyAs = nil, step
		} else {
			first[text] = a.Step
		}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(r); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

// ReadFile reads what WriteFile wrote.
func ReadFile(path string) (r Record, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Record{}, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("%s: %w", path, err)
	}
	bodies := map[string]Shape{}
	for i := range r.Steps {
		a := &r.Steps[i]
		if a.BodyAs != "" {
			if a.Body = bodies[a.BodyAs]; a.Body == nil {
				return Record{}, fmt.Errorf("%s: step %q has the body of %q, which is not there", path, a.Step, a.BodyAs)
			}
			a.BodyAs = ""
		}
		bodies[a.Step] = a.Body
	}
	if len(r.Steps) == 0 {
		return Record{}, fmt.Errorf("%s: holds no steps", path)
	}
	return r, nil
}
