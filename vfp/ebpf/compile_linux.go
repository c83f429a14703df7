package ebpf

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/fairlead-net/fairlead/vfp"
)

// word is an IPv4 address as the programs see it: network byte order in memory.
func word(a netip.Addr) uint32 {
	b := a.As4()
	return binary.NativeEndian.Uint32(b[:])
}

func addrOf(w uint32) netip.Addr {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], w)
	return netip.AddrFrom4(b)
}

func maskWord(bits int) uint32 {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], ^uint32(0)<<(32-bits)&^uint32(0))
	if bits == 0 {
		return 0
	}
	return binary.NativeEndian.Uint32(b[:])
}

// tables is a whole policy in the shape of the maps, without the slot.
type tables struct {
	host      hostRow
	subnets   rows[vswitchSubnet]
	mappings  rows[vswitchMapping]
	addresses rows[vswitchAddress]
	ports     map[uint32]vswitchPort // by index; Epoch is filled in by Apply
}

type hostRow struct{ pa, ifindex, encap, onlink uint32 }

// device is what a port's device turned out to be.
type device struct {
	ifindex uint32
	veth    bool
}

// compile turns a policy into tables. devices holds the ports whose device exists.
func (d *Datapath) compile(p *vfp.Policy, devices map[string]device) (*tables, error) {
	t := &tables{
		host:  hostRow{word(p.ProviderAddress), d.underlay, uint32(p.Encapsulation), maskWord(d.onlinkBits(p.ProviderAddress))},
		ports: map[uint32]vswitchPort{},
	}
	type home struct {
		rdid string
		ca   netip.Addr
	}
	portAt := map[home]uint32{}
	acls := make(map[string]*vfp.ACL, len(p.ACLs))
	for i := range p.ACLs {
		acls[p.ACLs[i].ID] = &p.ACLs[i]
	}
	for i := range p.Ports {
		port := &p.Ports[i]
		dev, ok := devices[port.ID]
		if !ok {
			continue
		}
		index, err := d.idents.get(kindPort, port.ID)
		if err != nil {
			return nil, fmt.Errorf("port %s: %w", port.ID, err)
		}
		v := vswitchPort{Ifindex: dev.ifindex, Mac: port.MAC}
		if dev.veth {
			v.Flags |= portVeth
		}
		if port.AllowMACSpoofing {
			v.Flags |= portAllowMACSpoofing
		}
		first := true
		for _, a := range port.Addresses {
			if !a.CA.Is4() {
				continue
			}
			domain, err := d.idents.get(kindDomain, a.RDID)
			if err != nil {
				return nil, err
			}
			if len(a.ACLs) > vfp.MaxACLs {
				return nil, fmt.Errorf("port %s: %d ACLs on %s, at most %d", port.ID, len(a.ACLs), a.CA, vfp.MaxACLs)
			}
			row := vswitchAddress{Vsid: uint32(a.VSID), Domain: domain}
			for n, id := range a.ACLs {
				acl, ok := acls[id]
				if !ok {
					return nil, fmt.Errorf("port %s: ACL %s is not in the policy", port.ID, id)
				}
				if row.Acls[n], err = d.acls.load(acl); err != nil {
					return nil, fmt.Errorf("ACL %s: %w", id, err)
				}
			}
			t.addresses = append(t.addresses, row2(rowKey(index, word(a.CA)), row))
			portAt[home{a.RDID, a.CA}] = index
			if first {
				v.Vsid, v.Ca, first = uint32(a.VSID), word(a.CA), false
			}
		}
		t.ports[index] = v
	}
	for i := range p.Subnets {
		s := &p.Subnets[i]
		if !s.Prefix.Addr().Is4() {
			continue
		}
		domain, err := d.idents.get(kindDomain, s.RDID)
		if err != nil {
			return nil, err
		}
		v := vswitchSubnet{Domain: domain, Network: word(s.Prefix.Masked().Addr()), Mask: maskWord(s.Prefix.Bits())}
		if s.Gateway.Is4() {
			v.Gateway = word(s.Gateway)
		}
		t.subnets = append(t.subnets, row2(rowKey(0, uint32(s.VSID)), v))
	}
	for i := range p.Mappings {
		m := &p.Mappings[i]
		if !m.CA.Is4() || !m.PA.Is4() {
			continue
		}
		domain, err := d.idents.get(kindDomain, m.RDID)
		if err != nil {
			return nil, err
		}
		v := vswitchMapping{Pa: word(m.PA), Vsid: uint32(m.VSID), Mac: m.MAC, Port: portAt[home{m.RDID, m.CA}]}
		t.mappings = append(t.mappings, row2(rowKey(domain, word(m.CA)), v))
	}
	t.subnets.sort()
	t.mappings.sort()
	t.addresses.sort()
	return t, nil
}

func row2[V comparable](key uint64, val V) row[V] { return row[V]{key, val} }

const (
	portAllowMACSpoofing = 1
	portVeth             = 2
)

// ruleRows expands an ACL's rules of one direction: one row per combination of its lists, in order.
func ruleRows(rules []vfp.Rule, dir vfp.Direction, counter func(id string) (uint32, error)) ([]vswitchRule, error) {
	var out []vswitchRule
	for i := range rules {
		r := &rules[i]
		if r.Direction != dir {
			continue
		}
		n, err := counter(r.ID)
		if err != nil {
			return nil, err
		}
		row := vswitchRule{Protocol: r.Protocol, Action: uint8(r.Action), Counter: n,
			SportLast: 65535, DportLast: 65535}
		if len(r.SourcePorts) > 0 || len(r.DestinationPorts) > 0 {
			row.HasPorts = 1
		}
		for _, src := range orAny(r.Sources) {
			if !setPrefix(&row.Src, &row.SrcMask, src) {
				continue
			}
			for _, dst := range orAny(r.Destinations) {
				if !setPrefix(&row.Dst, &row.DstMask, dst) {
					continue
				}
				for _, sp := range orAnyPort(r.SourcePorts) {
					row.SportFirst, row.SportLast = sp.First, sp.Last
					for _, dp := range orAnyPort(r.DestinationPorts) {
						row.DportFirst, row.DportLast = dp.First, dp.Last
						out = append(out, row)
					}
				}
			}
		}
	}
	return out, nil
}

// setPrefix reports false for a prefix that no IPv4 packet can match.
func setPrefix(addr, mask *uint32, p netip.Prefix) bool {
	if !p.IsValid() {
		*addr, *mask = 0, 0
		return true
	}
	if !p.Addr().Is4() {
		return false
	}
	*addr, *mask = word(p.Masked().Addr()), maskWord(p.Bits())
	return true
}

func orAny(list []netip.Prefix) []netip.Prefix {
	if list == nil {
		return []netip.Prefix{{}}
	}
	return list
}

func orAnyPort(list []vfp.PortRange) []vfp.PortRange {
	if list == nil {
		return []vfp.PortRange{{First: 0, Last: 65535}}
	}
	return list
}

// aclSum names an ACL's content: two ACLs with the same sum behave and count the same.
func aclSum(a *vfp.ACL) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s|%v|", a.ID, a.Default)
	for i := range a.Rules {
		fmt.Fprintf(h, "%+v|", a.Rules[i])
	}
	return string(h.Sum(nil))
}

// sortedIndexes of a port table, for deterministic writes.
func sortedIndexes(ports map[uint32]vswitchPort) []uint32 {
	out := make([]uint32, 0, len(ports))
	for i := range ports {
		out = append(out, i)
	}
	slices.Sort(out)
	return out
}
