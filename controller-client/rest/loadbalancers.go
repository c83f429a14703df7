package rest

import cc "github.com/fairlead-net/fairlead/controller-client"

func frontendMeta(f *cc.Frontend) *cc.Meta           { return &f.Meta }
func poolMeta(p *cc.BackendAddressPool) *cc.Meta     { return &p.Meta }
func balancingMeta(r *cc.LoadBalancingRule) *cc.Meta { return &r.Meta }

var decodeFrontend = decoderOf("frontendIPConfigurations", frontendMeta, func(d *decoder, f *cc.Frontend, key string) bool {
	switch key {
	case "privateIPAddress":
		f.PrivateIPAddress = d.text()
	case "subnet":
		f.Subnet = d.ref()
	case "publicIPAddress":
		f.PublicIPAddress = d.ref()
	default:
		return false
	}
	return true
})

var decodeBackendPool = decoderOf("backendAddressPools", poolMeta, func(d *decoder, p *cc.BackendAddressPool, key string) bool {
	if key != "backendIPConfigurations" {
		return false
	}
	p.IPConfigurations = d.refs()
	return true
})

// balancingRule reads what the rules of all three lists have; each list has a part of it.
func balancingRule(d *decoder, r *cc.LoadBalancingRule, key string) bool {
	switch key {
	case "frontendIPConfigurations":
		r.Frontends = d.refs()
	case "protocol":
		r.Protocol = d.word()
	case "frontendPort":
		r.FrontendPort = d.text()
	case "backendPort":
		r.BackendPort = d.text()
	case "backendAddressPool":
		r.BackendPool = d.ref()
	case "backendIPConfiguration":
		r.IPConfiguration = d.ref()
	case "enableFloatingIP":
		r.FloatingIP = d.flag()
	case "loadDistribution":
		r.Distribution = d.word()
	default:
		return false
	}
	return true
}

// ruleLists are the lists of rules by their collection's name.
func ruleLists(b *cc.LoadBalancer) map[string]*[]cc.LoadBalancingRule {
	return map[string]*[]cc.LoadBalancingRule{
		"loadBalancingRules": &b.Rules, "inboundNatRules": &b.InboundNATRules, "outboundNatRules": &b.OutboundNATRules}
}

var decodeLoadBalancer = top("loadBalancers", func(b *cc.LoadBalancer) *cc.Meta { return &b.Meta },
	func(d *decoder, b *cc.LoadBalancer, key string) bool {
		switch key {
		case "frontendIPConfigurations":
			b.Frontends = resources(d, key, decodeFrontend)
		case "backendAddressPools":
			b.BackendPools = resources(d, key, decodeBackendPool)
		default:
			list := ruleLists(b)[key]
			if list == nil {
				return false
			}
			*list = resources(d, key, decoderOf(key, balancingMeta, balancingRule))
		}
		return true
	},
	func(b *cc.LoadBalancer) {
		referAll(b.Frontends, frontendMeta, &b.Meta, "frontendIPConfigurations")
		referAll(b.BackendPools, poolMeta, &b.Meta, "backendAddressPools")
		for collection, list := range ruleLists(b) {
			referAll(*list, balancingMeta, &b.Meta, collection)
		}
	})
