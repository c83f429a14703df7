package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Process is a child process in a namespace, with its output in a file of the run.
type Process struct {
	Name string
	Log  string // path
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start runs a program in ns. Its standard output and error are appended to <name>.log.
func (l *Lab) start(ns *Namespace, name, program string, args ...string) (*Process, error) {
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	p := &Process{Name: name, Log: l.path(name + ".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// A group of its own: Ctrl-C at the terminal is for the story, which then ends its processes in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := ns.Do(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	l.mu.Lock()
	l.processes = append(l.processes, p)
	l.mu.Unlock()
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Kill ends the process with SIGKILL and waits for its end.
func (p *Process) Kill() { p.signal(syscall.SIGKILL) }

// Interrupt asks the process to end, as Ctrl-C does, and waits for it.
func (p *Process) Interrupt() { p.signal(syscall.SIGINT) }

func (p *Process) signal(s syscall.Signal) {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended reports whether the process is over, and how.
func (p *Process) Ended() (string, bool) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.String(), true
	default:
		return "", false
	}
}

// run runs a program in ns to its end.
func (l *Lab) run(ns *Namespace, program string, args ...string) (stdout, stderr string, code int, err error) {
	cmd := exec.CommandContext(l.ctx, program, args...)
	cmd.WaitDelay = time.Second
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	if ns == nil {
		err = cmd.Start()
	} else {
		err = ns.Do(cmd.Start)
	}
	if err == nil {
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && l.ctx.Err() == nil {
		return out.String(), diag.String(), exit.ExitCode(), nil
	}
	return out.String(), diag.String(), 0, err
}

// command runs a program that says nothing of use unless it fails.
func (l *Lab) command(ns *Namespace, program string, args ...string) error {
	_, diag, code, err := l.run(ns, program, args...)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d: %.300s", code, diag)
	}
	return err
}

var printing sync.Mutex

// printLogs shows the end of every process's log.
func (l *Lab) printLogs() {
	printing.Lock()
	defer printing.Unlock()
	logs, _ := filepath.Glob(l.path("*.log"))
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil || len(text) == 0 {
			continue
		}
		fmt.Fprintf(l.opts.Log, "--- end of %s\n%s\n", path, tail(text, 15))
	}
}

func tail(text []byte, lines int) []byte {
	text = bytes.TrimRight(text, "\n")
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == '\n' {
			if lines--; lines == 0 {
				return text[i+1:]
			}
		}
	}
	return text
}
