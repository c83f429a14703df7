package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/controller-client/rest"
)

const webSubnet = "/virtualNetworks/contoso/subnets/web"

// desk is a site with a NIC, and a source that writes to it while it runs.
type desk struct {
	*site
	t      *testing.T
	writer cc.Writer
}

func newDesk(t *testing.T, opts nctest.Options) *desk {
	t.Helper()
	d := &desk{site: newSite(t, opts), t: t}
	d.putWhenFree("/virtualNetworks/contoso", nctest.VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16"}, Subnets: []nctest.SubnetBody{
		{ID: "web", AddressPrefix: "10.0.1.0/24"}, {ID: "tiny", AddressPrefix: "10.0.2.0/30"}}})
	d.putWhenFree("/servers/host-a", nctest.ServerBody{})
	d.putWhenFree("/networkInterfaces/n", json.RawMessage(`{"properties":{"privateMacAddress":"001DD8070001","server":{"resourceRef":"/servers/host-a"},
		"futureSetting":{"big":12345678901234567890.50,"html":"<&>"},
		"ipConfigurations":[{"resourceId":"own","properties":{"privateIPAddress":"10.0.1.4","subnet":{"resourceRef":"`+webSubnet+`"},"note":[1,2.0]}}]}}`))
	d.quiet("/networkInterfaces/n")
	source, err := rest.New(d.config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx, func(cc.Update) {}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	d.writer = source
	return d
}

func (d *desk) putWhenFree(ref string, body any) {
	d.t.Helper()
	for {
		_, err := d.client.Put(d.t.Context(), ref, body)
		var refused *nctest.StatusError
		if errors.As(err, &refused) && refused.Status/100 == 4 && refused.Status != http.StatusNotFound {
			continue
		}
		if err != nil {
			d.t.Fatal(err)
		}
		return
	}
}

// quiet waits until a resource is not being changed.
func (d *desk) quiet(ref string) map[string]any {
	d.t.Helper()
	for {
		body := d.get(ref)
		if state := body["properties"].(map[string]any)["provisioningState"]; state == "Succeeded" || state == "Failed" {
			return body
		}
	}
}

func (d *desk) get(ref string) (body map[string]any) {
	d.t.Helper()
	if err := d.client.Get(d.t.Context(), ref, &body); err != nil {
		d.t.Fatal(err)
	}
	return body
}

func (d *desk) ids() string {
	d.t.Helper()
	var ids []string
	for _, c := range d.get("/networkInterfaces/n")["properties"].(map[string]any)["ipConfigurations"].([]any) {
		ids = append(ids, c.(map[string]any)["resourceId"].(string))
	}
	return strings.Join(ids, " ")
}

func request(id string) cc.IPRequest {
	return cc.IPRequest{Ref: "/networkInterfaces/n/ipConfigurations/" + id, Subnet: webSubnet}
}

