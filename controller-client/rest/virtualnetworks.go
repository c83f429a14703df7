package rest

import (
	"fmt"
	"strconv"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// virtualNetwork is one with what its subnets say of who lives in them.
type virtualNetwork struct {
	cc.VirtualNetwork
	residents []residents // by subnet
}

// residents are whose ipConfigurations are in a subnet: NICs, and load balancers for their front ends.
type residents struct {
	said    bool // the controller shows them at all
	targets []target
}

type subnet struct {
	cc.Subnet
	residents
}

var decodeVirtualNetwork = top("virtualNetworks", func(v *virtualNetwork) *cc.Meta { return &v.Meta },
	func(d *decoder, v *virtualNetwork, key string) bool {
		switch key {
		case "addressSpace":
			d.member("addressPrefixes", func() { v.AddressPrefixes = d.texts() })
		case "subnets":
			v.Subnets, v.residents = nil, nil
			for _, s := range resources(d, "subnets", decodeSubnet) {
				v.Subnets, v.residents = append(v.Subnets, s.Subnet), append(v.residents, s.residents)
			}
		case "virtualNetworkPeerings":
			v.Peerings = decodePeerings(d)
		default:
			return false
		}
		return true
	},
	func(v *virtualNetwork) {
		referAll(v.Subnets, func(s *cc.Subnet) *cc.Meta { return &s.Meta }, &v.Meta, "subnets")
	})

var decodeSubnet = decoderOf("subnets", func(s *subnet) *cc.Meta { return &s.Meta }, func(d *decoder, s *subnet, key string) bool {
	switch key {
	case "addressPrefix":
		s.AddressPrefix = d.text()
	case "accessControlList":
		s.AccessControlList = d.ref()
	case "routeTable":
		s.RouteTable = d.ref()
	case "ipConfigurations":
		s.said = true
		for _, ref := range d.refs() {
			s.targets = append(s.targets, targetOf(ref))
		}
	case "fairlead":
		d.object(func(key []byte) bool {
			switch string(key) {
			case "vsid":
				s.VSID = d.vsid()
			case "gateway":
				s.Gateway = d.text()
			default:
				return false
			}
			return true
		})
	default:
		return false
	}
	return true
})

// vsid reads a number of any spelling; whether it is in range is for validation to say.
func (d *decoder) vsid() uint32 {
	text := d.text()
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		return uint32(n)
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 0 && f < 1<<32 && f == float64(uint32(f)) {
		return uint32(f)
	}
	d.complain("property-unreadable", "error", "", fmt.Sprintf("field fairlead.vsid: %q is not a virtual subnet id; taken as not published", text))
	return 0
}

// decodePeerings reads the peered networks. The property's shape inside Microsoft's bodies is
// derived, so a plain list of references is taken as well.
func decodePeerings(d *decoder) (refs []string) {
	d.list(func(int) {
		if d.peek() != '{' {
			refs = append(refs, d.word())
			return
		}
		var own, remote string
		nested, denied := false, false
		d.object(func(key []byte) bool {
			switch string(key) {
			case "resourceRef":
				own = d.word()
			case "properties":
				nested = true
				d.object(func(key []byte) bool {
					switch string(key) {
					case "remoteVirtualNetwork":
						remote = d.ref()
					case "allowVirtualNetworkAccess", "allowVirtualnetworkAccess":
						denied = !d.flag()
					default:
						return false
					}
					return true
				})
			default:
				return false
			}
			return true
		})
		if !nested {
			remote = own
		}
		if remote != "" && !denied {
			refs = append(refs, remote)
		}
	})
	return refs
}
