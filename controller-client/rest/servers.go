package rest

import (
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

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
			d.member("providerAddresses", func() { s.ProviderAddresses = d.texts() })
		default:
			return false
		}
		return true
	}, func(*server) {})

// decodeServerFor keeps only host's NICs: a fabric's servers name all its NICs, and each is needed once.
func decodeServerFor(host string) func(*decoder) (server, bool) {
	return func(d *decoder) (server, bool) {
		s, ok := decodeServer(d)
		if !strings.EqualFold(s.ID, host) {
			s.interfaces = nil
		}
		return s, ok
	}
}

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
