package ebpf

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// relayDevice is a vxlan device without a peer. Its being there makes the kernel coalesce encapsulated TCP segments on the
// underlay (GRO), which it does only for UDP ports that a tunnel device listens on; and copies of packets on their way to
// other hosts pass through it. Its VNI is nobody's.
const (
	relayDevice = "fairlead0"
	relayVNI    = 1<<24 - 1
)

// findRelay makes the device if it is not there.
func (d *Datapath) findRelay(p *vfp.Policy) error {
	dev, err := netlink.LinkByName(relayDevice)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		d.relay = 0
		dev, err = d.makeRelay(p)
	}
	if err != nil {
		return fmt.Errorf("device %s: %w; encapsulated traffic is not coalesced, and copies for other hosts are not sent", relayDevice, err)
	}
	d.relay = uint32(dev.Attrs().Index)
	return nil
}

func (d *Datapath) makeRelay(p *vfp.Policy) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = relayDevice
	dev := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: relayVNI, Port: encap.VXLANPort, Learning: false, VtepDevIndex: int(d.underlay),
		SrcAddr: net.IP(p.ProviderAddress.AsSlice())}
	if p.ProviderAddress.Is6() {
		dev.UDP6ZeroCSumRx = true
	}
	if err := netlink.LinkAdd(dev); err != nil {
		return nil, err
	}
	return netlink.LinkByName(relayDevice)
}

// relayUp lets the device work, once its program is attached: without it, what comes out of the device would reach the
// host's own stack.
func relayUp(ifindex uint32) error {
	dev, err := netlink.LinkByIndex(int(ifindex))
	if err == nil && dev.Attrs().Flags&net.FlagUp == 0 {
		err = netlink.LinkSetUp(dev)
	}
	if err != nil {
		return fmt.Errorf("device %s: set up: %w", relayDevice, err)
	}
	return nil
}
