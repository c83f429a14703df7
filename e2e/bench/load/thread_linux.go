package load

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Place is where sockets are opened: Do runs a function in a network namespace, on a thread of its own.
type Place interface {
	Do(func() error) error
}

const (
	// CPU that all loops share.
	CPU = 0
	// first is the nice value of all loops.
	first = -20
)

// inside runs f in a namespace, on the CPU of all loops, and not to be preempted by the Go scheduler: it would put f on
// another thread's way. f may use the raw calls below and nothing else while it counts.
func inside(at Place, f func() error) error {
	return at.Do(func() (err error) {
		back, err := pin(CPU)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, back()) }()
		return f()
	})
}

// pin puts the calling thread on a CPU; what it returns undoes that.
func pin(cpu int) (back func() error, err error) {
	runtime.LockOSThread()
	defer func() {
		if err != nil {
			runtime.UnlockOSThread()
		}
	}()
	var before, now unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, fmt.Errorf("CPU affinity: %w", err)
	}
	now.Set(cpu)
	if err := unix.SchedSetaffinity(0, &now); err != nil {
		return nil, fmt.Errorf("run on CPU %d: %w", cpu, err)
	}
	// What else this machine does comes after it.
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, first); err != nil {
		return nil, fmt.Errorf("priority: %w", err)
	}
	var urgent, mask unix.Sigset_t
	urgent.Val[0] = 1 << (uint(unix.SIGURG) - 1) // what the Go scheduler preempts with
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &urgent, &mask); err != nil {
		return nil, err
	}
	return func() error {
		defer runtime.UnlockOSThread()
		return errors.Join(unix.PthreadSigmask(unix.SIG_SETMASK, &mask, nil), unix.SchedSetaffinity(0, &before),
			unix.Setpriority(unix.PRIO_PROCESS, 0, 0))
	}, nil
}

// now is the monotonic clock in nanoseconds, without a place where the scheduler could step in.
//
//go:nosplit
func now(ts *unix.Timespec) int64 {
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(ts)), 0)
	return ts.Sec*int64(time.Second) + ts.Nsec
}

//go:nosplit
func read(fd int, b *byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(b)), 1)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

//go:nosplit
func write(fd int, b *byte) syscall.Errno {
	for {
		_, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(b)), 1)
		if errno != unix.EINTR {
			return errno
		}
	}
}

//go:nosplit
func closeSocket(fd int) {
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}