func bounded(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestWriteIPConfiguration(t *testing.T) {
	d := newDesk(t, nctest.Options{Strict: true})
	ctx := bounded(t, 20*time.Second)
	d.put(t, "/accessControlLists/gate", nctest.AccessControlListBody{})
	before := d.get("/networkInterfaces/n")
	r := request("fl-web")
	r.AccessControlList = "/accessControlLists/gate"
	a, err := d.writer.AddIPConfiguration(ctx, r)
	if err != nil || !netip.MustParsePrefix("10.0.1.0/24").Contains(a) || a == netip.MustParseAddr("10.0.1.4") {
		t.Fatal(a, err)
	}
	n := d.Requests()[nctest.RequestKind{Method: "PUT", Status: 200}]
	if again, err := d.writer.AddIPConfiguration(ctx, r); err != nil || again != a {
		t.Errorf("again: %v, %v", again, err)
	}
	if more := d.Requests()[nctest.RequestKind{Method: "PUT", Status: 200}] - n; more != 0 {
		t.Errorf("%d writes for what was there", more)
	}
	added := d.get(r.Ref)["properties"].(map[string]any)
	if added["accessControlList"].(map[string]any)["resourceRef"] != r.AccessControlList || added["privateIPAllocationMethod"] != "Dynamic" {
		t.Errorf("added: %v", added)
	}
	static := request("fl-static")
	static.Address = netip.MustParseAddr("10.0.1.77")
	if a, err := d.writer.AddIPConfiguration(ctx, static); err != nil || a != static.Address {
		t.Error(a, err)
	}
	for _, c := range []struct {
		name string
		r    cc.IPRequest
		says string
	}{
		{"an address in use", cc.IPRequest{Ref: "/networkInterfaces/n/ipConfigurations/x", Subnet: webSubnet, Address: static.Address}, "HTTP 400 InvalidParameterValue: "},
		{"no such subnet", cc.IPRequest{Ref: "/networkInterfaces/n/ipConfigurations/x", Subnet: webSubnet + "x"}, "HTTP 400 ReferenceNotFound: "},
		{"no such NIC", cc.IPRequest{Ref: "/networkInterfaces/m/ipConfigurations/x", Subnet: webSubnet}, "HTTP 404"},
		{"in another subnet", cc.IPRequest{Ref: r.Ref, Subnet: "/virtualNetworks/contoso/subnets/tiny"}, "is there already, in subnet " + webSubnet},
		{"with another address", cc.IPRequest{Ref: static.Ref, Subnet: webSubnet, Address: netip.MustParseAddr("10.0.1.78")}, "is there already, with address 10.0.1.77"},
		{"not one", cc.IPRequest{Ref: "/networkInterfaces/n", Subnet: webSubnet}, "is not an ipConfiguration's reference"},
	} {
		if a, err := d.writer.AddIPConfiguration(ctx, c.r); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") || errors.Is(err, cc.ErrUnanswered) {
			t.Errorf("%s: %v, %v", c.name, a, err)
		}
	}
	for i := range 2 {
		if found, err := d.writer.RemoveIPConfiguration(ctx, strings.ToUpper(r.Ref[:1])+r.Ref[1:]); err != nil || found != (i == 0) {
			t.Errorf("remove: %v, %v", found, err)
		}
	}
	if found, err := d.writer.RemoveIPConfiguration(ctx, "/networkInterfaces/m/ipConfigurations/x"); err != nil || found {
		t.Errorf("of no NIC: %v, %v", found, err)
	}
	if _, err := d.writer.RemoveIPConfiguration(ctx, static.Ref); err != nil {
		t.Error(err)
	}
	// Everything else is as it was: also what the agent does not know, and how numbers are written.
	after := d.get("/networkInterfaces/n")
	for _, body := range []map[string]any{before, after} {
		delete(body, "etag")
		delete(body["properties"].(map[string]any)["ipConfigurations"].([]any)[0].(map[string]any), "etag")
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
}

func TestWriteKeepsWhatItDoesNotKnow(t *testing.T) {
	d := newDesk(t, nctest.Options{})
	if _, err := d.writer.AddIPConfiguration(bounded(t, 20*time.Second), request("fl-web")); err != nil {
		t.Fatal(err)
	}
	var raw json.RawMessage
	if err := d.client.Get(t.Context(), "/networkInterfaces/n", &raw); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"big":12345678901234567890.50`, `"html":"<&>"`, `"note":[1,2.0]`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %s in %s", want, raw)
		}
	}
}

// TestManyWrite: everybody gets an address, nobody loses one, though all write to the same NIC.
func TestManyWrite(t *testing.T) {
	for name, opts := range map[string]nctest.Options{"at once": {}, "while Updating": {ProvisioningDelay: 20 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, opts)
			ctx := bounded(t, 60*time.Second)
			const many = 16
			var all sync.Map
			var done sync.WaitGroup
			for i := range many {
				done.Go(func() {
					id := fmt.Sprintf("fl-%d", i)
					a, err := d.writer.AddIPConfiguration(ctx, request(id))
					if err != nil {
						t.Error(err)
					} else if other, taken := all.LoadOrStore(a, id); taken {
						t.Errorf("%s for %s and %s", a, id, other)
					}
				})
			}
			done.Wait()
			if n := len(strings.Fields(d.ids())); n != many+1 {
				t.Errorf("%d ipConfigurations: %s", n, d.ids())
			}
			stale := d.Requests()[nctest.RequestKind{Method: "PUT", Status: http.StatusPreconditionFailed}] + d.Requests()[nctest.RequestKind{Method: "PUT", Status: http.StatusConflict}]
			if stale == 0 {
				t.Error("nobody came between: the test proves nothing")
			}
			for i := range many {
				done.Go(func() {
					if found, err := d.writer.RemoveIPConfiguration(ctx, request(fmt.Sprintf("fl-%d", i)).Ref); err != nil || !found {
						t.Error(found, err)
					}
				})
			}
			done.Wait()
			if ids := d.ids(); ids != "own" {
				t.Errorf("left: %s", ids)
			}
		})
	}
}

func TestWriteToWhatStaysBusy(t *testing.T) {
	d := newDesk(t, nctest.Options{ProvisioningDelay: 5 * time.Millisecond})
	d.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"error":{"code":"ResourceBusy","message":"is\nUpdating"}}`))
		return true
	})
	_, err := d.writer.AddIPConfiguration(bounded(t, 300*time.Millisecond), request("fl-web"))
	if err == nil || !strings.HasSuffix(err.Error(), "HTTP 409 ResourceBusy: is Updating") {
		t.Error(err)
	}
	// Another controller's word for it: its state tells.
	d.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusConflict)
		}
		return r.Method == http.MethodPut
	})
	if _, err = d.writer.AddIPConfiguration(bounded(t, 20*time.Second), request("fl-web")); err == nil || !strings.HasSuffix(err.Error(), "HTTP 409") {
		t.Error(err)
	}
}

