//go:build !unix

package nctest

import (
	"os"
	"path/filepath"
)

// lockDir has no lock to take here: that only one controller uses a directory is up to its user.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
}
