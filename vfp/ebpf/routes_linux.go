package ebpf

import (
	"encoding/binary"

	"github.com/fairlead-net/fairlead/vfp"
)

const addressRoutes = 1

// routes of the subnets; IPv4's prefixes are 96 longer in the mapped form, and in a trie of their own.
func (c *compiler) routes() {
	for i := range c.p.Routes {
		r := &c.p.Routes[i]
		v := vswitchRoute{Action: uint32(r.Action)}
		if r.Action == vfp.RouteAppliance {
			v.NextHop = addr(r.NextHop)
		}
		key := rowKey{high: uint32(r.VSID)<<1 | 1, ca: mapped(r.Prefix.Masked().Addr()), bits: uint8(r.Prefix.Bits())}
		if r.Prefix.Addr().Is4() {
			key.high, key.bits = uint32(r.VSID)<<1, key.bits+96
		}
		c.t.routes = append(c.t.routes, row2(key, v))
	}
	c.t.routes.sort()
}

// rerouted are the subnets whose routes differ in want.
func (t *tables) rerouted(want *tables) map[uint32]bool {
	vsids := map[uint32]bool{}
	put, del := t.routes.difference(want.routes)
	for _, r := range put {
		vsids[r.key.high>>1] = true
	}
	for _, k := range del {
		vsids[k.high>>1] = true
	}
	return vsids
}

// forwarder lets a port have what is sent to its MAC, in the subnets of its first addresses, if it passes packets on.
func (c *compiler) forwarder(p *vfp.Port, index uint32, v *vswitchPort) {
	if !p.Forwards {
		return
	}
	c.t.host.Forwards = 1
	for n, vsid := range []uint32{v.Vsid, v.Vsid6} {
		if vsid == 0 || n == 1 && vsid == v.Vsid {
			continue
		}
		key := rowKey{high: vsid}
		copy(key.ca[:], p.MAC[:])
		c.t.forwarders = append(c.t.forwarders, row2(key, index))
	}
}

// forwardHost lets a host send packets of any source into a domain.
func (c *compiler) forwardHost(domain, pa uint32) {
	key := rowKey{high: domain}
	binary.NativeEndian.PutUint32(key.ca[12:], pa)
	if !c.forwardHosts[key] {
		c.forwardHosts[key] = true
		c.t.forwardHosts = append(c.t.forwardHosts, row2(key, uint32(1)))
	}
}
