package attach

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The main thread, which is what /proc/self means, must not be the one that namespace throws away.
func init() { runtime.LockOSThread() }

// namespace makes a network namespace and returns its path and a handle in it. The caller's thread stays where it is.
func namespace(t *testing.T) (path string, inside *netlink.Handle) {
	t.Helper()
	needRoot(t)
	path = filepath.Join(t.TempDir(), "fl-test-ns")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
	ns, err := netns.GetFromPath(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	inside, err = netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inside.Close)
	return path, inside
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("needs root")
	}
	t.Skip("needs root: it makes network namespaces and devices")
}

func spec(t *testing.T, path string) Spec {
	s := Spec{Device: DeviceName(t.Name()), Netns: path, Ifname: "eth0", MAC: net.HardwareAddr{0x00, 0x1d, 0xd8, 7, 0, 1},
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.1.11/24"), netip.MustParsePrefix("10.0.2.11/26")},
		Gateway:   netip.MustParseAddr("10.0.1.1"), MTU: 1450}
	t.Cleanup(func() { _ = Detach(s.Device) })
	return s
}

func links(t *testing.T, h *netlink.Handle) (names []string) {
	t.Helper()
	all, err := h.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		names = append(names, l.Attrs().Name)
	}
	return names
}

func TestAttach(t *testing.T) {
	path, inside := namespace(t)
	s := spec(t, path)
	if err := Attach(s); err != nil {
		t.Fatal(err)
	}
	link, err := inside.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if a := link.Attrs(); a.HardwareAddr.String() != "00:1d:d8:07:00:01" || a.MTU != 1450 || a.Flags&net.FlagUp == 0 {
		t.Errorf("inside: %s, MTU %d, %s", a.HardwareAddr, a.MTU, a.Flags)
	}
	addrs, err := inside.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range addrs {
		got = append(got, a.IPNet.String())
	}
	if !slices.Equal(got, []string{"10.0.1.11/24", "10.0.2.11/26"}) {
		t.Errorf("addresses %q; also no automatic IPv6 one is wanted", got)
	}
	routes, err := inside.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Dst: nil}, netlink.RT_FILTER_DST)
	if err != nil || len(routes) != 1 || routes[0].Gw.String() != "10.0.1.1" {
		t.Errorf("default routes %v, %v", routes, err)
	}
	host, err := netlink.LinkByName(s.Device)
	if err != nil {
		t.Fatal(err)
	}
	if a := host.Attrs(); a.MTU != 1450 || a.Flags&net.FlagUp != 0 || host.Type() != "veth" {
		t.Errorf("host side: MTU %d, %s, %s; it must not be up before it is guarded", a.MTU, a.Flags, host.Type())
	}
	if err := Up(s.Device); err != nil {
		t.Fatal(err)
	}
	if host, err = netlink.LinkByName(s.Device); err != nil || host.Attrs().Flags&net.FlagUp == 0 {
		t.Errorf("host side after Up: %v, %v", host, err)
	}
	if there, err := Exists(s.Device); !there || err != nil {
		t.Errorf("Exists: %v, %v", there, err)
	}
	for range 2 { // also when it is gone already
		if err := Detach(s.Device); err != nil {
			t.Fatal(err)
		}
	}
	if there, err := Exists(s.Device); there || err != nil {
		t.Errorf("after Detach, Exists: %v, %v", there, err)
	}
	if names := links(t, inside); !slices.Equal(names, []string{"lo"}) {
		t.Errorf("left inside: %q", names)
	}
}

// TestSecondInterface: the namespace's first interface keeps the default route.
func TestSecondInterface(t *testing.T) {
	path, inside := namespace(t)
	first, second := spec(t, path), spec(t, path)
	second.Device, second.Ifname, second.MAC = DeviceName("second"), "eth1", net.HardwareAddr{0x00, 0x1d, 0xd8, 7, 0, 2}
	second.Addresses, second.Gateway = []netip.Prefix{netip.MustParsePrefix("10.0.3.11/24")}, netip.MustParseAddr("10.0.3.1")
	t.Cleanup(func() { _ = Detach(second.Device) })
	for _, s := range []Spec{first, second} {
		if err := Attach(s); err != nil {
			t.Fatal(err)
		}
	}
	routes, err := inside.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Dst: nil}, netlink.RT_FILTER_DST)
	if err != nil || len(routes) != 1 || routes[0].Gw.String() != "10.0.1.1" {
		t.Errorf("default routes %v, %v", routes, err)
	}
}

