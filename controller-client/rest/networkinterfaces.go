package rest

import cc "github.com/fairlead-net/fairlead/controller-client"

func ipConfigurationMeta(c *cc.IPConfiguration) *cc.Meta { return &c.Meta }

var decodeNetworkInterface = top("networkInterfaces", func(n *cc.NetworkInterface) *cc.Meta { return &n.Meta },
	func(d *decoder, n *cc.NetworkInterface, key string) bool {
		switch key {
		case "privateMacAddress":
			n.MAC = d.text()
		case "server":
			n.Server = d.ref()
		case "isPrimary":
			n.Primary = d.flag()
		case "portSettings":
			decodePortSettings(d, n)
		case "dnsSettings":
			d.member("dnsServers", func() { n.DNSServers = d.texts() })
		case "ipConfigurations":
			n.IPConfigurations = resources(d, "ipConfigurations", decodeIPConfiguration)
		default:
			return false
		}
		return true
	},
	func(n *cc.NetworkInterface) {
		referAll(n.IPConfigurations, ipConfigurationMeta, &n.Meta, "ipConfigurations")
	})

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

var decodeIPConfiguration = decoderOf("ipConfigurations", ipConfigurationMeta, func(d *decoder, c *cc.IPConfiguration, key string) bool {
	switch key {
	case "privateIPAddress":
		c.PrivateIPAddress = d.text()
	case "privateIPAllocationMethod":
		c.AllocationMethod = d.word()
	case "subnet":
		c.Subnet = d.ref()
	case "accessControlList":
		c.AccessControlList = d.ref()
	case "publicIPAddress":
		c.PublicIPAddress = d.ref()
	case "loadBalancerBackendAddressPools":
		c.BackendAddressPools = d.refs()
	case "loadBalancerInboundNatRules":
		c.InboundNATRules = d.refs()
	case "securityTags":
		c.SecurityTags = d.refs()
	default:
		return false
	}
	return true
})
