package rest

import cc "github.com/fairlead-net/fairlead/controller-client"

func logicalSubnetMeta(s *cc.LogicalSubnet) *cc.Meta { return &s.Meta }
func ipPoolMeta(p *cc.IPPool) *cc.Meta               { return &p.Meta }

var decodeIPPool = decoderOf("ipPools", ipPoolMeta, func(d *decoder, p *cc.IPPool, key string) bool {
	switch key {
	case "startIPAddress", "startIpAddress":
		p.Start = d.text()
	case "endIPAddress", "endIpAddress":
		p.End = d.text()
	case "usage":
		p.Usage = d.text()
	default:
		return false
	}
	return true
})

var decodeLogicalSubnet = decoderOf("subnets", logicalSubnetMeta, func(d *decoder, s *cc.LogicalSubnet, key string) bool {
	switch key {
	case "addressPrefix":
		s.AddressPrefix = d.text()
	case "vlanID", "vlanId":
		s.VLAN = d.text()
	case "defaultGateways":
		s.Gateways = d.texts()
	case "ipPools":
		s.Pools = resources(d, "ipPools", decodeIPPool)
	default:
		return false
	}
	return true
})

var decodeLogicalNetwork = top("logicalNetworks", func(n *cc.LogicalNetwork) *cc.Meta { return &n.Meta },
	func(d *decoder, n *cc.LogicalNetwork, key string) bool {
		switch key {
		case "networkVirtualizationEnabled":
			n.NetworkVirtualization = d.flag()
		case "subnets":
			n.Subnets = resources(d, "subnets", decodeLogicalSubnet)
		default:
			return false
		}
		return true
	},
	func(n *cc.LogicalNetwork) {
		referAll(n.Subnets, logicalSubnetMeta, &n.Meta, "subnets")
		for i := range n.Subnets {
			referAll(n.Subnets[i].Pools, ipPoolMeta, &n.Subnets[i].Meta, "ipPools")
		}
	})