func TestAttachRefuses(t *testing.T) {
	path, inside := namespace(t)
	if err := inside.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "taken"}, PeerName: "taken-peer"}); err != nil {
		t.Fatal(err)
	}
	before := links(t, inside)
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), unix.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*Spec)
		is     error
		says   string
	}{
		{"no such path", func(s *Spec) { s.Netns = file + "-gone" }, ErrNoNamespace, file + "-gone"},
		{"a file", func(s *Spec) { s.Netns = file }, ErrNoNamespace, file},
		{"a FIFO", func(s *Spec) { s.Netns = fifo }, ErrNoNamespace, fifo},
		{"a directory", func(s *Spec) { s.Netns = dir }, ErrNoNamespace, dir},
		{"another kind of namespace", func(s *Spec) { s.Netns = "/proc/self/ns/uts" }, ErrNoNamespace, "uts"},
		{"the host's own", func(s *Spec) { s.Netns = "/proc/self/ns/net" }, ErrOwnNamespace, "/proc/self/ns/net"},
		{"interface's name in use", func(s *Spec) { s.Ifname = "taken" }, ErrIfnameTaken, "taken"},
		{"an address twice", func(s *Spec) { s.Addresses = []netip.Prefix{s.Addresses[0], s.Addresses[0]} }, nil, "10.0.1.11/24"},
		{"gateway out of reach", func(s *Spec) { s.Gateway = netip.MustParseAddr("192.0.2.1") }, nil, "default route via 192.0.2.1"},
		{"multicast MAC", func(s *Spec) { s.MAC = net.HardwareAddr{1, 0, 0, 0, 0, 1} }, nil, "create veth"},
		{"MTU of no device", func(s *Spec) { s.MTU = 1 << 20 }, nil, "create veth"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spec(t, path)
			c.change(&s)
			err := Attach(s)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %v with %q", err, c.is, c.says)
			}
			if there, err := Exists(s.Device); there || err != nil {
				t.Errorf("left on the host: %v, %v", there, err)
			}
			if names := links(t, inside); !slices.Equal(names, before) {
				t.Errorf("left inside: %q", names)
			}
		})
	}
}

// TestAttachKeepsAStrangersDevice: what was there before is not touched, also not by cleaning up.
func TestAttachKeepsAStrangersDevice(t *testing.T) {
	path, _ := namespace(t)
	s := spec(t, path)
	if err := Attach(s); err != nil {
		t.Fatal(err)
	}
	s.Ifname = "eth1"
	if err := Attach(s); !errors.Is(err, ErrDeviceTaken) {
		t.Errorf("%v, want %v", err, ErrDeviceTaken)
	}
	if there, _ := Exists(s.Device); !there {
		t.Error("the device is gone")
	}
}

// TestDetachWithoutNamespace: the kernel takes the device with the namespace, later, or Detach does before.
func TestDetachWithoutNamespace(t *testing.T) {
	path, inside := namespace(t)
	s := spec(t, path)
	if err := Attach(s); err != nil {
		t.Fatal(err)
	}
	inside.Close()
	if err := errors.Join(unix.Unmount(path, unix.MNT_DETACH), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
	if err := Detach(s.Device); err != nil {
		t.Error(err)
	}
	if there, err := Exists(s.Device); there || err != nil {
		t.Errorf("Exists: %v, %v", there, err)
	}
}

func TestUnderlayMTU(t *testing.T) {
	if _, _, err := UnderlayMTU("fl-test-none", nil); err == nil || !strings.Contains(err.Error(), "fl-test-none") {
		t.Errorf("no such device: %v", err)
	}
	if mtu, has, err := UnderlayMTU("lo", net.IPv4(127, 0, 0, 1)); err != nil || mtu < 1500 || !has {
		t.Errorf("lo: %d, %v, %v", mtu, has, err)
	}
	if _, has, err := UnderlayMTU("lo", net.IPv4(192, 0, 2, 1)); err != nil || has {
		t.Errorf("lo with a strange address: %v, %v", has, err)
	}
}

func TestDeviceName(t *testing.T) {
	if a, b := DeviceName("web"), DeviceName("app"); a == b || len(a) != 14 || a != DeviceName("web") {
		t.Error(a, b)
	}
}
