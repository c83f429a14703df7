// Package agent is Fairlead on one host: it takes what the controller says through overlay into the datapath,
// keeps the ports, attaches endpoints, and answers the API.
package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fairlead-net/fairlead/agent/attach"
	"github.com/fairlead-net/fairlead/agent/config"
	"github.com/fairlead-net/fairlead/agent/ports"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/overlay"
	"github.com/fairlead-net/fairlead/vfp"
)

const (
	resyncInterval = 30 * time.Second // finds devices that came and went behind our back
	sweepInterval  = 5 * time.Second
	retryFirst     = 500 * time.Millisecond
	retryMost      = 30 * time.Second
)

// Agent of one host.
type Agent struct {
	cfg     *config.Config
	log     *slog.Logger
	version string
	source  cc.Source
	dp      vfp.Datapath
	ports   *ports.Registry
	options overlay.Options

	mu      sync.Mutex
	records map[string]ports.Record
	status  cc.Status
	model   *overlay.Model // nil until the first snapshot, from the controller or from disk
	policy  *vfp.Policy    // in force
	builds  uint64
	retry   time.Duration // to the next try after a failed apply; 0: none needed
	wake    chan struct{}

	fromSource, fromModel, fromPolicy, fromHost []cc.Problem
	portMessages                                map[string]string // why a port is not in force
	reported                                    map[cc.Problem]bool
}

// New takes over what an earlier process left: registry, half-done attachments, last good snapshot.
func New(cfg *config.Config, source cc.Source, dp vfp.Datapath, log *slog.Logger, version string) (*Agent, error) {
	options, err := modelOptions(cfg)
	if err != nil {
		return nil, err
	}
	registry, records, err := ports.Open(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("port registry: %w", err)
	}
	a := &Agent{cfg: cfg, log: log, version: version, source: source, dp: dp, ports: registry, options: options,
		records: map[string]ports.Record{}, wake: make(chan struct{}, 1), portMessages: map[string]string{}, reported: map[cc.Problem]bool{},
		status: cc.Status{Type: cfg.Controller.Type, URL: cfg.Controller.REST.URL, State: cc.StateStarting}}
	for _, r := range records {
		if r.Phase == ports.Attached {
			a.records[r.Name] = r
			continue
		}
		log.Warn("undoing what a crash cut short", "endpoint", r.Name, "phase", r.Phase)
		if err := attach.Detach(r.Device); err != nil {
			return nil, fmt.Errorf("endpoint %s: undo %s: %w", r.Name, r.Phase, err)
		}
		if err := registry.Delete(r.Name); err != nil {
			return nil, err
		}
	}
	a.checkHost()
	if err := a.loadSnapshot(); err != nil {
		log.Warn("last good snapshot is not usable", "error", err)
	}
	return a, nil
}

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

// Run keeps the datapath in line until ctx ends. What is in the kernel stays in force after that.
func (a *Agent) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sourceDone := make(chan error, 1)
	go func() { sourceDone <- a.source.Run(ctx, a.deliver) }()
	resync, sweep := time.NewTicker(resyncInterval), time.NewTicker(sweepInterval)
	defer resync.Stop()
	defer sweep.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return <-sourceDone
		case err := <-sourceDone:
			if err == nil && ctx.Err() == nil {
				err = errors.New("it ended by itself")
			}
			if err != nil {
				return fmt.Errorf("controller source: %w", err)
			}
			return nil
		case <-resync.C:
			a.resync()
		case <-retry.C:
			a.resync()
		case <-a.wake:
			a.mu.Lock()
			retry.Reset(a.retry)
			a.mu.Unlock()
		case <-sweep.C:
			if _, err := a.dp.Sweep(); err != nil {
				a.log.Warn("flow sweep", "error", err)
			}
		}
	}
}

func (a *Agent) resync() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checkHost()
	_ = a.apply() // reported as a problem, and tried again
	a.report()
}

// deliver takes an update from the source.
func (a *Agent) deliver(u cc.Update) {
	a.mu.Lock()
	if u.Status.State != a.status.State || u.Status.Message != a.status.Message {
		a.log.Info("controller", "state", string(u.Status.State), "message", u.Status.Message)
	}
	a.status, a.fromSource = u.Status, u.Problems
	if u.Snapshot != nil {
		a.rebuild(u.Snapshot)
		_ = a.apply()
	}
	a.report()
	a.mu.Unlock()
	if u.Snapshot != nil {
		if err := a.saveSnapshot(u.Snapshot); err != nil {
			a.log.Warn("last good snapshot not saved", "error", err)
		}
	}
}

