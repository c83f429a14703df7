// Package config is the agent's configuration file.
package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// DefaultPath of the file.
const DefaultPath = "/etc/fairlead/agent.yaml"

// DefaultSocket of the API.
const DefaultSocket = "/run/fairlead/fairlead.sock"

// maxSocket is what sockaddr_un leaves for a path.
const maxSocket = 107

// Config as written. After Load every default is filled in, and every path is absolute.
type Config struct {
	Host          Host       `yaml:"host"`
	Controller    Controller `yaml:"controller"`
	Encapsulation string     `yaml:"encapsulation"` // auto | vxlan | nvgre
	ACL           ACL        `yaml:"acl"`
	API           API        `yaml:"api"`
	StateDir      string     `yaml:"stateDir"`
	BPFDir        string     `yaml:"bpfDir"`

	AdminRules       []AdminRule          `yaml:"adminRules"`
	Multicast        string               `yaml:"multicast"`        // drop | replicate
	MulticastSubnets map[string]string    `yaml:"multicastSubnets"` // by subnet reference
	Mirrors          []Mirror             `yaml:"mirrors"`
	Bandwidth        map[string]Bandwidth `yaml:"bandwidth"` // by endpoint name
	Flows            Flows                `yaml:"flows"`
	HostNetworks     []HostNetwork        `yaml:"hostNetworks"`
	Log              Log                  `yaml:"log"`
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
	URLs              []string          `yaml:"urls"`  // further addresses of the same controller
	Scope             string            `yaml:"scope"` // host | full: what of the fabric is read
	PollInterval      Duration          `yaml:"pollInterval"`
	RequestTimeout    Duration          `yaml:"requestTimeout"`
	MaxAnswerMB       int               `yaml:"maxAnswerMB"`
	TLS               TLS               `yaml:"tls"`
	Kerberos          Kerberos          `yaml:"kerberos"`
	ProviderAddresses map[string]string `yaml:"providerAddresses"`
	VirtualSubnetIDs  map[string]uint32 `yaml:"virtualSubnetIds"`
	Writes            Writes            `yaml:"writes"`
}

// Writes says what the agent may change on the controller: nothing, unless it is told.
type Writes struct {
	ConfigurationState bool `yaml:"configurationState"` // reports how this host's server and its endpoints' NICs are doing
	IPConfigurations   bool `yaml:"ipConfigurations"`   // gives endpoints addresses of their own on this host's NICs
}

// TLS files, PEM.
type TLS struct {
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Kerberos is how the agent logs in to a controller of a Windows domain.
type Kerberos struct {
	Principal        string `yaml:"principal"`
	Keytab           string `yaml:"keytab"`
	Config           string `yaml:"config"`           // default /etc/krb5.conf
	ServicePrincipal string `yaml:"servicePrincipal"` // default HTTP/ and the URL's host
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
		&c.Controller.REST.Kerberos.Keytab, &c.Controller.REST.Kerberos.Config,
		&c.Controller.File.Path, &c.API.Socket, &c.StateDir, &c.BPFDir, &c.Log.ACL.Path} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	if len(c.API.Socket) > maxSocket {
		return nil, fmt.Errorf("%s: api.socket: %s is longer than the %d bytes a socket's path may have", path, c.API.Socket, maxSocket)
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
		Multicast:     "drop",
		Log:           Log{ACL: ACLLog{MaxSizeMB: 100}},
	}
	c.Controller.REST.Scope = "host"
	c.Controller.REST.PollInterval = Duration(2 * time.Second)
	c.Controller.REST.RequestTimeout = Duration(10 * time.Second)
	c.Controller.REST.MaxAnswerMB = 256
	root, err := document(raw)
	if err != nil {
		return nil, err
	}
	if errs := strict(root, reflect.TypeFor[Config](), ""); errs != nil {
		return nil, errors.Join(errs...)
	}
	if err := root.Decode(c); err != nil {
		return nil, err
	}
	return c, c.check()
}

// Socket reads only where a running agent listens: that must not depend on the rest of the file being right.
func Socket(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("configuration: %w", err)
	}
	var c struct {
		API API `yaml:"api"`
	}
	c.API.Socket = DefaultSocket
	if err := yaml.Unmarshal(raw, &c); err != nil {
		return "", fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if filepath.IsAbs(c.API.Socket) {
		return c.API.Socket, nil
	}
	return filepath.Abs(filepath.Join(filepath.Dir(path), c.API.Socket))
}
