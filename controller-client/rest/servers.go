package rest

import cc "github.com/fairlead-net/fairlead/controller-client"

// server is one with the NICs that the controller says are placed on it.
type server struct {
	cc.Server
	saysInterfaces bool
	interfaces     []string // refs
}

var decodeServer = top("servers", func(s *server) *cc.Meta { return &s.Meta },
	func(d *decoder, s *server, key string) bool {
		switch key {
		case "virtualNetworkInterfaces":
			s.saysInterfaces, s.interfaces = true, d.refs()
		case "fairlead":
			d.object(func(key []byte) bool {
				if string(key) == "providerAddresses" {
					s.ProviderAddresses = d.texts()
					return true
				}
				return false
			})
		default:
			return false
		}
		return true
	}, func(*server) {})

// manager is virtualNetworkManager/configuration, of which only the encapsulation is of interest.
type manager struct {
	cc.Meta
	protocol string
}

const configuration = "/virtualNetworkManager/configuration"

func decodeManager(d *decoder) (m manager, ok bool) {
	m.ID = "configuration" // there is only one, so it need not say its name
	ok = d.resource(&m.Meta, func(key []byte) bool {
		if string(key) != "networkVirtualizationProtocol" {
			return false
		}
		m.protocol = d.text()
		return true
	})
	return m, ok
}
