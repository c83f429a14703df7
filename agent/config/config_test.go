package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const good = `host:
  name: host-a
  underlay: {interface: eth0, providerAddress: 172.16.0.1}
controller:
  type: rest
  rest:
    url: https://nc.contoso.example
    tls: {ca: ca.pem, cert: host.pem, key: /etc/pki/host.key}
    providerAddresses: {host-b: 172.16.0.2}
    virtualSubnetIds: {"/virtualNetworks/v/subnets/s": 5001}
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	path := write(t, good)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	for _, f := range []struct {
		key       string
		got, want any
	}{
		{"host.name", c.Host.Name, "host-a"},
		{"PA", c.PA().String(), "172.16.0.1"},
		{"pollInterval", time.Duration(c.Controller.REST.PollInterval), 2 * time.Second},
		{"tls.ca", c.Controller.REST.TLS.CA, filepath.Join(dir, "ca.pem")},
		{"tls.key", c.Controller.REST.TLS.Key, "/etc/pki/host.key"},
		{"encapsulation", c.Encapsulation, "auto"},
		{"acl.default", c.ACL.Default, "block"},
		{"acl.combine", c.ACL.Combine, "all"},
		{"api.socket", c.API.Socket, DefaultSocket},
		{"stateDir", c.StateDir, "/var/lib/fairlead"},
		{"bpfDir", c.BPFDir, "/sys/fs/bpf/fairlead"},
		{"writes", c.Controller.REST.Writes, Writes{}},
		{"virtualSubnetIds", c.Controller.REST.VirtualSubnetIDs["/virtualNetworks/v/subnets/s"], uint32(5001)},
	} {
		if f.got != f.want {
			t.Errorf("%s: %v, want %v", f.key, f.got, f.want)
		}
	}
}

func TestLoadWrites(t *testing.T) {
	for text, want := range map[string]Writes{"{}": {}, "{configurationState: true}": {ConfigurationState: true}, "{ipConfigurations: true, configurationState: false}": {IPConfigurations: true}} {
		c, err := Load(write(t, strings.Replace(good, "url:", "writes: "+text+"\n    url:", 1)))
		if err != nil || c.Controller.REST.Writes != want {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
	}
}

// TestLoadOtherSources: the parser knows every controller type of the contract; whether the agent can is its business.
func TestLoadOtherSources(t *testing.T) {
	for _, section := range []string{
		"type: ovsdb\n  ovsdb: {endpoints: [\"ssl:10.0.0.1:6640\"], database: hardware_vtep}",
		"type: host-agent\n  hostAgent: {listen: \"ssl:0.0.0.0:6640\", local: \"tcp:127.0.0.1:6641\"}",
		"type: file\n  file: {path: tenants.yaml}",
	} {
		text := "host: {name: a, underlay: {interface: eth0, providerAddress: 172.16.0.1}}\ncontroller:\n  " + section + "\n"
		if _, err := Load(write(t, text)); err != nil {
			t.Errorf("%s: %v", section, err)
		}
	}
}

func TestLoadKerberos(t *testing.T) {
	path := write(t, strings.Replace(good, "url:", "kerberos: {principal: host-a$@CONTOSO.EXAMPLE, keytab: host.keytab}\n    url:", 1))
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Kerberos{Principal: "host-a$@CONTOSO.EXAMPLE", Keytab: filepath.Join(filepath.Dir(path), "host.keytab")}
	if got := c.Controller.REST.Kerberos; got != want {
		t.Errorf("kerberos is %+v, want %+v", got, want)
	}
}

func TestLoadRefuses(t *testing.T) {
	swap := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for _, c := range []struct{ name, text, says string }{
		{"empty", "", "the file is empty"},
		{"comment only", "# nothing\n", "the file is empty"},
		{"not YAML", "host: [", "line 1"},
		{"a list", "- host\n", "want keys and values"},
		{"two documents", good + "---\n" + good, "more than one YAML document"},
		{"unknown key", good + "colour: blue\n", "line 11: colour: unknown key, want host, controller, encapsulation, acl, api, stateDir, bpfDir, adminRules"},
		{"unknown nested key", swap("url:", "uri: x\n    url:"), "line 7: controller.rest.uri: unknown key, want url, urls, scope, pollInterval"},
		{"unknown key in a flow mapping", swap("interface: eth0", "interface: eth0, mtu: 9000"), "line 3: host.underlay.mtu: unknown key, want interface, providerAddress"},
		{"key twice", good + "stateDir: a\nstateDir: b\n", "stateDir: is given twice"},
		{"scalar for a section", swap("{interface: eth0, providerAddress: 172.16.0.1}", "eth0"), "line 3: host.underlay: want keys and values"},
		{"section for a scalar", swap("name: host-a", "name: {a: b}"), "line 2: host.name: want a single value"},
		{"scalar for a list", good + "  ovsdb: {endpoints: tcp}\n", "controller.ovsdb.endpoints: want a list"},
		{"host.name", swap("  name: host-a\n", ""), "host.name: missing"},
		{"interface", swap("interface: eth0, ", ""), "host.underlay.interface: missing"},
		{"interface's name", swap("eth0", "a-name-too-long-for-linux"), `host.underlay.interface: "a-name-too-long-for-linux" is not a device's name`},
		{"providerAddress missing", swap(", providerAddress: 172.16.0.1", ""), "host.underlay.providerAddress: missing"},
		{"providerAddress", swap("172.16.0.1", "172.16.0.300"), `host.underlay.providerAddress: "172.16.0.300" is not a host's address`},
		{"providerAddress a prefix", swap("172.16.0.1", "172.16.0.1/24"), `"172.16.0.1/24" is not a host's address`},
		{"providerAddress multicast", swap("172.16.0.1", "224.0.0.1"), `"224.0.0.1" is not a host's address`},
		{"providerAddress loopback", swap("172.16.0.1", "127.0.0.1"), `"127.0.0.1" is not a host's address`},
		{"controller.type missing", swap("  type: rest\n", ""), "controller.type: missing: want rest or ovsdb or host-agent or file"},
		{"controller.type", swap("type: rest", "type: soap"), `controller.type: "soap": want rest or`},
		{"url missing", swap("    url: https://nc.contoso.example\n", ""), "controller.rest.url: missing"},
		{"url", swap("https://nc.contoso.example", "ftp://me:secret@nc"), "controller.rest.url: want https://HOST[:PORT]"},
		{"pollInterval", swap("url:", "pollInterval: soon\n    url:"), `line 7: controller.rest.pollInterval: "soon" is not a duration, want one such as 2s`},
		{"pollInterval without unit", swap("url:", "pollInterval: 2\n    url:"), `controller.rest.pollInterval: "2" is not a duration`},
		{"pollInterval short", swap("url:", "pollInterval: 1ms\n    url:"), "controller.rest.pollInterval: 1ms is too short, want 10ms or more"},
		{"cert without key", swap(", key: /etc/pki/host.key", ""), "controller.rest.tls.key: missing"},
		{"key without cert", swap("cert: host.pem, ", ""), "controller.rest.tls.cert: missing"},
		{"kerberos without keytab", swap("url:", "kerberos: {principal: host-a$}\n    url:"), "controller.rest.kerberos.keytab: missing"},
		{"kerberos without principal", swap("url:", "kerberos: {keytab: a}\n    url:"), "controller.rest.kerberos.principal: missing"},
		{"providerAddresses", swap("172.16.0.2", "host-b.example"), `controller.rest.providerAddresses.host-b: "host-b.example" is not a host's address`},
		{"virtualSubnetIds range", swap("5001", "4095"), `controller.rest.virtualSubnetIds."/virtualNetworks/v/subnets/s": 4095: want 4096 to 16777214`},
		{"virtualSubnetIds word", swap("5001", "web"), `controller.rest.virtualSubnetIds./virtualNetworks/v/subnets/s: "web" is not a number`},
		{"virtualSubnetIds negative", swap("5001", "-1"), `"-1" is not a number`},
		{"writes", swap("url:", "writes: true\n    url:"), "line 7: controller.rest.writes: want keys and values"},
		{"writes word", swap("url:", "writes: {ipConfigurations: often}\n    url:"), `line 7: controller.rest.writes.ipConfigurations: "often" is neither true nor false`},
		{"writes unknown", swap("url:", "writes: {everything: true}\n    url:"), "line 7: controller.rest.writes.everything: unknown key, want configurationState, ipConfigurations"},
		{"writes elsewhere", strings.Replace(swap("url:", "writes: {configurationState: true}\n    url:"), "type: rest", "type: ovsdb", 1),
			`controller.rest.writes: only a controller of type rest is written to, this is "ovsdb"`},
		{"encapsulation", good + "encapsulation: geneve\n", `encapsulation: "geneve": want auto or vxlan or nvgre`},
		{"acl.default", good + "acl: {default: maybe}\n", `acl.default: "maybe": want block or allow`},
		{"acl.combine", good + "acl: {combine: any}\n", `acl.combine: "any": want all or nic`},
		{"socket empty", good + "api: {socket: \"\"}\n", "api.socket: must not be empty"},
		{"socket long", good + "api: {socket: " + strings.Repeat("s", 108) + "}\n", "api.socket: "},
		{"stateDir empty", good + "stateDir: \"\"\n", "stateDir: must not be empty"},
		{"bpfDir empty", good + "bpfDir: \"\"\n", "bpfDir: must not be empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, c.text)
			_, err := Load(path)
			if err == nil {
				t.Fatal("taken")
			}
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, path+": ") {
					t.Errorf("%q does not begin with the file's name", line)
				}
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("says %q, want %q in it", err, c.says)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("tells a password: %q", err)
			}
		})
	}
}

func TestLoadNamesEveryMistakeAtOnce(t *testing.T) {
	_, err := Load(write(t, "host: {name: a}\ncontroller: {type: rest}\nencapsulation: gre\n"))
	if err == nil {
		t.Fatal("taken")
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 4 {
		t.Errorf("%d lines, want 4 (interface, providerAddress, url, encapsulation):\n%v", n, err)
	}
}

func TestLoadMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

// TestSocket: clients find the agent also by a file that is wrong elsewhere.
func TestSocket(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"colour: blue\napi: {socket: /run/x.sock}\n", "/run/x.sock"},
		{"host: {}\n", DefaultSocket},
		{"", DefaultSocket},
	} {
		if got, err := Socket(write(t, c.text)); err != nil || got != c.want {
			t.Errorf("%q: %s, %v; want %s", c.text, got, err, c.want)
		}
	}
	path := write(t, "api: {socket: run/agent.sock}\n")
	if got, err := Socket(path); err != nil || got != filepath.Join(filepath.Dir(path), "run/agent.sock") {
		t.Errorf("relative: %s, %v", got, err)
	}
}
