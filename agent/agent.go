// Package agent is Fairlead on one host: it takes what the controller says through overlay into the datapath,
// keeps the ports, attaches endpoints, and answers the API.
package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-net/fairlead/agent/config"
	"github.com/fairlead-net/fairlead/agent/ports"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/overlay"
	"github.com/fairlead-net/fairlead/vfp"
)

const (
	resyncInterval = 30 * time.Second // finds devices that came and went behind our back
	sweepInterval  = time.Second      // it costs nothing while no flow can be past its timeout
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
	wiring  wiring
	ports   *ports.Registry
	options overlay.Options
	host    overlay.HostConfig // as configured

	writer   cc.Writer // of ipConfigurations; nil: not configured
	reporter cc.Writer // of configurationStates; nil: not configured

	mu      sync.Mutex
	records map[string]ports.Record
	status  cc.Status
	model   *overlay.Model // nil until the first snapshot, from the controller or from disk
	policy  *vfp.Policy    // in force
	// portProblems of the last Apply.
	portProblems []vfp.PortProblem
	builds       uint64
	retry        time.Duration // to the next try after a failed apply; 0: none needed
	wake         chan struct{}

	fromSource, fromModel, fromPolicy, fromHost, fromSweep []cc.Problem
	portMessages                                           map[string]string // why a port is not in force
	trouble                                                map[string]string // why an endpoint is not repaired or detached
	closed                                                 map[string]bool   // endpoints whose host side is not up yet: their port was not guarded
	underlayMTU                                            int               // 0: not known, fromHost says why
	reported                                               map[cc.Problem]bool
	fromLog, fromFlows                                     []cc.Problem
	refused                                                map[string]uint64 // new flows that each port had refused at the last look
	events                                                 *hub
	tenants                                                atomic.Pointer[map[string]string] // network by endpoint
	saved                                                  savedSnapshot

	rebuilt    chan struct{}                 // closed when there is another model
	attaching  map[string]context.CancelFunc // endpoints that wait for their address
	releasing  map[string]bool               // endpoints whose address is being released
	doubt      map[string]time.Time          // since when it is not certain that an endpoint's address was never given
	unreleased chan struct{}                 // something is to be released
	outcome    chan struct{}                 // something may be to be reported to the controller
	etags      map[string]string             // of what is reported on, by RefKey, as last heard; replaced, never changed
	fromWrites []cc.Problem
}

// New takes over what an earlier process left: registry, half-done attachments, last good snapshot.
func New(cfg *config.Config, source cc.Source, dp vfp.Datapath, log *slog.Logger, version string) (*Agent, error) {
	return newAgent(cfg, source, dp, kernel{}, log, version)
}

func newAgent(cfg *config.Config, source cc.Source, dp vfp.Datapath, w wiring, log *slog.Logger, version string) (*Agent, error) {
	options, err := modelOptions(cfg)
	if err != nil {
		return nil, err
	}
	registry, records, err := ports.Open(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("port registry: %w", err)
	}
	a := &Agent{cfg: cfg, log: log, version: version, source: source, dp: dp, wiring: w, ports: registry, options: options, host: cfg.HostConfig(),
		records: map[string]ports.Record{}, wake: make(chan struct{}, 1), portMessages: map[string]string{}, trouble: map[string]string{}, closed: map[string]bool{}, reported: map[cc.Problem]bool{},
		status:  cc.Status{Type: cfg.Controller.Type, URL: cfg.Controller.REST.URL, State: cc.StateStarting},
		rebuilt: make(chan struct{}), attaching: map[string]context.CancelFunc{}, releasing: map[string]bool{}, doubt: map[string]time.Time{},
		unreleased: make(chan struct{}, 1), outcome: make(chan struct{}, 1)}
	if err := a.mayWrite(); err != nil {
		return nil, err
	}
	a.events = newHub(dp.Watch)
	for _, r := range records {
		if r.Phase == ports.Attached {
			a.records[r.Name], a.closed[r.Name] = r, true // a crash may have come between
			continue
		}
		log.Warn("undoing what a crash cut short", "endpoint", r.Name, "phase", r.Phase)
		if r.IPConfiguration != "" {
			a.doubt[r.Name] = time.Now() // of the crash; or an earlier one's, that is not over
		}
		_ = a.unplug(r) // a failure is told by the endpoint's state, and it is tried again
	}
	a.checkHost()
	if err := a.loadSnapshot(); err != nil {
		log.Warn("last good snapshot is not usable", "error", err)
	}
	a.noteTenants()
	return a, nil
}

