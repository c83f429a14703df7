package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Host is a namespace on the underlay with an agent.
type Host struct {
	Name     string
	Provider netip.Addr // its provider address
	Address  netip.Addr // on the IPv4 underlay; the same unless provider addresses are IPv6
	lab      *Lab
	ns       *Namespace
	agent    *Process
	files    hostFiles
	api      *http.Client
}

type hostFiles struct{ config, socket, state, bpf string }

// Host makes the next host and starts its agent; asked again, it answers the host of that name.
func (l *Lab) Host(name string) *Host {
	h := l.AddHost(name)
	if h.agent == nil {
		h.WriteConfig(h.Config())
		h.Start()
	}
	return h
}

// AddHost makes the next host without starting its agent.
func (l *Lab) AddHost(name string) *Host {
	l.mu.Lock()
	h, n := l.hosts[name], len(l.hosts)
	l.mu.Unlock()
	if h != nil {
		return h
	}
	address, provider := underlay.Addr(), underlay6.Addr()
	for range n + 1 {
		address, provider = address.Next(), provider.Next()
	}
	places := []netip.Prefix{netip.PrefixFrom(address, underlay.Bits())}
	if l.opts.IPv6Underlay {
		places = append(places, netip.PrefixFrom(provider, underlay6.Bits()))
	} else {
		provider = address
	}
	dir := l.path(name)
	l.must(os.Mkdir(dir, 0o700), "make %s", dir)
	h = &Host{Name: name, Provider: provider, Address: address, lab: l, ns: l.namespace(name), files: hostFiles{
		config: filepath.Join(dir, "agent.yaml"),
		socket: filepath.Join(dir, "agent.sock"),
		state:  filepath.Join(dir, "state"),
		bpf:    l.path("bpf", name),
	}}
	h.api = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, // the agent is killed now and then
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", h.files.socket)
		},
	}}
	l.plug(h.ns, name, places...)
	l.mu.Lock()
	l.hosts[name] = h
	l.mu.Unlock()
	return h
}

// Config is the agent's configuration file as the lab writes it.
func (h *Host) Config() string {
	ca, cert, key := h.lab.controller.TLSFiles()
	return fmt.Sprintf(`host:
  name: %s
  underlay: {interface: %s, providerAddress: %s}
controller:
  type: rest
  rest:
    url: %s
    pollInterval: %s
    scope: %s
    tls: {ca: %s, cert: %s, key: %s}
encapsulation: auto
api: {socket: %s}
stateDir: %s
bpfDir: %s
`, h.Name, hostDevice, h.Provider, h.lab.controller.URL, h.lab.opts.PollInterval, cmp.Or(h.lab.opts.Scope, "host"), ca, cert, key,
		h.files.socket, h.files.state, h.files.bpf)
}

// WriteConfig replaces the agent's configuration file; the agent reads it when it starts.
func (h *Host) WriteConfig(text string) {
	h.lab.must(os.WriteFile(h.files.config, []byte(text), 0o600), "%s: configuration", h.Name)
}

// Start starts the agent and waits until it says it is ready.
func (h *Host) Start() {
	h.StartUnready()
	h.WaitReady()
}

// WaitReady waits until the agent says it is ready.
func (h *Host) WaitReady() {
	h.lab.must(h.lab.WaitFor(h.Name+": agent ready", 20*time.Second, h.ready), "start")
}

// StartUnready starts the agent and does not wait.
func (h *Host) StartUnready() {
	if h.agent != nil {
		if _, ended := h.agent.Ended(); !ended {
			h.lab.Fail("%s: the agent is running", h.Name)
		}
	}
	p, err := h.lab.start(h.ns, h.Name, h.lab.binary("fairlead"), "agent", "--config", h.files.config)
	h.lab.must(err, "%s", h.Name)
	h.agent = p
}

func (h *Host) ready() error {
	if how, ended := h.agent.Ended(); ended {
		return permanent{fmt.Errorf("the agent ended: %s: %s", how, h.LogTail(3))}
	}
	resp, err := h.api.Get("http://agent/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %s", resp.Status)
	}
	return nil
}

// Kill ends the agent with SIGKILL.
func (h *Host) Kill() { h.agent.Kill() }

// Freeze stops the agent's clock, and Thaw lets it go on: what it does now and then must not be measured along.
func (h *Host) Freeze() { _ = h.agent.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (h *Host) Thaw() { _ = h.agent.cmd.Process.Signal(syscall.SIGCONT) }

// WipeDatapath takes the eBPF programs and maps away, as a boot does. The agent must not run.
func (h *Host) WipeDatapath() {
	h.lab.must(os.RemoveAll(h.files.bpf), "%s: remove %s", h.Name, h.files.bpf)
}

// Agent is the process started last.
func (h *Host) Agent() *Process { return h.agent }

// LogTail is the end of the agent's log.
func (h *Host) LogTail(lines int) string {
	text, _ := os.ReadFile(h.agent.Log)
	return string(tail(text, lines))
}

// Namespace of the host.
func (h *Host) Namespace() *Namespace { return h.ns }

// Result of a command.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Fairlead runs the command line program against this host's agent.
func (h *Host) Fairlead(args ...string) Result {
	out, diag, code, err := h.lab.run(h.ns, h.lab.binary("fairlead"), append(args, "--config", h.files.config)...)
	h.lab.must(err, "%s: fairlead %s", h.Name, strings.Join(args, " "))
	return Result{out, diag, code}
}

// Follow starts a command that goes on until it is interrupted; what it prints is in its log.
func (h *Host) Follow(args ...string) *Process {
	name := fmt.Sprintf("%s-%s-%d", args[0], h.Name, time.Now().UnixNano())
	p, err := h.lab.start(h.ns, name, h.lab.binary("fairlead"), append(args, "--config", h.files.config)...)
	h.lab.must(err, "%s: fairlead %s", h.Name, strings.Join(args, " "))
	return p
}

// Status of the agent.
func (h *Host) Status() (s Status, code int, err error) {
	r := h.Fairlead("status", "-o", "json")
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		return s, r.Code, fmt.Errorf("%s: fairlead status: exit code %d, %w: %.200q %s", h.Name, r.Code, err, r.Stdout, firstLine(r.Stderr))
	}
	return s, r.Code, nil
}

// Endpoints of the host, by name.
func (h *Host) Endpoints() (map[string]Endpoint, error) {
	items, err := listed[Endpoint](h, "endpoint")
	byName := make(map[string]Endpoint, len(items))
	for _, e := range items {
		byName[e.Name] = e
	}
	return byName, err
}

// ACLs that the agent knows.
func (h *Host) ACLs() ([]ACL, error) { return listed[ACL](h, "acl") }

func listed[T any](h *Host, noun string) ([]T, error) {
	r := h.Fairlead(noun, "list", "-o", "json")
	var l list[T]
	if r.Code != 0 {
		return nil, fmt.Errorf("%s: fairlead %s list: exit code %d: %s", h.Name, noun, r.Code, firstLine(r.Stderr))
	}
	if err := json.Unmarshal([]byte(r.Stdout), &l); err != nil {
		return nil, fmt.Errorf("%s: fairlead %s list: %w", h.Name, noun, err)
	}
	return l.Items, nil
}

func (l *Lab) binary(name string) string { return filepath.Join(l.opts.BinDir, name) }

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
