package agent

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/attach"
	"github.com/fairlead-net/fairlead/agent/config"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model"
)

// fakeDatapath holds a policy and answers traces from the reference pipeline.
type fakeDatapath struct {
	mu        sync.Mutex
	policy    *vfp.Policy
	applied   []time.Time
	fail      error // of Apply
	sweepErr  error
	swept     int
	missing   func(device string) bool
	counters  vfp.Counters
	flows     []vfp.Flow
	lies      bool // Trace disagrees with the model
	changes   []vfp.ACLChange
	changeErr error
	watchers  int
	watchErr  error
	emit      func(vfp.Event) // nil: nobody watches
}

func (d *fakeDatapath) Apply(p *vfp.Policy) (problems []vfp.PortProblem, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.applied = append(d.applied, time.Now())
	if d.fail != nil {
		return nil, d.fail
	}
	for _, port := range p.Ports {
		if d.missing != nil && d.missing(port.Device) {
			problems = append(problems, vfp.PortProblem{PortID: port.ID, Message: "device " + port.Device + " does not exist"})
		}
	}
	d.policy = p
	return problems, nil
}

func (d *fakeDatapath) Status() (vfp.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := vfp.Status{Type: "fake", Generation: uint64(len(d.applied)), Flows: len(d.flows)}
	if d.policy != nil {
		s.Ports = len(d.policy.Ports)
	}
	return s, nil
}

func (d *fakeDatapath) Counters() (vfp.Counters, error) { return d.counters, nil }
func (d *fakeDatapath) Flows() ([]vfp.Flow, error)      { return d.flows, nil }
func (d *fakeDatapath) Close() error                    { return nil }

func (d *fakeDatapath) ChangeACL(c vfp.ACLChange) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changeErr == nil {
		d.changes = append(d.changes, c)
	}
	return d.changeErr
}

// Watch hands out what a test emits.
func (d *fakeDatapath) Watch(ctx context.Context, f func(vfp.Event)) error {
	d.mu.Lock()
	d.watchers++
	d.emit = f
	err := d.watchErr
	d.mu.Unlock()
	if err != nil {
		return err
	}
	<-ctx.Done()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.emit = nil
	return nil
}

func (d *fakeDatapath) Trace(port string, frame []byte) (vfp.Trace, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := model.New(d.policy).TracePort(port, frame)
	t.Steps = nil
	if d.lies {
		t = vfp.Trace{Verdict: vfp.Drop, Reason: vfp.DropNoMapping}
	}
	return t, nil
}

func (d *fakeDatapath) Sweep() (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.swept++
	return 0, d.sweepErr
}

func (d *fakeDatapath) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *fakeDatapath) ports() (ids []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.policy != nil {
		for _, p := range d.policy.Ports {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// fakeWiring is a kernel's devices and namespaces.
type fakeWiring struct {
	mu         sync.Mutex
	namespaces map[string]bool
	devices    map[string]attach.Spec
	mtu        int // of the underlay
	pa         net.IP
	attachErr  error
	detachErr  error
	attached   int
	up         []string
}

func newWiring() *fakeWiring {
	return &fakeWiring{namespaces: map[string]bool{"/run/netns/web": true, "/run/netns/app": true}, devices: map[string]attach.Spec{},
		mtu: 1500, pa: net.IPv4(172, 16, 0, 1)}
}

func (w *fakeWiring) Attach(s attach.Spec) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attached++
	if w.attachErr != nil {
		return w.attachErr
	}
	if !w.namespaces[s.Netns] {
		return errors.Join(errors.New("namespace "+s.Netns), attach.ErrNoNamespace, fs.ErrNotExist)
	}
	for _, d := range w.devices {
		if d.Netns == s.Netns && d.Ifname == s.Ifname {
			return attach.ErrIfnameTaken
		}
	}
	w.devices[s.Device] = s
	return nil
}

func (w *fakeWiring) Up(device string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.devices[device]; !ok {
		return errors.New(device + " up: Link not found")
	}
	w.up = append(w.up, device)
	return nil
}

func (w *fakeWiring) Detach(device string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.detachErr != nil {
		return w.detachErr
	}
	delete(w.devices, device)
	return nil
}

func (w *fakeWiring) Exists(device string) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.devices[device]
	return ok, nil
}

func (w *fakeWiring) UnderlayMTU(device string, pa net.IP) (int, bool, error) {
	if w.mtu == 0 {
		return 0, false, errors.New("underlay device " + device + ": Link not found")
	}
	return w.mtu, w.pa.Equal(pa), nil
}

func (w *fakeWiring) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// fakeSource delivers what a test sends it; send returns when it is delivered.
type fakeSource struct {
	updates chan cc.Update
	done    chan struct{}
	fail    chan error
}

func newSource() *fakeSource {
	return &fakeSource{updates: make(chan cc.Update), done: make(chan struct{}), fail: make(chan error)}
}

func (s *fakeSource) Run(ctx context.Context, deliver func(cc.Update)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.fail:
			return err
		case u := <-s.updates:
			deliver(u)
			s.done <- struct{}{}
		}
	}
}

