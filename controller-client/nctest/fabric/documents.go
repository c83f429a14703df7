package fabric

import (
	"bytes"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// singleton has only one resource, and no list of it.
const singleton = "virtualNetworkManager"

// documentSize is where a document ends and the next of its collection begins, in bytes.
const documentSize = 4 << 20

// Document holds resources of one collection in the form that the development controller loads.
type Document struct {
	Name       string // of its file: "virtualNetworks.json", "networkInterfaces-0001.json"
	Collection string // "virtualNetworks"
	Count      int    // of resources
	Bytes      []byte // {"virtualNetworks": […]}, one resource a line; a singleton without the list
}

// Documents yields the whole fabric. Bytes are good until the next document is asked for.
func (f *Fabric) Documents() iter.Seq[Document] {
	return func(yield func(Document) bool) {
		var out bytes.Buffer
		var collection string
		count, part := 0, 0
		flush := func(more bool) bool {
			if collection != singleton {
				out.WriteString("\n]")
			}
			out.WriteString("}\n")
			name := collection
			if more || part > 0 {
				part++
				name = fmt.Sprintf("%s-%04d", name, part)
			}
			ok := yield(Document{Name: name + ".json", Collection: collection, Count: count, Bytes: out.Bytes()})
			out.Reset()
			count = 0
			return ok
		}
		for ref, body := range f.Resources() {
			of, _, _ := strings.Cut(ref[1:], "/")
			if more := of == collection; count > 0 && (!more || out.Len()+len(body) > documentSize) && !flush(more) {
				return
			}
			if of != collection {
				collection, part = of, 0
			}
			switch {
			case count > 0:
				out.WriteString(",\n")
			case collection == singleton:
				fmt.Fprintf(&out, "{%q:", collection)
			default:
				fmt.Fprintf(&out, "{%q:[\n", collection)
			}
			out.Write(body)
			count++
		}
		flush(false)
	}
}

// documentNames are those of all collections that fabrics have.
var documentNames = regexp.MustCompile(`^(virtualNetworkManager|macPools|logicalNetworks|servers|securityTags|accessControlLists|` +
	`routeTables|publicIPAddresses|virtualNetworks|loadBalancers|networkInterfaces)(-[0-9]{4,})?\.json$`)

// ClearDir removes the documents of a fabric that was written before, so that no two become mixed.
func ClearDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if documentNames.MatchString(e.Name()) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// Written says what WriteDir made.
type Written struct {
	Files int
	Bytes int64
	// Resources by collection; their order is that of the files.
	Collections []string
	Resources   map[string]int
}

// WriteDir writes the documents into a directory that exists.
func (f *Fabric) WriteDir(dir string) (Written, error) {
	w := Written{Resources: map[string]int{}}
	for d := range f.Documents() {
		if err := os.WriteFile(filepath.Join(dir, d.Name), d.Bytes, 0o644); err != nil {
			return w, err
		}
		w.Files++
		w.Bytes += int64(len(d.Bytes))
		if w.Resources[d.Collection] == 0 {
			w.Collections = append(w.Collections, d.Collection)
		}
		w.Resources[d.Collection] += d.Count
	}
	return w, nil
}
