package lab

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Options of a run. The zero value is a fabric with a controller and VXLAN.
type Options struct {
	Encapsulation string        // what the controller says: "vxlan" (default) or "nvgre"
	PollInterval  time.Duration // of the agents; default 1 s
	Scope         string        // what of the fabric the agents read: "host" (default) or "full"
	MTU           int           // of the underlay; default 1500
	IPv6Underlay  bool          // provider addresses are IPv6; the controller stays where it is
	InProcess     bool          // the controller runs in this process, so that a test can make it answer rubbish
	BinDir        string        // of fairlead and fairlead-nc; default <module>/bin
	Log           io.Writer     // where the tails of process logs go when a step fails; default stderr
}

// Lab is one run: a fabric, its controller, its hosts.
type Lab struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	opts   Options
	id     string
	dir    string // /run/fl-<id>

	mu         sync.Mutex
	namespaces []*Namespace
	processes  []*Process
	closers    []io.Closer // of what holds on to devices
	hosts      map[string]*Host
	fabric     *Namespace
	controller *Controller
	closed     bool
}

const runRoot = "/run"

// New builds the fabric and starts the controller. It needs root.
func New(ctx context.Context, opts Options) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := sweep(); err != nil {
		return nil, fmt.Errorf("remove what an earlier run left: %w", err)
	}
	l := &Lab{opts: opts, hosts: map[string]*Host{}}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	if err := l.makeDir(); err != nil {
		return nil, err
	}
	err = l.Do(func() {
		l.mountBPF()
		l.buildFabric()
		l.controller = l.startController()
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// ErrNotRoot says that a lab cannot be built by this user.
var ErrNotRoot = errors.New("this needs root: it creates network namespaces and loads eBPF programs")

func (o Options) withDefaults() (Options, error) {
	if o.Encapsulation == "" {
		o.Encapsulation = "vxlan"
	}
	if o.PollInterval == 0 {
		o.PollInterval = time.Second
	}
	if o.MTU == 0 {
		o.MTU = 1500
	}
	if o.Log == nil {
		o.Log = os.Stderr
	}
	if o.BinDir == "" {
		root, err := moduleRoot()
		if err != nil {
			return o, err
		}
		o.BinDir = filepath.Join(root, "bin")
	}
	for _, name := range []string{"fairlead", "fairlead-nc"} {
		if _, err := os.Stat(filepath.Join(o.BinDir, name)); err != nil {
			return o, fmt.Errorf("%w (build it with: make build)", err)
		}
	}
	return o, nil
}

// moduleRoot is the nearest folder above the working directory with a go.mod: `go run` starts in the
// caller's folder, `go test` in the package's.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("no go.mod in or above %s", dir)
		}
	}
}

// makeDir takes a free id by creating its directory.
func (l *Lab) makeDir() error {
	for range 100 {
		raw := make([]byte, 2)
		if _, err := rand.Read(raw); err != nil {
			return err
		}
		id := strings.ToLower(base32.StdEncoding.EncodeToString(raw))[:3]
		dir := filepath.Join(runRoot, "fl-"+id)
		err := os.Mkdir(dir, 0o700)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		l.id, l.dir = id, dir
		return writeOwner(dir)
	}
	return errors.New("no free run id: remove /run/fl-*")
}

func (l *Lab) mountBPF() {
	dir := l.path("bpf")
	l.must(os.Mkdir(dir, 0o700), "make %s", dir)
	l.must(unix.Mount("bpf", dir, "bpf", 0, "mode=0700"), "mount a bpf file system on %s", dir)
}

func (l *Lab) path(elem ...string) string {
	return filepath.Join(append([]string{l.dir}, elem...)...)
}

// ID of the run, as it appears in the names of its namespaces.
func (l *Lab) ID() string { return l.id }

// Dir is the run's own directory, removed by Close.
func (l *Lab) Dir() string { return l.dir }

// Context of the run: done when the caller's is, or when the lab is closed.
func (l *Lab) Context() context.Context { return l.ctx }

// PollInterval of the agents.
func (l *Lab) PollInterval() time.Duration { return l.opts.PollInterval }

// Encapsulation that the controller says.
func (l *Lab) Encapsulation() string { return l.opts.Encapsulation }

// Controller of the fabric.
func (l *Lab) Controller() *Controller { return l.controller }

// failure carries the error of a step that had to succeed up to Do.
type failure struct{ error }

// Do runs a part of a story and returns the error of the step that failed, after printing the ends of
// the logs that may explain it.
func (l *Lab) Do(story func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.error
			if l.ctx.Err() != nil {
				err = context.Cause(l.ctx)
				return // interrupted: the logs have nothing to explain
			}
			l.printLogs()
		default:
			// A bug in the story itself: clean up, then let it crash as usual.
			_ = l.Close()
			panic(r)
		}
	}()
	story()
	return nil
}

// Fail ends the story with an error.
func (l *Lab) Fail(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func (l *Lab) must(err error, format string, args ...any) {
	if err != nil {
		panic(failure{fmt.Errorf(format+": %w", append(args, err)...)})
	}
}

// Close removes everything the run has created. It may be called more than once.
func (l *Lab) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	processes := l.processes
	l.mu.Unlock()
	l.cancel(errors.New("the lab is closed"))
	l.controller.Stop()
	for _, p := range processes {
		p.Kill()
	}
	for _, c := range l.closers {
		_ = c.Close()
	}
	for _, ns := range l.namespaces {
		ns.release()
	}
	return removeRun(l.id)
}
