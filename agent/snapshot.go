package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fairlead-net/fairlead/agent/ports"
	cc "github.com/fairlead-net/fairlead/controller-client"
)

// The snapshots in the state directory: the last one, and the last one without a complaint if that is another.
// What is unusable in the last one has its last good version there, which thus survives a restart.
const (
	lastSnapshot = "snapshot.json"
	goodSnapshot = "snapshot-good.json"
)

// savedSnapshot is what the state directory holds. Only the source's goroutine writes, after start.
type savedSnapshot struct {
	clean bool      // lastSnapshot is there and without a complaint
	at    time.Time // of the one that was read at the start
}

func (s *savedSnapshot) write(dir string, snap *cc.Snapshot, clean bool) error {
	last, good := filepath.Join(dir, lastSnapshot), filepath.Join(dir, goodSnapshot)
	if s.clean && !clean {
		if err := os.Rename(last, good); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	s.clean = false
	if err := ports.Replace(last, func(w io.Writer) error { return cc.Encode(w, snap) }); err != nil {
		return err
	}
	if s.clean = clean; clean {
		if err := os.Remove(good); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// read returns what is to be built, in this order. An error does not spoil what is returned beside it.
func (s *savedSnapshot) read(dir string) (snapshots []*cc.Snapshot, err error) {
	for _, name := range []string{goodSnapshot, lastSnapshot} {
		path := filepath.Join(dir, name)
		snap, rerr := readSnapshot(path)
		if errors.Is(rerr, fs.ErrNotExist) {
			continue
		}
		if rerr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", path, rerr))
			continue
		}
		snapshots = append(snapshots, snap)
		if info, serr := os.Stat(path); serr == nil {
			s.at = info.ModTime().UTC()
		}
	}
	return snapshots, err
}

func readSnapshot(path string) (*cc.Snapshot, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return cc.Decode(f)
}
