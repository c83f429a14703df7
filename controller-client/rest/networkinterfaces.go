package rest

import cc "github.com/fairlead-net/fairlead/controller-client"

func decodeNetworkInterface(d *decoder) (n cc.NetworkInterface, ok bool) {
	const collection = "networkInterfaces"
	mark := len(d.complaints)
	ok = d.resource(&n.Meta, func(key []byte) bool {
		switch string(key) {
		case "privateMacAddress":
			n.MAC = d.text()
		case "server":
			n.Server = d.ref()
		case "isPrimary":
			n.Primary = d.flag()
		case "portSettings":
			d.object(func(key []byte) bool {
				if string(key) == "macSpoofingEnabled" {
					n.MACSpoofing = d.flag()
					return true
				}
				return false
			})
		case "ipConfigurations":
			n.IPConfigurations = resources(d, "ipConfigurations", decodeIPConfiguration)
		default:
			return false
		}
		return true
	})
	if !ok {
		return n, false
	}
	refer(&n.Meta, "", collection)
	d.settle(&n.Meta, collection, mark)
	for i := range n.IPConfigurations {
		refer(&n.IPConfigurations[i].Meta, n.Ref, "ipConfigurations")
	}
	return n, true
}

func decodeIPConfiguration(d *decoder) (c cc.IPConfiguration, ok bool) {
	mark := len(d.complaints)
	ok = d.resource(&c.Meta, func(key []byte) bool {
		switch string(key) {
		case "privateIPAddress":
			c.PrivateIPAddress = d.text()
		case "subnet":
			c.Subnet = d.ref()
		case "accessControlList":
			c.AccessControlList = d.ref()
		default:
			return false
		}
		return true
	})
	if ok {
		d.settle(&c.Meta, "ipConfigurations", mark)
	}
	return c, ok
}