// TestWriteToWhatWasBusy: a controller whose word for that is another, and which is done when it is looked at again.
func TestWriteToWhatWasBusy(t *testing.T) {
	d := newDesk(t, nctest.Options{})
	handler := d.Handler()
	var writes atomic.Int32
	d.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || writes.Add(1) > 1 {
			return false
		}
		patch, err := http.NewRequestWithContext(r.Context(), http.MethodPatch, "/networking/v1/networkInterfaces/n", strings.NewReader(`{"tags":{}}`))
		if err != nil {
			t.Error(err)
		}
		handler.ServeHTTP(&discard{header: http.Header{}}, patch)
		w.WriteHeader(http.StatusConflict)
		return true
	})
	if _, err := d.writer.AddIPConfiguration(bounded(t, 20*time.Second), request("fl-web")); err != nil || writes.Load() != 2 {
		t.Error(err, writes.Load())
	}
}

// TestWriteSentAway: a controller that asks for patience gets it.
func TestWriteSentAway(t *testing.T) {
	d := newDesk(t, nctest.Options{})
	var writes atomic.Int32
	begin := time.Now()
	d.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || writes.Add(1) > 1 {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	if _, err := d.writer.AddIPConfiguration(bounded(t, 20*time.Second), request("fl-web")); err != nil {
		t.Error(err)
	}
	if n, took := writes.Load(), time.Since(begin); n != 2 || took < time.Second {
		t.Errorf("%d writes in %v", n, took)
	}
}

// TestWriteFailsOver: the source turns to another address of the controller while somebody writes.
func TestWriteFailsOver(t *testing.T) {
	d := newDesk(t, nctest.Options{})
	dead := httptest.NewServer(nil)
	dead.Close()
	cfg := d.config()
	cfg.URLs = []string{dead.URL, d.server.URL}
	source, err := rest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(bounded(t, 20*time.Second))
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx, func(cc.Update) {}) }()
	for err = errors.New("not tried"); err != nil && ctx.Err() == nil; {
		_, err = source.AddIPConfiguration(ctx, request("fl-web"))
	}
	cancel()
	if err := errors.Join(err, <-ended); err != nil || d.ids() != "own fl-web" {
		t.Error(err, d.ids())
	}
}

func TestWriteFailsLate(t *testing.T) {
	d := newDesk(t, nctest.Options{ProvisioningDelay: 5 * time.Millisecond, Strict: true})
	// The MAC is to be allocated, and there is no pool: provisioning fails, with the word of the controller.
	d.put(t, "/networkInterfaces/m", json.RawMessage(`{"properties":{"privateMacAllocationMethod":"Dynamic"}}`))
	d.quiet("/networkInterfaces/m")
	_, err := d.writer.AddIPConfiguration(bounded(t, 20*time.Second), cc.IPRequest{Ref: "/networkInterfaces/m/ipConfigurations/fl-web", Subnet: webSubnet})
	if err == nil || !strings.Contains(err.Error(), "fl-web: provisioningState is Failed: MacAddressesExhausted: ") {
		t.Error(err)
	}
}

