package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-net/fairlead/agent/api"
	cc "github.com/fairlead-net/fairlead/controller-client"
)

var update = flag.Bool("update", false, "write what is printed now to testdata")

// fakeAgent answers with a little of everything, or with an error.
type fakeAgent struct {
	err      error
	degraded bool
	attached api.AttachRequest
	traced   api.TraceRequest
	watched  api.EventFilter
}

var web = api.Endpoint{Name: "web", NIC: "nic-web1", Network: "contoso", Subnet: "web", MAC: "00:1d:d8:07:00:01", Addresses: []string{"10.0.1.11", "10.0.1.21"},
	Netns: "/run/netns/web", Ifname: "eth0", Device: "fl0123456789ab", MTU: 1450, State: "up",
	Counters: api.Counters{RxPackets: 10, RxBytes: 1000, TxPackets: 12, TxBytes: 1200, Drops: map[string]uint64{"ca-spoof": 2, "acl-inbound": 1},
		Meter: map[string]api.Meter{"network": {RxPackets: 10, RxBytes: 1000, TxPackets: 12, TxBytes: 1200}}, Flows: &api.FlowCounters{Now: 1, Created: 3, Evicted: 1}}}

func (a *fakeAgent) Status() (*api.Status, error) {
	s := &api.Status{Kinded: api.Kinded{APIVersion: api.Version, Kind: "Status"}, Host: "host-a", Version: "v1.0.0", Problems: []cc.Problem{},
		Controller: cc.Status{Type: "rest", URL: "https://nc.example", State: cc.StateOK, Scope: "host", LastSync: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		Model: api.ModelStatus{Generation: 2, Networks: 2, Subnets: 4, Endpoints: 6, Mappings: 6, Rules: 2,
			VSIDSource: map[string]int{"source": 3, "derived": 1}, PASource: map[string]int{"config": 3, "none": 2}, PAMissing: []string{"host-x", "host-y"}},
		Datapath: api.DatapathStatus{Type: "ebpf", Encapsulation: "vxlan", Generation: 5, Ports: 1, Flows: 7}}
	if a.degraded {
		s.Problems = []cc.Problem{{Code: "acl-rule-invalid", Severity: "error", Resource: "/accessControlLists/gate", Message: "properties.destinationPortRange \"443-80\": left out"},
			{Code: "endpoint-outdated", Severity: "warning", Resource: "/networkInterfaces/nic-web1", Message: "detach it"}}
	}
	return s, a.err
}
func (a *fakeAgent) Ready() error { return nil }
func (a *fakeAgent) Endpoints() ([]api.Endpoint, error) {
	down := api.Endpoint{Name: "zoo", NIC: "nic-zoo", MAC: "00:1d:d8:07:00:09", Addresses: []string{"10.0.1.9"}, Netns: "/run/netns/zoo", Ifname: "eth0",
		Device: "flba9876543210", MTU: 1450, State: "down", Message: "device flba9876543210 is gone", Counters: api.Counters{Drops: map[string]uint64{}}}
	return []api.Endpoint{web, down}, a.err
}
func (a *fakeAgent) Attach(_ context.Context, r api.AttachRequest) (*api.Endpoint, error) {
	a.attached = r
	return &web, a.err
}
func (a *fakeAgent) Detach(context.Context, string) error { return a.err }
func (a *fakeAgent) Networks() []api.Network {
	return []api.Network{{ID: "contoso", Name: "contoso", RDID: "6f0f2b62-0000-0000-0000-000000000001", AddressPrefixes: []string{"10.0.0.0/16", "192.168.0.0/24"}}}
}
func (a *fakeAgent) Subnets() []api.Subnet {
	return []api.Subnet{{Network: "contoso", ID: "app", Prefix: "10.0.2.0/24", VSID: 5002, Gateway: "10.0.2.1", ACL: "/accessControlLists/gate"},
		{Network: "contoso", ID: "true", Prefix: "10.0.1.0/24", VSID: 5001, Gateway: "10.0.1.1"}}
}
func (a *fakeAgent) RouteTables() []api.RouteTable {
	return []api.RouteTable{{ID: "edge", ResourceRef: "/routeTables/edge", Subnets: []string{"/virtualNetworks/contoso/subnets/web"},
		Routes: []api.Route{{ID: "out", Prefix: "0.0.0.0/0", Type: "VirtualAppliance", NextHop: "10.0.2.4"}, {ID: "hole", Prefix: "192.0.2.0/24", Type: "None"}}}}
}
func (a *fakeAgent) LoadBalancers() []api.LoadBalancer {
	return []api.LoadBalancer{{ID: "lb", ResourceRef: "/loadBalancers/lb", Frontends: []api.Frontend{{ID: "vip", PublicAddress: "/publicIPAddresses/p1"}},
		BackendPools: []api.BackendPool{{ID: "pool", IPConfigurations: []string{"/networkInterfaces/nic-web1/ipConfigurations/ip1"}}},
		Rules: []api.BalancerRule{{ID: "https", Kind: "balance", Protocol: "TCP", Frontends: []string{"/loadBalancers/lb/frontendIPConfigurations/vip"}, FrontendPort: "443", BackendPort: "8443",
			BackendPool: "/loadBalancers/lb/backendAddressPools/pool", DirectReturn: true},
			{ID: "ssh", Kind: "inbound-nat", Protocol: "TCP", FrontendPort: "50001", BackendPort: "22", IPConfiguration: "/networkInterfaces/nic-web1/ipConfigurations/ip1"}}}}
}
func (a *fakeAgent) PublicAddresses() []api.PublicAddress {
	return []api.PublicAddress{{ID: "p1", Address: "203.0.113.5", AllocationMethod: "Static", IPConfiguration: "/loadBalancers/lb/frontendIPConfigurations/vip"}, {ID: "p2", AllocationMethod: "Dynamic"}}
}
func (a *fakeAgent) Mappings() []api.Mapping {
	return []api.Mapping{{Network: "contoso", Subnet: "web", VSID: 5001, CA: "10.0.1.11", MAC: "00:1d:d8:07:00:01", PA: "172.16.0.1", Host: "host-a", Local: true},
		{Network: "contoso", Subnet: "web", VSID: 5001, CA: "10.0.1.12", MAC: "00:1d:d8:07:00:02"}}
}
func (a *fakeAgent) ACLs() ([]api.ACL, error) {
	return []api.ACL{{ID: "gate", ResourceRef: "/accessControlLists/gate", Rules: []api.Rule{{ID: "https", Direction: "inbound", Action: "allow", Protocol: "tcp",
		Source: "10.0.0.0/8,192.0.2.1/32", Destination: "*", SourcePorts: "*", DestinationPorts: "443,8443-8450", Priority: 100, Logging: true, Packets: 3, Bytes: 300, LastHit: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		{ID: "ping", Direction: "inbound", Action: "allow", Protocol: "icmp", Source: "*", Destination: "*", SourcePorts: "*", DestinationPorts: "*", ICMP: "8,3/4", Priority: 110}},
		Defaults: []api.Default{{Direction: "outbound", Action: "allow"}, {Direction: "inbound", Action: "block", Packets: 4, Bytes: 400}}}}, a.err
}
func (a *fakeAgent) Flows() ([]api.Flow, error) {
	return []api.Flow{{Endpoint: "web", Direction: "outbound", Protocol: "tcp", Source: "10.0.1.11", SourcePort: 40000, Destination: "10.0.2.11", DestinationPort: 443,
		State: "established", Packets: 9, Bytes: 900, PacketsOut: 5, BytesOut: 600, PacketsIn: 4, BytesIn: 300, AgeSeconds: 61.25, IdleSeconds: 2.5, Meter: "network", Rules: []string{"/accessControlLists/gate https"}, Transposition: "vxlan 5002 172.16.0.2"}}, a.err
}
func (a *fakeAgent) Layers(port string) (*api.PortLayers, error) {
	two, three := uint64(2), uint64(120)
	return &api.PortLayers{Kinded: api.Kinded{APIVersion: api.Version, Kind: "PortLayers"}, Port: port, Layers: []api.Layer{
		{Name: "PORT_SECURITY", Groups: []api.LayerGroup{{Name: "port-security", Direction: "outbound", Type: "both", Priority: 1, Rules: []api.LayerRule{
			{ID: "source-mac", Type: "guard", Priority: 1, Conditions: []api.Condition{{Field: "source MAC", Value: "not 00:1d:d8:07:00:01"}}, Action: "block", Packets: &two}}}}},
		{Name: "FW_ADMIN_LAYER_ID", Groups: []api.LayerGroup{
			{Name: "/adminRules", Direction: "outbound", Type: "IPv4", Priority: 1, Rules: []api.LayerRule{
				{ID: "smtp", Type: "filter", Priority: 10, Conditions: []api.Condition{{Field: "protocol", Value: "tcp"}, {Field: "destination port", Value: "25"}}, Action: "block", Logging: true,
					Packets: &two, Bytes: &three, LastHit: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
				{ID: "default-outbound", Type: "filter", Priority: 1<<32 - 1, Conditions: []api.Condition{}, Action: "allow"}}},
			{Name: "/adminRules", Direction: "inbound", Type: "IPv4", Priority: 1, Rules: []api.LayerRule{}}}}}}, a.err
}

// Events tells two, and ends with an error.
func (a *fakeAgent) Events(_ context.Context, f api.EventFilter) (func() (api.Event, error), error) {
	a.watched = f
	kinded, when := api.Kinded{APIVersion: api.Version, Kind: "Event"}, time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	left := []api.Event{
		{Kinded: kinded, Event: "acl", Time: when, Endpoint: "web", Network: "contoso", Direction: "inbound", Protocol: "tcp", Source: "fd00::4", SourcePort: 40000,
			Destination: "fd00::5", DestinationPort: 443, Length: 74, ACL: "/accessControlLists/gate", Rule: "https", Action: "block", Suppressed: 3},
		{Kinded: kinded, Event: "drop", Time: when, Direction: "inbound", Length: 60, Reason: "pa-spoof", Lost: 7}}
	return func() (api.Event, error) {
		if len(left) == 0 {
			return api.Event{}, errors.New("the datapath ended it")
		}
		e := left[0]
		left = left[1:]
		return e, nil
	}, a.err
}
func (a *fakeAgent) Trace(r api.TraceRequest) (*api.Trace, error) {
	a.traced = r
	return &api.Trace{Kinded: api.Kinded{APIVersion: api.Version, Kind: "Trace"}, Verdict: "drop", Reason: "acl-inbound", DatapathAgrees: true,
		Encapsulation: &api.TraceEncapsulation{Type: "vxlan", VSID: 5002, Source: "172.16.0.1", Destination: "172.16.0.2"},
		Steps: []api.TraceStep{{Host: "host-a", Layer: "VNET_ENCAP_LAYER", Direction: "outbound", Rule: "10.0.2.11", Action: "encapsulate", Note: "vxlan vsid 5002 to 172.16.0.2"},
			{Host: "host-b", Layer: "FW_CONTROLLER_LAYER_ID", Direction: "inbound", Group: "/accessControlLists/gate", Rule: "default-inbound", Action: "block", Note: "no rule matches"}}}, a.err
}

// serve puts the fake on a socket.
func (a *fakeAgent) serve(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: api.Handler(a)}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return socket
}

func runIt(args ...string) (code int, stdout, stderr string) {
	var o, e bytes.Buffer
	code = run(args, &o, &e)
	return code, o.String(), e.String()
}

var age = regexp.MustCompile(`\S+ ago`)

// TestGolden: what every reading command prints, in every form.
func TestGolden(t *testing.T) {
	socket := (&fakeAgent{degraded: true}).serve(t)
	for _, c := range []struct {
		args string
		code int
	}{
		{"status", exitDegraded}, {"network list", 0}, {"subnet list", 0}, {"mapping list", 0}, {"acl list", 0}, {"route list", 0}, {"loadbalancer list", 0}, {"publicaddress list", 0}, {"endpoint list", 0}, {"flow list", 0},
		{"trace --from web --to 10.0.2.11 --dport 8080", 0}, {"version", 0}, {"vfp list-layer --port web", 0}, {"vfp list-group --port web", 0},
		{"vfp list-rule --port web --layer fw_admin_layer_id", 0},
	} {
		for _, form := range []string{"table", "json", "yaml"} {
			words := strings.Fields(c.args)
			name := words[0] + "." + form
			if words[0] == "vfp" {
				name = words[1] + "." + form
			}
			t.Run(name, func(t *testing.T) {
				code, stdout, stderr := runIt(append(words, "--socket", socket, "-o", form)...)
				if code != c.code || stderr != "" {
					t.Errorf("exit code %d, want %d: %s", code, c.code, stderr)
				}
				if form == "table" {
					stdout = age.ReplaceAllString(stdout, "AGE ago")
				}
				path := filepath.Join("testdata", name)
				if *update {
					if err := os.WriteFile(path, []byte(stdout), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), stdout); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestExitCodes(t *testing.T) {
	good := (&fakeAgent{}).serve(t)
	missing := (&fakeAgent{err: api.Errorf(404, `NIC "x" is not known to the controller`)}).serve(t)
	conflict := (&fakeAgent{err: api.Errorf(409, `endpoint "web" exists`)}).serve(t)
	attach := "endpoint attach web --netns /run/netns/web "
	for _, c := range []struct {
		args, socket string
		code         int
		stderr       string
	}{
		{"status", good, exitOK, ""},
		{"version", "", exitOK, ""},
		{"completion bash", "", exitOK, ""},
		{"endpoint", "", exitOK, ""},
		{attach + "--nic nic-web1", good, exitOK, "web attached: NIC nic-web1, 10.0.1.11 10.0.1.21, MTU 1450"},
		{"endpoint detach web", good, exitOK, "web detached"},
		{"status", missing, exitNotFound, "not known"},
		{attach + "--nic x", missing, exitNotFound, `NIC "x" is not known to the controller`},
		{attach + "--nic x", conflict, exitFailed, `endpoint "web" exists`},
		{"endpoint detach web", missing, exitNotFound, "not known"},
		{"status", "/nonexistent/sock", exitUnreachable, "Start it with: fairlead agent --config"},
		{attach + "--nic x", "/nonexistent/sock", exitUnreachable, "agent unreachable"},
		{"bogus", good, exitUsage, `unknown command "bogus"`},
		{"endpoint bogus", good, exitUsage, `unknown command "bogus" for "fairlead endpoint"`},
		{"endpoint list extra", good, exitUsage, "extra"},
		{"endpoint attach", good, exitUsage, "accepts 1 arg"},
		{"endpoint attach web --nic x", good, exitUsage, "--netns PATH is required"},
		{attach, good, exitUsage, "--nic"},
		{attach + "--subnet s", good, exitUsage, "--nic"},
		{attach + "--network nat0", good, exitOK, "web attached"},
		{"flow list --sort colour", good, exitFailed, `sort: "colour": want age`},
		{"flow list --proto=", good, exitUsage, "--proto: must not be empty"},
		{"vfp list-rule", good, exitUsage, "--port NAME is required"},
		{"vfp list-rule --port web --layer X", good, exitNotFound, `port "web" has no layer "X"`},
		{"vfp list-rule --port web --group X", good, exitNotFound, `port "web" has no group "X"`},
		{"vfp list-layer --port web", missing, exitNotFound, "not known"},
		{"monitor --output yaml", good, exitUsage, `"yaml": want table or json`},
		{"monitor --kind dorp", good, exitFailed, `kind: "dorp"`},
		{"monitor --limit 1", "/nonexistent/sock", exitUnreachable, "agent unreachable"},
		{attach + "--nic x --ip 10.0.1.1", good, exitUsage, "goes without"},
		{"endpoint detach", good, exitUsage, "accepts 1 arg"},
		{"status --bogus", good, exitUsage, "unknown flag: --bogus"},
		{"status -o xml", good, exitUsage, `"xml": want table, json or yaml`},
		{"trace", good, exitUsage, "--from ENDPOINT and --to CA are required"},
		{"trace --from web --to there", good, exitUsage, `--to "there"`},
		{"trace --from web --to 10.0.1.1 --proto sctp", good, exitUsage, `--proto "sctp"`},
		{"trace --from web --to 10.0.1.1 --dport 65536", good, exitUsage, "--dport"},
		{"agent --log-format xml", "", exitUsage, `"xml"`},
	} {
		t.Run(c.args+" "+filepath.Base(filepath.Dir(c.socket)), func(t *testing.T) {
			args := strings.Fields(c.args)
			if c.socket != "" {
				args = append(args, "--socket", c.socket)
			}
			code, stdout, stderr := runIt(args...)
			if code != c.code || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit code %d, %q; want %d, %q", code, stderr, c.code, c.stderr)
			}
			if code != exitOK && stdout != "" {
				t.Errorf("a failure prints %q", stdout)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	a := &fakeAgent{}
	socket := a.serve(t)
	t.Chdir(t.TempDir())
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	runIt("endpoint", "attach", "web", "--netns", "ns", "--ifname", "net1", "--network", "v", "--subnet", "s", "--ip", "10.0.1.4", "--socket", socket)
	if want := (api.AttachRequest{Name: "web", Netns: filepath.Join(wd, "ns"), Ifname: "net1", Network: "v", Subnet: "s", IP: "10.0.1.4"}); a.attached != want {
		t.Errorf("%+v, want %+v", a.attached, want)
	}
	runIt("trace", "--from", "web", "--to", "10.0.1.4", "--proto", "udp", "--sport", "1", "--dport", "53", "--socket", socket)
	if want := (api.TraceRequest{From: "web", To: "10.0.1.4", Proto: "udp", Sport: 1, Dport: 53}); a.traced != want {
		t.Errorf("%+v, want %+v", a.traced, want)
	}
}

// TestWhereTheSocketIs: --socket, else the environment, else the configuration, which may be wrong elsewhere.
func TestWhereTheSocketIs(t *testing.T) {
	socket := (&fakeAgent{}).serve(t)
	file := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(file, []byte("colour: blue\napi: {socket: "+socket+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := runIt("status", "--config", file); code != 0 {
		t.Errorf("by --config: %d %s", code, stderr)
	}
	if code, _, stderr := runIt("status", "--config", file+".gone"); code != exitFailed || !strings.Contains(stderr, file+".gone") {
		t.Errorf("by a file that is not there: %d %s", code, stderr)
	}
	t.Setenv("FAIRLEAD_SOCKET", socket)
	if code, _, stderr := runIt("status"); code != 0 {
		t.Errorf("by environment: %d %s", code, stderr)
	}
	if code, _, _ := runIt("status", "--socket", "/nonexistent/sock"); code != exitUnreachable {
		t.Errorf("--socket does not win: %d", code)
	}
}

const goodConfig = `host: {name: host-a, underlay: {interface: eth0, providerAddress: 172.16.0.1}}
controller: {type: rest, rest: {url: "https://nc.example"}}
stateDir: state
api: {socket: s}
`

func TestCheckConfig(t *testing.T) {
	for _, c := range []struct {
		name, text string
		code       int
		says       []string
	}{
		{"good", goodConfig, 0, nil},
		{"two mistakes", strings.Replace(goodConfig, "name: host-a, ", "", 1) + "encapsulation: gre\n", 1, []string{"host.name: missing", `encapsulation: "gre"`}},
		{"certificate not there", strings.Replace(goodConfig, `.example"`, `.example", tls: {ca: gone.pem}`, 1), 1, []string{"gone.pem"}},
		{"not supported", strings.Replace(goodConfig, "type: rest", "type: ovsdb", 1), 1, []string{"controller.type: ovsdb is not supported yet"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "agent.yaml")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := runIt("check-config", "--config", file)
			if code != c.code || (code == 0) != (stdout == file+": ok\n") || strings.Count(stderr, "\n") != len(c.says) {
				t.Errorf("%d %q %q", code, stdout, stderr)
			}
			for i, line := range strings.Split(strings.TrimSpace(stderr), "\n") {
				if i < len(c.says) && (!strings.Contains(line, file) || !strings.Contains(line, c.says[i])) {
					t.Errorf("%q, want the file and %q", line, c.says[i])
				}
			}
			if c.code == 0 {
				return
			}
			if code, _, stderr := runIt("agent", "--config", file); code != 1 || !strings.Contains(stderr, c.says[0]) {
				t.Errorf("agent: %d %q", code, stderr)
			}
		})
	}
}

// TestMonitor: one line or document per event; what was lost is told apart from the data.
func TestMonitor(t *testing.T) {
	a := &fakeAgent{}
	socket := a.serve(t)
	for form, want := range map[string]string{
		"table": "acl          web              inbound   tcp [fd00::4]:40000 > [fd00::5]:443  block by  /accessControlLists/gate  https  (74 bytes)  and 3 more like it\n" +
			"drop         (host)           inbound   -  pa-spoof  (60 bytes)\n",
		"json": `{"apiVersion":"fairlead/v1","kind":"Event","event":"acl","time":"2026-01-02T03:04:05.006Z","endpoint":"web","network":"contoso","direction":"inbound","protocol":"tcp",` +
			`"source":"fd00::4","sourcePort":40000,"destination":"fd00::5","destinationPort":443,"length":74,"acl":"/accessControlLists/gate","rule":"https","action":"block","suppressed":3}` + "\n" +
			`{"apiVersion":"fairlead/v1","kind":"Event","event":"drop","time":"2026-01-02T03:04:05.006Z","direction":"inbound","length":60,"reason":"pa-spoof","lost":7}` + "\n",
	} {
		code, stdout, stderr := runIt("monitor", "--endpoint", "web", "--kind", "acl,flow", "--limit", "2", "-o", form, "--socket", socket)
		if form == "table" {
			stdout = regexp.MustCompile(`(?m)^\d\d:\d\d:05\.006  `).ReplaceAllString(stdout, "") // the local time
			if !strings.Contains(stderr, "7 events lost") {
				t.Errorf("lost events are not told: %q", stderr)
			}
		}
		if diff := cmp.Diff(want, stdout); diff != "" || code != 0 {
			t.Error(code, stderr, diff)
		}
	}
	if code, _, stderr := runIt("monitor", "--endpoint", "web", "--kind", "acl,flow", "--socket", socket); code != exitFailed || !strings.Contains(stderr, "events: the datapath ended it") {
		t.Errorf("after an error: %d %s", code, stderr)
	}
	if a.watched.Endpoint != "web" || strings.Join(a.watched.Kinds, " ") != "acl flow-closed flow-new" {
		t.Errorf("asked for %+v", a.watched)
	}
}

// TestFlowFilters reach the agent, which filters.
func TestFlowFilters(t *testing.T) {
	socket := (&fakeAgent{}).serve(t)
	for args, want := range map[string]int{"": 1, "--endpoint app": 0, "--proto tcp --port 443 --source 10.0.1.0/24": 1, "--state syn": 0, "--destination 10.0.2.11 --direction outbound --sort bytes --limit 1": 1} {
		_, stdout, stderr := runIt(append(strings.Fields("flow list "+args), "--socket", socket)...)
		if got := strings.Count(stdout, "\n") - 1; got != want || stderr != "" {
			t.Errorf("%s: %d flows, want %d: %s", args, got, want, stderr)
		}
	}
}
