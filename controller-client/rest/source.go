package rest

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// Source polls one Network Controller. It implements controllerclient.Source.
type Source struct {
	cfg     Config
	log     *slog.Logger
	client  *client
	files   *reloading // nil in tests without any
	refresh chan struct{}
	pace    pace
	begun   *beginning // nil: nothing was begun before Run

	known    readings // as the last poll that succeeded left them
	complete bool     // known is all that is wanted
	failing  string   // what the last poll failed with, whichever request it was; "" if it did not
	notSaid  bool     // the controller does not say what one host needs: the whole fabric is read
	distrust string   // path that answered another text under the same etag, or ""
	due      int64    // unix nanoseconds when what is in force changes by itself; 0: never

	parts    parts
	status   cc.Status
	problems []cc.Problem // of what is known
	said     []cc.Problem // with the last update
}

var _ cc.Source = (*Source)(nil)

// New checks the configuration; its errors name the config key and the file.
func New(cfg Config) (*Source, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	rt, err := newTransport(cfg)
	if err != nil {
		return nil, err
	}
	var with http.RoundTripper = rt
	if cfg.Kerberos != (Kerberos{}) {
		if with, err = newNegotiating(cfg.Kerberos, rt); err != nil {
			return nil, err
		}
	}
	s, err := newSource(cfg, with)
	if err == nil {
		s.files = rt
	}
	return s, err
}

func newSource(cfg Config, rt http.RoundTripper) (*Source, error) {
	endpoints, err := newEndpoints(cfg.URLs)
	if err != nil {
		return nil, err
	}
	s := &Source{
		cfg:     cfg,
		log:     cfg.Logger,
		client:  &client{endpoints: endpoints, http: newRetryClient(cfg, rt), timeout: cfg.AttemptTimeout, limit: cfg.MaxBody},
		refresh: make(chan struct{}, 1),
		pace:    pace{interval: cfg.PollInterval},
		known:   nothingKnown(cfg.Host),
		status:  cc.Status{Type: "rest", URL: endpoints.use().base.String(), State: cc.StateStarting},
	}
	return s, nil
}

// Refresh asks for a poll now instead of at the end of the interval. It never blocks.
func (s *Source) Refresh() {
	select {
	case s.refresh <- struct{}{}:
	default: // one is asked for already
	}
}

// Start begins with the first poll before Run is called, so that whoever has other things to make ready need not
// wait for it after that. It is called at most once.
func (s *Source) Start(ctx context.Context) {
	b := &beginning{done: make(chan struct{})}
	s.begun = b
	go func() {
		defer close(b.done)
		timer := time.NewTimer(s.pace.first())
		defer timer.Stop()
		select {
		case <-ctx.Done():
			b.err = ctx.Err()
		case <-timer.C:
			b.changed, b.err = s.read(ctx)
		}
	}()
}

// beginning is a first poll that does not wait for Run.
type beginning struct {
	done    chan struct{}
	changed bool
	err     error
}

