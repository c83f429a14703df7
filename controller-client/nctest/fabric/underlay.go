package fabric

import "fmt"

const hnvpa = "/logicalNetworks/hnvpa"

func (s Spec) networkManager(int) resource {
	return s.resource("/virtualNetworkManager/configuration", struct {
		Protocol string `json:"networkVirtualizationProtocol"`
	}{"VXLAN"})
}

func (s Spec) macPool(int) resource {
	return s.resource("/macPools/pool-1", struct {
		Start string `json:"startMacAddress"`
		End   string `json:"endMacAddress"`
	}{"00-1D-D8-00-00-00", "00-1D-D8-FF-FF-FF"})
}

type logicalSubnet struct {
	AddressPrefix string     `json:"addressPrefix"`
	VLAN          string     `json:"vlanID"`
	IsPublic      bool       `json:"isPublic"`
	Gateways      []string   `json:"defaultGateways"`
	DNSServers    []string   `json:"dnsServers"`
	Pools         []resource `json:"ipPools"`
}

type ipPool struct {
	Start string `json:"startIPAddress"`
	End   string `json:"endIPAddress"`
	Usage string `json:"usage"`
}

// logicalNetwork is the one that provider addresses come from.
func (s Spec) logicalNetwork(int) resource {
	subnet := hnvpa + "/subnets/pa"
	pool := s.resource(subnet+"/ipPools/pa", ipPool{
		Start: providerAddress(0).String(), End: providerAddress(maxServers - 1).String(), Usage: "PA"})
	return s.resource(hnvpa, struct {
		Virtualized bool       `json:"networkVirtualizationEnabled"`
		Subnets     []resource `json:"subnets"`
	}{true, []resource{s.resource(subnet, logicalSubnet{
		AddressPrefix: "172.16.0.0/16", VLAN: "201", Gateways: []string{"172.16.0.1"}, DNSServers: []string{}, Pools: []resource{pool}})}})
}

type server struct {
	Connections []connection `json:"connections"`
	NICs        []resource   `json:"networkInterfaces"`
	RackSlot    string       `json:"rackSlot"`
	OS          string       `json:"os"`
	Vendor      string       `json:"vendor"`
	Model       string       `json:"model"`
	Own         *own         `json:"fairlead,omitempty"`
}

type connection struct {
	ManagementAddresses []string `json:"managementAddresses"`
	CredentialType      string   `json:"credentialType"`
}

// physicalNIC with the odd words of real bodies.
type physicalNIC struct {
	IsBMC          string `json:"isBMC"`
	LogicalSubnets string `json:"logicalSubnets"`
}

func (s Spec) server(n int) resource {
	ref := serverRef(n)
	name := ref[len("/servers/"):]
	p := server{
		Connections: []connection{{ManagementAddresses: []string{name + ".contoso.example"}, CredentialType: "X509Certificate"}},
		NICs:        []resource{s.resource(ref+"/networkInterfaces/eth0", physicalNIC{IsBMC: "False"})},
		RackSlot:    fmt.Sprintf("%d-%d", n/40+1, n%40+1),
		OS:          "Windows Server", Vendor: "Contoso", Model: "S2",
	}
	if !s.Microsoft {
		p.Own = &own{ProviderAddresses: []string{providerAddress(n).String()}}
	}
	return s.resource(ref, p)
}
