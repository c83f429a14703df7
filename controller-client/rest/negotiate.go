package rest

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

const (
	// loginPause is the shortest time between two logins: a KDC counts failed ones, and may lock the account.
	loginPause = 5 * time.Second
	// loginPauseMax is the longest, reached by doubling while they fail.
	loginPauseMax = 2 * time.Minute
)

// kerberosError is that no ticket is to be had. Asking again at once would not help.
type kerberosError struct{ cause error }

func (e *kerberosError) Error() string { return "Kerberos: " + e.cause.Error() }
func (e *kerberosError) Unwrap() error { return e.cause }

// negotiating authenticates every request with a SPNEGO token of its own (RFC 4559), without waiting to be asked.
type negotiating struct {
	next http.RoundTripper
	get  func(service string) (*ticket, error)
	cfg  Kerberos

	mu       sync.Mutex
	services map[string]*service
}

// service is what is known of getting in at one service principal.
type service struct {
	ticket  *ticket
	renew   time.Time // when another ticket is wanted
	err     error     // of the last login, nil if it succeeded
	pause   time.Duration
	tried   time.Time
	keytab  stamp         // at that time
	waiting chan struct{} // closed when the login under way is over; nil: there is none
}

func newNegotiating(cfg Kerberos, next http.RoundTripper) (*negotiating, error) {
	if _, err := cfg.login(); err != nil {
		return nil, err
	}
	return &negotiating{next: next, get: cfg.ticket, cfg: cfg, services: map[string]*service{}}, nil
}

// RoundTrip implements http.RoundTripper.
func (n *negotiating) RoundTrip(r *http.Request) (*http.Response, error) {
	name := n.cfg.ServicePrincipal
	if name == "" {
		name = "HTTP/" + r.URL.Hostname()
	}
	value, err := n.token(r.Context(), name)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // as the interface demands
		}
		return nil, err
	}
	authorized := *r
	authorized.Header = r.Header.Clone()
	authorized.Header.Set("Authorization", value)
	resp, err := n.next.RoundTrip(&authorized)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		n.refused(name)
	}
	return resp, err
}

// CloseIdleConnections is what http.Client looks for.
func (n *negotiating) CloseIdleConnections() {
	if c, ok := n.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// token waits for a ticket if there is none that is still good.
func (n *negotiating) token(ctx context.Context, name string) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.services[name]
	if s == nil {
		s = &service{}
		n.services[name] = s
	}
	for {
		now := time.Now()
		due := s.ticket == nil || now.After(s.renew)
		if due && s.waiting == nil && (now.Sub(s.tried) >= s.pause || s.keytab != stampOf(n.cfg.Keytab)) {
			n.login(s, name)
		}
		switch {
		case s.ticket != nil && now.Before(s.ticket.end):
			value, err := s.ticket.token() // within the lock: no two have the same microsecond, by which replays are known
			if err != nil {
				return "", &kerberosError{err}
			}
			return value, nil
		case s.waiting == nil:
			return "", &kerberosError{s.err}
		}
		waiting := s.waiting
		n.mu.Unlock()
		select {
		case <-waiting:
		case <-ctx.Done():
		}
		n.mu.Lock()
		if ctx.Err() != nil {
			return "", &kerberosError{errors.Join(errors.New("no answer of the KDC"), ctx.Err())}
		}
	}
}

// login asks the KDC in the background, which no context can end.
func (n *negotiating) login(s *service, name string) {
	s.waiting, s.tried, s.keytab = make(chan struct{}), time.Now(), stampOf(n.cfg.Keytab)
	go func() {
		t, err := n.get(name)
		n.mu.Lock()
		defer n.mu.Unlock()
		close(s.waiting)
		s.waiting, s.err = nil, err
		if err != nil {
			s.pause = min(max(loginPause, 2*s.pause), loginPauseMax)
			return
		}
		s.ticket, s.pause = t, loginPause
		s.renew = time.Now().Add(time.Until(t.end) / 2)
	}()
}

// refused notes that the controller did not take a ticket, as when its own key was changed: another is wanted.
func (n *negotiating) refused(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s := n.services[name]; s != nil {
		s.renew = time.Time{}
	}
}
