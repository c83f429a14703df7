package nctest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// store keeps one file per top-level resource. A write is durable before it is answered, and a file
// is always whole: it is written beside its place, synced, and renamed.
type store struct{ dir string }

const temporary = ".tmp-"

func (s store) path(n name) string {
	return filepath.Join(s.dir, n.collection, fileName(strings.ToLower(n.id()))+".json")
}

// fileName escapes what some file system could take amiss. The body holds the true id.
func fileName(id string) string {
	var b strings.Builder
	for i := range len(id) {
		c := id[i]
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	if b.Len() > 150 {
		return fmt.Sprintf("%.100s-%x", b.String(), sha256.Sum256([]byte(id)))
	}
	return b.String()
}

func (s store) write(n name, body []byte) error {
	if s.dir == "" {
		return nil
	}
	return writeFile(s.path(n), body, 0o644)
}

func (s store) remove(n name) error {
	if s.dir == "" {
		return nil
	}
	path := s.path(n)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// load answers the body of every resource by file, and clears away what a crash left unfinished.
func (s store) load() (map[string][]byte, error) {
	bodies := map[string][]byte{}
	if s.dir == "" {
		return bodies, nil
	}
	for collection := range collections {
		dir := filepath.Join(s.dir, collection)
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			file := filepath.Join(dir, e.Name())
			switch {
			case strings.HasPrefix(e.Name(), temporary):
				if err := os.Remove(file); err != nil {
					return nil, err
				}
			case filepath.Ext(file) == ".json":
				if bodies[file], err = os.ReadFile(file); err != nil {
					return nil, err
				}
			}
		}
	}
	return bodies, nil
}

func (s store) vsidFile() string { return filepath.Join(s.dir, "vsid.json") }

func (s store) writeVSID(next uint32) error {
	if s.dir == "" {
		return nil
	}
	return writeFile(s.vsidFile(), encode(tree{"next": next}), 0o644)
}

func (s store) loadVSID() (uint32, error) {
	if s.dir == "" {
		return 0, nil
	}
	data, err := os.ReadFile(s.vsidFile())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var saved struct{ Next uint32 }
	if err == nil {
		err = json.Unmarshal(data, &saved)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", s.vsidFile(), err)
	}
	return saved.Next, nil
}

// writeFile replaces a file so that a crash at any moment leaves the old or the new one.
func writeFile(path string, data []byte, mode fs.FileMode) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, temporary)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(mode); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncDir(dir)
	return nil
}

// syncDir makes a rename durable where the system can do that; Windows can not, and needs not.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
