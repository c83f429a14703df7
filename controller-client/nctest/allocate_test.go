package nctest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

type object = map[string]any

func ref(to string) object { return object{"resourceRef": to} }

// dynamicIP is an ipConfiguration whose address is the controller's to choose.
func dynamicIP(id, subnet string) object {
	return object{"resourceId": id, "properties": object{"privateIPAllocationMethod": "Dynamic", "subnet": ref(subnet)}}
}

func nicWith(ips ...any) object {
	return object{"properties": object{"privateMacAddress": "001DD8070001", "ipConfigurations": ips}}
}

func (d desk) network(id string, subnets ...nctest.SubnetBody) {
	d.put("/virtualNetworks/"+id, nctest.VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16", "fd00::/48"}, Subnets: subnets})
}

func (d desk) address(nic string, i int) string {
	s, _ := at(d.get("/networkInterfaces/"+nic), "properties", "ipConfigurations", i, "properties", "privateIPAddress").(string)
	return s
}

func code(err error) string {
	var refused *nctest.StatusError
	if errors.As(err, &refused) {
		return fmt.Sprint(refused.Status, " ", refused.Code)
	}
	return fmt.Sprint(err)
}

func TestDynamicAddresses(t *testing.T) {
	dir := t.TempDir()
	d := openWith(t, nctest.Options{DataDir: dir, Strict: true})
	const s, other = "/virtualNetworks/v/subnets/s", "/virtualNetworks/v/subnets/other"
	d.network("v", nctest.SubnetBody{ID: "s", AddressPrefix: "10.0.1.0/29"}, nctest.SubnetBody{ID: "other", AddressPrefix: "10.0.2.0/29", Gateway: "10.0.2.2"})
	d.put("/networkInterfaces/static", nctest.NetworkInterfaceBody{MAC: "001DD8070002", IPConfigurations: []nctest.IPConfigurationBody{{ID: "i", Address: "10.0.1.3", Subnet: s}}})
	d.put("/networkInterfaces/n", nicWith(dynamicIP("a", s), dynamicIP("b", s)))
	equal(t, "addresses", []string{d.address("n", 0), d.address("n", 1)}, "[10.0.1.2 10.0.1.4]")
	d.put("/networkInterfaces/n", nicWith(dynamicIP("b", s), dynamicIP("c", s)))
	equal(t, "kept, and a new one", []string{d.address("n", 0), d.address("n", 1)}, "[10.0.1.4 10.0.1.5]")
	d.put("/networkInterfaces/n/ipConfigurations/d", dynamicIP("d", s))
	equal(t, "nested", d.address("n", 2), "10.0.1.6")
	d.put("/networkInterfaces/n", d.get("/networkInterfaces/n"))
	equal(t, "written back", d.address("n", 2), "10.0.1.6")

	if err := d.c.Close(); err != nil {
		t.Fatal(err)
	}
	d = openWith(t, nctest.Options{DataDir: dir, Strict: true})
	d.put("/networkInterfaces/n", nicWith(dynamicIP("b", s), dynamicIP("c", s), dynamicIP("d", s)))
	equal(t, "kept over a restart", []string{d.address("n", 0), d.address("n", 1), d.address("n", 2)}, "[10.0.1.4 10.0.1.5 10.0.1.6]")
	d.put("/networkInterfaces/n", nicWith(dynamicIP("b", s), dynamicIP("c", s), dynamicIP("d", s), dynamicIP("e", s)))
	equal(t, "a free one again", d.address("n", 3), "10.0.1.2")
	_, err := d.Put(t.Context(), "/networkInterfaces/m", object{"properties": object{"ipConfigurations": []any{dynamicIP("a", s)}}})
	equal(t, "none left", code(err), "409 IPAddressesExhausted")
	equal(t, "nothing of it stays", d.status("GET", "/networkInterfaces/m", ""), "404 ResourceNotFound")
	d.put("/networkInterfaces/n", nicWith(dynamicIP("b", other)))
	equal(t, "in another subnet, past its gateway", d.address("n", 0), "10.0.2.1")
	d.put("/networkInterfaces/n", nicWith(dynamicIP("b", other), dynamicIP("c", other)))
	equal(t, "and not the gateway", d.address("n", 1), "10.0.2.3")

	d.network("six", nctest.SubnetBody{ID: "s", AddressPrefix: "fd00::/64"})
	d.put("/networkInterfaces/six", object{"properties": object{"ipConfigurations": []any{dynamicIP("a", "/virtualNetworks/six/subnets/s")}}})
	equal(t, "IPv6", d.address("six", 0), "fd00::2")
	_, err = d.Put(t.Context(), "/networkInterfaces/lost", nicWith(dynamicIP("a", "/virtualNetworks/v/subnets/nowhere")))
	equal(t, "no such subnet", code(err), "400 ReferenceNotFound")
}

// TestConcurrentAllocation lets many writers add addresses to the same NICs, as agents do: read, add,
// PUT with If-Match, again on 412.
func TestConcurrentAllocation(t *testing.T) {
	d := openWith(t, nctest.Options{DataDir: t.TempDir(), Strict: true})
	d.network("v", nctest.SubnetBody{ID: "s", AddressPrefix: "10.0.0.0/24"})
	const nics, writers, each = 3, 8, 10
	for i := range nics {
		d.put(fmt.Sprint("/networkInterfaces/n", i), object{"properties": object{"ipConfigurations": []any{}}})
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				path := fmt.Sprint("/networkInterfaces/n", (w+i)%nics)
				for {
					var body object
					if err := d.Get(t.Context(), path, &body); err != nil {
						t.Error(err)
						return
					}
					list := at(body, "properties", "ipConfigurations").([]any)
					body["properties"].(object)["ipConfigurations"] = append(list, dynamicIP(fmt.Sprintf("w%d-%d", w, i), "/virtualNetworks/v/subnets/s"))
					_, err := d.PutIf(t.Context(), path, body, body["etag"].(string))
					if err == nil {
						break
					}
					if code(err) != "412 PreconditionFailed" {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for i := range nics {
		for j := range at(d.get(fmt.Sprint("/networkInterfaces/n", i)), "properties", "ipConfigurations").([]any) {
			seen[d.address(fmt.Sprint("n", i), j)] = true
		}
	}
	for _, never := range []string{"", "10.0.0.0", "10.0.0.1", "10.0.0.255"} {
		if seen[never] {
			t.Errorf("%q was given out", never)
		}
	}
	equal(t, "different addresses", len(seen), writers*each)
	equal(t, "who lives in the subnet", len(at(d.get("/virtualNetworks/v/subnets/s"), "properties", "ipConfigurations").([]any)), writers*each)
}

func TestDynamicMACs(t *testing.T) {
	d := openWith(t, nctest.Options{})
	dynamic := object{"properties": object{"privateMacAllocationMethod": "Dynamic"}}
	mac := func(id string) any { return at(d.get("/networkInterfaces/"+id), "properties", "privateMacAddress") }
	_, err := d.Put(t.Context(), "/networkInterfaces/none", dynamic)
	equal(t, "no pool", code(err), "409 MacAddressesExhausted")
	d.put("/macPools/p", object{"properties": object{"startMacAddress": "00-1D-D8-07-00-00", "endMacAddress": "00-1D-D8-07-00-02"}})
	d.put("/networkInterfaces/static", nctest.NetworkInterfaceBody{MAC: "00:1d:d8:07:00:01"})
	d.put("/networkInterfaces/a", dynamic)
	d.put("/networkInterfaces/b", dynamic)
	equal(t, "MACs", []any{mac("a"), mac("b")}, "[001DD8070000 001DD8070002]")
	_, err = d.Put(t.Context(), "/networkInterfaces/c", dynamic)
	equal(t, "all taken", code(err), "409 MacAddressesExhausted")
	d.put("/networkInterfaces/a", dynamic)
	equal(t, "kept", mac("a"), "001DD8070000")
	if err := d.Delete(t.Context(), "/networkInterfaces/b"); err != nil {
		t.Fatal(err)
	}
	d.put("/networkInterfaces/c", dynamic)
	equal(t, "free again", mac("c"), "001DD8070002")
}

func TestProviderAddresses(t *testing.T) {
	pools := func(last string) object {
		return object{"properties": object{"networkVirtualizationEnabled": "True", "subnets": []any{object{"resourceId": "s", "properties": object{
			"ipPools": []any{object{"resourceId": "p", "properties": object{"startIpAddress": "172.16.0.10", "endIpAddress": last}}}}}}}}
	}
	d := openWith(t, nctest.Options{AssignProviderAddresses: true})
	pa := func(id string) any { return at(d.get("/servers/"+id), "properties", "fairlead", "providerAddresses") }
	d.put("/servers/early", nctest.ServerBody{})
	d.put("/servers/own", nctest.ServerBody{ProviderAddresses: []string{"172.16.0.11"}})
	equal(t, "no network yet", pa("early"), "[]")
	d.put("/logicalNetworks/hnv", pools("172.16.0.13"))
	equal(t, "early", pa("early"), "[172.16.0.10]")
	d.put("/servers/late", object{"properties": object{}})
	equal(t, "late", pa("late"), "[172.16.0.12]")
	d.put("/servers/late", object{"properties": object{"x": 1}})
	equal(t, "kept", pa("late"), "[172.16.0.12]")
	equal(t, "own", pa("own"), "[172.16.0.11]")
	d.put("/servers/last", object{})
	_, err := d.Put(t.Context(), "/servers/more", object{})
	equal(t, "all taken", code(err), "409 IPAddressesExhausted")

	off := openWith(t, nctest.Options{})
	off.put("/logicalNetworks/hnv", pools("172.16.0.13"))
	off.put("/servers/a", object{})
	equal(t, "without the option", at(off.get("/servers/a"), "properties", "fairlead"), nil)
}

// TestLoadAllocates: what a load leaves open avoids what the same load says, in any order.
func TestLoadAllocates(t *testing.T) {
	dir := t.TempDir()
	var nics []any
	for i := range 20 {
		ip := dynamicIP("i", "/virtualNetworks/v/subnets/s")
		if i%2 == 1 {
			ip["properties"] = object{"privateIPAddress": fmt.Sprintf("10.0.1.%d", i+1), "subnet": ref("/virtualNetworks/v/subnets/s")}
		}
		nics = append(nics, object{"resourceId": fmt.Sprint("n", i), "properties": object{"privateMacAllocationMethod": "Dynamic", "ipConfigurations": []any{ip}}})
	}
	text, err := json.Marshal(object{"networkInterfaces": nics,
		"macPools":        []any{object{"resourceId": "p", "properties": object{"startMacAddress": "001DD8070000", "endMacAddress": "001DD80700FF"}}},
		"virtualNetworks": []any{object{"resourceId": "v", "properties": object{"addressSpace": object{"addressPrefixes": []string{"10.0.1.0/24"}}, "subnets": []any{object{"resourceId": "s", "properties": object{"addressPrefix": "10.0.1.0/24"}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "all.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	d := openWith(t, nctest.Options{Strict: true})
	if err := d.c.Load(dir); err != nil {
		t.Fatal(err)
	}
	var addresses, macs []string
	for i := range nics {
		addresses = append(addresses, d.address(fmt.Sprint("n", i), 0))
		macs = append(macs, at(d.get(fmt.Sprint("/networkInterfaces/n", i)), "properties", "privateMacAddress").(string))
	}
	for _, list := range [][]string{addresses, macs} {
		slices.Sort(list)
		if list[0] == "" || len(slices.Compact(slices.Clone(list))) != len(nics) {
			t.Errorf("not all different: %v", list)
		}
	}
}

// TestStrict: what a controller with Strict refuses, and one without takes.
func TestStrict(t *testing.T) {
	network := func(space string, subnets ...string) object {
		var list []any
		for i, p := range subnets {
			list = append(list, object{"resourceId": "s" + strings.Repeat("+", i), "properties": object{"addressPrefix": p}})
		}
		return object{"properties": object{"addressSpace": object{"addressPrefixes": []string{space}}, "subnets": list}}
	}
	nic := func(mac, address string) nctest.NetworkInterfaceBody {
		return nctest.NetworkInterfaceBody{MAC: mac, IPConfigurations: []nctest.IPConfigurationBody{{ID: "i", Address: address, Subnet: "/virtualNetworks/v/subnets/s"}}}
	}
	strict, loose := openWith(t, nctest.Options{Strict: true}), openWith(t, nctest.Options{})
	for _, d := range []desk{strict, loose} {
		d.network("v", nctest.SubnetBody{ID: "s", AddressPrefix: "10.0.1.0/24"})
		d.put("/networkInterfaces/n", nic("001DD8070001", "10.0.1.4"))
	}
	for _, tc := range []struct {
		name, ref string
		body      any
		target    string // "" is fine
		says      string
	}{
		{"good", "/virtualNetworks/w", network("10.0.0.0/8", "10.0.0.0/24", "10.0.1.0/24"), "", ""},
		{"no prefix", "/virtualNetworks/w", network("10.0.0.0/99"), "addressPrefixes", "10.0.0.0/99"},
		{"host bits", "/virtualNetworks/w", network("10.0.0.1/8"), "addressPrefixes", "10.0.0.1/8"},
		{"no subnet prefix", "/virtualNetworks/w", network("10.0.0.0/8", "2221.1.1.0/24"), "addressPrefix", "2221.1.1.0/24"},
		{"outside", "/virtualNetworks/w", network("10.0.0.0/8", "11.0.0.0/24"), "addressPrefix", "11.0.0.0/24"},
		{"too large", "/virtualNetworks/w", network("10.0.0.0/16", "10.0.0.0/8"), "addressPrefix", "10.0.0.0/8"},
		{"overlap", "/virtualNetworks/w", network("10.0.0.0/8", "10.0.0.0/24", "10.0.0.128/25"), "addressPrefix", "10.0.0.128/25"},
		{"prefix in use", "/virtualNetworks/v", network("10.0.0.0/16", "10.0.2.0/24"), "addressPrefix", "10.0.1.4"},
		{"nested", "/virtualNetworks/v/subnets/t", nctest.SubnetBody{AddressPrefix: "10.0.1.0/28"}, "addressPrefix", "10.0.1.0/28"},
		{"CA outside", "/networkInterfaces/m", nic("001DD8070002", "10.0.2.4"), "privateIPAddress", "10.0.2.4"},
		{"CA taken", "/networkInterfaces/m", nic("001DD8070002", "10.0.1.4"), "privateIPAddress", "/networkinterfaces/n"},
		{"no CA", "/networkInterfaces/m", nic("001DD8070002", "10.0.1.400"), "privateIPAddress", "10.0.1.400"},
		{"no MAC", "/networkInterfaces/m", nic("001DD80700", "10.0.1.5"), "privateMacAddress", "001DD80700"},
		{"MAC taken", "/networkInterfaces/m", nic("00:1d:d8:07:00:01", "10.0.1.5"), "privateMacAddress", "/networkinterfaces/n"},
		{"own CA and MAC", "/networkInterfaces/n", nic("00-1D-D8-07-00-01", "10.0.1.4"), "", ""},
	} {
		if _, err := loose.Put(t.Context(), tc.ref, tc.body); err != nil {
			t.Errorf("%s: refused without Strict: %v", tc.name, err)
		}
		_, err := strict.Put(t.Context(), tc.ref, tc.body)
		if tc.target == "" {
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		if code(err) != "400 InvalidParameterValue" || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), tc.target) {
			t.Errorf("%s: %v, want %s and %s", tc.name, err, tc.target, tc.says)
		}
	}
	raw, _ := json.Marshal(network("10.0.0.0/99"))
	resp, err := strict.HTTP.Do(request(t, "PUT", strict.Base+base+"/virtualNetworks/w", string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body object
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	equal(t, "target", at(body, "error", "target"), "addressPrefixes")
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}