func TestAddressesRunOut(t *testing.T) {
	d := newDesk(t, nctest.Options{Strict: true})
	r := request("fl-1")
	r.Subnet = "/virtualNetworks/contoso/subnets/tiny"
	_, err := d.writer.AddIPConfiguration(bounded(t, 20*time.Second), r)
	for i := 0; err == nil && i < 4; i++ {
		r.Ref += "1"
		_, err = d.writer.AddIPConfiguration(bounded(t, 20*time.Second), r)
	}
	var refused *cc.WriteError
	if !errors.As(err, &refused) || refused.Status != 409 || refused.Code != "IPAddressesExhausted" {
		t.Error(err)
	}
}

// TestWriteWithoutAnswer: whether a write that broke off has happened, reading tells; it is not made blindly again.
func TestWriteWithoutAnswer(t *testing.T) {
	for _, c := range []struct {
		name      string
		happens   bool
		failures  int32
		writes    int32
		succeeds  bool
		addresses string
	}{
		{"before it happened", false, 1, 2, true, "own fl-web"},
		{"after it happened", true, 1, 1, true, "own fl-web"},
		{"always", false, 99, 3, false, "own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, nctest.Options{})
			var writes atomic.Int32
			handler := d.Handler()
			d.SetFault(func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPut || r.Header.Get("X-Inner") != "" {
					return false
				}
				if writes.Add(1) > c.failures {
					return false
				}
				if c.happens {
					r.Header.Set("X-Inner", "1")
					handler.ServeHTTP(&discard{header: http.Header{}}, r)
				}
				panic(http.ErrAbortHandler)
			})
			_, err := d.writer.AddIPConfiguration(bounded(t, 20*time.Second), request("fl-web"))
			if (err == nil) != c.succeeds || err != nil && !errors.Is(err, cc.ErrUnanswered) {
				t.Error(err)
			}
			if n := writes.Load(); n != c.writes {
				t.Errorf("%d writes, want %d", n, c.writes)
			}
			if ids := d.ids(); ids != c.addresses {
				t.Errorf("ipConfigurations %s, want %s", ids, c.addresses)
			}
		})
	}
}

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }

func TestReportState(t *testing.T) {
	d := newDesk(t, nctest.Options{ProvisioningDelay: 20 * time.Millisecond})
	ctx := bounded(t, 20*time.Second)
	d.putWhenFree("/servers/host-a", nctest.ServerBody{ProviderAddresses: []string{"172.16.0.1"}})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	state := cc.ConfigurationState{Status: cc.StatusFailure, LastUpdated: at, ID: "i", Details: []cc.StateDetail{{Source: "s", Message: "m", Code: cc.CodePA}}}
	etag, err := d.writer.ReportState(ctx, "/servers/host-a", state) // it is Updating
	if err != nil {
		t.Fatal(err)
	}
	whole := d.get("/servers/host-a")
	if whole["etag"] != etag {
		t.Errorf("etag %s, want %v", etag, whole["etag"])
	}
	body := whole["properties"].(map[string]any)
	want := map[string]any{"status": "Failure", "lastUpdatedTime": "2026-01-02T03:04:05Z", "id": "i",
		"detailedInfo": []any{map[string]any{"source": "s", "message": "m", "code": "PAAddressConfigurationFailure"}}}
	if diff := cmp.Diff(want, body["configurationState"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{"172.16.0.1"}, body["fairlead"].(map[string]any)["providerAddresses"]); diff != "" || body["provisioningState"] != "Succeeded" {
		t.Error(diff, body["provisioningState"])
	}
	if _, err := d.writer.ReportState(ctx, "/servers/nobody", state); !errors.Is(err, cc.ErrGone) {
		t.Error(err)
	}
	for _, status := range []int{403, 405} {
		d.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPatch {
				w.WriteHeader(status)
			}
			return r.Method == http.MethodPatch
		})
		if _, err := d.writer.ReportState(ctx, "/servers/host-a", state); !errors.Is(err, cc.ErrRefused) {
			t.Error(err)
		}
	}
}
