package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/attach"
	"github.com/fairlead-net/fairlead/agent/ports"
	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/overlay"
	"github.com/fairlead-net/fairlead/vfp"
)

const defaultIfname = "eth0"

// Attach implements api.Backend. When it returns the endpoint passes traffic; on an error nothing is left.
func (a *Agent) Attach(_ context.Context, req api.AttachRequest) (*api.Endpoint, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := ports.CheckName(req.Name); err != nil {
		return nil, api.Errorf(http.StatusBadRequest, "%v", err)
	}
	if have, ok := a.records[req.Name]; ok {
		return nil, api.Errorf(http.StatusConflict, "endpoint %q exists: NIC %s in %s", req.Name, have.NIC, have.Netns)
	}
	if req.Netns == "" {
		return nil, api.Errorf(http.StatusBadRequest, "netns: missing")
	}
	if req.Ifname == "" {
		req.Ifname = defaultIfname
	}
	if len(req.Ifname) > 15 || strings.ContainsAny(req.Ifname, "/ \t\n:") || req.Ifname == "." || req.Ifname == ".." {
		return nil, api.Errorf(http.StatusBadRequest, "ifname %q: not an interface name", req.Ifname)
	}
	nic, err := a.chooseNIC(req)
	if err != nil {
		return nil, err
	}
	spec, err := a.spec(req, nic)
	if err != nil {
		return nil, err
	}
	rec := ports.Record{Name: req.Name, NIC: nic.ID, Netns: req.Netns, Ifname: req.Ifname, Device: spec.Device, MAC: nic.MAC.String(),
		Addresses: spec.Addresses, MTU: spec.MTU, Phase: ports.Attaching, Created: time.Now().UTC()}
	if err := a.ports.Put(rec); err != nil {
		return nil, fmt.Errorf("port registry: %w", err)
	}
	if err := a.plug(rec, spec); err != nil {
		return nil, err
	}
	a.log.Info("endpoint attached", "endpoint", rec.Name, "nic", rec.NIC, "netns", rec.Netns, "device", rec.Device)
	a.report()
	endpoints, err := a.endpoints()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(endpoints, func(e api.Endpoint) bool { return e.Name == rec.Name })
	return &endpoints[i], nil
}

// plug makes the vNIC and puts its port in force, or undoes both.
func (a *Agent) plug(rec ports.Record, spec attach.Spec) (err error) {
	defer func() {
		if err == nil {
			return
		}
		delete(a.records, rec.Name)
		undo := errors.Join(attach.Detach(rec.Device), a.ports.Delete(rec.Name))
		_ = a.apply()
		if undo != nil {
			a.log.Error("attachment not undone", "endpoint", rec.Name, "error", undo)
		}
	}()
	if err := attach.Attach(spec); err != nil {
		switch {
		case errors.Is(err, attach.ErrNoNamespace):
			return api.Errorf(http.StatusBadRequest, "%v", err)
		case errors.Is(err, attach.ErrIfnameTaken):
			return api.Errorf(http.StatusConflict, "%v", err)
		}
		return err
	}
	rec.Phase = ports.Attached
	a.records[rec.Name] = rec
	if err := a.apply(); err != nil {
		return fmt.Errorf("endpoint %s: %w", rec.Name, err)
	}
	if why := a.whyNotInForce(rec.Name); why != "" {
		return fmt.Errorf("endpoint %s: %s", rec.Name, why)
	}
	return a.ports.Put(rec)
}

// whyNotInForce is empty for a port of the policy in force.
func (a *Agent) whyNotInForce(name string) string {
	if why := a.portMessages[name]; why != "" {
		return why
	}
	if a.policy != nil && slices.ContainsFunc(a.policy.Ports, func(p vfp.Port) bool { return p.ID == name }) {
		return ""
	}
	for _, p := range a.fromPolicy {
		if strings.Contains(p.Message, fmt.Sprintf("%q", name)) {
			return p.Message
		}
	}
	return "not in force yet"
}

// chooseNIC finds the NIC that a request names, or a free one of this host in the subnet it names.
func (a *Agent) chooseNIC(req api.AttachRequest) (*overlay.Endpoint, error) {
	if a.model == nil {
		return nil, api.Errorf(http.StatusServiceUnavailable, "nothing received from the controller yet: %s", a.status.Message)
	}
	if req.NIC != "" {
		if req.Network != "" || req.Subnet != "" || req.IP != "" {
			return nil, api.Errorf(http.StatusBadRequest, "name either a NIC, or a network and a subnet")
		}
		nic := a.model.FindEndpoint(req.NIC)
		if nic == nil {
			return nil, api.Errorf(http.StatusNotFound, "NIC %q is not known to the controller", req.NIC)
		}
		return nic, a.checkNIC(nic)
	}
	if req.Network == "" || req.Subnet == "" {
		return nil, api.Errorf(http.StatusBadRequest, "name a NIC, or a network and a subnet")
	}
	network := a.model.FindNetwork(req.Network)
	if network == nil {
		return nil, api.Errorf(http.StatusNotFound, "network %q is not known to the controller", req.Network)
	}
	subnet := network.FindSubnet(req.Subnet)
	if subnet == nil {
		return nil, api.Errorf(http.StatusNotFound, "network %q has no subnet %q", req.Network, req.Subnet)
	}
	var ip netip.Addr
	if req.IP != "" {
		var err error
		if ip, err = netip.ParseAddr(req.IP); err != nil {
			return nil, api.Errorf(http.StatusBadRequest, "ip: %q is not an address", req.IP)
		}
	}
	for _, nic := range a.model.Endpoints {
		fits := slices.ContainsFunc(nic.Addresses, func(ad overlay.Address) bool {
			return ad.Subnet == subnet && (!ip.IsValid() || ad.CA == ip)
		})
		if fits && a.checkNIC(nic) == nil {
			return nic, nil
		}
	}
	what := "a free NIC"
	if ip.IsValid() {
		what = "a free NIC with " + ip.String()
	}
	return nil, api.Errorf(http.StatusNotFound, "the controller has placed on this host no %s in subnet %s", strings.TrimPrefix(what, "a "), subnet.Ref)
}

