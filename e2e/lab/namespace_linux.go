package lab

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace of the run.
type Namespace struct {
	Name string // fl-<id>-<name>
	Path string // below /run/netns
	ns   netns.NsHandle
	nl   *netlink.Handle
}

func (l *Lab) namespace(name string) *Namespace {
	full := "fl-" + l.id + "-" + name
	n := &Namespace{Name: full, Path: filepath.Join(netnsDir, full)}
	l.must(n.create(), "create namespace %s", full)
	l.mu.Lock()
	l.namespaces = append(l.namespaces, n)
	l.mu.Unlock()
	lo, err := n.nl.LinkByName("lo")
	l.must(err, "namespace %s: lo", full)
	l.must(n.nl.LinkSetUp(lo), "namespace %s: lo", full)
	return n
}

// create makes the namespace in a thread of its own, which returns to where it came from.
func (n *Namespace) create() error {
	return onThread(func() (err error) {
		if n.ns, err = netns.NewNamed(n.Name); err != nil {
			return err
		}
		n.nl, err = netlink.NewHandleAt(n.ns)
		return err
	})
}

// Do runs f in the namespace: sockets it opens and processes it starts stay there, also when used
// from elsewhere later. f must not leave its goroutine.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(n.ns); err != nil {
			return fmt.Errorf("enter %s: %w", n.Name, err)
		}
		return f()
	})
}

// onThread runs f on a thread whose namespace f may change.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		var err error
		defer func() { done <- err }()
		home, err := netns.Get()
		if err != nil {
			return
		}
		defer home.Close()
		err = f()
		if netns.Set(home) == nil {
			runtime.UnlockOSThread() // else the thread ends with this goroutine
		}
	}()
	return <-done
}

// Links are the names of the network devices in the namespace.
func (n *Namespace) Links() ([]string, error) {
	links, err := n.nl.LinkList()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(links))
	for i, link := range links {
		names[i] = link.Attrs().Name
	}
	return names, nil
}

// MAC of a device in the namespace.
func (n *Namespace) MAC(device string) ([]byte, error) {
	link, err := n.nl.LinkByName(device)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", n.Name, device, err)
	}
	return link.Attrs().HardwareAddr, nil
}

// release closes what this process holds; the name goes with removeRun.
func (n *Namespace) release() {
	n.nl.Close()
	_ = n.ns.Close()
}

// listens reports whether something listens on a TCP port in the namespace, without connecting to it.
func (n *Namespace) listens(port string) error {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return err
	}
	var sockets []*netlink.InetDiagTCPInfoResp
	err = n.Do(func() error {
		sockets, err = netlink.SocketDiagTCPInfo(unix.AF_INET)
		return err
	})
	if err != nil {
		return err
	}
	const listen = 10 // TCP_LISTEN
	for _, s := range sockets {
		if s.InetDiagMsg.State == listen && uint64(s.InetDiagMsg.ID.SourcePort) == number {
			return nil
		}
	}
	return fmt.Errorf("nothing listens on port %s", port)
}
