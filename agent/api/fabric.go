package api

// RouteTable of the fabric, with the subnets of this host's networks that use it.
type RouteTable struct {
	ID          string   `json:"id"`
	ResourceRef string   `json:"resourceRef"`
	Subnets     []string `json:"subnets,omitempty"` // refs
	Routes      []Route  `json:"routes"`
}

// Route is one user-defined route in force.
type Route struct {
	ID      string `json:"id"`
	Prefix  string `json:"prefix"`
	Type    string `json:"type"`              // VirtualAppliance, VnetLocal, Internet, None
	NextHop string `json:"nextHop,omitempty"` // CA of a virtual appliance
}

// LoadBalancer of the fabric. It is shown: nothing of it is in force.
type LoadBalancer struct {
	ID           string         `json:"id"`
	ResourceRef  string         `json:"resourceRef"`
	Frontends    []Frontend     `json:"frontends,omitempty"`
	BackendPools []BackendPool  `json:"backendPools,omitempty"`
	Rules        []BalancerRule `json:"rules,omitempty"`
}

// Frontend is one VIP.
type Frontend struct {
	ID            string `json:"id"`
	Address       string `json:"address,omitempty"`
	Subnet        string `json:"subnet,omitempty"`        // ref
	PublicAddress string `json:"publicAddress,omitempty"` // ref
}

// BackendPool is a set of ipConfigurations.
type BackendPool struct {
	ID               string   `json:"id"`
	IPConfigurations []string `json:"ipConfigurations,omitempty"` // refs
}

// BalancerRule of a load balancer, in the fabric's words.
type BalancerRule struct {
	ID              string   `json:"id"`
	Kind            string   `json:"kind"` // balance, inbound-nat, outbound-nat
	Protocol        string   `json:"protocol,omitempty"`
	Frontends       []string `json:"frontends,omitempty"` // refs
	FrontendPort    string   `json:"frontendPort,omitempty"`
	BackendPort     string   `json:"backendPort,omitempty"`
	BackendPool     string   `json:"backendPool,omitempty"`     // ref
	IPConfiguration string   `json:"ipConfiguration,omitempty"` // ref of an inbound NAT rule's target
	DirectReturn    bool     `json:"directReturn,omitempty"`    // the VIP stays the destination
}

// PublicAddress is an address outside all virtual networks. It is shown: nothing of it is in force.
type PublicAddress struct {
	ID               string `json:"id"`
	Address          string `json:"address,omitempty"`
	AllocationMethod string `json:"allocationMethod,omitempty"`
	IPConfiguration  string `json:"ipConfiguration,omitempty"` // ref of who has it
}
