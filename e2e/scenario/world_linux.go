package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// World is the running scenario.
type World struct {
	*lab.Lab
	hosts map[string]*lab.Host
	at    map[string]*machine // by name
}

// machine is a tenant's container with an echo server in it.
type machine struct {
	*lab.Container
	tenant, name string
	nic          string
	ca           netip.Addr
	echo         *traffic.Echo
}

// Check is one line of the result.
type Check struct {
	Name, Expected, Seen string
	OK                   bool
}

// Step is a part of the story with its checks. Steps build on the world, not on each other, but for
// the order in which they are listed: what stops or moves something comes after what needs it.
type Step struct {
	Name string
	run  func(*World) []Check
}

// Steps of the story.
var Steps = []Step{
	{"everyone is up", (*World).allUp},
	{"who reaches whom", (*World).reach},
	{"routing lowers the TTL once", (*World).ttl},
	{"tenants never meet", (*World).isolation},
	{"an ACL blocks 8080 and lets 443 in", (*World).acl},
	{"deny-all outbound", (*World).denyOutbound},
	{"an ACL changes on the controller", (*World).aclChange},
	{"spoofed packets", (*World).spoof},
	{"what the wire carries", (*World).wire},
	{"throughput", (*World).throughput},
	{"agents killed and restarted", (*World).survive},
	{"an endpoint moves to another host", (*World).move},
}

// Options of a world.
type Options struct {
	Encapsulation string       // "vxlan" or "nvgre"
	Say           func(string) // progress; may be nil
	BinDir        string       // see lab.Options
	Log           io.Writer    // see lab.Options
}

// Open builds the fabric, tells the controller about both tenants, and attaches everyone.
func Open(ctx context.Context, opts Options) (w *World, err error) {
	say := opts.Say
	if say == nil {
		say = func(string) {}
	}
	say("fabric and controller")
	l, err := lab.New(ctx, lab.Options{Encapsulation: opts.Encapsulation, PollInterval: pollInterval, BinDir: opts.BinDir, Log: opts.Log})
	if err != nil {
		return nil, err
	}
	w = &World{Lab: l, hosts: map[string]*lab.Host{}, at: map[string]*machine{}}
	err = w.Do(func() {
		say("two tenants with the same addresses, ten NICs, on the controller")
		for _, name := range []string{"host-a", "host-b", "host-c"} {
			h := w.AddHost(name)
			w.hosts[name] = h
			w.Controller().PutServer(h)
		}
		w.tell()
		say("an agent on each of three hosts")
		for _, p := range plan {
			w.Host(p.host) // the first mention starts it
		}
		say("ten containers attached")
		for _, p := range plan {
			w.settle(p.tenant, p.name, p.name, p.address, w.hosts[p.host])
		}
	})
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// pollInterval of the agents; a second, so that "within one poll" can be told from "at once".
const pollInterval = time.Second

// settle makes a container, attaches it, and starts its echo server.
func (w *World) settle(tenant, name, container, address string, h *lab.Host) *machine {
	m := &machine{Container: h.Container(container), tenant: tenant, name: name, nic: "nic-" + name, ca: netip.MustParseAddr(address)}
	m.AttachSoon(m.nic, 5*time.Second)
	m.serve(w)
	w.at[name] = m
	return m
}

func (m *machine) serve(w *World) {
	var err error
	m.echo, err = traffic.Serve(m, m.tenant+"/"+m.name, portHTTPS, portBlocked, portAny, portContoso, portFabrikam)
	if err != nil {
		w.Fail("%s: echo server: %w", m.name, err)
	}
}

// Run tells one step and returns its checks. A step that could not be finished is a check that failed.
func (w *World) Run(s Step) (checks []Check, err error) {
	if err := w.Context().Err(); err != nil {
		return nil, context.Cause(w.Context())
	}
	err = w.Do(func() { checks = s.run(w) })
	if err != nil && w.Context().Err() != nil {
		return nil, err
	}
	if err != nil {
		checks = append(checks, Check{Name: s.Name, Expected: "the step can be finished", Seen: err.Error()})
	}
	return checks, nil
}

// Close ends the story and removes everything.
func (w *World) Close() error {
	for _, m := range w.at {
		if m.echo != nil {
			m.echo.Close()
		}
	}
	return w.Lab.Close()
}

// machines in the order of the plan.
func (w *World) machines() (all []*machine) {
	for _, p := range plan {
		all = append(all, w.at[p.name])
	}
	return all
}

func (w *World) must(err error, what string) {
	if err != nil {
		w.Fail("%s: %w", what, err)
	}
}

func is(name, expected, seen string, ok bool) Check { return Check{name, expected, seen, ok} }

// reads is a check that wants a text.
func reads(name, expected, seen string) Check { return is(name, expected, seen, seen == expected) }

func socket(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
