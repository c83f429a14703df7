package lab

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
)

// The underlay: hosts count from .1 and ::1, the controller has 172.16.0.254.
var (
	underlay          = netip.MustParsePrefix("172.16.0.0/24")
	underlay6         = netip.MustParsePrefix("fd00:172:16::/64")
	controllerAddress = netip.MustParseAddr("172.16.0.254")
)

const (
	bridgeDevice = "underlay" // in the fabric namespace
	hostDevice   = "eth0"     // in every host
)

func (l *Lab) buildFabric() {
	l.fabric = l.namespace("fabric")
	nl := l.fabric.nl
	off := false
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = bridgeDevice, l.opts.MTU
	// A snooping bridge would need queriers, and sends packets of its own.
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &off}
	l.must(nl.LinkAdd(bridge), "fabric: add bridge")
	addr, err := netlink.ParseAddr(netip.PrefixFrom(controllerAddress, underlay.Bits()).String())
	l.must(err, "fabric: address")
	l.must(nl.AddrAdd(bridge, addr), "fabric: address of the bridge")
	l.must(nl.LinkSetUp(bridge), "fabric: bridge up")
	l.must(l.fabric.Do(passBridge), "fabric: bridge without filters")
}

// passBridge keeps the firewall out of the bridge: it is a wire here. Where the kernel has no firewall
// for bridges, or it is not loaded, there is nothing to do.
func passBridge() error {
	switches, err := filepath.Glob("/proc/sys/net/bridge/bridge-nf-call-*")
	for _, s := range switches {
		err = errors.Join(err, os.WriteFile(s, []byte("0"), 0))
	}
	return err
}

// plug connects a host to the underlay: a cable whose fabric end is a bridge port with the host's name.
func (l *Lab) plug(host *Namespace, port string, addresses ...netip.Prefix) {
	nl := l.fabric.nl
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = port, l.opts.MTU
	cable := netlink.NewVeth(attrs)
	cable.PeerName, cable.PeerMTU, cable.PeerNamespace = hostDevice, uint32(l.opts.MTU), netlink.NsFd(int(host.ns))
	l.must(nl.LinkAdd(cable), "cable of %s", port)
	bridge, err := nl.LinkByName(bridgeDevice)
	l.must(err, "fabric: bridge")
	end, err := nl.LinkByName(port)
	l.must(err, "fabric: port %s", port)
	l.must(nl.LinkSetMaster(end, bridge), "fabric: plug in %s", port)
	l.must(nl.LinkSetUp(end), "fabric: port %s up", port)
	far, err := host.nl.LinkByName(hostDevice)
	l.must(err, "%s: %s", port, hostDevice)
	for _, prefix := range addresses {
		l.must(address(host, far, prefix), "%s", port)
	}
	l.must(host.nl.LinkSetUp(far), "%s: %s up", port, hostDevice)
}
