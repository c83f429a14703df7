package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const netnsDir = "/run/netns"

// writeOwner notes who a run belongs to: a process id alone would be reused.
func writeOwner(dir string) error {
	start, err := startTime(os.Getpid())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "owner"), fmt.Appendf(nil, "%d %s\n", os.Getpid(), start), 0o600)
}

// ownerAlive reports whether the process a run belongs to still exists. A directory without an owner
// was made by a run that is just starting, or died doing so; an age tells these apart.
func ownerAlive(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "owner"))
	fields := strings.Fields(string(text))
	if err != nil || len(fields) != 2 {
		info, err := os.Stat(dir)
		return err == nil && time.Since(info.ModTime()) < 10*time.Second
	}
	pid, err := strconv.Atoi(fields[0])
	if err != nil {
		return false
	}
	start, err := startTime(pid)
	return err == nil && start == fields[1]
}

// startTime is field 22 of /proc/<pid>/stat. The second field, a name in brackets, may hold spaces.
func startTime(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	_, after, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(after)
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	return fields[19], nil
}

// sweep removes the runs whose processes are dead. A run's directory is the last thing to go, so it is
// enough to look for these.
func sweep() error {
	dirs, err := filepath.Glob(filepath.Join(runRoot, "fl-*"))
	errs := []error{err}
	for _, dir := range dirs {
		if !ownerAlive(dir) {
			errs = append(errs, removeRun(strings.TrimPrefix(filepath.Base(dir), "fl-")))
		}
	}
	return errors.Join(errs...)
}

// removeRun removes everything of a run that lives outside this process. It is all found by the run's
// id, so that it works for this process's run and for one that was killed.
func removeRun(id string) error {
	var errs []error
	names, err := filepath.Glob(filepath.Join(netnsDir, "fl-"+id+"-*"))
	errs = append(errs, err)
	killInside(names)
	dir := filepath.Join(runRoot, "fl-"+id)
	// The pinned programs go first: they are attached to devices in the namespaces.
	if err := unix.Unmount(filepath.Join(dir, "bpf"), unix.MNT_DETACH); err != nil && err != unix.EINVAL && err != unix.ENOENT {
		errs = append(errs, fmt.Errorf("unmount %s/bpf: %w", dir, err))
	}
	for _, name := range names {
		errs = append(errs, removeNamespace(name))
	}
	return errors.Join(append(errs, os.RemoveAll(dir))...)
}

func removeNamespace(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && err != unix.EINVAL && err != unix.ENOENT {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// killInside kills every process but this one that lives in one of the namespaces: the run's own
// processes and whatever these have started.
func killInside(namespaces []string) {
	type inode struct{ device, number uint64 } // of a namespace
	inside := map[inode]bool{}
	for _, path := range namespaces {
		var st unix.Stat_t
		if unix.Stat(path, &st) == nil {
			inside[inode{st.Dev, st.Ino}] = true
		}
	}
	if len(inside) == 0 {
		return
	}
	// What is killed may have started something in between, and is not gone at once.
	for end := time.After(5 * time.Second); ; {
		found := false
		procs, _ := filepath.Glob("/proc/[0-9]*")
		for _, proc := range procs {
			pid, _ := strconv.Atoi(filepath.Base(proc))
			var st unix.Stat_t
			if pid == os.Getpid() || unix.Stat(proc+"/ns/net", &st) != nil || !inside[inode{st.Dev, st.Ino}] {
				continue
			}
			found = true
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if !found {
			return
		}
		select {
		case <-end:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}
