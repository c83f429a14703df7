package lab

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// containerDevice is the name of an attached NIC inside its container.
const containerDevice = "eth0"

// Container is a namespace on a host with at most one endpoint.
type Container struct {
	Name string
	host *Host
	ns   *Namespace
}

// Container makes a container on the host.
func (h *Host) Container(name string) *Container {
	return &Container{Name: name, host: h, ns: h.lab.namespace(name)}
}

// Host the container is on.
func (c *Container) Host() *Host { return c.host }

// Do runs f inside the container.
func (c *Container) Do(f func() error) error { return c.ns.Do(f) }

// Netns is the path of the container's namespace.
func (c *Container) Netns() string { return c.ns.Path }

// Links are the names of the network devices in the container.
func (c *Container) Links() ([]string, error) { return c.ns.Links() }

// Device is the name of the container's network device.
func (c *Container) Device() string { return containerDevice }

// Attach connects the container to a NIC, under the container's name.
func (c *Container) Attach(nic string) {
	c.host.lab.must(c.TryAttach(nic), "attach")
}

// TryAttach is Attach that answers why it did not work.
func (c *Container) TryAttach(nic string) error {
	r := c.host.Fairlead("endpoint", "attach", c.Name, "--netns", c.ns.Path, "--ifname", containerDevice, "--nic", nic)
	if r.Code != 0 {
		return fmt.Errorf("%s: fairlead endpoint attach %s --nic %s: exit code %d: %s", c.host.Name, c.Name, nic, r.Code, strings.TrimSpace(r.Stderr))
	}
	return nil
}

// AttachTo connects the container to what the arguments of `fairlead endpoint attach` name.
func (c *Container) AttachTo(args ...string) {
	all := append([]string{"endpoint", "attach", c.Name, "--netns", c.ns.Path, "--ifname", containerDevice}, args...)
	if r := c.host.Fairlead(all...); r.Code != 0 {
		c.host.lab.Fail("%s: fairlead %s: exit code %d: %s", c.host.Name, strings.Join(all, " "), r.Code, strings.TrimSpace(r.Stderr))
	}
}

// SetMTU changes both ends of the container's cable: more than fits is what a user's script does.
func (c *Container) SetMTU(mtu int) {
	inner, err := c.ns.nl.LinkByName(containerDevice)
	c.host.lab.must(err, "%s: %s", c.Name, containerDevice)
	outer, err := c.host.ns.nl.LinkByIndex(inner.Attrs().ParentIndex)
	c.host.lab.must(err, "%s: the other end of %s", c.Name, containerDevice)
	c.host.lab.must(c.host.ns.nl.LinkSetMTU(outer, mtu), "%s: MTU", c.Name)
	c.host.lab.must(c.ns.nl.LinkSetMTU(inner, mtu), "%s: MTU", c.Name)
}

// AttachSoon attaches the container as soon as its host has heard that the NIC is there.
func (c *Container) AttachSoon(nic string, timeout time.Duration) {
	c.host.lab.must(c.host.lab.WaitFor("attach "+c.Name, timeout, func() error { return c.TryAttach(nic) }), "attach")
}

// Detach removes the container's endpoint.
func (c *Container) Detach() {
	if r := c.host.Fairlead("endpoint", "detach", c.Name); r.Code != 0 {
		c.host.lab.Fail("%s: fairlead endpoint detach %s: exit code %d: %s", c.host.Name, c.Name, r.Code, strings.TrimSpace(r.Stderr))
	}
}

// Endpoint is what the host's agent says about the container's endpoint.
func (c *Container) Endpoint() Endpoint {
	all, err := c.host.Endpoints()
	c.host.lab.must(err, "endpoints")
	e, ok := all[c.Name]
	if !ok {
		c.host.lab.Fail("%s: fairlead endpoint list: no %s", c.host.Name, c.Name)
	}
	return e
}

// MAC of the container's device.
func (c *Container) MAC() []byte {
	mac, err := c.ns.MAC(containerDevice)
	c.host.lab.must(err, "MAC")
	return mac
}

// Neighbour is the MAC the container has learned for an address of its subnet.
func (c *Container) Neighbour(address netip.Addr) []byte {
	neighbours, err := c.ns.nl.NeighList(0, 0)
	c.host.lab.must(err, "%s: neighbours", c.Name)
	for _, n := range neighbours {
		if a, ok := netip.AddrFromSlice(n.IP); ok && a.Unmap() == address && len(n.HardwareAddr) == 6 {
			return n.HardwareAddr
		}
	}
	c.host.lab.Fail("%s has no neighbour entry for %s", c.Name, address)
	return nil
}
