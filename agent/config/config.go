// Package config is the agent's configuration file.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-net/fairlead/encap"
)

// DefaultPath of the file.
const DefaultPath = "/etc/fairlead/agent.yaml"

// DefaultSocket of the API.
const DefaultSocket = "/run/fairlead/fairlead.sock"

// Config as written. After Load every default is filled in, and every path is absolute.
type Config struct {
	Host          Host       `yaml:"host"`
	Controller    Controller `yaml:"controller"`
	Encapsulation string     `yaml:"encapsulation"` // auto | vxlan | nvgre
	ACL           ACL        `yaml:"acl"`
	API           API        `yaml:"api"`
	StateDir      string     `yaml:"stateDir"`
	BPFDir        string     `yaml:"bpfDir"`
}

// Host is this host.
type Host struct {
	Name     string   `yaml:"name"` // resourceId of its NC server
	Underlay Underlay `yaml:"underlay"`
}

// Underlay is the device that carries encapsulated packets.
type Underlay struct {
	Interface       string `yaml:"interface"`
	ProviderAddress string `yaml:"providerAddress"`
}

// Controller says where desired state comes from.
type Controller struct {
	Type      string    `yaml:"type"`
	REST      REST      `yaml:"rest"`
	OVSDB     OVSDB     `yaml:"ovsdb"`
	HostAgent HostAgent `yaml:"hostAgent"`
	File      File      `yaml:"file"`
}

// REST is a Network Controller's northbound.
type REST struct {
	URL               string            `yaml:"url"`
	PollInterval      Duration          `yaml:"pollInterval"`
	TLS               TLS               `yaml:"tls"`
	ProviderAddresses map[string]string `yaml:"providerAddresses"`
	VirtualSubnetIDs  map[string]uint32 `yaml:"virtualSubnetIds"`
}

// TLS files, PEM.
type TLS struct {
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// OVSDB, HostAgent and File belong to controller types that are not supported yet.
type (
	OVSDB struct {
		Endpoints []string `yaml:"endpoints"`
		Database  string   `yaml:"database"`
	}
	HostAgent struct {
		Listen string `yaml:"listen"`
		Local  string `yaml:"local"`
	}
	File struct {
		Path string `yaml:"path"`
	}
)

// ACL says what the fabric leaves open.
type ACL struct {
	Default string `yaml:"default"` // block | allow: when no rule of a direction matches
	Combine string `yaml:"combine"` // all | nic: subnet and NIC ACL must both allow, or the NIC's replaces the subnet's
}

// API of the agent.
type API struct {
	Socket string `yaml:"socket"`
}

// Duration reads "2s".
type Duration time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is not a duration such as 2s", n.Line, n.Value)
	}
	*d = Duration(v)
	return nil
}

// PA is the host's provider address; Load has checked it.
func (c *Config) PA() netip.Addr {
	a, _ := netip.ParseAddr(c.Host.Underlay.ProviderAddress)
	return a
}

// Load reads and checks a file. The error holds one line per complaint; each names the key.
func Load(path string) (*Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c, err := parse(raw)
	if err != nil {
		return nil, prefixed(path, err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	for _, p := range []*string{&c.Controller.REST.TLS.CA, &c.Controller.REST.TLS.Cert, &c.Controller.REST.TLS.Key,
		&c.Controller.File.Path, &c.API.Socket, &c.StateDir, &c.BPFDir} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	return c, nil
}

// prefixed puts the file's name before each line of a joined error.
func prefixed(path string, err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, fmt.Errorf("%s: %w", path, e))
		}
		return errors.Join(all...)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func parse(raw []byte) (*Config, error) {
	c := &Config{
		Encapsulation: "auto",
		ACL:           ACL{Default: "block", Combine: "all"},
		API:           API{Socket: DefaultSocket},
		StateDir:      "/var/lib/fairlead",
		BPFDir:        "/sys/fs/bpf/fairlead",
	}
	c.Controller.REST.PollInterval = Duration(2 * time.Second)
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty")
		}
		return nil, plain(err)
	}
	return c, c.check()
}

var unknownField = regexp.MustCompile(`^(line \d+): field (\S+) not found in type config\.(\w+)$`)

// plain turns the decoder's words into the operator's.
func plain(err error) error {
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var all []error
	for _, line := range te.Errors {
		if m := unknownField.FindStringSubmatch(line); m != nil {
			line = fmt.Sprintf("%s: unknown key %q in %s", m[1], m[2], section(m[3]))
		}
		all = append(all, errors.New(line))
	}
	return errors.Join(all...)
}

func section(typeName string) string {
	return map[string]string{"Config": "the file's top level", "Host": "host", "Underlay": "host.underlay", "Controller": "controller",
		"REST": "controller.rest", "TLS": "controller.rest.tls", "OVSDB": "controller.ovsdb", "HostAgent": "controller.hostAgent",
		"File": "controller.file", "ACL": "acl", "API": "api"}[typeName]
}

// check returns every complaint.
func (c *Config) check() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	oneOf := func(key, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		bad(key, "%q: want %s", value, strings.Join(allowed, " or "))
	}
	if c.Host.Name == "" {
		bad("host.name", "missing: the resourceId of this host's server on the controller")
	}
	if c.Host.Underlay.Interface == "" {
		bad("host.underlay.interface", "missing: the device that carries encapsulated packets")
	}
	if a, err := netip.ParseAddr(c.Host.Underlay.ProviderAddress); c.Host.Underlay.ProviderAddress == "" {
		bad("host.underlay.providerAddress", "missing: this host's address on the underlay")
	} else if err != nil || a.IsUnspecified() || a.IsMulticast() {
		bad("host.underlay.providerAddress", "%q is not a host's address", c.Host.Underlay.ProviderAddress)
	}
	oneOf("controller.type", c.Controller.Type, "rest", "ovsdb", "host-agent", "file")
	if c.Controller.Type == "rest" {
		c.checkREST(bad)
	}
	oneOf("encapsulation", c.Encapsulation, "auto", "vxlan", "nvgre")
	oneOf("acl.default", c.ACL.Default, "block", "allow")
	oneOf("acl.combine", c.ACL.Combine, "all", "nic")
	for key, value := range map[string]string{"api.socket": c.API.Socket, "stateDir": c.StateDir, "bpfDir": c.BPFDir} {
		if value == "" {
			bad(key, "must not be empty")
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkREST(bad func(key, format string, args ...any)) {
	r := &c.Controller.REST
	if u, err := url.Parse(r.URL); r.URL == "" {
		bad("controller.rest.url", "missing")
	} else if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		bad("controller.rest.url", "want https://HOST[:PORT]")
	}
	if r.PollInterval < Duration(10*time.Millisecond) {
		bad("controller.rest.pollInterval", "%s is shorter than 10ms", time.Duration(r.PollInterval))
	}
	if (r.TLS.Cert == "") != (r.TLS.Key == "") {
		bad("controller.rest.tls", "cert and key belong together, one is missing")
	}
	for name, a := range r.ProviderAddresses {
		if _, err := netip.ParseAddr(a); err != nil {
			bad("controller.rest.providerAddresses."+name, "%q is not an address", a)
		}
	}
	for ref, id := range r.VirtualSubnetIDs {
		if !encap.VSID(id).Valid() {
			bad("controller.rest.virtualSubnetIds."+strconv.Quote(ref), "%d is not in %d..%d", id, encap.MinVSID, encap.MaxVSID)
		}
	}
}
