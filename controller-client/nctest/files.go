package nctest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const temporary = ".tmp-"

// writeFile replaces a file so that a crash at any moment leaves the old or the new one.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	f, err := beside(path)
	if err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return discard(f, err)
	}
	if _, err := f.Write(data); err != nil {
		return discard(f, err)
	}
	if err := takePlace(f, path); err != nil {
		return discard(f, err)
	}
	return f.Close()
}

// beside opens a new file in the folder of path, which need not exist.
func beside(path string) (*os.File, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return os.CreateTemp(dir, temporary)
}

// takePlace makes f durable under the name path. f stays open.
func takePlace(f *os.File, path string) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// clearAway removes what a crash left of files that were to take a place in dir.
func clearAway(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), temporary) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func discard(f *os.File, err error) error {
	_ = f.Close()
	_ = os.Remove(f.Name())
	return err
}

// syncDir makes a rename durable where the system can do that; Windows can not, and needs not.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
