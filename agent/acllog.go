package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

const (
	waitingLogEvents = 16384
	logRetry         = 10 * time.Second
)

// aclLine is one line of the ACL log.
type aclLine struct {
	Time            time.Time `json:"time"`
	Tenant          string    `json:"tenant,omitempty"` // virtual network
	Endpoint        string    `json:"endpoint"`
	ACL             string    `json:"acl"`
	Rule            string    `json:"rule"`
	Action          string    `json:"action"`
	Direction       string    `json:"direction"`
	Protocol        string    `json:"protocol"`
	Source          string    `json:"source"`
	SourcePort      uint16    `json:"sourcePort"`
	Destination     string    `json:"destination"`
	DestinationPort uint16    `json:"destinationPort"`
	Bytes           int       `json:"bytes"`                // of the packet that was decided
	Suppressed      uint64    `json:"suppressed,omitempty"` // alike, and left out since the last
	Lost            uint64    `json:"lost,omitempty"`       // of any kind, because the log was too slow
}

// logACLs writes the ACL log until ctx ends. What fails is a problem until it works again.
func (a *Agent) logACLs(ctx context.Context) {
	path := a.cfg.Log.ACL.Path
	if path == "" {
		return
	}
	for {
		err := a.logACLsTo(ctx, path)
		if ctx.Err() != nil {
			return
		}
		a.setLogProblem(err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(logRetry):
		}
	}
}

func (a *Agent) logACLsTo(ctx context.Context, path string) error {
	f, err := openRotating(path, int64(a.cfg.Log.ACL.MaxSizeMB)<<20)
	if err != nil {
		return err
	}
	defer f.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := a.events.subscribe(ctx, waitingLogEvents, func(e *vfp.Event) bool { return e.Kind == vfp.EventACL })
	a.setLogProblem(nil)
	for {
		e, err := s.next()
		if err != nil {
			return err
		}
		v := a.apiEvent(&e)
		raw, err := json.Marshal(aclLine{Time: v.Time, Tenant: v.Network, Endpoint: v.Endpoint, ACL: v.ACL, Rule: v.Rule, Action: v.Action, Direction: v.Direction,
			Protocol: v.Protocol, Source: v.Source, SourcePort: v.SourcePort, Destination: v.Destination, DestinationPort: v.DestinationPort,
			Bytes: v.Length, Suppressed: v.Suppressed, Lost: v.Lost})
		if err != nil {
			return err
		}
		if err := f.write(append(raw, '\n')); err != nil {
			return err
		}
	}
}

func (a *Agent) setLogProblem(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fromLog = nil
	if err != nil {
		a.fromLog = []cc.Problem{{Code: "acl-log", Severity: "error", Resource: a.cfg.Host.Name, Message: fmt.Sprintf("log.acl: %v; what rules with logging decide is not recorded", err)}}
	}
	a.report()
}

// rotating is a file that is put aside as PATH.1 when it is full.
type rotating struct {
	path string
	most int64 // bytes
	f    *os.File
	size int64
}

// openRotating goes on where the file ends.
func openRotating(path string, most int64) (*rotating, error) {
	r := &rotating{path: path, most: most}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	return r, r.open()
}

func (r *rotating) open() (err error) {
	if r.f, err = os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return err
	}
	info, err := r.f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", r.path)
	}
	if err != nil {
		return errors.Join(err, r.f.Close())
	}
	r.size = info.Size()
	return nil
}

// write a line as a whole, in the next file when it does not fit this one.
func (r *rotating) write(line []byte) error {
	if r.size > 0 && r.size+int64(len(line)) > r.most {
		if err := r.f.Close(); err != nil {
			return err
		}
		if err := os.Rename(r.path, r.path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) { // somebody moved it away
			return err
		}
		if err := r.open(); err != nil {
			return err
		}
	}
	n, err := r.f.Write(line)
	r.size += int64(n)
	return err
}

func (r *rotating) close() { _ = r.f.Close() }
