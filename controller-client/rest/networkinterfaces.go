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
			decodePortSettings(d, &n)
		case "dnsSettings":
			d.object(func(key []byte) bool {
				if string(key) == "dnsServers" {
					n.DNSServers = d.texts()
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

// decodePortSettings reads what bounds a port. Numbers may be strings; what they mean is for validation to say.
func decodePortSettings(d *decoder, n *cc.NetworkInterface) {
	d.object(func(key []byte) bool {
		switch string(key) {
		case "macSpoofingEnabled":
			n.MACSpoofing = d.flag()
		case "portFlowLimit":
			n.Port.FlowLimit = d.text()
		case "qosSettings":
			d.object(func(key []byte) bool {
				switch string(key) {
				case "outboundMaximumMbps", "OutboundMaximumMbps":
					n.Port.OutboundMaximumMbps = d.text()
				case "inboundMaximumMbps", "InboundMaximumMbps": // Microsoft's pages write both
					n.Port.InboundMaximumMbps = d.text()
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
