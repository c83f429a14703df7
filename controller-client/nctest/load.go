package nctest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Load puts the resources of a JSON file, or of all *.json files below a directory, in force
// together: they may refer to each other in any order, and if one is refused none is taken. A file
// is one resource with its resourceRef, an answer {"value": […]}, or a document of collections
// {"virtualNetworks": […], "servers": […], …}.
func (c *Controller) Load(path string) error {
	files, err := jsonFiles(path)
	if err != nil {
		return err
	}
	return c.change(func() error {
		drafts, err := c.readDrafts(files)
		if err != nil {
			return err
		}
		if err := c.commit(drafts, nil); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
}

func jsonFiles(path string) (files []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	err = filepath.WalkDir(path, func(file string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.EqualFold(filepath.Ext(file), ".json") {
			files = append(files, file)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: holds no *.json file", path)
	}
	return files, err
}

// item is one resource's text in a document.
type item struct {
	file       string
	at         string // where in the file, "" for all of it
	collection string // the document says, or ""
	text       json.RawMessage
}

// readDrafts reads and prepares the resources of all files on all processors. Trees are let go as
// soon as may be: a fabric's are many times as large as its text.
func (c *Controller) readDrafts(paths []string) ([]*draft, error) {
	type numbered struct {
		item
		n int
	}
	type origin struct {
		draft *draft
		file  string
	}
	var (
		items   = make(chan numbered, 64)
		stop    = make(chan struct{})
		workers sync.WaitGroup
		mu      sync.Mutex
		read    []origin // by number
		failed  error
	)
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if failed == nil {
			failed = err
			close(stop)
		}
	}
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for it := range items {
				d, err := c.readItem(it.item)
				if err != nil {
					fail(fmt.Errorf("%s: %w", it.file, err))
					continue
				}
				mu.Lock()
				for len(read) <= it.n {
					read = append(read, origin{})
				}
				read[it.n] = origin{d, it.file}
				mu.Unlock()
			}
		})
	}
	n := 0
	for _, file := range paths {
		err := readDocument(file, func(it item) bool {
			select {
			case items <- numbered{it, n}:
				n++
				return true
			case <-stop:
				return false
			}
		})
		if err != nil {
			fail(fmt.Errorf("%s: %w", file, err))
		}
	}
	close(items)
	workers.Wait()
	if failed != nil {
		return nil, failed
	}
	drafts, files := make([]*draft, len(read)), map[string]string{}
	for i, o := range read {
		if other, twice := files[o.draft.key]; twice {
			return nil, fmt.Errorf("%s: %s is in %s already", o.file, o.draft.ref, other)
		}
		drafts[i], files[o.draft.key] = o.draft, o.file
	}
	return drafts, nil
}

// readItem makes a draft, and finishes it where nothing has to be chosen for it.
func (c *Controller) readItem(it item) (*draft, error) {
	in := func(err error) error {
		if it.at == "" {
			return err
		}
		return fmt.Errorf("%s: %w", it.at, err)
	}
	v, err := parseAny(it.text)
	if err != nil {
		return nil, in(err)
	}
	body, ok := v.(tree)
	if !ok {
		return nil, fmt.Errorf("%s is not an object", it.at)
	}
	d, err := readResource(body, it.collection)
	if err != nil {
		return nil, in(err)
	}
	if err := c.prepare(d); err != nil {
		return nil, in(err)
	}
	if !c.waits(d) {
		d.finish()
	}
	return d, nil
}

func readResource(body tree, collection string) (*draft, error) {
	ref, _ := body["resourceRef"].(string)
	if ref == "" {
		id, _ := body["resourceId"].(string)
		if id == "" {
			id = singletons[collection]
		}
		if id == "" || collection == "" {
			return nil, fmt.Errorf("resource says neither resourceRef nor resourceId")
		}
		ref = "/" + collection + "/" + id
	}
	n, err := parseRef(ref)
	if err != nil {
		return nil, err
	}
	if !n.top() {
		return nil, fmt.Errorf("%s: is nested; put it into the body of %s", ref, n.topName().ref)
	}
	return &draft{name: n, body: body}, nil
}
