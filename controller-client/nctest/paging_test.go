package nctest_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

func openWith(t *testing.T, opts nctest.Options) desk {
	t.Helper()
	c, err := nctest.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c.Handler())
	t.Cleanup(server.Close)
	return desk{nctest.Client{Base: server.URL, HTTP: server.Client()}, t, c}
}

type answer struct {
	status int
	etag   string
	body   string
	ids    []string
	next   string
}

// read sends a GET of a path of the server.
func (d desk) read(path, ifNoneMatch string) (a answer) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.Base+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if ifNoneMatch != "" {
		req.Header.Set("If-None-Match", ifNoneMatch)
	}
	resp, err := d.HTTP.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	a.status, a.etag, a.body = resp.StatusCode, resp.Header.Get("ETag"), string(data)
	var list struct {
		Value    []struct{ ResourceID string }
		NextLink string
	}
	if json.Unmarshal(data, &list) == nil {
		for _, e := range list.Value {
			a.ids = append(a.ids, e.ResourceID)
		}
		a.next = list.NextLink
	}
	return a
}

const base = "/networking/v1"

func TestPages(t *testing.T) {
	d := openWith(t, nctest.Options{PageSize: 3})
	for _, id := range []string{"a", "B", "c", "d", "E f&?", "g", "h"} {
		d.put("/servers/"+strings.NewReplacer(" ", "%20", "?", "%3F").Replace(id), nctest.ServerBody{})
	}
	first := d.read(base+"/servers", "")
	equal(t, "first page", first.ids, "[a B c]")
	second := d.read(first.next, "")
	equal(t, "second page", second.ids, "[d E f&? g]")
	third := d.read(second.next, "")
	equal(t, "third page", third.ids, "[h]")
	equal(t, "end", third.next, "")

	// A reader in the middle neither skips nor repeats one when others come and go.
	if err := d.Delete(t.Context(), "/servers/c"); err != nil {
		t.Fatal(err)
	}
	d.put("/servers/a0", nctest.ServerBody{})
	equal(t, "behind a deleted one", d.read(first.next, "").ids, "[d E f&? g]")
	d.put("/servers/c9", nctest.ServerBody{})
	equal(t, "one that came", d.read(first.next, "").ids, "[c9 d E f&?]")
	equal(t, "behind the end", d.read(base+"/servers?after=zz", "").ids, "[]")
	equal(t, "exactly one page", d.read(base+"/virtualNetworks", "").next, "")
}

// TestPageOfLargeBodies: a page ends at about 1 MiB.
func TestPageOfLargeBodies(t *testing.T) {
	d := openWith(t, nctest.Options{})
	acl := nctest.AccessControlListBody{}
	for i := range 1000 {
		acl.Rules = append(acl.Rules, nctest.ACLRuleBody{ID: fmt.Sprint("r", i), Priority: i})
	}
	for i := range 5 {
		d.put(fmt.Sprint("/accessControlLists/a", i), acl)
	}
	seen, pages := []string{}, 0
	for next := base + "/accessControlLists"; next != ""; pages++ {
		a := d.read(next, "")
		if len(a.body) > 2<<20 {
			t.Errorf("a page of %d bytes", len(a.body))
		}
		seen, next = append(seen, a.ids...), a.next
	}
	equal(t, "all", seen, "[a0 a1 a2 a3 a4]")
	if pages < 2 {
		t.Errorf("%d pages", pages)
	}
}

