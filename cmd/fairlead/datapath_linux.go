package main

import (
	"fmt"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"

	"github.com/fairlead-net/fairlead/agent/config"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/ebpf"
)

func openDatapath(cfg *config.Config, log *slog.Logger) (vfp.Datapath, error) {
	return ebpf.Open(ebpf.Config{BPFDir: cfg.BPFDir, Underlay: cfg.Host.Underlay.Interface, FlowTable: cfg.Flows.Table, Logger: log})
}

// lock makes sure that one agent works on a state directory; the kernel drops it with the process.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s is held by another agent: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}
