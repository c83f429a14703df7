package rest

import (
	"fmt"
	"strconv"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

func decodeVirtualNetwork(d *decoder) (v cc.VirtualNetwork, ok bool) {
	const collection = "virtualNetworks"
	mark := len(d.complaints)
	ok = d.resource(&v.Meta, func(key []byte) bool {
		switch string(key) {
		case "addressSpace":
			d.object(func(key []byte) bool {
				if string(key) == "addressPrefixes" {
					v.AddressPrefixes = d.texts()
					return true
				}
				return false
			})
		case "subnets":
			v.Subnets = resources(d, "subnets", decodeSubnet)
		case "virtualNetworkPeerings":
			v.Peerings = decodePeerings(d)
		default:
			return false
		}
		return true
	})
	if !ok {
		return v, false
	}
	refer(&v.Meta, "", collection)
	d.settle(&v.Meta, collection, mark)
	for i := range v.Subnets {
		refer(&v.Subnets[i].Meta, v.Ref, "subnets")
	}
	return v, true
}

func decodeSubnet(d *decoder) (s cc.Subnet, ok bool) {
	mark := len(d.complaints)
	ok = d.resource(&s.Meta, func(key []byte) bool {
		switch string(key) {
		case "addressPrefix":
			s.AddressPrefix = d.text()
		case "accessControlList":
			s.AccessControlList = d.ref()
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
	if ok {
		d.settle(&s.Meta, "subnets", mark)
	}
	return s, ok
}

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

// refer derives the reference of a resource that did not say it.
func refer(m *cc.Meta, parent, collection string) {
	if m.Ref == "" {
		m.Ref = parent + "/" + collection + "/" + m.ID
	}
}
