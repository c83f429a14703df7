// Package ports is the registry of attached endpoints, on disk: it survives a restart and a crash between any
// two steps of an attach or a detach.
package ports

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Phase of a record. A record in Attaching or Detaching at start is what a crash left: it is undone.
type Phase string

const (
	Attaching Phase = "attaching"
	Attached  Phase = "attached"
	Detaching Phase = "detaching"
)

// Record of one endpoint.
type Record struct {
	Name    string `json:"name"`
	NIC     string `json:"nic"`                   // resource id; "" in a host-local network
	Network string `json:"hostNetwork,omitempty"` // the host-local network it is in
	// IPConfiguration is the reference of the one that the agent makes on the NIC for this endpoint alone, or "". It is
	// stored before the controller hears of it, and until it is gone there.
	IPConfiguration string `json:"ipConfiguration,omitempty"`

	Netns     string         `json:"netns"`
	Ifname    string         `json:"ifname"`
	Device    string         `json:"device"` // host side
	MAC       string         `json:"mac"`
	Addresses []netip.Prefix `json:"addresses"` // as configured inside
	MTU       int            `json:"mtu"`
	Phase     Phase          `json:"phase"`
	Created   time.Time      `json:"created"`
}

const tempSuffix = ".tmp"

// Registry is a directory with one file per endpoint.
type Registry struct{ dir string }

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// ErrName says what an endpoint may be called.
var ErrName = errors.New("an endpoint's name has 1 to 128 letters, digits, dots, dashes or underscores and begins with a letter or digit")

// CheckName returns ErrName for a name that cannot be stored.
func CheckName(name string) error {
	if !validName.MatchString(name) {
		return fmt.Errorf("name %q: %w", name, ErrName)
	}
	return nil
}

// Open reads the registry below stateDir. A file that cannot be read is an error: guessing would lose a port.
func Open(stateDir string) (*Registry, []Record, error) {
	r := &Registry{dir: filepath.Join(stateDir, "endpoints")}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, nil, err
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, nil, err
	}
	var records []Record
	for _, e := range entries {
		path := filepath.Join(r.dir, e.Name())
		if strings.HasSuffix(e.Name(), tempSuffix) {
			_ = os.Remove(path) // a write that a crash cut short
		}
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		var rec Record
		if err := json.Unmarshal(raw, &rec); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		if rec.Name+".json" != e.Name() {
			return nil, nil, fmt.Errorf("%s: holds endpoint %q", path, rec.Name)
		}
		records = append(records, rec)
	}
	slices.SortFunc(records, func(a, b Record) int { return strings.Compare(a.Name, b.Name) })
	return r, records, nil
}

// Put stores a record; it is on disk when Put returns.
func (r *Registry) Put(rec Record) error {
	raw, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(r.dir, rec.Name+".json"), raw)
}

// Delete removes a record; one that is not there is no error.
func (r *Registry) Delete(name string) error {
	err := os.Remove(filepath.Join(r.dir, name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// WriteFile replaces a file as a whole: after a crash it holds the old or the new content.
func WriteFile(path string, raw []byte) error {
	return Replace(path, func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}

// Replace is WriteFile of what write writes.
func Replace(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+tempSuffix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
