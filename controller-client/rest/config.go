package rest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
)

const apiPath = "/networking/v1"

// What of a fabric is read.
const (
	ScopeHost = "host" // a server, its NICs, their virtual networks, and who else lives in these
	ScopeFull = "full" // everything
)

// Config says which controller to read and how. The zero value of every field but URL is usable.
type Config struct {
	// URLs of one controller, tried in this order; "/networking/v1" is appended unless a version is there already.
	URLs []string
	// Host is the resourceId of the server whose needs are read. Without one, all of the fabric is.
	Host string
	// Scope is ScopeHost (default) or ScopeFull, which reads all of the fabric all the same.
	Scope string
	// PollInterval is the longest pause between polls that succeed. Default 2 s.
	PollInterval time.Duration
	TLS          TLS
	Kerberos     Kerberos
	Logger       *slog.Logger // default: none

	// AttemptTimeout bounds one request with its whole answer. Default 10 s.
	AttemptTimeout time.Duration
	// PollTimeout bounds one poll with all its pages and retries. Default 60 s.
	PollTimeout time.Duration
	// MaxBody bounds one answer, in bytes after decompression. Default 256 MiB.
	MaxBody int64
}

func (c Config) withDefaults() Config {
	if c.PollInterval == 0 {
		c.PollInterval = 2 * time.Second
	}
	if c.AttemptTimeout == 0 {
		c.AttemptTimeout = 10 * time.Second
	}
	if c.PollTimeout == 0 {
		c.PollTimeout = time.Minute
	}
	if c.Scope == "" {
		c.Scope = ScopeHost
	}
	if c.Host == "" {
		c.Scope = ScopeFull
	}
	if c.MaxBody == 0 {
		c.MaxBody = 256 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() error {
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"controller.rest.pollInterval", c.PollInterval},
		{"controller.rest.attemptTimeout", c.AttemptTimeout},
		{"controller.rest.pollTimeout", c.PollTimeout},
	} {
		if d.value < 0 {
			return fmt.Errorf("%s: %v is negative", d.key, d.value)
		}
	}
	if c.Scope != ScopeHost && c.Scope != ScopeFull {
		return fmt.Errorf("controller.rest.scope: %q: want %s or %s", c.Scope, ScopeHost, ScopeFull)
	}
	if c.Kerberos != (Kerberos{}) {
		for _, text := range c.URLs {
			if _, user, err := baseURL(text); err == nil && user != nil {
				return errors.New("controller.rest.url: a user name and Kerberos exclude each other")
			}
		}
	}
	if c.MaxBody < 0 {
		return fmt.Errorf("controller.rest.maxBody: %d is negative", c.MaxBody)
	}
	return nil
}

// baseURL parses the configured URL. Userinfo is split off at once, so that no URL made from the
// base can carry a secret into a message or a log.
func baseURL(text string) (*url.URL, *url.Userinfo, error) {
	const key = "controller.rest.url"
	if text == "" {
		return nil, nil, errors.New(key + ": missing")
	}
	u, err := url.Parse(text)
	if err != nil {
		// The parser's message quotes the whole text, which may hold a password.
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return nil, nil, fmt.Errorf("%s: not a URL: %w", key, err)
	}
	user := u.User
	u.User = nil
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, nil, fmt.Errorf("%s: %q: scheme is not https (or http)", key, u)
	case u.Hostname() == "":
		return nil, nil, fmt.Errorf("%s: %q: no host", key, u)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, nil, fmt.Errorf("%s: %q: a query or fragment has no place here", key, u)
	}
	path := strings.TrimRight(u.Path, "/")
	if i := strings.LastIndex(path, "/networking/v"); i < 0 || strings.Contains(path[i+len("/networking/v"):], "/") {
		path += apiPath
	}
	u.Path, u.RawPath = path, ""
	return u, user, nil
}
