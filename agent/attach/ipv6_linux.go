package attach

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ipv6Settings of the inner end, before it is up (kernel: networking/ip-sysctl). Addresses and routes are the
// controller's: advertisements add nothing, and there is nobody to detect a duplicate with.
var ipv6Settings = []struct{ name, value string }{
	{"disable_ipv6", "0"}, // some runtimes make namespaces without IPv6
	{"accept_ra", "0"},
	{"autoconf", "0"},
	{"accept_dad", "0"},
	{"dad_transmits", "0"},
	{"addr_gen_mode", "0"}, // EUI-64 of the MAC
}

// prepareIPv6 writes the settings inside the namespace.
func prepareIPv6(ns netns.NsHandle, ifname string) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread, which is in another namespace now, ends with the goroutine.
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Setns(int(ns), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter the namespace: %w", err)
			}
			for _, s := range ipv6Settings {
				path := filepath.Join("/proc/sys/net/ipv6/conf", ifname, s.name) // that of the thread's namespace
				if err := os.WriteFile(path, []byte(s.value), 0); err != nil {
					return fmt.Errorf("IPv6 setting: %w", err)
				}
			}
			return nil
		}()
	}()
	return <-done
}
