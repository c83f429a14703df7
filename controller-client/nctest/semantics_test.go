package nctest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

func TestPatch(t *testing.T) {
	d := open(t, "")
	d.tenant()
	d.put("/networkInterfaces/n", map[string]any{"tags": map[string]any{"a": 1, "b": 2}, "properties": map[string]any{"x": map[string]any{"y": 1, "z": 2}, "list": []any{1, 2}}})
	etag := d.get("/networkInterfaces/n")["etag"].(string)
	equal(t, "patch", d.status("PATCH", "/networkInterfaces/n", `{"tags":{"a":null,"c":3},"properties":{"x":{"z":{"deep":true}},"list":[3]}}`, "If-Match", etag), "200")
	n := d.get("/networkInterfaces/n")
	equal(t, "tags", n["tags"], "map[b:2 c:3]")
	equal(t, "x", at(n, "properties", "x"), "map[y:1 z:map[deep:true]]")
	equal(t, "list", at(n, "properties", "list"), "[3]")
	equal(t, "stale", d.status("PATCH", "/networkInterfaces/n", `{}`, "If-Match", etag), "412 PreconditionFailed")
	equal(t, "nobody", d.status("PATCH", "/networkInterfaces/nobody", `{}`), "404 ResourceNotFound")
	equal(t, "no object", d.status("PATCH", "/networkInterfaces/n", `[]`), "400 InvalidJson")
	equal(t, "other id", d.status("PATCH", "/networkInterfaces/n", `{"resourceId":"m"}`), "400 ResourceIdMismatch")
	equal(t, "references", d.status("PATCH", "/networkInterfaces/n", `{"properties":{"server":{"resourceRef":"/servers/no"}}}`), "400 ReferenceNotFound")
	equal(t, "nested", d.status("PATCH", "/virtualNetworks/v/subnets/s", `{"properties":{"extra":"1"}}`), "200")
	s := at(d.get("/virtualNetworks/v"), "properties", "subnets", 0, "properties")
	equal(t, "nested, merged", []any{at(s, "extra"), at(s, "addressPrefix"), at(s, "fairlead", "vsid")}, "[1 10.0.1.0/24 5001]")
}

// TestNestedCollections: every list that real bodies have is a collection, at any depth.
func TestNestedCollections(t *testing.T) {
	d := open(t, "")
	for _, parent := range []string{"/virtualNetworks/x", "/networkInterfaces/x", "/accessControlLists/x", "/routeTables/x", "/logicalNetworks/x",
		"/loadBalancers/x", "/virtualGateways/x", "/logicalNetworks/x/subnets/y", "/virtualServers/x"} {
		d.put(parent, map[string]any{"properties": map[string]any{}})
	}
	for _, list := range []string{"/virtualNetworks/x/subnets", "/virtualNetworks/x/virtualNetworkPeerings", "/networkInterfaces/x/ipConfigurations",
		"/accessControlLists/x/aclRules", "/routeTables/x/routes", "/logicalNetworks/x/subnets", "/logicalNetworks/x/subnets/y/ipPools",
		"/loadBalancers/x/frontendIPConfigurations", "/loadBalancers/x/backendAddressPools", "/loadBalancers/x/loadBalancingRules",
		"/loadBalancers/x/inboundNatRules", "/loadBalancers/x/outboundNatRules", "/loadBalancers/x/probes",
		"/virtualGateways/x/networkConnections", "/virtualGateways/x/bgpRouters"} {
		before := len(d.get(list)["value"].([]any))
		etag := d.read(base+list, "").etag
		equal(t, list, d.status("PUT", list+"/one", `{"properties":{"a":1}}`), "201")
		equal(t, list, d.status("PUT", list+"/ONE", `{"properties":{"a":2}}`, "If-Match", d.get(list + "/one")["etag"].(string)), "200")
		equal(t, list, at(d.get(list+"/one"), "properties", "a"), "2")
		equal(t, list, len(d.get(list)["value"].([]any)), before+1)
		equal(t, list+" unchanged", d.read(base+list, d.read(base+list, "").etag).status, http.StatusNotModified)
		equal(t, list+" changed", d.read(base+list, etag).status, http.StatusOK)
		equal(t, list, d.status("DELETE", list+"/one", ""), "204")
		equal(t, list, d.status("GET", list+"/one", ""), "404 ResourceNotFound")
		equal(t, list, len(d.get(list)["value"].([]any)), before)
	}
}

