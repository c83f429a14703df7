package attach

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const nsfsMagic = 0x6e736673 // linux/magic.h

// Attach makes the veth with its inner end in the namespace; its host side stays down, see Up. On an error nothing is left.
func Attach(s Spec) (err error) {
	ns, err := openNetns(s.Netns)
	if err != nil {
		return err
	}
	defer ns.Close()
	inside, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("namespace %s: %w", s.Netns, err)
	}
	defer inside.Close()
	if _, err := inside.LinkByName(s.Ifname); err == nil {
		return fmt.Errorf("interface %s of %s: %w", s.Ifname, s.Netns, ErrIfnameTaken)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = s.Device, s.MTU
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU, veth.PeerHardwareAddr, veth.PeerNamespace = s.Ifname, uint32(s.MTU), s.MAC, netlink.NsFd(int(ns))
	if there, err := Exists(s.Device); err != nil {
		return err
	} else if there {
		return fmt.Errorf("device %s: %w", s.Device, ErrDeviceTaken)
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("create veth %s: %w", s.Device, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, Detach(s.Device))
		}
	}()
	if err := netlink.LinkSetIP6AddrGenMode(veth, nl.IN6_ADDR_GEN_MODE_NONE); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		return fmt.Errorf("%s: no automatic IPv6 addresses: %w", s.Device, err)
	}
	if err := configure(inside, ns, s); err != nil {
		return fmt.Errorf("interface %s of %s: %w", s.Ifname, s.Netns, err)
	}
	return nil
}

// Up lets the endpoint's packets in. Call it when the vSwitch guards the device: until then they would reach the
// host's own stack.
func Up(device string) error {
	link, err := netlink.LinkByName(device)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("%s up: %w", device, err)
	}
	return nil
}

// configure sets up the inner end.
func configure(inside *netlink.Handle, ns netns.NsHandle, s Spec) error {
	link, err := inside.LinkByName(s.Ifname)
	if err != nil {
		return err
	}
	if s.hasIPv6() {
		// The link-local address, which neighbour discovery speaks from, is that of the MAC: the only one the vSwitch accepts.
		if err := prepareIPv6(ns, s.Ifname); err != nil {
			return err
		}
	} else if err := inside.LinkSetIP6AddrGenMode(link, nl.IN6_ADDR_GEN_MODE_NONE); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		// Without a tenant's IPv6 address: no link-local one, no solicitations that would only be dropped.
		return fmt.Errorf("no automatic IPv6 addresses: %w", err)
	}
	for _, p := range s.Addresses {
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
		if p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD // the controller says whose it is; usable at once
		}
		if err := inside.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("address %s: %w", p, err)
		}
	}
	if err := inside.LinkSetUp(link); err != nil {
		return fmt.Errorf("up: %w", err)
	}
	for _, gateway := range []netip.Addr{s.Gateway, s.Gateway6} {
		if !gateway.IsValid() {
			continue
		}
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: gateway.AsSlice()}
		// A namespace with a default route has it from its first interface, which keeps it.
		if err := inside.RouteAdd(route); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("default route via %s: %w", gateway, err)
		}
	}
	return nil
}

// Detach removes the host side, and with it the inner one. A device that is gone is no error.
func Detach(device string) error {
	link, err := netlink.LinkByName(device)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	err = netlink.LinkDel(link)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// Exists reports whether the host side is there.
func Exists(device string) (bool, error) {
	_, err := netlink.LinkByName(device)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return false, nil
	}
	return err == nil, err
}

// UnderlayMTU of a device, and whether it has the address.
func UnderlayMTU(device string, pa net.IP) (mtu int, hasPA bool, err error) {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return 0, false, fmt.Errorf("underlay device %s: %w", device, err)
	}
	addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return 0, false, fmt.Errorf("underlay device %s: %w", device, err)
	}
	for _, a := range addrs {
		hasPA = hasPA || a.IP.Equal(pa)
	}
	return link.Attrs().MTU, hasPA, nil
}

func openNetns(path string) (netns.NsHandle, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) // a FIFO must not keep us waiting
	if err != nil {
		return -1, fmt.Errorf("namespace %s: %w: %w", path, ErrNoNamespace, err)
	}
	if err := checkNetns(fd); err != nil {
		return -1, errors.Join(fmt.Errorf("namespace %s: %w", path, err), unix.Close(fd))
	}
	return netns.NsHandle(fd), nil
}

// checkNetns wants a network namespace other than the agent's: there the endpoint's routes would be the host's.
func checkNetns(fd int) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != nsfsMagic {
		return ErrNoNamespace
	}
	const nsGetNstype = 0xb703 // NS_GET_NSTYPE, linux/nsfs.h
	if kind, err := unix.IoctlRetInt(fd, nsGetNstype); err != nil || kind != unix.CLONE_NEWNET {
		return ErrNoNamespace
	}
	var its, own unix.Stat_t
	if err := errors.Join(unix.Fstat(fd, &its), unix.Stat("/proc/thread-self/ns/net", &own)); err != nil {
		return err
	}
	if its.Dev == own.Dev && its.Ino == own.Ino {
		return ErrOwnNamespace
	}
	return nil
}
