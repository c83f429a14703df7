package rest

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// maxPause bounds how long a controller may send its agents away with Retry-After.
const maxPause = time.Minute

// Source polls one Network Controller. It implements controllerclient.Source.
type Source struct {
	cfg     Config
	log     *slog.Logger
	client  *client
	refresh chan struct{}

	nics    collection[cc.NetworkInterface]
	vnets   collection[cc.VirtualNetwork]
	acls    collection[cc.AccessControlList]
	servers collection[cc.Server]
	manager collection[string] // the encapsulation

	status   cc.Status
	problems []cc.Problem
}

var _ cc.Source = (*Source)(nil)

// New checks the configuration; its errors name the config key and the file.
func New(cfg Config) (*Source, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	tlsConfig, err := cfg.TLS.load()
	if err != nil {
		return nil, err
	}
	return newSource(cfg, newTransport(cfg, tlsConfig))
}

func newSource(cfg Config, rt http.RoundTripper) (*Source, error) {
	base, user, err := baseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	seed := maphash.MakeSeed()
	const configuration = "virtualNetworkManager/configuration"
	return &Source{
		cfg:     cfg,
		log:     cfg.Logger,
		client:  &client{base: base, user: user, http: newRetryClient(cfg, rt), timeout: cfg.AttemptTimeout},
		refresh: make(chan struct{}, 1),
		nics:    listOf("networkInterfaces", cfg, seed, decodeNetworkInterface),
		vnets:   listOf("virtualNetworks", cfg, seed, decodeVirtualNetwork),
		acls:    listOf("accessControlLists", cfg, seed, decodeAccessControlList),
		servers: listOf("servers", cfg, seed, decodeServer),
		manager: collection[string]{path: configuration, optional: true, limit: cfg.MaxBody, seed: seed,
			decode: func(body []byte) (*page[string], error) {
				return decodeSingleton(body, configuration, decodeConfiguration)
			}},
		status: cc.Status{Type: "rest", URL: base.String(), State: cc.StateStarting},
	}, nil
}

// Refresh asks for a poll now instead of at the end of the interval. It never blocks.
func (s *Source) Refresh() {
	select {
	case s.refresh <- struct{}{}:
	default: // one is asked for already
	}
}

// Run polls until ctx ends. Every update carries the problems in force, also when its snapshot is nil.
// Only one Run at a time.
func (s *Source) Run(ctx context.Context, deliver func(cc.Update)) error {
	defer s.client.http.HTTPClient.CloseIdleConnections()
	deliver(cc.Update{Status: s.status, Problems: s.problems})
	for {
		pause := s.poll(ctx, deliver)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.refresh:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// poll delivers what one poll found and answers how long to wait for the next.
func (s *Source) poll(ctx context.Context, deliver func(cc.Update)) (pause time.Duration) {
	pause = s.cfg.PollInterval*9/10 + rand.N(s.cfg.PollInterval/5+1)
	changed, err := s.read(ctx)
	if ctx.Err() != nil {
		return pause
	}
	status := s.status
	if err != nil {
		var failed *pollError
		if errors.As(err, &failed) {
			status.State = failed.state
			pause = max(pause, min(failed.retryAfter, maxPause))
		}
		status.Message = err.Error()
		if status != s.status {
			s.log.Warn("controller poll failed", "url", status.URL, "state", status.State, "error", status.Message)
			s.status = status
			deliver(cc.Update{Status: status, Problems: s.problems})
		}
		return pause
	}
	if status.State != cc.StateOK {
		s.log.Info("controller in sync", "url", status.URL)
	}
	changed = changed || status.LastSync.IsZero() // an empty fabric is news, too
	status.State, status.Message, status.LastSync = cc.StateOK, "", time.Now()
	s.status = status
	update := cc.Update{Status: status}
	if changed {
		update.Snapshot, s.problems = s.snapshot()
	}
	update.Problems = s.problems
	deliver(update)
	return pause
}

// read reads everything and commits it together. What refers is read before what it refers to: a NIC
// created together with its subnet while we read is then missed (until the next poll), not dangling.
func (s *Source) read(ctx context.Context) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PollTimeout)
	defer cancel()
	nics, err := s.nics.read(ctx, s.client)
	if err != nil {
		return false, err
	}
	vnets, err := s.vnets.read(ctx, s.client)
	if err != nil {
		return false, err
	}
	acls, err := s.acls.read(ctx, s.client)
	if err != nil {
		return false, err
	}
	servers, err := s.servers.read(ctx, s.client)
	if err != nil {
		return false, err
	}
	manager, err := s.manager.read(ctx, s.client)
	if err != nil {
		return false, err
	}
	for _, other := range []bool{
		s.nics.commit(nics), s.vnets.commit(vnets), s.acls.commit(acls),
		s.servers.commit(servers), s.manager.commit(manager),
	} {
		changed = changed || other
	}
	return changed, nil
}

func (s *Source) snapshot() (*cc.Snapshot, []cc.Problem) {
	snap := &cc.Snapshot{
		VirtualNetworks:    s.vnets.items(),
		NetworkInterfaces:  s.nics.items(),
		Servers:            s.servers.items(),
		AccessControlLists: s.acls.items(),
	}
	if protocol := s.manager.items(); len(protocol) > 0 {
		snap.Encapsulation = protocol[0]
	}
	var problems []cc.Problem
	for _, more := range [][]cc.Problem{
		s.vnets.problems(), s.nics.problems(), s.servers.problems(), s.acls.problems(), s.manager.problems(),
	} {
		problems = append(problems, more...)
	}
	return snap, problems
}