// TestConditionalGet: a 304 says that the bytes are the ones that came with the ETag, for all that is
// served and whatever changes.
func TestConditionalGet(t *testing.T) {
	d := openWith(t, nctest.Options{PageSize: 2})
	d.tenant()
	d.put("/servers/b", nctest.ServerBody{})
	d.put("/servers/c", nctest.ServerBody{})
	second := strings.TrimPrefix(d.read(base+"/servers", "").next, base)
	paths := []string{"/servers", second, "/servers/a", "/servers/c", "/virtualNetworks", "/virtualNetworks/v", "/virtualNetworks/v/subnets",
		"/virtualNetworks/v/subnets/s", "/networkInterfaces", "/networkInterfaces/n", "/networkInterfaces/n/ipConfigurations", "/accessControlLists",
		"/virtualNetworkManager/configuration"}
	nic := func(server string) nctest.NetworkInterfaceBody {
		return nctest.NetworkInterfaceBody{Server: server, IPConfigurations: []nctest.IPConfigurationBody{{ID: "i", Address: "10.0.1.5", Subnet: "/virtualNetworks/v/subnets/s"}}}
	}
	type step struct {
		name    string
		do      func()
		changes string // the paths, of those above
	}
	last := map[string]answer{}
	for _, s := range []step{
		{"nothing", func() {}, ""},
		{"a NIC comes", func() { d.put("/networkInterfaces/m", nic("/servers/a")) },
			"/servers /servers/a /virtualNetworks /virtualNetworks/v /virtualNetworks/v/subnets /virtualNetworks/v/subnets/s /networkInterfaces"},
		{"it moves", func() { d.put("/networkInterfaces/m", nic("/servers/c")) },
			"/servers /servers?after=b /servers/a /servers/c /networkInterfaces"},
		{"it goes", func() {
			if err := d.Delete(t.Context(), "/networkInterfaces/m"); err != nil {
				t.Fatal(err)
			}
		}, "/servers?after=b /servers/c /virtualNetworks /virtualNetworks/v /virtualNetworks/v/subnets /virtualNetworks/v/subnets/s /networkInterfaces"},
		{"a server is written", func() { d.put("/servers/b", nctest.ServerBody{}) }, "/servers"},
		{"a server comes", func() { d.put("/servers/a5", nctest.ServerBody{}) }, "/servers"},
		{"a raw resource", func() {
			if err := d.c.PutRaw("/networkInterfaces/n", []byte(`{"etag":"W/\"1\"","properties":{"x":1}}`)); err != nil {
				t.Fatal(err)
			}
		}, "/networkInterfaces /networkInterfaces/n /networkInterfaces/n/ipConfigurations /servers /servers/a /virtualNetworks /virtualNetworks/v /virtualNetworks/v/subnets /virtualNetworks/v/subnets/s"},
		{"another with the same etag", func() {
			if err := d.c.PutRaw("/networkInterfaces/n", []byte(`{"etag":"W/\"1\"","properties":{"x":2}}`)); err != nil {
				t.Fatal(err)
			}
		}, "/networkInterfaces /networkInterfaces/n"},
	} {
		s.do()
		changed := strings.Fields(s.changes)
		for _, path := range paths {
			before, now := last[path], d.read(base+path, last[path].etag)
			if before.status == 0 { // the first time
				last[path] = now
				continue
			}
			full := d.read(base+path, "")
			if now.etag != full.etag || now.etag == "" {
				t.Errorf("%s: %s: ETag %q with a condition, %q without", s.name, path, now.etag, full.etag)
			}
			same := full.body == before.body
			if now.status == http.StatusNotModified && !same {
				t.Errorf("%s: %s: 304, though the bytes differ:\n%s\n%s", s.name, path, before.body, full.body)
			}
			if now.status == http.StatusOK && now.body != full.body {
				t.Errorf("%s: %s: other bytes with a condition", s.name, path)
			}
			if slices.Contains(changed, path) && same {
				t.Errorf("%s: %s does not change", s.name, path)
			}
			// Coarse only where nested resources share their parent's back references.
			if now.status == http.StatusOK && same && !slices.Contains(changed, path) && !strings.Contains(path, "ipConfigurations") {
				t.Errorf("%s: %s: not a 304, though nothing has changed", s.name, path)
			}
			last[path] = full
		}
	}
}

