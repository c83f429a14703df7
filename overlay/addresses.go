package overlay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

// addressClaim is an ipConfiguration that wants a CA in its network, and its MAC in its subnet.
type addressClaim struct {
	addr   *Address
	ep     *Endpoint
	prev   *Address // in the previous model
	aclRef string
	tier   uint8
	bad    *complaint // why the ipConfiguration as written is not in force
	lost   *Address   // as written, if it is not in force because of another one
}

// The tiers in which claims are granted. Within a tier the lowest reference wins.
const (
	addressHeld     = iota // good now and in force before
	addressHeldCA          // good now, and had this CA before, with another MAC
	addressNew             // good now
	addressLastGood        // only good before
	addressTiers
	addressOut
)

// ipConfiguration reads one of ep's addresses. Whether it gets what it wants is decided when all are read. It
// returns false for one that has nothing to do with tenants.
func (b *builder) ipConfiguration(addr *Address, ep *Endpoint, it item[cc.IPConfiguration], prevEP *Endpoint) (addressClaim, bool) {
	c := addressClaim{addr: addr, ep: ep, prev: prevEP.address(it.Key), aclRef: it.v.AccessControlList, tier: addressNew}
	c.addr.Resource, c.addr.SecurityTags = it.Resource, b.tagsOf(&it)
	s, declared := b.subnets.find(it.v.Subnet)
	if s == nil {
		switch {
		case strings.HasPrefix(cc.RefKey(it.v.Subnet), "/logicalnetworks/"):
			return c, false // the fabric's own interfaces live in logical networks
		case declared: // the subnet's own problem says it all
			c.tier = addressOut
			return c, false
		}
		b.fail(&c, "subnet-unknown", "properties.subnet %s does not exist", quote(it.v.Subnet))
		return c, true
	}
	ca, err := parseAddr(it.v.PrivateIPAddress)
	if err == nil {
		err = s.usable(ca)
	}
	if err != nil {
		b.fail(&c, "address-invalid", "properties.privateIPAddress %s %v", quote(it.v.PrivateIPAddress), err)
		return c, true
	}
	c.addr.CA, c.addr.Subnet = ca, s
	if p := c.prev; p != nil && p.CA == ca && p.Subnet.Key == s.Key {
		c.tier = addressHeldCA
		if prevEP.MAC == ep.MAC {
			c.tier = addressHeld
		}
	}
	return c, true
}

// usable reports why an endpoint cannot have the address in s.
func (s *Subnet) usable(ca netip.Addr) error {
	if err := hostAddr(s.Prefix, ca); err != nil {
		return err
	}
	if ca.Is6() && ca.IsLinkLocalUnicast() {
		return errors.New("is link-local, such as every interface gives itself")
	}
	if ca == s.Gateway {
		return fmt.Errorf("is the gateway of %s", s.Ref)
	}
	return nil
}

// fail makes the claim fall back on the last good version, if there is one that is still usable and that was not it.
func (b *builder) fail(c *addressClaim, code, format string, args ...any) {
	if c.bad == nil {
		c.bad = &complaint{code: code, resource: c.addr.Ref, text: fmt.Sprintf(format, args...)}
	}
	b.fallBack(c)
}

func (b *builder) fallBack(c *addressClaim) {
	last := c.prev
	if last == nil || c.tier == addressLastGood {
		c.tier = addressOut
		return
	}
	s := b.subnets.byKey[last.Subnet.Key]
	if s == nil || s.usable(last.CA) != nil {
		c.tier = addressOut
		return
	}
	c.tier, c.addr.CA, c.addr.Subnet, c.addr.SecurityTags, c.aclRef = addressLastGood, last.CA, s, last.SecurityTags, ""
	if last.ACL != nil {
		c.aclRef = last.ACL.Ref
	}
}

// A VSID is one subnet's and a CA is in one subnet of its network, so the VSID is a handy stand-in for both.
type caKey struct {
	vsid uint32
	ca   [16]byte
}

