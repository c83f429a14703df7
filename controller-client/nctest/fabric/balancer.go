package fabric

import "fmt"

// Every balancerEvery-th tenant has a load balancer, in front of its machines of balancedClass.
// Every publicEvery-th NIC has a public address.
const (
	balancerEvery = 10
	balancedClass = "web"
	publicEvery   = 50
)

func (s Spec) balancers() int { return (s.Tenants + balancerEvery - 1) / balancerEvery }

func (s Spec) publicNICs() int { return (s.NICs + publicEvery - 1) / publicEvery }

// publicAddresses are those of the load balancers, then those of NICs.
func (s Spec) publicAddresses() int { return s.balancers() + s.publicNICs() }

func publicRef(n int) string { return fmt.Sprintf("/publicIPAddresses/public-%05d", n+1) }

func (s Spec) publicOf(nic int) string {
	if nic%publicEvery != 0 {
		return ""
	}
	return publicRef(s.balancers() + nic/publicEvery)
}

func (s Spec) publicIPAddress(n int) resource {
	return s.resource(publicRef(n), struct {
		Address string `json:"ipAddress"`
		Method  string `json:"publicIPAllocationMethod"`
		Version string `json:"publicIPAddressVersion"`
		Idle    int    `json:"idleTimeoutInMinutes"`
	}{publicAddress(n).String(), "Static", "IPv4", 4})
}

func balancerRef(tenant int) string {
	return fmt.Sprintf("/loadBalancers/balancer-vnet-%04d", tenant+1)
}

func (s Spec) poolsOf(nic int, class string) []reference {
	if tenant := s.tenantOf(nic); tenant%balancerEvery == 0 && class == balancedClass {
		return []reference{{balancerRef(tenant) + "/backendAddressPools/pool"}}
	}
	return nil
}

// natRulesOf gives a balanced tenant's first NIC the balancer's NAT rule.
func (s Spec) natRulesOf(nic int) []reference {
	if tenant := s.tenantOf(nic); tenant%balancerEvery == 0 && nic == tenant {
		return []reference{{balancerRef(tenant) + "/inboundNatRules/ssh"}}
	}
	return nil
}

type loadBalancer struct {
	Frontends   []resource `json:"frontendIPConfigurations"`
	Pools       []resource `json:"backendAddressPools"`
	Rules       []resource `json:"loadBalancingRules"`
	Probes      []resource `json:"probes"`
	NATRules    []resource `json:"inboundNatRules"`
	OutboundNAT []resource `json:"outboundNatRules"`
}

type frontend struct {
	Address string     `json:"privateIPAddress,omitempty"`
	Method  string     `json:"privateIPAllocationMethod"`
	Subnet  *reference `json:"subnet,omitempty"`
	Public  *reference `json:"publicIPAddress,omitempty"`
}

type balancingRule struct {
	Frontends    []reference `json:"frontendIPConfigurations"`
	Protocol     string      `json:"protocol"`
	FrontendPort int         `json:"frontendPort,omitempty"`
	BackendPort  int         `json:"backendPort,omitempty"`
	Floating     bool        `json:"enableFloatingIP"`
	Idle         int         `json:"idleTimeoutInMinutes"`
	Pool         *reference  `json:"backendAddressPool,omitempty"`
	Probe        *reference  `json:"probe,omitempty"`
	Distribution string      `json:"loadDistribution,omitempty"`
}

type probe struct {
	Protocol string `json:"protocol"`
	Port     int    `json:"port"`
	Path     string `json:"requestPath"`
	Interval int    `json:"intervalInSeconds"`
	Number   int    `json:"numberOfProbes"`
}

// loadBalancer has a public and an inner VIP.
func (s Spec) loadBalancer(n int) resource {
	tenant := n * balancerEvery
	ref := balancerRef(tenant)
	outer, inner := ref+"/frontendIPConfigurations/public", ref+"/frontendIPConfigurations/inner"
	pool, check := ref+"/backendAddressPools/pool", ref+"/probes/http"
	vip := add4(s.prefix(tenant, 0).Addr(), vipHost).String()
	return s.ofTenant(tenant, s.resource(ref, loadBalancer{
		Frontends: []resource{
			s.resource(outer, frontend{Method: "Dynamic", Public: refer(publicRef(n))}),
			s.resource(inner, frontend{Address: vip, Method: "Static", Subnet: refer(subnetRef(tenant, 0))}),
		},
		Pools: []resource{s.resource(pool, struct{}{})},
		Rules: []resource{
			s.resource(ref+"/loadBalancingRules/https", balancingRule{Frontends: []reference{{outer}}, Protocol: "Tcp", FrontendPort: 443,
				BackendPort: 8443, Idle: 4, Pool: refer(pool), Probe: refer(check), Distribution: "Default"}),
			s.resource(ref+"/loadBalancingRules/inner", balancingRule{Frontends: []reference{{inner}}, Protocol: "Tcp", FrontendPort: 80,
				BackendPort: 8080, Idle: 4, Pool: refer(pool), Probe: refer(check), Distribution: "SourceIP"}),
		},
		Probes: []resource{s.resource(check, probe{"Http", 8080, "/healthz", 15, 2})},
		NATRules: []resource{s.resource(ref+"/inboundNatRules/ssh", balancingRule{Frontends: []reference{{outer}}, Protocol: "Tcp",
			FrontendPort: 2222, BackendPort: 22, Idle: 4})},
		OutboundNAT: []resource{s.resource(ref+"/outboundNatRules/all", balancingRule{Frontends: []reference{{outer}}, Protocol: "All",
			Idle: 4, Pool: refer(pool)})},
	}))
}
