package nctest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

// desk is a controller and a way to talk to it.
type desk struct {
	nctest.Client
	t *testing.T
	c *nctest.Controller
}

func open(t *testing.T, dir string) desk {
	t.Helper()
	c, err := nctest.Open(nctest.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c.Handler())
	t.Cleanup(server.Close)
	return desk{nctest.Client{Base: server.URL, HTTP: server.Client()}, t, c}
}

func (d desk) put(ref string, body any) string {
	d.t.Helper()
	etag, err := d.Put(d.t.Context(), ref, body)
	if err != nil {
		d.t.Fatal(err)
	}
	return etag
}

func (d desk) get(ref string) map[string]any {
	d.t.Helper()
	var out map[string]any
	if err := d.Get(d.t.Context(), ref, &out); err != nil {
		d.t.Fatal(err)
	}
	return out
}

// status of a request with the error code of its body.
func (d desk) status(method, ref, body string, header ...string) string {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.Base+"/networking/v1"+ref, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := d.HTTP.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	var answer struct {
		Error struct{ Code, Message string }
	}
	_ = json.Unmarshal(data, &answer)
	if resp.StatusCode >= 400 && (answer.Error.Code == "" || answer.Error.Message == "") {
		d.t.Errorf("%s %s: HTTP %d without an error body: %s", method, ref, resp.StatusCode, data)
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", answer.Error.Code))
}

// at walks into JSON: at(body, "properties", "subnets", 0).
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// tenant puts one virtual network with one subnet, a server and a NIC.
func (d desk) tenant() {
	d.t.Helper()
	d.put("/servers/a", nctest.ServerBody{ProviderAddresses: []string{"172.16.0.1"}})
	d.put("/virtualNetworks/v", nctest.VirtualNetworkBody{
		AddressPrefixes: []string{"10.0.0.0/16"}, Subnets: []nctest.SubnetBody{{ID: "s", AddressPrefix: "10.0.1.0/24"}}})
	d.put("/networkInterfaces/n", nctest.NetworkInterfaceBody{MAC: "001DD8070001", Server: "/servers/a",
		IPConfigurations: []nctest.IPConfigurationBody{{ID: "i", Address: "10.0.1.4", Subnet: "/virtualNetworks/v/subnets/s"}}})
}

func TestResourceLife(t *testing.T) {
	d := open(t, "")
	d.tenant()
	v := d.get("/virtualNetworks/v")
	equal(t, "resourceRef", v["resourceRef"], "/virtualNetworks/v")
	equal(t, "provisioningState", at(v, "properties", "provisioningState"), "Succeeded")
	equal(t, "configurationState", at(v, "properties", "configurationState", "status"), "Success")
	subnet := at(v, "properties", "subnets", 0)
	equal(t, "subnet", at(subnet, "resourceRef"), "/virtualNetworks/v/subnets/s")
	equal(t, "vsid", at(subnet, "properties", "fairlead", "vsid"), 5001)
	equal(t, "who lives in the subnet", at(subnet, "properties", "ipConfigurations"),
		[]any{map[string]any{"resourceRef": "/networkInterfaces/n/ipConfigurations/i"}})
	equal(t, "NICs of the server", at(d.get("/servers/a"), "properties", "virtualNetworkInterfaces"),
		[]any{map[string]any{"resourceRef": "/networkInterfaces/n"}})
	equal(t, "encapsulation", at(d.get("/virtualNetworkManager/configuration"), "properties", "networkVirtualizationProtocol"), "VXLAN")

	// What was read can be put back, and keeps its identity.
	d.put("/VirtualNetworks/V", v)
	again := d.get("/virtualnetworks/v")
	equal(t, "instanceId", again["instanceId"], v["instanceId"])
	equal(t, "nested instanceId", at(again, "properties", "subnets", 0, "instanceId"), at(subnet, "instanceId"))
	d.put("/servers/a", nctest.ServerBody{}) // a body that does not say who it is
	server := d.get("/servers/a")["instanceId"]
	d.put("/servers/a", nctest.ServerBody{})
	equal(t, "instanceId without saying it", d.get("/servers/a")["instanceId"], server)
	equal(t, "spelling", again["resourceRef"], "/virtualNetworks/v")
	if etag, _ := again["etag"].(string); v["etag"] == etag || !strings.HasPrefix(etag, `W/"`) {
		t.Errorf("etag %s after %s", etag, v["etag"])
	}

	list := d.get("/networkInterfaces")
	equal(t, "list", len(list["value"].([]any)), 1)
	equal(t, "nextLink", list["nextLink"], "")
	equal(t, "empty list", fmt.Sprint(d.get("/routeTables")), "map[nextLink: value:[]]")

	d.put("/networkInterfaces/n/ipConfigurations/j", nctest.IPConfigurationBody{Address: "10.0.1.5", Subnet: "/virtualNetworks/v/subnets/s"})
	equal(t, "nested list", len(d.get("/networkInterfaces/n/ipConfigurations")["value"].([]any)), 2)
	equal(t, "nested", at(d.get("/networkInterfaces/n/ipConfigurations/j"), "properties", "privateIPAddress"), "10.0.1.5")
	equal(t, "two in the subnet", len(at(d.get("/virtualNetworks/v/subnets/s"), "properties", "ipConfigurations").([]any)), 2)
}

func TestStatusCodes(t *testing.T) {
	d := open(t, "")
	d.tenant()
	etag := d.get("/servers/a")["etag"].(string)
	nested := d.get("/virtualNetworks/v/subnets/s")["etag"].(string)
	const nic = `{"properties":{"ipConfigurations":[{"resourceId":"i","properties":{"subnet":{"resourceRef":"%s"}}}]}}`
	for _, step := range []struct{ want, method, ref, body, header, value string }{
		{want: "404 ResourceNotFound", method: "GET", ref: "/servers/nobody"},
		{want: "404 ResourceNotFound", method: "GET", ref: "/nonsense"},
		{want: "404 ResourceNotFound", method: "GET", ref: "/virtualNetworks/v/subnets/nobody"},
		{want: "404 ResourceNotFound", method: "PUT", ref: "/virtualNetworks/w/subnets/s", body: `{}`},
		{want: "404 ResourceNotFound", method: "DELETE", ref: "/servers/nobody"},
		{want: "404 ResourceNotFound", method: "PUT", ref: "/virtualNetworkManager/other", body: `{}`},
		{want: "405 MethodNotAllowed", method: "POST", ref: "/servers", body: `{}`},
		{want: "400 InvalidJson", method: "PUT", ref: "/servers/b", body: `{`},
		{want: "400 InvalidJson", method: "PUT", ref: "/servers/b", body: `{} {}`},
		{want: "400 InvalidJson", method: "PUT", ref: "/servers/b", body: `[]`},
		{want: "400 InvalidJson", method: "PUT", ref: "/servers/b", body: `{"properties":[]}`},
		{want: "400 ResourceIdMismatch", method: "PUT", ref: "/servers/b", body: `{"resourceId":"c"}`},
		{want: "400 ResourceIdMismatch", method: "PUT", ref: "/virtualNetworks/v/subnets/s", body: `{"resourceId":"c"}`},
		{want: "400 ResourceRefMismatch", method: "PUT", ref: "/servers/b", body: `{"resourceRef":"/servers/c"}`},
		{want: "400 InvalidResourceId", method: "PUT", ref: "/virtualNetworks/w", body: `{"properties":{"subnets":[{"properties":{}}]}}`},
		{want: "400 InvalidResourceId", method: "PUT", ref: "/virtualNetworks/w", body: `{"properties":{"subnets":[1]}}`},
		{want: "400 DuplicateResourceId", method: "PUT", ref: "/virtualNetworks/w", body: `{"properties":{"subnets":[{"resourceId":"s"},{"resourceId":"S"}]}}`},
		{want: "400 ReferenceNotFound", method: "PUT", ref: "/networkInterfaces/m", body: fmt.Sprintf(nic, "/virtualNetworks/v/subnets/nobody")},
		{want: "201", method: "PUT", ref: "/networkInterfaces/m", body: fmt.Sprintf(nic, "/networking/v1/VIRTUALNETWORKS/v/subnets/s")},
		{want: "200", method: "PUT", ref: "/networkInterfaces/m", body: `{"resourceId":"M","properties":{"ipConfigurations":""}}`},
		{want: "409 ResourceInUse", method: "DELETE", ref: "/servers/a"},
		{want: "409 ResourceInUse", method: "DELETE", ref: "/virtualNetworks/v"},
		{want: "409 ResourceInUse", method: "DELETE", ref: "/virtualNetworks/v/subnets/s"},
		{want: "409 ResourceInUse", method: "PUT", ref: "/virtualNetworks/v", body: `{"properties":{"subnets":[]}}`},
		{want: "412 PreconditionFailed", method: "PUT", ref: "/servers/a", body: `{}`, header: "If-Match", value: `W/"other"`},
		{want: "412 PreconditionFailed", method: "PUT", ref: "/servers/b", body: `{}`, header: "If-Match", value: "*"},
		{want: "412 PreconditionFailed", method: "PUT", ref: "/servers/a", body: `{}`, header: "If-None-Match", value: "*"},
		{want: "412 PreconditionFailed", method: "DELETE", ref: "/networkInterfaces/m", header: "If-Match", value: `W/"other"`},
		{want: "200", method: "PUT", ref: "/servers/a", body: `{}`, header: "If-Match", value: etag},
		{want: "412 PreconditionFailed", method: "PUT", ref: "/servers/a", body: `{}`, header: "If-Match", value: etag},
		{want: "200", method: "PUT", ref: "/virtualNetworks/v/subnets/s", body: `{}`, header: "If-Match", value: nested},
		{want: "201", method: "PUT", ref: "/servers/b", body: `{}`, header: "If-None-Match", value: "*"},
		{want: "201", method: "PUT", ref: "/virtualNetworks/v/subnets/t", body: `{}`},
		{want: "204", method: "DELETE", ref: "/virtualNetworks/v/subnets/t"},
		{want: "204", method: "DELETE", ref: "/networkInterfaces/m"},
		{want: "204", method: "DELETE", ref: "/networkInterfaces/n"},
		{want: "204", method: "DELETE", ref: "/virtualNetworks/v"},
		{want: "204", method: "DELETE", ref: "/servers/a"},
		{want: "404 ResourceNotFound", method: "GET", ref: "/servers/a"},
		// Only references and shape are judged here.
		{want: "201", method: "PUT", ref: "/accessControlLists/a", body: `{"properties":{"aclRules":[{"resourceId":"r","properties":{"sourceAddressPrefix":"10.0.0.0/99"}}]}}`},
	} {
		var header []string
		if step.header != "" {
			header = []string{step.header, step.value}
		}
		if got := d.status(step.method, step.ref, step.body, header...); got != step.want {
			t.Errorf("%s %s %s %s %s: %s, want %s", step.method, step.ref, step.body, step.header, step.value, got, step.want)
		}
	}
}

func TestVSIDs(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	vsid := func(ref string) any { return at(d.get(ref), "properties", "fairlead", "vsid") }
	network := func(id string, subnets ...nctest.SubnetBody) string {
		_, err := d.Put(t.Context(), "/virtualNetworks/"+id, nctest.VirtualNetworkBody{Subnets: subnets})
		var failed *nctest.StatusError
		if errors.As(err, &failed) {
			return failed.Code
		}
		return ""
	}
	equal(t, "given", network("a", nctest.SubnetBody{ID: "x", VSID: 5002}, nctest.SubnetBody{ID: "y"}, nctest.SubnetBody{ID: "z"}), "")
	equal(t, "x", vsid("/virtualNetworks/a/subnets/x"), 5002)
	equal(t, "y", vsid("/virtualNetworks/a/subnets/y"), 5001)
	equal(t, "z", vsid("/virtualNetworks/a/subnets/z"), 5003)
	equal(t, "taken by another", network("b", nctest.SubnetBody{ID: "x", VSID: 5002}), "VsidInUse")
	equal(t, "taken twice", network("b", nctest.SubnetBody{ID: "x", VSID: 6000}, nctest.SubnetBody{ID: "y", VSID: 6000}), "VsidInUse")
	equal(t, "update without", network("a", nctest.SubnetBody{ID: "z"}), "")
	equal(t, "z kept", vsid("/virtualNetworks/a/subnets/z"), 5003)

	if err := d.c.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, dir) // a freed number is not the next one, even after a restart
	equal(t, "after restart", network("c", nctest.SubnetBody{ID: "x"}), "")
	equal(t, "c", vsid("/virtualNetworks/c/subnets/x"), 5004)
	equal(t, "free again for who asks", network("d", nctest.SubnetBody{ID: "x", VSID: 5002}), "")
}