func (a *Agent) rebuild(snap *cc.Snapshot) {
	model, problems := overlay.Build(snap, a.model, a.options)
	if changes := overlay.Diff(a.model, model); !changes.Empty() {
		a.log.Info("model changed", "changes", changes.String())
		a.builds++
	}
	a.model, a.fromModel = model, problems
}

func (a *Agent) hostConfig() overlay.HostConfig {
	return overlay.HostConfig{Name: a.cfg.Host.Name, ProviderAddress: a.cfg.PA()}
}

// apply compiles the model for the attached ports and puts it in force. Without a model nothing is known, and
// what the kernel holds stays.
func (a *Agent) apply() error {
	if a.model == nil {
		return nil
	}
	attached := make([]overlay.AttachedPort, 0, len(a.records))
	for _, r := range a.records {
		if r.Phase == ports.Attached {
			attached = append(attached, overlay.AttachedPort{ID: r.Name, Device: r.Device, NIC: r.NIC})
		}
	}
	policy, problems := overlay.Compile(a.model, a.hostConfig(), attached)
	portProblems, err := a.dp.Apply(policy)
	clear(a.portMessages)
	if err != nil {
		problems = append(problems, cc.Problem{Code: "datapath", Severity: "error", Resource: a.cfg.Host.Name,
			Message: fmt.Sprintf("%v; the policy before stays in force", err)})
		a.retry = min(max(2*a.retry, retryFirst), retryMost)
		select {
		case a.wake <- struct{}{}:
		default:
		}
	} else {
		a.policy, a.retry = policy, 0
	}
	for _, p := range portProblems {
		a.portMessages[p.PortID] = p.Message
		problems = append(problems, cc.Problem{Code: "port", Severity: "error", Resource: p.PortID, Message: p.Message})
	}
	a.fromPolicy = problems
	return err
}

// checkHost compares the configuration with the underlay device.
func (a *Agent) checkHost() {
	u := a.cfg.Host.Underlay
	_, has, err := attach.UnderlayMTU(u.Interface, a.cfg.PA().AsSlice())
	a.fromHost = nil
	switch {
	case err != nil:
		a.fromHost = []cc.Problem{{Code: "underlay", Severity: "error", Resource: a.cfg.Host.Name, Message: "host.underlay.interface: " + err.Error()}}
	case !has:
		a.fromHost = []cc.Problem{{Code: "underlay", Severity: "error", Resource: a.cfg.Host.Name,
			Message: fmt.Sprintf("host.underlay.providerAddress: %s is not an address of %s: nothing sent to it will arrive", a.cfg.PA(), u.Interface)}}
	}
}

func (a *Agent) problems() []cc.Problem {
	all := []cc.Problem{}
	for _, list := range [][]cc.Problem{a.fromHost, a.fromSource, a.fromModel, a.fromPolicy} {
		all = append(all, list...)
	}
	return all
}

// report logs each problem once when it appears and once when it is gone.
func (a *Agent) report() {
	now := map[cc.Problem]bool{}
	for _, p := range a.problems() {
		if !a.reported[p] && !now[p] {
			level := slog.LevelWarn
			if p.Severity == "error" {
				level = slog.LevelError
			}
			a.log.Log(context.Background(), level, "problem", "code", p.Code, "resource", p.Resource, "message", p.Message)
		}
		now[p] = true
	}
	for p := range a.reported {
		if !now[p] {
			a.log.Info("problem gone", "code", p.Code, "resource", p.Resource)
		}
	}
	a.reported = now
}

func (a *Agent) snapshotPath() string { return filepath.Join(a.cfg.StateDir, "snapshot.json") }

func (a *Agent) saveSnapshot(s *cc.Snapshot) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return ports.WriteFile(a.snapshotPath(), raw)
}

// loadSnapshot puts the last good state in force, so that a host can restart while the controller is away.
func (a *Agent) loadSnapshot() error {
	raw, err := os.ReadFile(a.snapshotPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var s cc.Snapshot
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("%s: %w", a.snapshotPath(), err)
	}
	a.rebuild(&s)
	a.log.Info("last good snapshot loaded", "networks", len(a.model.VirtualNetworks), "endpoints", len(a.model.Endpoints))
	return nil
}
