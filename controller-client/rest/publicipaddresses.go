package rest

import cc "github.com/fairlead-net/fairlead/controller-client"

var decodePublicIPAddress = top("publicIPAddresses", func(a *cc.PublicIPAddress) *cc.Meta { return &a.Meta },
	func(d *decoder, a *cc.PublicIPAddress, key string) bool {
		switch key {
		case "ipAddress", "IPAddress":
			a.Address = d.text()
		case "publicIPAllocationMethod":
			a.AllocationMethod = d.word()
		case "publicIPAddressVersion":
			a.Version = d.word()
		case "ipConfiguration":
			a.IPConfiguration = d.ref()
		default:
			return false
		}
		return true
	}, func(*cc.PublicIPAddress) {})

var decodeSecurityTag = top("securityTags", func(t *cc.SecurityTag) *cc.Meta { return &t.Meta },
	func(d *decoder, t *cc.SecurityTag, key string) bool {
		if key != "type" {
			return false
		}
		t.Type = d.text()
		return true
	}, func(*cc.SecurityTag) {})
