package nctest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

// direct is a transport without a network, for tests with a clock of their own.
type direct struct{ handler http.Handler }

func (t direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

func openDirect(t *testing.T, opts nctest.Options) desk {
	t.Helper()
	c, err := nctest.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return desk{nctest.Client{Base: "http://controller", HTTP: &http.Client{Transport: direct{c.Handler()}}}, t, c}
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (d desk) state(ref string) any {
	d.t.Helper()
	return at(d.get(ref), "properties", "provisioningState")
}

const delay = time.Minute

func TestProvisioningTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDirect(t, nctest.Options{ProvisioningDelay: delay})
		d.put("/virtualNetworks/v", nctest.VirtualNetworkBody{Subnets: []nctest.SubnetBody{{ID: "s"}, {ID: "t"}}})
		equal(t, "at once", []any{d.state("/virtualNetworks/v"), d.state("/virtualNetworks/v/subnets/s")}, "[Updating Updating]")
		equal(t, "again", d.status("PUT", "/virtualNetworks/v", `{}`), "409 ResourceBusy")
		before := d.get("/virtualNetworks/v")["etag"]
		list := d.read(base+"/virtualNetworks", "").etag
		pass(delay)
		equal(t, "later", []any{d.state("/virtualNetworks/v"), d.state("/virtualNetworks/v/subnets/s")}, "[Succeeded Succeeded]")
		if d.get("/virtualNetworks/v")["etag"] == before || d.read(base+"/virtualNetworks", "").etag == list {
			t.Error("the etag stays")
		}

		// A nested write updates what is above and leaves what is beside.
		d.put("/virtualNetworks/v/subnets/s", nctest.SubnetBody{})
		pass(delay / 2)
		d.put("/virtualNetworks/v/subnets/u", nctest.SubnetBody{})
		states := func() []any {
			return []any{d.state("/virtualNetworks/v"), d.state("/virtualNetworks/v/subnets/s"), d.state("/virtualNetworks/v/subnets/t"), d.state("/virtualNetworks/v/subnets/u")}
		}
		equal(t, "both", states(), "[Updating Updating Succeeded Updating]")
		pass(delay / 2)
		equal(t, "the first is done", states(), "[Updating Succeeded Succeeded Updating]")
		pass(delay / 2)
		equal(t, "all", states(), "[Succeeded Succeeded Succeeded Succeeded]")
	})
}

func TestDeletionTakesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDirect(t, nctest.Options{ProvisioningDelay: delay})
		d.tenant()
		pass(delay)
		equal(t, "in use", d.status("DELETE", "/servers/a", ""), "409 ResourceInUse")
		equal(t, "subnet in use", d.status("DELETE", "/virtualNetworks/v/subnets/s", ""), "409 ResourceInUse")
		resp, err := d.HTTP.Do(request(t, "DELETE", d.Base+base+"/networkInterfaces/n", ""))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "accepted", resp.StatusCode, http.StatusAccepted)
		result, operation := resp.Header.Get("Location"), resp.Header.Get("Azure-AsyncOperation")
		equal(t, "meanwhile", d.state("/networkInterfaces/n"), "Deleting")
		equal(t, "a write", d.status("PUT", "/networkInterfaces/n", `{}`), "409 ResourceBusy")
		equal(t, "a nested write", d.status("PUT", "/networkInterfaces/n/ipConfigurations/j", `{}`), "409 ResourceBusy")
		equal(t, "result", d.read(result, "").status, http.StatusAccepted)
		equal(t, "operation", d.read(operation, "").body, `{"status":"InProgress"}`)
		pass(delay)
		equal(t, "gone", d.status("GET", "/networkInterfaces/n", ""), "404 ResourceNotFound")
		equal(t, "result", d.read(result, "").status, http.StatusNoContent)
		equal(t, "operation", d.read(operation, "").body, `{"status":"Succeeded"}`)

		equal(t, "subnet", d.status("DELETE", "/virtualNetworks/v/subnets/s", ""), "202")
		equal(t, "network and subnet", []any{d.state("/virtualNetworks/v"), d.state("/virtualNetworks/v/subnets/s")}, "[Updating Deleting]")
		pass(delay)
		equal(t, "network", d.state("/virtualNetworks/v"), "Succeeded")
		equal(t, "subnet is gone", d.status("GET", "/virtualNetworks/v/subnets/s", ""), "404 ResourceNotFound")

		equal(t, "server", d.status("DELETE", "/servers/a", ""), "202")
		equal(t, "no new reference", d.status("PUT", "/networkInterfaces/n", `{"properties":{"server":{"resourceRef":"/servers/a"}}}`), "400 ReferenceNotFound")
	})
}