// Run polls until ctx ends. Every update carries the problems in force, also when its snapshot is nil.
// Only one Run at a time.
func (s *Source) Run(ctx context.Context, deliver func(cc.Update)) error {
	defer s.client.http.HTTPClient.CloseIdleConnections()
	deliver(cc.Update{Status: s.status, Problems: s.problems})
	pause := time.Duration(0)
	if s.begun == nil {
		pause = s.pace.first()
	}
	for ; ; pause = s.poll(ctx, deliver) {
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
	start := time.Now()
	changed, err := s.readOrBegun(ctx)
	took := time.Since(start)
	if ctx.Err() != nil {
		return 0
	}
	status := s.status
	status.URL = s.client.use().base.String()
	if err != nil {
		status.State, status.Message = cc.StateStale, err.Error()
		var failed *requestError
		var wait time.Duration
		what := status.Message
		if errors.As(err, &failed) {
			status.State, wait, what = failed.state, failed.retryAfter, failed.what
		}
		if sameFailure(s.failing, what) && status.State == s.status.State {
			status.Message = s.status.Message // no news that another of many requests met it
		} else {
			s.failing = what
		}
		if status != s.status {
			s.log.Warn("controller poll failed", "url", status.URL, "state", status.State, "error", status.Message)
		}
		if problems := s.allProblems(); status != s.status || !slices.Equal(problems, s.said) {
			s.status, s.said = status, problems
			deliver(cc.Update{Status: status, Problems: problems})
		}
		return s.pace.afterFailure(wait)
	}
	s.failing = ""
	if status.State != cc.StateOK {
		s.log.Info("controller in sync", "url", status.URL)
	}
	changed = changed || status.LastSync.IsZero() // an empty fabric is news, too
	status.State, status.Message, status.LastSync = cc.StateOK, "", time.Now()
	status.Scope = ScopeHost
	if s.whole() {
		status.Scope = ScopeFull
	}
	s.status = status
	update := cc.Update{Status: status}
	if now := start.UnixNano(); changed || s.due != 0 && now >= s.due {
		update.Snapshot = s.snapshot(now)
	}
	s.said = s.allProblems()
	update.Problems = s.said
	deliver(update)
	return max(s.pace.afterSuccess(took)-time.Since(start), s.cfg.PollInterval/share)
}

func sameFailure(last, now string) bool {
	return last == now || now == closedAfterHandshake && strings.HasPrefix(last, "TLS: ")
}

// readOrBegun is read, or the end of what Start has begun.
func (s *Source) readOrBegun(ctx context.Context) (changed bool, err error) {
	b := s.begun
	if b == nil {
		return s.read(ctx)
	}
	select {
	case <-b.done:
		s.begun = nil
		return b.changed, b.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// allProblems never writes into what was delivered.
func (s *Source) allProblems() []cc.Problem {
	return append(slices.Clip(s.problems), s.ownProblems()...)
}

func (s *Source) whole() bool { return s.cfg.Scope == ScopeFull || s.notSaid }

// read synchronises with the first of the controller's addresses that answers usably, starting with the one in use.
func (s *Source) read(ctx context.Context) (changed bool, err error) {
	var failures []error
	for range s.client.all {
		if changed, err = s.readOnce(ctx); err == nil || ctx.Err() != nil {
			return changed, err
		}
		failures = append(failures, err)
		s.client.next()
	}
	return false, s.client.allFailed(failures)
}

func (s *Source) readOnce(ctx context.Context) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PollTimeout)
	defer cancel()
	p, err := s.try(ctx)
	if err == nil && s.notSaid && p.changed() && p.says(ctx) {
		s.log.Info("the controller says by now what this host needs: only that is read", "server", s.cfg.Host)
		s.notSaid, s.complete = false, false
		p, err = s.try(ctx)
	}
	if errors.Is(err, errNotSaid) {
		s.log.Warn("the controller does not say which NICs are on a server, or who lives in a subnet: the whole fabric is read", "server", s.cfg.Host)
		s.notSaid, s.complete = true, false
		p, err = s.try(ctx)
	}
	if at := p.distrusted.Load(); at != nil && s.distrust == "" {
		// What was taken for unchanged may not be: everything is read again, without conditions from now on.
		s.distrust = *at
		s.log.Warn("the controller's etags do not tell changes; conditional requests are given up", "path", *at)
		p, err = s.try(ctx)
	}
	if err != nil {
		return false, err
	}
	s.known, s.complete = p.readings, true
	return p.changed(), nil
}

// try is one poll on a copy of what is known.
func (s *Source) try(ctx context.Context) (*poll, error) {
	p := &poll{client: s.client, now: time.Now().UnixNano(), host: s.cfg.Host, all: s.whole(), trust: s.distrust == "",
		readings: s.known.copy(), reread: map[string]bool{}}
	if !p.all {
		p.narrow()
	}
	if err := p.recheckAll(ctx); err != nil {
		return p, err
	}
	if s.complete && !p.changed() {
		return p, nil
	}
	if err := p.listAll(ctx); err != nil {
		return p, err
	}
	return p, p.complete(ctx)
}

func (r *reading[T]) copy() *reading[T] {
	return &reading[T]{kind: r.kind, state: state[T]{listed: r.listed, pages: r.pages, singles: maps.Clone(r.singles), wanted: r.wanted, long: r.long}, index: r.index}
}
