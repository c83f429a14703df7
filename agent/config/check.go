package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-net/fairlead/encap"
)

// maxInterface is how long a network device's name can be (IFNAMSIZ without its NUL).
const maxInterface = 15

// maxLogMB bounds a log file: a terabyte.
const maxLogMB = 1 << 20

// maxAnswerMB bounds what a controller may answer at once: 16 GiB.
const maxAnswerMB = 1 << 14

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// complaints gathers everything that is wrong with a configuration.
type complaints []error

func (e *complaints) add(key, format string, args ...any) {
	*e = append(*e, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
}

func (e *complaints) oneOf(key, value string, allowed ...string) {
	switch {
	case value == "":
		e.add(key, "missing: want %s", strings.Join(allowed, " or "))
	case !slices.Contains(allowed, value):
		e.add(key, "%q: want %s", value, strings.Join(allowed, " or "))
	}
}

func (e *complaints) hostAddress(key, value string) {
	a, err := netip.ParseAddr(value)
	if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Is6() && a.IsLinkLocalUnicast() {
		e.add(key, "%q is not a host's address, want one such as 172.16.0.1", value)
	}
}

// check returns every complaint.
func (c *Config) check() error {
	var e complaints
	if c.Host.Name == "" {
		e.add("host.name", "missing: the resourceId of this host's server on the controller")
	}
	switch u := c.Host.Underlay; {
	case u.Interface == "":
		e.add("host.underlay.interface", "missing: the device that carries encapsulated packets")
	case len(u.Interface) > maxInterface || strings.ContainsAny(u.Interface, "/ \t\n"):
		e.add("host.underlay.interface", "%q is not a device's name", u.Interface)
	}
	if pa := c.Host.Underlay.ProviderAddress; pa == "" {
		e.add("host.underlay.providerAddress", "missing: this host's address on the underlay")
	} else {
		e.hostAddress("host.underlay.providerAddress", pa)
	}
	e.oneOf("controller.type", c.Controller.Type, "rest", "ovsdb", "host-agent", "file")
	c.Controller.REST.check(&e, c.Controller.Type == "rest")
	if c.Controller.Type != "rest" && c.Controller.REST.Writes != (Writes{}) {
		e.add("controller.rest.writes", "only a controller of type rest is written to, this is %q", c.Controller.Type)
	}
	e.oneOf("encapsulation", c.Encapsulation, "auto", "vxlan", "nvgre")
	e.oneOf("acl.default", c.ACL.Default, "block", "allow")
	e.oneOf("acl.combine", c.ACL.Combine, "all", "nic")
	for _, d := range []struct{ key, value string }{{"api.socket", c.API.Socket}, {"stateDir", c.StateDir}, {"bpfDir", c.BPFDir}} {
		if d.value == "" {
			e.add(d.key, "must not be empty: want a path")
		}
	}
	if c.Log.ACL.MaxSizeMB < 1 || c.Log.ACL.MaxSizeMB > maxLogMB {
		e.add("log.acl.maxSizeMB", "%d: want 1 to %d", c.Log.ACL.MaxSizeMB, maxLogMB)
	}
	_, more := c.hostConfig()
	return errors.Join(append(e, more...)...)
}

func (r *REST) check(e *complaints, inUse bool) {
	if r.URL == "" && inUse {
		e.add("controller.rest.url", "missing: want https://HOST[:PORT]")
	}
	for i, text := range append([]string{r.URL}, r.URLs...) {
		key := "controller.rest.url"
		if i > 0 {
			key = fmt.Sprintf("controller.rest.urls[%d]", i-1)
		} else if text == "" {
			continue
		}
		if u, err := url.Parse(text); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			e.add(key, "want https://HOST[:PORT]") // without the value: it may hold a password
		}
	}
	e.oneOf("controller.rest.scope", r.Scope, "host", "full")
	if r.RequestTimeout < Duration(100*time.Millisecond) {
		e.add("controller.rest.requestTimeout", "%s is too short, want 100ms or more", time.Duration(r.RequestTimeout))
	}
	if r.MaxAnswerMB < 1 || r.MaxAnswerMB > maxAnswerMB {
		e.add("controller.rest.maxAnswerMB", "%d: want 1 to %d", r.MaxAnswerMB, maxAnswerMB)
	}
	if r.PollInterval < Duration(10*time.Millisecond) {
		e.add("controller.rest.pollInterval", "%s is too short, want 10ms or more", time.Duration(r.PollInterval))
	}
	if r.TLS.Cert == "" && r.TLS.Key != "" {
		e.add("controller.rest.tls.cert", "missing: key is given, and the two belong together")
	}
	if r.TLS.Key == "" && r.TLS.Cert != "" {
		e.add("controller.rest.tls.key", "missing: cert is given, and the two belong together")
	}
	if k := r.Kerberos; k != (Kerberos{}) {
		if k.Principal == "" {
			e.add("controller.rest.kerberos.principal", "missing: want a name such as host-a$@CONTOSO.EXAMPLE")
		}
		if k.Keytab == "" {
			e.add("controller.rest.kerberos.keytab", "missing: want the file with the principal's key")
		}
	}
	for _, name := range sortedKeys(r.ProviderAddresses) {
		e.hostAddress("controller.rest.providerAddresses."+name, r.ProviderAddresses[name])
	}
	for _, ref := range sortedKeys(r.VirtualSubnetIDs) {
		if id := r.VirtualSubnetIDs[ref]; !encap.VSID(id).Valid() {
			e.add("controller.rest.virtualSubnetIds."+strconv.Quote(ref), "%d: want %d to %d", id, encap.MinVSID, encap.MaxVSID)
		}
	}
}