func TestRequestsAreCountedAndLogged(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	hooked := map[string]int{}
	d := openDirect(t, nctest.Options{RequestLog: &log, OnRequest: func(begin time.Time, r *http.Request, status int) {
		mu.Lock()
		defer mu.Unlock()
		if !begin.IsZero() {
			hooked[fmt.Sprint(r.Method, " ", r.URL.Path, " ", status)]++
		}
	}})
	d.put("/servers/a", map[string]any{"properties": map[string]any{"secret": "hunter2"}})
	a := d.read(base+"/servers?after=0", "")
	d.read(base+"/servers", d.read(base+"/servers", "").etag)
	equal(t, "missing", d.status("GET", "/servers/b", ""), "404 ResourceNotFound")
	want := map[nctest.RequestKind]int64{{Method: "PUT", Status: 201}: 1, {Method: "GET", Status: 200}: 2, {Method: "GET", Status: 304}: 1, {Method: "GET", Status: 404}: 1}
	if got := d.c.Requests(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	equal(t, "hook", hooked["GET /networking/v1/servers/b 404"], 1)
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log has a body: %s", &log)
	}
	lines := slices.Collect(strings.Lines(log.String()))
	equal(t, "lines", len(lines), 5)
	var line struct {
		Time         time.Time
		Method, Path string
		Status       int
		Bytes        int
		Milliseconds *float64
	}
	if err := json.Unmarshal([]byte(lines[1]), &line); err != nil || line.Time.IsZero() || line.Milliseconds == nil ||
		line.Path != "/networking/v1/servers?after=0" || line.Bytes != len(a.body) || line.Status != 200 || line.Method != "GET" {
		t.Errorf("line %q (%v)", lines[1], err)
	}
}

// TestReport: what a host says of its work stays until the next write of the resource proper, and changes nothing else.
func TestReport(t *testing.T) {
	const delay = time.Minute
	synctest.Test(t, func(t *testing.T) {
		d := openDirect(t, nctest.Options{ProvisioningDelay: delay, Strict: true})
		d.put("/servers/a", map[string]any{"properties": map[string]any{"networkInterfaces": []any{map[string]any{"resourceId": "pnic"}}}})
		const report = `{"properties":{"configurationState":{"status":"Failure","detailedInfo":[{"source":"x","code":"y","message":"z"}]}}}`
		equal(t, "while it is changed", d.status("PATCH", "/servers/a", report), "409 ResourceBusy")
		pass(delay)
		nested := d.get("/servers/a/networkInterfaces/pnic")["etag"]
		etag := d.get("/servers/a")["etag"]
		equal(t, "report", d.status("PATCH", "/servers/a", report), "200")
		s := d.get("/servers/a")
		equal(t, "as reported", []any{at(s, "properties", "configurationState", "status"), at(s, "properties", "configurationState", "detailedInfo", 0, "code"),
			at(s, "properties", "provisioningState"), s["etag"] == etag, at(s, "properties", "networkInterfaces", 0, "etag") == nested}, "[Failure y Succeeded false true]")
		equal(t, "with more", d.status("PATCH", "/servers/a", `{"properties":{"tag":"1","configurationState":{"status":"Failure"}}}`), "200")
		s = d.get("/servers/a")
		equal(t, "a change", []any{at(s, "properties", "configurationState", "status"), at(s, "properties", "provisioningState")}, "[Success Updating]")
		pass(delay)
		equal(t, "report", d.status("PATCH", "/servers/a", report), "200")
		d.put("/servers/a", map[string]any{"properties": s["properties"]})
		equal(t, "written", at(d.get("/servers/a"), "properties", "configurationState", "status"), "Success")
		equal(t, "nobody", d.status("PATCH", "/servers/b", report), "404 ResourceNotFound")
	})
}
