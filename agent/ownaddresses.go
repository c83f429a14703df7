package agent

import (
	"net/netip"
	"strings"

	"github.com/fairlead-net/fairlead/agent/ports"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/overlay"
)

// reserved is an address that is one endpoint's alone.
func (a *Agent) reserved(ad *overlay.Address) bool {
	if a.writer != nil && strings.HasPrefix(strings.ToLower(ad.ID), ownPrefix) {
		return true
	}
	for _, r := range a.records {
		if r.IPConfiguration != "" && cc.RefKey(r.IPConfiguration) == ad.Key {
			return true
		}
	}
	return false
}

// addressesOf are those of a NIC's addresses that are an endpoint's: its own, or all that are no other's alone.
func (a *Agent) addressesOf(r ports.Record, nic *overlay.Endpoint) (own []*overlay.Address) {
	if nic == nil {
		return nil
	}
	key := ""
	if r.IPConfiguration != "" {
		key = cc.RefKey(r.IPConfiguration)
	}
	for i := range nic.Addresses {
		ad := &nic.Addresses[i]
		if key == ad.Key || key == "" && !a.reserved(ad) {
			own = append(own, ad)
		}
	}
	return own
}

// portAddresses are what a port is limited to; nil is everything that its NIC has.
func (a *Agent) portAddresses(r ports.Record) []netip.Addr {
	if r.Network != "" {
		return addrs(r.Addresses)
	}
	nic := a.model.FindEndpoint(r.NIC)
	own := a.addressesOf(r, nic)
	switch {
	case nic == nil || len(own) == len(nic.Addresses):
		return nil
	case len(own) == 0 && r.IPConfiguration != "":
		return addrs(r.Addresses) // Compile says that it is gone
	}
	list := make([]netip.Addr, 0, len(own))
	for _, ad := range own {
		list = append(list, ad.CA)
	}
	return list
}

func addrs(prefixes []netip.Prefix) []netip.Addr {
	list := make([]netip.Addr, len(prefixes))
	for i, p := range prefixes {
		list[i] = p.Addr()
	}
	return list
}
