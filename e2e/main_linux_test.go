package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-net/fairlead/e2e/lab"
)

var (
	// binaries are built for the run, so that no test ever meets an old one.
	binaries string
	// interrupted ends with Ctrl-C: what is under way then fails, and cleans up.
	interrupted context.Context
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if dir := os.Getenv(dieIn); dir != "" {
		dieWithLab(dir)
	}
	var stop func()
	interrupted, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if os.Geteuid() == 0 {
		dir, err := os.MkdirTemp("", "fairlead-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if out, err := exec.Command("go", "build", "-o", dir, "../cmd/fairlead", "../cmd/fairlead-nc", "./demo").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		binaries = dir
	}
	return m.Run()
}

// needsRoot skips a test where it cannot run. In CI that is a failure: a check that nobody sees
// missing is worse than none.
func needsRoot(t *testing.T) {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("CI") == "true" {
		skip = t.Fatalf
	}
	switch {
	case os.Geteuid() != 0:
		skip("%v", lab.ErrNotRoot)
	case testing.Short():
		skip("-short leaves out the end-to-end tests")
	}
}

// newLab is a lab that ends with the test.
func newLab(t *testing.T, opts lab.Options) *lab.Lab {
	t.Helper()
	needsRoot(t)
	opts.BinDir, opts.Log = binaries, t.Output()
	l, err := lab.New(interrupted, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		leftovers(t, l.ID())
	})
	return l
}

// tell runs a part of a story that has to succeed.
func tell(t *testing.T, l *lab.Lab, story func()) {
	t.Helper()
	if err := l.Do(story); err != nil {
		t.Fatal(err)
	}
}

// leftovers fails the test if anything of a run is still there.
func leftovers(t *testing.T, id string) {
	t.Helper()
	for _, pattern := range []string{"/run/fl-" + id, "/run/netns/fl-" + id + "-*"} {
		if found, err := filepath.Glob(pattern); err != nil || len(found) > 0 {
			t.Errorf("left behind: %v %v", found, err)
		}
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), "/run/fl-"+id+"/") {
		t.Errorf("left behind: a mount below /run/fl-%s", id)
	}
}
