package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/e2e/lab"
)

// dieIn tells a copy of the test binary to build a lab with these binaries and to die in it.
const dieIn = "FAIRLEAD_E2E_DIE_IN"

func dieWithLab(bin string) {
	l, err := lab.New(context.Background(), lab.Options{BinDir: bin})
	if err == nil {
		err = l.Do(func() { l.Controller().PutServer(l.Host("host-a")) })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.ID())
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// TestKilledRunIsSwept: what a killed run has left is removed by the next one.
func TestKilledRunIsSwept(t *testing.T) {
	needsRoot(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var diag strings.Builder
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), dieIn+"="+binaries)
	cmd.Stderr = &diag
	out, err := cmd.Output()
	id := strings.TrimSpace(string(out))
	if err == nil || id == "" {
		t.Fatalf("the child was to be killed in its lab: %v %q %s", err, out, diag.String())
	}
	if found, _ := filepath.Glob("/run/netns/fl-" + id + "-*"); len(found) != 2 {
		t.Fatalf("the killed run left namespaces %q, want 2", found)
	}
	newLab(t, lab.Options{})
	leftovers(t, id)
}

// TestDemoInterrupted: Ctrl-C ends the demo soon, and nothing of it stays.
func TestDemoInterrupted(t *testing.T) {
	needsRoot(t)
	before := runs(t)
	ctx, cancel := context.WithTimeout(interrupted, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(binaries, "demo"), "-bin", binaries)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	progress, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var diag strings.Builder
	cmd.Stderr = &diag
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	var asked time.Time
	for lines := bufio.NewScanner(progress); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if asked.IsZero() && strings.Contains(lines.Text(), "who reaches whom") {
			asked = time.Now()
			_ = cmd.Process.Signal(os.Interrupt)
		}
	}
	err = cmd.Wait()
	if took := time.Since(asked); asked.IsZero() || err == nil || took > 10*time.Second {
		t.Errorf("ended with %v, %v after Ctrl-C; want a failure within 10 s:\n%s%s", err, took, said.String(), diag.String())
	}
	if after := runs(t); !slices.Equal(before, after) {
		t.Errorf("left behind: %q, before %q", after, before)
	}
}

// runs are the traces of labs on this machine.
func runs(t *testing.T) (all []string) {
	t.Helper()
	for _, pattern := range []string{"/run/fl-*", "/run/netns/fl-*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}
