package rest_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/controller-client/rest"
)

// site is a development controller behind real TLS, and what it takes to talk to it.
type site struct {
	*nctest.Controller
	pki    nctest.PKI
	server *httptest.Server
	client nctest.Client
}

func newSite(t *testing.T, opts ...nctest.Options) *site {
	t.Helper()
	pki, err := nctest.EnsurePKI(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return newSiteWith(t, pki, opts...)
}

func newSiteWith(t *testing.T, pki nctest.PKI, opts ...nctest.Options) *site {
	t.Helper()
	leakFree(t)
	opts = append(opts, nctest.Options{})
	c, err := nctest.Open(opts[0])
	if err != nil {
		t.Fatal(err)
	}
	s := &site{Controller: c, pki: pki}
	s.server = httptest.NewUnstartedServer(c.Handler())
	if s.server.TLS, err = pki.ServerTLS(true); err != nil {
		t.Fatal(err)
	}
	s.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	clientTLS, err := pki.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: clientTLS}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = nctest.Client{Base: s.server.URL, HTTP: &http.Client{Transport: transport}}
	return s
}

// leakFree fails the test if goroutines outlive it.
func leakFree(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.After(5 * time.Second)
		for runtime.NumGoroutine() > before {
			select {
			case <-deadline:
				stacks := make([]byte, 1<<20)
				t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
				return
			default:
				runtime.Gosched()
			}
		}
	})
}

func (s *site) config() rest.Config {
	return rest.Config{URLs: []string{s.server.URL}, PollInterval: 5 * time.Millisecond,
		TLS: rest.TLS{CA: s.pki.CA, Cert: s.pki.HostCert, Key: s.pki.HostKey}}
}

func (s *site) put(t *testing.T, ref string, body any) {
	t.Helper()
	if _, err := s.client.Put(t.Context(), ref, body); err != nil {
		t.Fatal(err)
	}
}

// watch runs a source and answers a function that waits for an update with some property.
func watch(t *testing.T, cfg rest.Config) (until func(what string, ok func(cc.Update) bool) cc.Update) {
	t.Helper()
	source, err := rest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	updates, ended := make(chan cc.Update), make(chan error, 1)
	go func() {
		ended <- source.Run(ctx, func(u cc.Update) {
			select {
			case updates <- u:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return func(what string, ok func(cc.Update) bool) cc.Update {
		t.Helper()
		deadline := time.After(20 * time.Second)
		for {
			select {
			case u := <-updates:
				if ok(u) {
					return u
				}
			case <-deadline:
				t.Fatalf("no update with %s", what)
			}
		}
	}
}

func hasSnapshot(u cc.Update) bool { return u.Snapshot != nil }
func failed(u cc.Update) bool      { return u.Status.Message != "" }

func TestTwoTenantsOverTLS(t *testing.T) {
	s := newSite(t)
	s.put(t, "/servers/host-a", nctest.ServerBody{ProviderAddresses: []string{"172.16.0.1"}})
	s.put(t, "/accessControlLists/web", nctest.AccessControlListBody{Rules: []nctest.ACLRuleBody{
		{ID: "https", Action: "Allow", Protocol: "TCP", DestinationPorts: "443", Priority: 100}}})
	for _, tenant := range []string{"blue", "red"} {
		s.put(t, "/virtualNetworks/"+tenant, nctest.VirtualNetworkBody{
			AddressPrefixes: []string{"10.0.0.0/16"},
			Subnets:         []nctest.SubnetBody{{ID: "s1", AddressPrefix: "10.0.1.0/24", ACL: "/accessControlLists/web", Gateway: "10.0.1.254"}},
		})
		s.put(t, "/networkInterfaces/"+tenant+"-1", nctest.NetworkInterfaceBody{
			MAC: "001DD8070001", Server: "/servers/host-a", MACSpoofing: tenant == "red",
			IPConfigurations: []nctest.IPConfigurationBody{{ID: "ip", Address: "10.0.1.4", Subnet: "/virtualNetworks/" + tenant + "/subnets/s1"}},
		})
	}
	s.put(t, "/virtualNetworkManager/configuration", nctest.EncapsulationBody("NVGRE"))

	until := watch(t, s.config())
	got := until("a snapshot", hasSnapshot).Snapshot
	tenant := func(name string, vsid uint32) cc.VirtualNetwork {
		return cc.VirtualNetwork{
			Meta:            cc.Meta{ID: name, Ref: "/virtualNetworks/" + name, ProvisioningState: "Succeeded"},
			AddressPrefixes: []string{"10.0.0.0/16"},
			Subnets: []cc.Subnet{{
				Meta:          cc.Meta{ID: "s1", Ref: "/virtualNetworks/" + name + "/subnets/s1", ProvisioningState: "Succeeded"},
				AddressPrefix: "10.0.1.0/24", AccessControlList: "/accessControlLists/web", VSID: vsid, Gateway: "10.0.1.254",
			}},
		}
	}
	nic := func(name string) cc.NetworkInterface {
		ref := "/networkInterfaces/" + name + "-1"
		return cc.NetworkInterface{
			Meta: cc.Meta{ID: name + "-1", Ref: ref, ProvisioningState: "Succeeded"},
			MAC:  "001DD8070001", Server: "/servers/host-a", MACSpoofing: name == "red",
			IPConfigurations: []cc.IPConfiguration{{
				Meta:             cc.Meta{ID: "ip", Ref: ref + "/ipConfigurations/ip", ProvisioningState: "Succeeded"},
				PrivateIPAddress: "10.0.1.4", AllocationMethod: "Static", Subnet: "/virtualNetworks/" + name + "/subnets/s1",
			}},
		}
	}
	want := &cc.Snapshot{
		Encapsulation:     "NVGRE",
		VirtualNetworks:   []cc.VirtualNetwork{tenant("blue", 5001), tenant("red", 5002)},
		NetworkInterfaces: []cc.NetworkInterface{nic("blue"), nic("red")},
		Servers: []cc.Server{{Meta: cc.Meta{ID: "host-a", Ref: "/servers/host-a", ProvisioningState: "Succeeded"},
			ProviderAddresses: []string{"172.16.0.1"}}},
		AccessControlLists: []cc.AccessControlList{{
			Meta: cc.Meta{ID: "web", Ref: "/accessControlLists/web", ProvisioningState: "Succeeded"},
			Rules: []cc.ACLRule{{
				Meta:     cc.Meta{ID: "https", Ref: "/accessControlLists/web/aclRules/https", ProvisioningState: "Succeeded"},
				Protocol: "TCP", Action: "Allow", Direction: "Inbound", Priority: "100", Logging: "Disabled",
				SourceAddressPrefix: "*", DestinationAddressPrefix: "*", SourcePortRange: "*", DestinationPortRange: "443",
			}},
		}},
	}
	random := cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".InstanceID" || p.Last().String() == ".ETag"
	}, cmp.Ignore())
	if d := cmp.Diff(want, got, random); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if id := got.VirtualNetworks[0].InstanceID; len(id) != 36 || id == got.VirtualNetworks[1].InstanceID {
		t.Errorf("instance ids %q and %q", id, got.VirtualNetworks[1].InstanceID)
	}

	// A change arrives, and broken resources do not keep the rest away.
	if err := s.PutRaw("/networkInterfaces/odd", []byte(`{"resourceId":"odd","properties":7}`)); err != nil {
		t.Fatal(err)
	}
	u := until("a problem", func(u cc.Update) bool { return u.Snapshot != nil && len(u.Problems) > 0 })
	if len(u.Snapshot.NetworkInterfaces) != 2 || u.Problems[0].Resource != "/networkInterfaces[1]" {
		t.Errorf("%d NICs, problems %+v", len(u.Snapshot.NetworkInterfaces), u.Problems)
	}
}

func TestRecoversWhenTheControllerComesBack(t *testing.T) {
	s := newSite(t)
	until := watch(t, s.config())
	until("a snapshot", hasSnapshot)
	s.SetFault(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusInternalServerError)
		return true
	})
	if u := until("a failure", failed); u.Status.State != cc.StateStale || u.Snapshot != nil ||
		u.Status.Message != "GET /networking/v1/networkInterfaces: HTTP 500" {
		t.Errorf("update %+v", u)
	}
	s.SetFault(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", "100") // and then hang up
		_, _ = w.Write([]byte(`{"value":[`))
		return true
	})
	until("a cut answer", func(u cc.Update) bool {
		return u.Status.State == cc.StateStale && strings.HasSuffix(u.Status.Message, "answer cut off at byte 10")
	})
	s.SetFault(func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	until("a hang-up", func(u cc.Update) bool { return u.Status.State == cc.StateUnreachable })
	s.SetFault(nil)
	s.put(t, "/servers/back", nctest.ServerBody{})
	if u := until("a snapshot", hasSnapshot); len(u.Snapshot.Servers) != 1 || u.Status.State != cc.StateOK || u.Status.Message != "" {
		t.Errorf("update %+v", u)
	}
}