func (s *fakeSource) send(u cc.Update) {
	s.updates <- u
	<-s.done
}

// pass lets a bubble's time go by, and what falls due happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// bed is an agent with everything around it.
type bed struct {
	*Agent
	t      *testing.T
	cfg    *config.Config
	dp     *fakeDatapath
	wiring *fakeWiring
	source *fakeSource
	nc     *fakeController // that is written to; nil: the source is one that nobody writes to
	log    *logLines
	stop   func()

	writable   *writable  // the source, if nc is written to
	delivering sync.Mutex // a source delivers one at a time
}

func testConfig(t *testing.T) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	text := `host: {name: host-a, underlay: {interface: eth0, providerAddress: 172.16.0.1}}
controller: {type: rest, rest: {url: "https://nc.example"}}
stateDir: state
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func newBed(t *testing.T) *bed {
	t.Helper()
	return (&bed{t: t, cfg: testConfig(t), dp: &fakeDatapath{}, wiring: newWiring()}).restarted()
}

// restarted is a new process on the same host.
func (b *bed) restarted() *bed {
	b.t.Helper()
	n := &bed{t: b.t, cfg: b.cfg, dp: b.dp, wiring: b.wiring, source: newSource(), nc: b.nc, log: &logLines{}}
	var source cc.Source = n.source
	if n.nc != nil {
		n.writable = &writable{fakeSource: n.source, fakeController: n.nc}
		source = n.writable
	}
	var err error
	n.Agent, err = newAgent(n.cfg, source, n.dp, n.wiring, slog.New(n.log), "v-test")
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// started runs the agent until stop, or the end of the test.
func (b *bed) started() *bed {
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	var once sync.Once
	b.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				b.t.Errorf("Run: %v", err)
			}
		})
	}
	b.t.Cleanup(b.stop)
	return b
}

// ok delivers a snapshot as a healthy source does.
func (b *bed) ok(s *cc.Snapshot) {
	b.delivering.Lock()
	defer b.delivering.Unlock()
	b.deliver(cc.Update{Snapshot: s, Status: cc.Status{Type: "rest", URL: "https://nc.example", State: cc.StateOK, LastSync: time.Now()}})
}

func (b *bed) mustAttach(name, nic string) *api.Endpoint {
	b.t.Helper()
	e, err := b.Attach(b.t.Context(), api.AttachRequest{Name: name, Netns: "/run/netns/" + name, NIC: nic})
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

func (b *bed) endpoint(name string) *api.Endpoint {
	b.t.Helper()
	all, err := b.Endpoints()
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range all {
		if all[i].Name == name {
			return &all[i]
		}
	}
	return nil
}

// problem is the first with a code.
func (b *bed) problem(code string) *cc.Problem {
	b.t.Helper()
	s, err := b.Status()
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range s.Problems {
		if s.Problems[i].Code == code {
			return &s.Problems[i]
		}
	}
	return nil
}

// logLines keeps what was logged.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Enabled(context.Context, slog.Level) bool { return true }
func (l *logLines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logLines) WithGroup(string) slog.Handler            { return l }
func (l *logLines) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

func (l *logLines) with(word string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if line == word || len(line) > len(word) && line[:len(word)] == word {
			n++
		}
	}
	return n
}

func meta(ref string) cc.Meta {
	return cc.Meta{ID: filepath.Base(ref), Ref: ref, InstanceID: "id-of-" + ref, ProvisioningState: "Succeeded"}
}

func nicOf(id, mac, server, ca, subnet, acl string) cc.NetworkInterface {
	n := cc.NetworkInterface{Meta: meta("/networkInterfaces/" + id), MAC: mac, IPConfigurations: []cc.IPConfiguration{
		{Meta: meta("/networkInterfaces/" + id + "/ipConfigurations/ip1"), PrivateIPAddress: ca, Subnet: subnet, AccessControlList: acl}}}
	if server != "" {
		n.Server = "/servers/" + server
	}
	return n
}

const (
	webSubnet = "/virtualNetworks/contoso/subnets/web"
	appSubnet = "/virtualNetworks/contoso/subnets/app"
	gateACL   = "/accessControlLists/gate"
)

// fabric has two tenants with the same addresses, three hosts, and an ACL in front of app1.
func fabric() *cc.Snapshot {
	network := func(id string, vsid uint32) cc.VirtualNetwork {
		ref := "/virtualNetworks/" + id
		return cc.VirtualNetwork{Meta: meta(ref), AddressPrefixes: []string{"10.0.0.0/16"}, Subnets: []cc.Subnet{
			{Meta: meta(ref + "/subnets/web"), AddressPrefix: "10.0.1.0/24", VSID: vsid},
			{Meta: meta(ref + "/subnets/app"), AddressPrefix: "10.0.2.0/24", VSID: vsid + 1}}}
	}
	server := func(id, pa string) cc.Server {
		return cc.Server{Meta: meta("/servers/" + id), ProviderAddresses: []string{pa}}
	}
	rule := func(id, action, direction, protocol, dport, priority string) cc.ACLRule {
		return cc.ACLRule{Meta: meta(gateACL + "/aclRules/" + id), Protocol: protocol, Action: action, Direction: direction, Priority: priority,
			SourceAddressPrefix: "*", DestinationAddressPrefix: "*", SourcePortRange: "*", DestinationPortRange: dport}
	}
	return &cc.Snapshot{
		Encapsulation:   "Vxlan",
		VirtualNetworks: []cc.VirtualNetwork{network("contoso", 5001), network("fabrikam", 6001)},
		Servers:         []cc.Server{server("host-a", "172.16.0.1"), server("host-b", "172.16.0.2"), server("host-c", "172.16.0.3")},
		AccessControlLists: []cc.AccessControlList{{Meta: meta(gateACL), Rules: []cc.ACLRule{
			rule("https", "Allow", "Inbound", "TCP", "443", "100"), rule("no-8080", "Deny", "Inbound", "TCP", "8080", "90")}}},
		NetworkInterfaces: []cc.NetworkInterface{
			nicOf("nic-web1", "001DD8070001", "host-a", "10.0.1.11", webSubnet, ""),
			nicOf("nic-web2", "001DD8070002", "host-a", "10.0.1.12", webSubnet, ""),
			nicOf("nic-web3", "001DD8070003", "host-b", "10.0.1.13", webSubnet, ""),
			nicOf("nic-app1", "001DD8070004", "host-b", "10.0.2.11", appSubnet, gateACL),
			nicOf("nic-loose", "001DD8070005", "", "10.0.2.12", appSubnet, ""),
			nicOf("nic-other", "001DD8070011", "host-a", "10.0.1.11", "/virtualNetworks/fabrikam/subnets/web", ""),
		},
	}
}

var _ vfp.Datapath = (*fakeDatapath)(nil)