// TestWritersDoNotMeetBackReferences: If-Match holds as long as nobody else has written, and takes
// the etag of the body and the ETag header.
func TestWritersDoNotMeetBackReferences(t *testing.T) {
	d := open(t, "")
	d.tenant()
	v := d.get("/virtualNetworks/v")
	header := d.read(base+"/virtualNetworks/v", "").etag
	d.put("/networkInterfaces/m", nctest.NetworkInterfaceBody{IPConfigurations: []nctest.IPConfigurationBody{{ID: "i", Address: "10.0.1.5", Subnet: "/virtualNetworks/v/subnets/s"}}})
	if now := d.read(base+"/virtualNetworks/v", "").etag; now == header {
		t.Error("the ETag header stays")
	}
	if _, err := d.PutIf(t.Context(), "/virtualNetworks/v", v, v["etag"].(string)); err != nil {
		t.Error(err)
	}
	raw, _ := json.Marshal(v)
	equal(t, "the etag of the body, used up", d.status("PUT", "/virtualNetworks/v", string(raw), "If-Match", v["etag"].(string)), "412 PreconditionFailed")
	equal(t, "the header, used up", d.status("PUT", "/virtualNetworks/v", string(raw), "If-Match", header), "412 PreconditionFailed")
	header = d.read(base+"/virtualNetworks/v", "").etag
	if err := d.Delete(t.Context(), "/networkInterfaces/m"); err != nil {
		t.Fatal(err)
	}
	equal(t, "the header", d.status("PUT", "/virtualNetworks/v", string(raw), "If-Match", `W/"x", `+header), "200")
	equal(t, "anything", d.status("PUT", "/virtualNetworks/v", string(raw), "If-Match", "*"), "200")
	if got := d.get("/virtualNetworks/v"); len(at(got, "properties", "subnets", 0, "properties", "ipConfigurations").([]any)) != 1 {
		t.Errorf("back references came from the writer: %v", got)
	}
}

// TestNestedETags: a nested write changes the etags above and below, not those beside.
func TestNestedETags(t *testing.T) {
	d := open(t, "")
	d.put("/logicalNetworks/l", json.RawMessage(`{"properties":{"subnets":[
		{"resourceId":"s","properties":{"ipPools":[{"resourceId":"p"},{"resourceId":"q"}]}},
		{"resourceId":"t","properties":{"ipPools":[{"resourceId":"p"}]}}]}}`))
	etags := func() (all []any) {
		l := d.get("/logicalNetworks/l")
		for _, path := range [][]any{{"etag"}, {"properties", "subnets", 0, "etag"}, {"properties", "subnets", 1, "etag"},
			{"properties", "subnets", 0, "properties", "ipPools", 0, "etag"}, {"properties", "subnets", 0, "properties", "ipPools", 1, "etag"},
			{"properties", "subnets", 1, "properties", "ipPools", 0, "etag"}} {
			all = append(all, at(l, path...))
		}
		return all
	}
	before := etags()
	d.put("/logicalNetworks/l/subnets/s/ipPools/q", json.RawMessage(`{"properties":{}}`))
	after := etags()
	var changed []bool
	for i := range before {
		changed = append(changed, before[i] != after[i])
	}
	equal(t, "changed", changed, "[true true false false true false]")
}

func TestServersWithoutValidators(t *testing.T) {
	frozen := openWith(t, nctest.Options{FrozenETags: true})
	frozen.tenant()
	for _, path := range []string{"/servers", "/servers/a", "/virtualNetworks/v/subnets/s"} {
		before := frozen.read(base+path, "")
		frozen.put("/servers/a", nctest.ServerBody{ProviderAddresses: []string{frozenAddress(path)}})
		frozen.put("/virtualNetworks/v", nctest.VirtualNetworkBody{Subnets: []nctest.SubnetBody{{ID: "s", AddressPrefix: frozenAddress(path) + "/32"}}})
		after := frozen.read(base+path, "")
		if before.etag == "" || before.etag != after.etag || before.body == after.body {
			t.Errorf("%s: %+v, then %+v", path, before, after)
		}
		equal(t, path, frozen.read(base+path, before.etag).status, http.StatusNotModified)
	}
	deaf := openWith(t, nctest.Options{NoConditional: true})
	deaf.tenant()
	for _, path := range []string{"/servers", "/servers/a"} {
		before := deaf.read(base+path, "")
		if again := deaf.read(base+path, before.etag); again.status != http.StatusOK || again.body != before.body || again.etag != before.etag {
			t.Errorf("%s: %+v, then %+v", path, before, again)
		}
	}
}

func frozenAddress(path string) string { return fmt.Sprintf("10.0.0.%d", len(path)) }

func TestHTTP2(t *testing.T) {
	pki, err := nctest.EnsurePKI(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := nctest.Open(nctest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := pki.ServerTLS(true)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- c.Serve(ctx, tls.NewListener(listener, config)) }()
	clientTLS, err := pki.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: clientTLS, ForceAttemptHTTP2: true}
	resp, err := (&http.Client{Transport: transport}).Get("https://" + listener.Addr().String() + base + "/servers")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	equal(t, "protocol", resp.Proto, "HTTP/2.0")
	transport.CloseIdleConnections()
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
