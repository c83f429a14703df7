package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/attach"
	"github.com/fairlead-net/fairlead/agent/ports"
	"github.com/fairlead-net/fairlead/overlay"
	"github.com/fairlead-net/fairlead/vfp"
)

const (
	defaultIfname = "eth0"
	maxIfname     = 15 // IFNAMSIZ without its NUL
)

// Attach implements api.Backend. When it returns the endpoint passes traffic; on an error nothing is left.
func (a *Agent) Attach(_ context.Context, req api.AttachRequest) (*api.Endpoint, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := ports.CheckName(req.Name); err != nil {
		return nil, api.Errorf(http.StatusBadRequest, "%v", err)
	}
	if have, ok := a.records[req.Name]; ok {
		return nil, api.Errorf(http.StatusConflict, "endpoint %q exists: %s in %s", req.Name, homeOf(have), have.Netns)
	}
	if !filepath.IsAbs(req.Netns) {
		return nil, api.Errorf(http.StatusBadRequest, "netns %q: want the absolute path of a network namespace", req.Netns)
	}
	if req.Ifname == "" {
		req.Ifname = defaultIfname
	}
	if len(req.Ifname) > maxIfname || strings.ContainsAny(req.Ifname, "/ \t\n:") || req.Ifname == "." || req.Ifname == ".." {
		return nil, api.Errorf(http.StatusBadRequest, "ifname %q: not an interface name", req.Ifname)
	}
	rec, spec, err := a.prepare(req)
	if err != nil {
		return nil, err
	}
	if err := a.ports.Put(rec); err != nil {
		return nil, fmt.Errorf("port registry: %w", err)
	}
	if err := a.plug(rec, spec); err != nil {
		return nil, err
	}
	a.log.Info("endpoint attached", "endpoint", rec.Name, "nic", rec.NIC, "network", rec.Network, "netns", rec.Netns, "device", rec.Device)
	a.report()
	endpoints := a.endpoints(vfp.Counters{}) // nothing has passed yet
	i := slices.IndexFunc(endpoints, func(e api.Endpoint) bool { return e.Name == rec.Name })
	return &endpoints[i], nil
}

// prepare says what an endpoint is to be: a NIC of the controller's, or one in a host-local network.
func (a *Agent) prepare(req api.AttachRequest) (ports.Record, attach.Spec, error) {
	rec := ports.Record{Name: req.Name, Netns: req.Netns, Ifname: req.Ifname, Phase: ports.Attaching, Created: time.Now().UTC()}
	var nic *overlay.Endpoint
	var err error
	if n := a.hostNetworkOf(req); n != nil {
		rec, err = a.hostRecord(rec, n, req.IP)
	} else if nic, err = a.chooseNIC(req); err == nil {
		rec.NIC = nic.ID
	}
	if err != nil {
		return rec, attach.Spec{}, err
	}
	a.checkHost()
	spec, err := a.wanted(rec)
	if err != nil {
		return rec, spec, fmt.Errorf("endpoint %s: %w", req.Name, err)
	}
	rec.Device, rec.MAC, rec.Addresses, rec.MTU = spec.Device, spec.MAC.String(), spec.Addresses, spec.MTU
	return rec, spec, nil
}

// plug makes the vNIC and puts its port in force, or undoes both.
func (a *Agent) plug(rec ports.Record, spec attach.Spec) (err error) {
	made := false
	defer func() {
		if err == nil {
			return
		}
		if undo := a.unplug(rec); undo != nil {
			err = fmt.Errorf("%w; undoing it is tried again: %w", err, undo)
		}
		if made {
			_ = a.apply()
		}
	}()
	if err := a.wiring.Attach(spec); err != nil {
		switch {
		case errors.Is(err, attach.ErrNoNamespace), errors.Is(err, attach.ErrOwnNamespace):
			return api.Errorf(http.StatusBadRequest, "%v", err)
		case errors.Is(err, attach.ErrIfnameTaken), errors.Is(err, attach.ErrDeviceTaken):
			return api.Errorf(http.StatusConflict, "%v", err)
		}
		return fmt.Errorf("endpoint %s: %w", rec.Name, err)
	}
	made = true
	a.closed[rec.Name] = true
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
	a.records[name] = rec
	_ = a.apply() // a problem of another endpoint is no reason to keep this one
	defer a.report()
	if err := a.unplug(rec); err != nil {
		return fmt.Errorf("endpoint %s: %w", name, err)
	}
	a.log.Info("endpoint detached", "endpoint", name, "nic", rec.NIC)
	return nil
}

// unplug removes an endpoint's vNIC and record. When it fails the record stays, and resync tries again.
func (a *Agent) unplug(rec ports.Record) error {
	rec.Phase = ports.Detaching
	err := a.wiring.Detach(rec.Device)
	if err != nil {
		err = fmt.Errorf("remove %s: %w", rec.Device, err)
	} else if err = a.ports.Delete(rec.Name); err != nil {
		err = fmt.Errorf("port registry: %w", err)
	}
	if err != nil {
		a.records[rec.Name], a.trouble[rec.Name] = rec, err.Error()
		return err
	}
	delete(a.records, rec.Name)
	delete(a.trouble, rec.Name)
	delete(a.closed, rec.Name)
	return nil
}