// TestProvisioningFails late: a MAC is to be allocated, and there is no pool.
func TestProvisioningFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDirect(t, nctest.Options{ProvisioningDelay: delay, Strict: true})
		resp, err := d.HTTP.Do(request(t, "PUT", d.Base+base+"/networkInterfaces/n", `{"properties":{"privateMacAllocationMethod":"Dynamic"}}`))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "taken", resp.StatusCode, http.StatusCreated)
		pass(delay)
		n := d.get("/networkInterfaces/n")
		equal(t, "state", at(n, "properties", "provisioningState"), "Failed")
		equal(t, "status", at(n, "properties", "configurationState", "status"), "Failure")
		equal(t, "why", at(n, "properties", "configurationState", "detailedInfo", 0, "code"), "MacAddressesExhausted")
		var operation map[string]any
		if err := d.Get(t.Context(), resp.Header.Get("Azure-AsyncOperation")[len(base):], &operation); err != nil {
			t.Fatal(err)
		}
		equal(t, "operation", []any{operation["status"], at(operation, "error", "code")}, "[Failed MacAddressesExhausted]")

		d.put("/macPools/p", map[string]any{"properties": map[string]any{"startMacAddress": "001DD8070000", "endMacAddress": "001DD80700FF"}})
		d.put("/networkInterfaces/n", map[string]any{"properties": map[string]any{"privateMacAllocationMethod": "Dynamic"}})
		pass(delay)
		n = d.get("/networkInterfaces/n")
		equal(t, "repaired", []any{at(n, "properties", "provisioningState"), at(n, "properties", "configurationState", "status"), at(n, "properties", "privateMacAddress")},
			"[Succeeded Success 001DD8070000]")
	})
}

// TestRestartFinishes what was under way.
func TestRestartFinishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := nctest.Options{DataDir: t.TempDir(), ProvisioningDelay: delay}
		d := openDirect(t, opts)
		d.tenant()
		d.put("/virtualNetworks/w", nctest.VirtualNetworkBody{Subnets: []nctest.SubnetBody{{ID: "s"}, {ID: "t"}, {ID: "u"}}})
		pass(delay)
		d.put("/servers/b", nctest.ServerBody{})
		equal(t, "NIC", d.status("DELETE", "/networkInterfaces/n", ""), "202")
		equal(t, "subnet", d.status("DELETE", "/virtualNetworks/w/subnets/s", ""), "202")
		d.put("/virtualNetworks/w/subnets/t", nctest.SubnetBody{})
		pass(delay / 2)
		if err := d.c.Close(); err != nil {
			t.Fatal(err)
		}
		d = openDirect(t, opts)
		states := func() []any {
			return []any{d.state("/servers/b"), d.state("/virtualNetworks/w"), d.state("/virtualNetworks/w/subnets/t"), d.state("/virtualNetworks/w/subnets/u")}
		}
		equal(t, "as it was", states(), "[Updating Updating Updating Succeeded]")
		equal(t, "NIC", d.state("/networkInterfaces/n"), "Deleting")
		pass(delay)
		equal(t, "finished", states(), "[Succeeded Succeeded Succeeded Succeeded]")
		equal(t, "NIC", d.status("GET", "/networkInterfaces/n", ""), "404 ResourceNotFound")
		equal(t, "subnet", d.status("GET", "/virtualNetworks/w/subnets/s", ""), "404 ResourceNotFound")
	})
}
