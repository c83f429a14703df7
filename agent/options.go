package agent

import (
	"net/netip"

	"github.com/fairlead-net/fairlead/agent/config"
	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/overlay"
)

// modelOptions turns the configuration's words into overlay's; Load has checked them.
func modelOptions(cfg *config.Config) (overlay.Options, error) {
	o := overlay.Options{ProviderAddresses: map[string]netip.Addr{}, VirtualSubnetIDs: map[string]encap.VSID{},
		ACLDefaultAllow: cfg.ACL.Default == "allow", ACLCombine: cfg.ACL.Combine}
	if cfg.Encapsulation != "auto" {
		t, err := encap.ParseType(cfg.Encapsulation)
		if err != nil {
			return o, err
		}
		o.Encapsulation = t
	}
	for name, text := range cfg.Controller.REST.ProviderAddresses {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return o, err
		}
		o.ProviderAddresses[name] = addr
	}
	if _, ok := o.ProviderAddresses[cfg.Host.Name]; !ok {
		o.ProviderAddresses[cfg.Host.Name] = cfg.PA()
	}
	for ref, id := range cfg.Controller.REST.VirtualSubnetIDs {
		o.VirtualSubnetIDs[ref] = encap.VSID(id)
	}
	return o, nil
}
