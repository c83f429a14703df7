package nctest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Before there was a journal, a data directory had one file per resource, in a folder per collection,
// and the next VSID in a file. Such a directory is read once, written as a journal, and its files are
// put aside.
const (
	legacyVSIDs = "vsid.json"
	putAside    = "before-journal"
)

func readLegacy(dir string) (old replayed, err error) {
	old.bodies = map[string][]byte{}
	for collection := range singletons {
		entries, err := os.ReadDir(filepath.Join(dir, collection))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return old, err
		}
		for _, e := range entries {
			file := filepath.Join(dir, collection, e.Name())
			if strings.HasPrefix(e.Name(), temporary) || filepath.Ext(file) != ".json" {
				continue // a crash left it unfinished, or it is not ours
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return old, err
			}
			body, err := parse(data)
			if err != nil {
				return old, fmt.Errorf("%s: %w", file, err)
			}
			ref, _ := body["resourceRef"].(string)
			n, err := parseRef(ref)
			if err != nil || !n.top() {
				return old, fmt.Errorf("%s: resourceRef %q is not that of a top-level resource", file, ref)
			}
			old.bodies[n.key] = data
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, legacyVSIDs))
	if errors.Is(err, fs.ErrNotExist) {
		return old, nil
	}
	var saved struct{ Next uint32 }
	if err == nil {
		err = json.Unmarshal(data, &saved)
	}
	if err != nil {
		return old, fmt.Errorf("%s: %w", filepath.Join(dir, legacyVSIDs), err)
	}
	old.nextVSID = saved.Next
	return old, nil
}

// setLegacyAside moves the files that the journal has taken over.
func setLegacyAside(dir string) error {
	names := []string{legacyVSIDs}
	for collection := range singletons {
		names = append(names, collection)
	}
	for _, name := range names {
		from := filepath.Join(dir, name)
		if _, err := os.Stat(from); err != nil {
			continue
		}
		aside := filepath.Join(dir, putAside)
		if err := os.MkdirAll(aside, 0o755); err != nil {
			return err
		}
		if err := os.Rename(from, filepath.Join(aside, name)); err != nil {
			return err
		}
	}
	return nil
}
