package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/ports"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/overlay"
)

const (
	// ownPrefix begins the resourceId of an ipConfiguration that belongs to one endpoint; the endpoint's name follows.
	ownPrefix = "fl-"
	// allocateAtMost is how long an endpoint waits for its address, until that is in the model.
	allocateAtMost = 15 * time.Second
)

// mayWrite looks for who writes what the configuration allows.
func (a *Agent) mayWrite() error {
	may := a.cfg.Controller.REST.Writes
	writer, can := a.source.(cc.Writer)
	if !can && (may.IPConfigurations || may.ConfigurationState) {
		return fmt.Errorf("controller.rest.writes: a controller of type %s takes none", a.cfg.Controller.Type)
	}
	if may.IPConfigurations {
		a.writer = writer
	}
	if may.ConfigurationState {
		a.reporter = writer
	}
	return nil
}

// chooseShared picks the NIC that is to get another address in the subnet: the first by key that has one there, else in
// the virtual network. What guards the address it has guards the new one.
func (a *Agent) chooseShared(name string, subnet *overlay.Subnet, ip netip.Addr) (*overlay.Endpoint, *cc.IPRequest, error) {
	if ip.IsValid() && !subnet.Prefix.Contains(ip) {
		return nil, nil, api.Errorf(http.StatusBadRequest, "ip: %s is not in subnet %s, %s", ip, subnet.Ref, subnet.Prefix)
	}
	var best *overlay.Endpoint
	var like *overlay.Address
	for _, nic := range a.model.Endpoints {
		here := a.placed(nic) == nil
		for i := range nic.Addresses {
			ad := &nic.Addresses[i]
			if ip.IsValid() && ad.CA == ip && ad.Subnet == subnet {
				return nil, nil, api.Errorf(http.StatusConflict, "ip: %s is that of %s", ip, ad.Ref)
			}
			if here && ad.Subnet.Network == subnet.Network && (like == nil || like.Subnet != subnet && ad.Subnet == subnet) {
				best, like = nic, ad
			}
		}
	}
	if best == nil {
		return nil, nil, api.Errorf(http.StatusNotFound, "the controller has placed no NIC of virtual network %s on this host, %s: the fabric must place one there, then endpoints get addresses on it",
			subnet.Network.Ref, a.cfg.Host.Name)
	}
	ask := &cc.IPRequest{Ref: best.Ref + "/ipConfigurations/" + ownPrefix + name, Subnet: subnet.Ref, Address: ip}
	if like.ACL != nil {
		ask.AccessControlList = like.ACL.Ref
	}
	return best, ask, nil
}

// checkUnused wants an ipConfiguration for one endpoint alone: names that differ in case do not differ on a controller.
func (a *Agent) checkUnused(rec ports.Record) error {
	for _, r := range a.records {
		if r.IPConfiguration != "" && cc.RefKey(r.IPConfiguration) == cc.RefKey(rec.IPConfiguration) {
			return api.Errorf(http.StatusConflict, "ipConfiguration %s is that of endpoint %q", rec.IPConfiguration, r.Name)
		}
	}
	return nil
}

// attachAnew makes an endpoint with an address that the controller is asked for. The record is on disk before. a.mu is
// held, but not while waiting. On an error nothing is left, or it is being released.
func (a *Agent) attachAnew(ctx context.Context, rec ports.Record, ask *cc.IPRequest) error {
	if err := a.ports.Put(rec); err != nil {
		return fmt.Errorf("port registry: %w", err)
	}
	a.records[rec.Name] = rec
	err := a.obtain(ctx, rec, ask)
	if err == nil {
		err = a.attach(rec)
	}
	if err == nil {
		return nil
	}
	if rec = a.records[rec.Name]; rec.Phase != ports.Detaching { // otherwise it is undone already
		if undo := a.unplug(rec); undo != nil {
			err = fmt.Errorf("%w; undoing it is tried again: %w", err, undo)
		}
	}
	a.releaseSoon(context.WithoutCancel(ctx), rec.Name)
	a.report()
	return err
}

// obtain returns when the model has the address. a.mu is held, but not while waiting.
func (a *Agent) obtain(ctx context.Context, rec ports.Record, ask *cc.IPRequest) error {
	ctx, cancel := context.WithTimeout(ctx, allocateAtMost)
	defer cancel()
	a.attaching[rec.Name] = cancel
	defer delete(a.attaching, rec.Name)
	a.mu.Unlock()
	address, err := a.writer.AddIPConfiguration(ctx, *ask)
	a.mu.Lock()
	if err != nil {
		if errors.Is(err, cc.ErrUnanswered) {
			a.doubt[rec.Name] = time.Now()
		}
		return refusal(rec, err)
	}
	a.writer.Refresh()
	for !a.hasAddress(rec, address) {
		if ctx.Err() != nil {
			return api.Errorf(http.StatusServiceUnavailable, "endpoint %s: the controller has given it %s as %s, but %s", rec.Name, address, ask.Ref, a.whyNoAddress(rec, ask.Ref))
		}
		rebuilt := a.rebuilt
		a.mu.Unlock()
		select {
		case <-rebuilt:
		case <-ctx.Done():
		}
		a.mu.Lock()
	}
	if a.records[rec.Name].Phase != ports.Attaching {
		return api.Errorf(http.StatusConflict, "endpoint %s has been detached meanwhile", rec.Name)
	}
	return nil
}

// refusal is what the user gets to read.
func refusal(rec ports.Record, err error) error {
	status := http.StatusServiceUnavailable
	var e *cc.WriteError
	if errors.As(err, &e) && e.Status/100 == 4 {
		status = http.StatusConflict
	}
	return api.Errorf(status, "endpoint %s gets no address: controller: %v", rec.Name, err)
}

func (a *Agent) hasAddress(rec ports.Record, address netip.Addr) bool {
	return a.model != nil && slices.ContainsFunc(a.addressesOf(rec, a.model.FindEndpoint(rec.NIC)), func(ad *overlay.Address) bool { return ad.CA == address })
}

// whyNoAddress is after the endpoint has waited for it in vain.
func (a *Agent) whyNoAddress(rec ports.Record, ref string) string {
	if a.records[rec.Name].Phase != ports.Attaching {
		return "the endpoint has been detached meanwhile"
	}
	for _, p := range a.fromModel {
		if cc.RefKey(p.Resource) == cc.RefKey(ref) {
			return p.Message
		}
	}
	return "does not show it to this host"
}
