package rest

import cc "github.com/fairlead-net/fairlead/controller-client"

func decodeServer(d *decoder) (s cc.Server, ok bool) {
	const collection = "servers"
	mark := len(d.complaints)
	ok = d.resource(&s.Meta, func(key []byte) bool {
		if string(key) != "fairlead" {
			return false
		}
		d.object(func(key []byte) bool {
			if string(key) == "providerAddresses" {
				s.ProviderAddresses = d.texts()
				return true
			}
			return false
		})
		return true
	})
	if !ok {
		return s, false
	}
	refer(&s.Meta, "", collection)
	d.settle(&s.Meta, collection, mark)
	return s, true
}

// decodeConfiguration reads the singleton virtualNetworkManager/configuration, of which only the
// encapsulation is of interest.
func decodeConfiguration(d *decoder) (protocol string, ok bool) {
	m := cc.Meta{ID: "configuration"} // there is only one, so it need not say its name
	ok = d.resource(&m, func(key []byte) bool {
		if string(key) != "networkVirtualizationProtocol" {
			return false
		}
		protocol = d.text()
		return true
	})
	return protocol, ok
}