func keyOfCA(s *Subnet, ca netip.Addr) caKey { return caKey{uint32(s.VSID), ca.As16()} }

func keyOfMAC(s *Subnet, mac vfp.MAC) (k [10]byte) {
	binary.BigEndian.PutUint32(k[:], uint32(s.VSID))
	copy(k[4:], mac[:])
	return k
}

// resolveAddresses grants the claims. They are in the order of their references, and what they claim in that of addresses.
func (b *builder) resolveAddresses(claims []addressClaim, addresses []Address) {
	cas := make(map[caKey]int32, len(claims))
	macs := make(map[[10]byte]*Endpoint, len(claims))
	for tier := uint8(0); tier < addressTiers; tier++ {
		for i := range claims {
			c := &claims[i]
			if c.tier != tier {
				continue
			}
			s := c.addr.Subnet
			ca, mac := keyOfCA(s, c.addr.CA), keyOfMAC(s, c.ep.MAC)
			_, taken := cas[ca]
			if other := macs[mac]; taken || other != nil && other != c.ep {
				if c.bad == nil && c.lost == nil {
					lost := *c.addr
					c.lost = &lost
				}
				b.fallBack(c)
				continue
			}
			cas[ca], macs[mac] = int32(i), c.ep
		}
	}
	// Only now it is certain who keeps what; the same is said the next time.
	for i := range claims {
		c := &claims[i]
		if c.lost == nil {
			continue
		}
		s := c.lost.Subnet
		c.bad = &complaint{code: "mac-duplicate", resource: c.lost.Ref}
		if j, taken := cas[keyOfCA(s, c.lost.CA)]; taken {
			c.bad.code = "address-duplicate"
			c.bad.text = fmt.Sprintf("properties.privateIPAddress %q is also that of %s in %s, which keeps it", c.lost.CA, claims[j].addr.Ref, s.Ref)
		} else if other := macs[keyOfMAC(s, c.ep.MAC)]; other != nil {
			c.bad.text = fmt.Sprintf("properties.privateMacAddress %q of %s is also that of %s in %s, which keeps it", c.ep.MAC, c.ep.Ref, other.Ref, s.Ref)
		}
	}
	granted := addresses[:0] // in place: nothing is claimed twice
	for i := 0; i < len(claims); {
		ep, start := claims[i].ep, len(granted)
		for ; i < len(claims) && claims[i].ep == ep; i++ {
			c := &claims[i]
			if !b.settle(c) {
				continue
			}
			if granted = granted[:len(granted)+1]; c.addr != &granted[len(granted)-1] {
				granted[len(granted)-1] = *c.addr
			}
		}
		ep.Addresses = granted[start:len(granted):len(granted)]
	}
	for _, ep := range b.m.Endpoints {
		for i := range ep.Addresses {
			v := ep.Addresses[i].Subnet.Network
			v.members = append(v.members, member{ep, &ep.Addresses[i]})
		}
	}
	for _, v := range b.m.VirtualNetworks {
		slices.SortFunc(v.members, func(x, y member) int { return x.addr.CA.Compare(y.addr.CA) })
		v.fillTags()
	}
}

// settle reports a claim that failed and says whether any version of it is in force.
func (b *builder) settle(c *addressClaim) bool {
	if c.tier == addressOut {
		b.complain(*c.bad, "the ipConfiguration is left out")
		return false
	}
	if c.bad != nil {
		b.complain(*c.bad, fmt.Sprintf("the last good version (%s in %s) stays in force", c.addr.CA, c.addr.Subnet.Ref))
	}
	if !b.scope.covers(c.ep) {
		c.addr.UnreadACL = c.aclRef
		return true
	}
	var before *ACL
	if c.prev != nil {
		before = c.prev.ACL
	}
	c.addr.ACL = b.aclFor(c.aclRef, c.addr.Ref, before)
	return true
}
