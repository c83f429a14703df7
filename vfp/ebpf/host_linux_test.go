package ebpf

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// enterHost puts the test's thread into a network namespace of its own with an underlay device and n port
// devices p1..pn, and mounts a bpffs. Everything goes away with the thread and the test.
func enterHost(t testing.TB, n int) (bpfDir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root: loads eBPF programs")
	}
	runtime.LockOSThread() // never unlocked: the thread, and its namespace, end with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	names := []string{"underlay"}
	for i := 1; i <= n; i++ {
		names = append(names, fmt.Sprintf("p%d", i))
	}
	for _, name := range names {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = name
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: name + "x"}); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "fairlead")
}

func openTest(t testing.TB, bpfDir string, mode uint32) *Datapath {
	t.Helper()
	d, err := open(Config{BPFDir: bpfDir, Underlay: "underlay"}, mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// ifindexOf a port's device; the loopback's where it has none.
func (d *Datapath) ifindexOf(port string) uint32 {
	for n, id := range d.names.ports {
		if id == port {
			return d.slot[d.active].ports[n].Ifindex
		}
	}
	return 1
}

func hostPA(n int) netip.Addr { return netip.AddrFrom4([4]byte{172, 16, 0, byte(n)}) }
