package nctest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
	var drafts []draft
	origin := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		found, err := readDocument(data)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, d := range found {
			if other, twice := origin[d.key]; twice {
				return fmt.Errorf("%s: %s is in %s already", file, d.ref, other)
			}
			origin[d.key] = file
		}
		drafts = append(drafts, found...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.commit(drafts, nil); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
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

func readDocument(data []byte) ([]draft, error) {
	body, err := parse(data)
	if err != nil {
		return nil, err
	}
	if _, single := body["resourceRef"]; single {
		d, err := readResource(body, "")
		return []draft{d}, err
	}
	var drafts []draft
	for key, v := range body {
		collection, known := spelling[strings.ToLower(strings.Trim(key, "/"))]
		switch {
		case key == "value":
			collection = ""
		case key == "nextLink":
			continue
		case !known:
			return nil, fmt.Errorf("%q is no collection; want one resource with its resourceRef, a value list, or collections", key)
		}
		list, ok := v.([]any)
		if !ok {
			list = []any{v} // a singleton
		}
		for i, e := range list {
			b, ok := e.(tree)
			if !ok {
				return nil, fmt.Errorf("%s[%d] is not an object", key, i)
			}
			d, err := readResource(b, collection)
			if err != nil {
				return nil, fmt.Errorf("%s[%d]: %w", key, i, err)
			}
			drafts = append(drafts, d)
		}
	}
	return drafts, nil
}

func readResource(body tree, collection string) (draft, error) {
	ref, _ := body["resourceRef"].(string)
	if ref == "" {
		id, _ := body["resourceId"].(string)
		if id == "" {
			id = collections[collection]
		}
		if id == "" || collection == "" {
			return draft{}, fmt.Errorf("resource says neither resourceRef nor resourceId")
		}
		ref = "/" + collection + "/" + id
	}
	n, err := parseRef(ref)
	if err != nil {
		return draft{}, err
	}
	if !n.top() {
		return draft{}, fmt.Errorf("%s: is nested; put it into the body of %s", ref, n.topName().ref)
	}
	return draft{name: n, body: body}, nil
}