func TestTLSFailuresAreUnreachable(t *testing.T) {
	s := newSite(t)
	other, err := nctest.EnsurePKI(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	plain := httptest.NewServer(s.Handler())
	t.Cleanup(plain.Close)
	for name, tc := range map[string]struct {
		change func(*rest.Config)
		want   string
	}{
		"controller not trusted": {func(c *rest.Config) { c.TLS.CA = other.CA }, "TLS: failed to verify certificate: x509: certificate signed by unknown authority"},
		"no client certificate":  {func(c *rest.Config) { c.TLS.Cert, c.TLS.Key = "", "" }, "TLS: c"}, // certificate required, or closedAfterHandshake,
		"client of another CA":   {func(c *rest.Config) { c.TLS.Cert, c.TLS.Key = other.HostCert, other.HostKey }, "TLS: "},
		"nobody there":           {func(c *rest.Config) { c.URLs = []string{closed.URL} }, "refused"},
		"no TLS over there":      {func(c *rest.Config) { c.URLs = []string{strings.Replace(plain.URL, "http", "https", 1)} }, "server gave HTTP response to HTTPS client"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			var mu sync.Mutex
			cfg := s.config()
			tc.change(&cfg)
			cfg.URLs[0] = strings.Replace(cfg.URLs[0], "://", "://user:hush@", 1)
			cfg.Logger = slog.New(slog.NewTextHandler(locked{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
			u := watch(t, cfg)("a failure", failed)
			if u.Status.State != cc.StateUnreachable || !strings.Contains(u.Status.Message, tc.want) ||
				!strings.HasPrefix(u.Status.Message, "GET /networking/v1/networkInterfaces: ") {
				t.Errorf("status %+v, want %q", u.Status, tc.want)
			}
			mu.Lock()
			defer mu.Unlock()
			if text := log.String() + u.Status.Message + u.Status.URL; strings.Contains(text, "hush") || strings.Contains(text, "user") {
				t.Errorf("a secret shows in %s", text)
			}
		})
	}
}

type locked struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
