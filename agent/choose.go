package agent

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/agent/api"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/overlay"
)

// chooseNIC finds the NIC that a request names, or one of this host in the subnet it names: a free one, or one that is to
// get another address, and what the controller is to be asked for.
func (a *Agent) chooseNIC(req api.AttachRequest) (*overlay.Endpoint, *cc.IPRequest, error) {
	if a.model == nil {
		return nil, nil, api.Errorf(http.StatusServiceUnavailable, "nothing received from the controller yet: %s", a.status.Message)
	}
	if req.NIC != "" {
		if req.Network != "" || req.Subnet != "" || req.IP != "" {
			return nil, nil, api.Errorf(http.StatusBadRequest, "name either a NIC, or a network and a subnet")
		}
		nic := a.model.FindEndpoint(req.NIC)
		if nic == nil {
			return nil, nil, api.Errorf(http.StatusNotFound, "%s", a.unknown("NIC", req.NIC))
		}
		return nic, nil, a.checkNIC(nic)
	}
	if req.Network == "" || req.Subnet == "" {
		return nil, nil, api.Errorf(http.StatusBadRequest, "name a NIC, or a network and a subnet, or a host-local network of this host")
	}
	network := a.model.FindNetwork(req.Network)
	if network == nil {
		return nil, nil, api.Errorf(http.StatusNotFound, "%s", a.unknown("network", req.Network))
	}
	subnet := network.FindSubnet(req.Subnet)
	if subnet == nil {
		return nil, nil, api.Errorf(http.StatusNotFound, "network %q has no subnet %q", req.Network, req.Subnet)
	}
	var ip netip.Addr
	if req.IP != "" {
		var err error
		if ip, err = netip.ParseAddr(req.IP); err != nil {
			return nil, nil, api.Errorf(http.StatusBadRequest, "ip: %q is not an address", req.IP)
		}
	}
	if a.writer != nil && !ip.IsValid() {
		return a.chooseShared(req.Name, subnet, ip)
	}
	for _, nic := range a.model.Endpoints {
		fits := slices.ContainsFunc(nic.Addresses, func(ad overlay.Address) bool {
			return ad.Subnet == subnet && !a.reserved(&ad) && (!ip.IsValid() || ad.CA == ip)
		})
		if fits && a.checkNIC(nic) == nil {
			return nic, nil, nil
		}
	}
	if a.writer != nil {
		return a.chooseShared(req.Name, subnet, ip)
	}
	what := "no free NIC"
	if ip.IsValid() {
		what += " with " + ip.String()
	}
	return nil, nil, api.Errorf(http.StatusNotFound, "the controller has placed %s of subnet %s on this host, %s", what, subnet.Ref, a.cfg.Host.Name)
}

// unknown says that a resource is not in the model, as far as the controller was read.
func (a *Agent) unknown(what, id string) string {
	if a.status.Scope == "host" {
		return fmt.Sprintf("the controller has no usable %s %q that concerns this host, %s; fairlead status names what is not usable", what, id, a.cfg.Host.Name)
	}
	return fmt.Sprintf("%s %q is not known to the controller, or not usable; fairlead status names what is not", what, id)
}

// checkNIC says why a NIC cannot be attached here.
func (a *Agent) checkNIC(nic *overlay.Endpoint) error {
	if err := a.placed(nic); err != nil {
		return err
	}
	for _, r := range a.records {
		if r.IPConfiguration == "" && strings.EqualFold(r.NIC, nic.ID) {
			return api.Errorf(http.StatusConflict, "NIC %q is attached already, as endpoint %q", nic.ID, r.Name)
		}
	}
	return nil
}

// placed says why a NIC has no business here.
func (a *Agent) placed(nic *overlay.Endpoint) error {
	switch {
	case nic.Host == nil:
		return api.Errorf(http.StatusConflict, "NIC %q is placed on no server that the controller knows", nic.ID)
	case nic.Host != a.model.FindHost(a.cfg.Host.Name):
		return api.Errorf(http.StatusConflict, "NIC %q is placed on server %s, this is %s", nic.ID, nic.Host.ID, a.cfg.Host.Name)
	case len(nic.Addresses) == 0:
		return api.Errorf(http.StatusConflict, "NIC %q has no usable ipConfiguration", nic.ID)
	}
	return nil
}