// checkNIC says why a NIC cannot be attached here.
func (a *Agent) checkNIC(nic *overlay.Endpoint) error {
	switch {
	case nic.Host == nil:
		return api.Errorf(http.StatusConflict, "NIC %q is placed on no server that the controller knows", nic.ID)
	case nic.Host != a.model.FindHost(a.cfg.Host.Name):
		return api.Errorf(http.StatusConflict, "NIC %q is placed on server %s, this is %s", nic.ID, nic.Host.ID, a.cfg.Host.Name)
	case len(nic.Addresses) == 0:
		return api.Errorf(http.StatusConflict, "NIC %q has no usable ipConfiguration", nic.ID)
	}
	for _, r := range a.records {
		if strings.EqualFold(r.NIC, nic.ID) {
			return api.Errorf(http.StatusConflict, "NIC %q is attached as endpoint %q", nic.ID, r.Name)
		}
	}
	return nil
}

func (a *Agent) spec(req api.AttachRequest, nic *overlay.Endpoint) (attach.Spec, error) {
	s := attach.Spec{Device: attach.DeviceName(req.Name), Netns: req.Netns, Ifname: req.Ifname, MAC: net.HardwareAddr(nic.MAC[:])}
	pa := a.cfg.PA()
	underlay, _, err := attach.UnderlayMTU(a.cfg.Host.Underlay.Interface, pa.AsSlice())
	if err != nil {
		return s, err
	}
	if s.MTU, err = encap.InnerMTU(a.model.Encapsulation, pa.Is6(), underlay); err != nil {
		return s, err
	}
	for i := range nic.Addresses {
		ad := &nic.Addresses[i]
		s.Addresses = append(s.Addresses, netip.PrefixFrom(ad.CA, ad.Subnet.Prefix.Bits()))
		if !s.Gateway.IsValid() {
			s.Gateway = ad.Subnet.Gateway
		}
	}
	return s, nil
}

// Detach implements api.Backend. The namespace may be gone already.
func (a *Agent) Detach(_ context.Context, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	rec, ok := a.records[name]
	if !ok {
		return api.Errorf(http.StatusNotFound, "no endpoint %q", name)
	}
	rec.Phase = ports.Detaching
	if err := a.ports.Put(rec); err != nil {
		return fmt.Errorf("port registry: %w", err)
	}
	delete(a.records, name)
	_ = a.apply() // a problem of another endpoint is no reason to keep this one
	if err := attach.Detach(rec.Device); err != nil {
		return fmt.Errorf("endpoint %s: remove %s: %w", name, rec.Device, err)
	}
	if err := a.ports.Delete(name); err != nil {
		return fmt.Errorf("port registry: %w", err)
	}
	a.log.Info("endpoint detached", "endpoint", name, "nic", rec.NIC)
	a.report()
	return nil
}

// Endpoints implements api.Backend.
func (a *Agent) Endpoints() ([]api.Endpoint, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.endpoints()
}

func (a *Agent) endpoints() ([]api.Endpoint, error) {
	counters, err := a.dp.Counters()
	if err != nil {
		return nil, err
	}
	out := make([]api.Endpoint, 0, len(a.records))
	for _, r := range a.records {
		e := api.Endpoint{Name: r.Name, NIC: r.NIC, MAC: r.MAC, Netns: r.Netns, Ifname: r.Ifname, Device: r.Device, MTU: r.MTU,
			Counters: apiCounters(counters.Ports[r.Name])}
		for _, p := range r.Addresses {
			e.Addresses = append(e.Addresses, p.Addr().String())
		}
		e.State, e.Message = a.state(r)
		if a.model != nil {
			if nic := a.model.FindEndpoint(r.NIC); nic != nil && len(nic.Addresses) > 0 {
				e.Subnet, e.Network = nic.Addresses[0].Subnet.ID, nic.Addresses[0].Subnet.Network.ID
			}
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(x, y api.Endpoint) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}

func (a *Agent) state(r ports.Record) (state, message string) {
	there, err := attach.Exists(r.Device)
	switch {
	case err != nil:
		return "error", err.Error()
	case !there:
		return "down", fmt.Sprintf("device %s is gone, with its namespace or by another hand; detach the endpoint", r.Device)
	case a.model == nil:
		return "pending", "nothing received from the controller yet; what the kernel holds is in force"
	}
	if why := a.whyNotInForce(r.Name); why != "" {
		return "error", why
	}
	return "up", ""
}

func apiCounters(c vfp.PortCounters) api.Counters {
	return api.Counters{RxPackets: c.RxPackets, RxBytes: c.RxBytes, TxPackets: c.TxPackets, TxBytes: c.TxBytes, Drops: dropNames(c.Drops)}
}

func dropNames(drops map[vfp.DropReason]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(drops))
	for r, n := range drops {
		out[r.String()] = n
	}
	return out
}