func TestPersistence(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	d.tenant()
	d.put("/servers/b:%2e Ü", nctest.ServerBody{})
	d.put("/servers/gone", nctest.ServerBody{})
	if err := d.Delete(t.Context(), "/servers/gone"); err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(d.get("/servers"), d.get("/virtualNetworks"), d.get("/networkInterfaces"))
	if err := d.c.PutRaw("/servers/a", []byte(`{"raw":true}`)); err != nil {
		t.Fatal(err)
	}
	if err := d.c.Close(); err != nil {
		t.Fatal(err)
	}
	equal(t, "closed", d.status("PUT", "/servers/c", `{}`), "500 InternalServerError")
	d = open(t, dir)
	equal(t, "after restart", fmt.Sprint(d.get("/servers"), d.get("/virtualNetworks"), d.get("/networkInterfaces")), before)
	equal(t, "references survive", d.status("DELETE", "/servers/a", ""), "409 ResourceInUse")
}

func TestRawResourcesAndFaults(t *testing.T) {
	d := open(t, "")
	d.tenant()
	raw := `{"resourceId":"x","properties":{"ipConfigurations":[{"resourceId":"i","properties":{"subnet":{"resourceRef":"/virtualNetworks/nope/subnets/s"}}}]}}`
	for ref, body := range map[string]string{
		"/networkInterfaces/x": raw, "/servers/number": "42", "/virtualNetworks/v/subnets/s2": `"text"`,
	} {
		if err := d.c.PutRaw(ref, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	list, _ := json.Marshal(d.get("/networkInterfaces"))
	if !strings.Contains(string(list), `/virtualNetworks/nope/subnets/s`) {
		t.Errorf("raw NIC is not served: %s", list)
	}
	equal(t, "servers", len(d.get("/servers")["value"].([]any)), 2)
	equal(t, "raw subnet", at(d.get("/virtualNetworks/v"), "properties", "subnets", 1), "text")
	if err := d.c.PutRaw("/servers/x", []byte(`{`)); err == nil {
		t.Error("broken JSON is taken")
	}
	equal(t, "made good again", d.status("PUT", "/servers/number", `{}`), "200")
	equal(t, "and deleted", d.status("DELETE", "/networkInterfaces/x", ""), "204")

	d.c.SetFault(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/servers") {
			http.Error(w, `{"error":{"code":"Busy","message":"m"}}`, http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	equal(t, "fault", d.status("GET", "/servers", ""), "503 Busy")
	equal(t, "no fault", d.status("GET", "/virtualNetworks", ""), "200")
	d.c.SetFault(nil)
	equal(t, "no more", d.status("GET", "/servers", ""), "200")
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("1-nic.json", `{"resourceRef":"/networkInterfaces/n","properties":{"server":{"resourceRef":"/servers/a"},
		"ipConfigurations":[{"resourceId":"i","properties":{"subnet":{"resourceRef":"/virtualNetworks/v/subnets/s"}}}]}}`)
	write("2-servers.json", `{"value":[{"resourceRef":"/servers/a"},{"resourceRef":"/servers/b"}],"nextLink":""}`)
	write("sub/3-rest.json", `{"virtualNetworks":[{"resourceId":"v","instanceId":"4a0a0d9c-9a5e-4d0a-8d53-3a4f7a5f2c11","properties":{"subnets":[{"resourceId":"s"}]}}],
		"virtualNetworkManager":{"properties":{"networkVirtualizationProtocol":"NVGRE"}}}`)
	d := open(t, "")
	if err := d.c.Load(dir); err != nil {
		t.Fatal(err)
	}
	equal(t, "subnet's NICs", len(at(d.get("/virtualNetworks/v/subnets/s"), "properties", "ipConfigurations").([]any)), 1)
	equal(t, "identity kept", d.get("/virtualNetworks/v")["instanceId"], "4a0a0d9c-9a5e-4d0a-8d53-3a4f7a5f2c11")
	equal(t, "protocol", at(d.get("/virtualNetworkManager/configuration"), "properties", "networkVirtualizationProtocol"), "NVGRE")

	for name, tc := range map[string]struct{ text, want string }{
		"dangling":  {`{"resourceRef":"/networkInterfaces/n","properties":{"server":{"resourceRef":"/servers/nobody"}}}`, "/servers/nobody"},
		"unknown":   {`{"tenants":[]}`, `"tenants" is no collection`},
		"broken":    {`{"value":[`, "invalid JSON"},
		"nameless":  {`{"value":[{"resourceId":"x"}]}`, "value[0]: resource says neither"},
		"nested":    {`{"resourceRef":"/virtualNetworks/v/subnets/s"}`, "put it into the body of /virtualNetworks/v"},
		"duplicate": {`{"servers":[{"resourceId":"a"},{"resourceId":"A"}]}`, "/servers/A is in"},
	} {
		d := open(t, "")
		path := write("bad/"+name+".json", tc.text)
		if err := d.c.Load(path); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want the file and %q", name, err, tc.want)
		}
		equal(t, name+" leaves nothing", len(d.get("/servers")["value"].([]any)), 0)
	}
	if err := d.c.Load(filepath.Join(dir, "nothing")); err == nil {
		t.Error("a missing file is taken")
	}
}

func TestConcurrentUse(t *testing.T) {
	d := open(t, t.TempDir())
	d.tenant()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			for j := range 5 {
				ref := fmt.Sprintf("/networkInterfaces/c%d-%d", i, j)
				_, err := d.Put(context.Background(), ref, nctest.NetworkInterfaceBody{Server: "/servers/a"})
				if err == nil && j%2 == 0 {
					err = d.Delete(context.Background(), ref)
				}
				if err != nil {
					t.Error(err)
				}
			}
		}()
		go func() {
			defer wg.Done()
			for range 20 {
				var out any
				if err := d.Get(context.Background(), "/servers", &out); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	equal(t, "NICs on the server", len(at(d.get("/servers/a"), "properties", "virtualNetworkInterfaces").([]any)), 1+4*2)
}

// TestPortSettings: the bodies write what a real controller's have.
func TestPortSettings(t *testing.T) {
	raw, err := json.Marshal(nctest.NetworkInterfaceBody{MAC: "001DD8070001", FlowLimit: 5, OutboundMbps: 100, InboundMbps: 200, DNSServers: []string{"10.0.0.53"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"portFlowLimit":5`, `"qosSettings":{"inboundMaximumMbps":200,"outboundMaximumMbps":100}`, `"dnsSettings":{"dnsServers":["10.0.0.53"]}`} {
		if !strings.Contains(string(raw), part) {
			t.Errorf("no %s in %s", part, raw)
		}
	}
	if raw, err = json.Marshal(nctest.NetworkInterfaceBody{}); err != nil || strings.Contains(string(raw), "qosSettings") || strings.Contains(string(raw), "dnsSettings") {
		t.Errorf("%s, %v", raw, err)
	}
}
