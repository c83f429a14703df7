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
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

const (
	defaultIfname = "eth0"
	maxIfname     = 15 // IFNAMSIZ without its NUL
)

// Attach implements api.Backend. When it returns the endpoint passes traffic; on an error nothing is left.
func (a *Agent) Attach(ctx context.Context, req api.AttachRequest) (*api.Endpoint, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := ports.CheckName(req.Name); err != nil {
		return nil, api.Errorf(http.StatusBadRequest, "%v", err)
	}
	if have, ok := a.records[req.Name]; ok && have.Phase == ports.Detaching {
		return nil, api.Errorf(http.StatusConflict, "endpoint %q is still being detached: %s", req.Name, a.trouble[req.Name])
	} else if ok {
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
	rec, ask, err := a.prepare(req)
	if err == nil && ask == nil {
		err = a.attach(rec)
	} else if err == nil {
		err = a.attachAnew(ctx, rec, ask)
	}
	if err != nil {
		return nil, err
	}
	rec = a.records[rec.Name]
	a.log.Info("endpoint attached", "endpoint", rec.Name, "nic", rec.NIC, "network", rec.Network, "netns", rec.Netns, "device", rec.Device)
	a.report()
	endpoints := a.endpoints(vfp.Counters{}) // nothing has passed yet
	i := slices.IndexFunc(endpoints, func(e api.Endpoint) bool { return e.Name == rec.Name })
	return &endpoints[i], nil
}

// prepare says what an endpoint is to be: a NIC of the controller's, an address of its own on one, which the controller
// is to be asked for, or one in a host-local network.
func (a *Agent) prepare(req api.AttachRequest) (rec ports.Record, ask *cc.IPRequest, err error) {
	rec = ports.Record{Name: req.Name, Netns: req.Netns, Ifname: req.Ifname, Device: attach.DeviceName(req.Name), Phase: ports.Attaching, Created: time.Now().UTC()}
	if n := a.hostNetworkOf(req); n != nil {
		rec, err = a.hostRecord(rec, n, req.IP)
		return rec, nil, err
	}
	nic, ask, err := a.chooseNIC(req)
	if err != nil {
		return rec, nil, err
	}
	rec.NIC = nic.ID
	if ask != nil {
		rec.IPConfiguration = ask.Ref
		return rec, ask, a.checkUnused(rec)
	}
	return rec, nil, nil
}

// attach makes an endpoint of what is known. On an error nothing is left.
func (a *Agent) attach(rec ports.Record) error {
	a.checkHost()
	spec, err := a.wanted(rec)
	if errors.Is(err, errNoNIC) {
		return api.Errorf(http.StatusConflict, "endpoint %s: %v", rec.Name, err)
	}
	if err != nil {
		return fmt.Errorf("endpoint %s: %w", rec.Name, err)
	}
	rec.MAC, rec.Addresses, rec.MTU = spec.MAC.String(), spec.Addresses, spec.MTU
	if err := a.ports.Put(rec); err != nil {
		return fmt.Errorf("port registry: %w", err)
	}
	return a.plug(rec, spec)
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

// Detach implements api.Backend. The namespace may be gone already. When it returns the port is gone; an address of its
// own may take longer, if the controller is away.
func (a *Agent) Detach(ctx context.Context, name string) error {
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
	if giveUp := a.attaching[name]; giveUp != nil {
		giveUp() // who attaches it undoes that
		return nil
	}
	_ = a.apply() // a problem of another endpoint is no reason to keep this one
	defer a.report()
	if err := a.unplug(rec); err != nil {
		return fmt.Errorf("endpoint %s: %w", name, err)
	}
	a.log.Info("endpoint detached", "endpoint", name, "nic", rec.NIC)
	a.releaseSoon(ctx, name)
	return nil
}

// unplug removes an endpoint's vNIC and record. When it fails the record stays, and resync tries again. The record of one
// with an address of its own stays until that is released.
func (a *Agent) unplug(rec ports.Record) error {
	rec.Phase = ports.Detaching
	err := a.wiring.Detach(rec.Device)
	if err != nil {
		err = fmt.Errorf("remove %s: %w", rec.Device, err)
	} else if rec.IPConfiguration != "" {
		if err = a.ports.Put(rec); err == nil {
			a.records[rec.Name] = rec
			delete(a.closed, rec.Name)
			a.wakeRelease()
			return nil
		}
		err = fmt.Errorf("port registry: %w", err)
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
	delete(a.doubt, rec.Name)
	return nil
}
