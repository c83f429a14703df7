package nctest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// readDocument hands out the resources of a file one by one, until take answers false.
func readDocument(file string, take func(item) bool) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	if start, _ := r.Peek(3); string(start) == "\xef\xbb\xbf" {
		_, _ = r.Discard(3)
	}
	d := document{file: file, d: json.NewDecoder(r), take: take}
	err = d.read()
	if errors.Is(err, errSingle) {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return single(file, text, take)
	}
	return err
}

// errSingle is a document that is no list of resources.
var errSingle = errors.New("one resource")

type document struct {
	file string
	d    *json.Decoder
	take func(item) bool
}

func (doc document) read() error {
	if t, err := doc.d.Token(); err != nil || t != json.Delim('{') {
		return errSingle // and parse says what is wrong with it
	}
	for doc.d.More() {
		t, err := doc.d.Token()
		if err != nil {
			return doc.invalid(err)
		}
		key, _ := t.(string)
		collection, known := spelling[strings.ToLower(strings.Trim(key, "/"))]
		switch {
		case key == "nextLink" || singletons[collection] != "":
			var text json.RawMessage
			if err := doc.d.Decode(&text); err != nil {
				return doc.invalid(err)
			}
			if known && !doc.take(item{doc.file, key, collection, text}) {
				return nil
			}
		case key == "value" || known:
			if more, err := doc.list(key, collection); err != nil || !more {
				return err
			}
		default:
			return errSingle
		}
	}
	if _, err := doc.d.Token(); err != nil { // the closing brace
		return doc.invalid(err)
	}
	if _, err := doc.d.Token(); err != io.EOF {
		return doc.invalid(errors.New("text after the document"))
	}
	return nil
}

func (doc document) list(key, collection string) (more bool, err error) {
	t, err := doc.d.Token()
	if err != nil {
		return false, doc.invalid(err)
	}
	if t != json.Delim('[') {
		return false, fmt.Errorf("%s is not a list", key)
	}
	for i := 0; doc.d.More(); i++ {
		var text json.RawMessage
		if err := doc.d.Decode(&text); err != nil {
			return false, doc.invalid(err)
		}
		if !doc.take(item{doc.file, fmt.Sprintf("%s[%d]", key, i), collection, text}) {
			return false, nil
		}
	}
	if _, err := doc.d.Token(); err != nil {
		return false, doc.invalid(err)
	}
	return true, nil
}

func (doc document) invalid(err error) error {
	return fmt.Errorf("invalid JSON at byte %d: %w", doc.d.InputOffset(), err)
}

// single hands out a document that is one resource, or says why it is none.
func single(file string, text []byte, take func(item) bool) error {
	body, err := parse(text)
	if err != nil {
		return err
	}
	if _, ok := body["resourceRef"]; ok {
		take(item{file: file, text: text})
		return nil
	}
	for key := range body {
		if _, known := spelling[strings.ToLower(strings.Trim(key, "/"))]; !known && key != "value" && key != "nextLink" {
			return fmt.Errorf("%q is no collection; want one resource with its resourceRef, a value list, or collections", key)
		}
	}
	return errors.New("holds no resource")
}