func (a *Agent) rebuild(snap *cc.Snapshot) {
	model, problems := overlay.Build(snap, a.model, a.options)
	if changes := overlay.Diff(a.model, model); !changes.Empty() {
		a.log.Info("model changed", "changes", changes.String())
		a.builds++
	}
	a.model, a.fromModel = model, problems
	close(a.rebuilt)
	a.rebuilt = make(chan struct{})
}

// hostConfig is what Compile needs to know of this host. a.mu is held.
func (a *Agent) hostConfig() overlay.HostConfig {
	h := a.host
	h.UnderlayMTU = a.underlayMTU
	return h
}

// attachedPorts are what Compile makes ports of.
func (a *Agent) attachedPorts() []overlay.AttachedPort {
	attached := make([]overlay.AttachedPort, 0, len(a.records))
	for _, r := range a.records {
		if r.Phase != ports.Attached {
			continue
		}
		p := overlay.AttachedPort{ID: r.Name, Device: r.Device, NIC: r.NIC, Kind: overlay.PortVeth, Addresses: a.portAddresses(r)}
		if r.Network != "" {
			p.HostNetwork, p.MAC = r.Network, macOf(r)
		}
		attached = append(attached, p)
	}
	return attached
}

// apply compiles the model for the attached ports and puts it in force. Without a model nothing is known, and
// what the kernel holds stays.
func (a *Agent) apply() error {
	a.noteTenants()
	if a.model == nil {
		return nil
	}
	policy, problems := overlay.Compile(a.model, a.hostConfig(), a.attachedPorts())
	portProblems, err := a.enforce(policy)
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
		a.policy, a.retry, a.portProblems = policy, 0, portProblems
	}
	for _, p := range portProblems {
		a.portMessages[p.PortID] = p.Message
		problems = append(problems, cc.Problem{Code: "port", Severity: "error", Resource: p.PortID, Message: p.Message})
	}
	if err == nil {
		problems = append(problems, a.open()...)
	}
	a.fromPolicy = append(problems, a.outdated()...)
	a.maybeReport()
	return err
}

// enforce hands the policy to the datapath: as a change of one ACL, if it is no more than that, else as a whole.
func (a *Agent) enforce(policy *vfp.Policy) ([]vfp.PortProblem, error) {
	if a.retry == 0 { // otherwise what is in force is not a.policy for certain
		if change, ok := vfp.ChangeOf(a.policy, policy); ok {
			err := a.dp.ChangeACL(change)
			if err == nil {
				return a.portProblems, nil
			}
			a.log.Warn("ACL not changed by itself, the whole policy is put in force", "acl", change.ACL, "error", err)
		}
	}
	return a.dp.Apply(policy)
}

// open lets the packets of the endpoints in whose ports have come into force.
func (a *Agent) open() (problems []cc.Problem) {
	for i := range a.policy.Ports {
		name := a.policy.Ports[i].ID
		if !a.closed[name] || a.portMessages[name] != "" {
			continue
		}
		if err := a.wiring.Up(a.policy.Ports[i].Device); err != nil {
			a.portMessages[name] = err.Error()
			problems = append(problems, cc.Problem{Code: "port", Severity: "error", Resource: name, Message: err.Error()})
			continue
		}
		delete(a.closed, name)
	}
	return problems
}

// loadSnapshot puts the last good state in force, so that a host can restart while the controller is away.
func (a *Agent) loadSnapshot() error {
	snapshots, err := a.saved.read(a.cfg.StateDir)
	for _, s := range snapshots {
		a.rebuild(s)
	}
	a.saved.clean = err == nil && len(snapshots) == 1 && len(a.fromModel) == 0
	if a.model != nil {
		a.log.Info("last good snapshot loaded", "networks", len(a.model.VirtualNetworks), "endpoints", len(a.model.Endpoints))
	}
	return err
}
