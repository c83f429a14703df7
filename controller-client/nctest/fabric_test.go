package nctest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// size of a fabric.
type size struct{ nics, networks, servers, acls, rules int }

var (
	wholeFabric = size{nics: 100_000, networks: 500, servers: 1000, acls: 1000, rules: 200}
	tenthFabric = size{nics: 10_000, networks: 50, servers: 100, acls: 100, rules: 200}
)

// nic is NIC i of a fabric: the networks take turns, and inside a network the addresses go up.
func (s size) nic(i int) (ref string, body NetworkInterfaceBody) {
	k := i / s.networks
	subnet, host := k/200%250, k%200+4
	return fmt.Sprintf("/networkInterfaces/nic-%06d", i), NetworkInterfaceBody{
		MAC: fmt.Sprintf("001DD8%06X", i), Server: fmt.Sprintf("/servers/host-%04d", i%s.servers),
		IPConfigurations: []IPConfigurationBody{{ID: "ip", Address: fmt.Sprintf("10.0.%d.%d", subnet, host),
			Subnet: fmt.Sprintf("/virtualNetworks/net-%04d/subnets/s%d", i%s.networks, subnet), ACL: fmt.Sprintf("/accessControlLists/acl-%04d", i%s.acls)}},
	}
}

// write writes the fabric as one file per collection.
func (s size) write(t testing.TB, dir string) {
	t.Helper()
	list := func(collection string, n int, resource func(i int) (string, any)) {
		f, err := os.Create(filepath.Join(dir, collection+".json"))
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriterSize(f, 1<<20)
		fmt.Fprintf(w, `{"%s":[`, collection)
		for i := range n {
			ref, body := resource(i)
			raw, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 {
				fmt.Fprint(w, ",\n")
			}
			fmt.Fprintf(w, `{"resourceRef":%q,%s`, ref, raw[1:])
		}
		fmt.Fprint(w, "]}")
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	list("servers", s.servers, func(i int) (string, any) {
		return fmt.Sprintf("/servers/host-%04d", i), ServerBody{ProviderAddresses: []string{fmt.Sprintf("172.16.%d.%d", i/250, i%250+1)}}
	})
	list("accessControlLists", s.acls, func(i int) (string, any) {
		acl := AccessControlListBody{}
		for r := range s.rules {
			acl.Rules = append(acl.Rules, ACLRuleBody{ID: fmt.Sprintf("r%03d", r), Priority: 100 + r, Protocol: "TCP", Action: "Allow",
				Source: fmt.Sprintf("10.%d.%d.0/24", i%250, r), DestinationPorts: fmt.Sprint(1000 + r)})
		}
		return fmt.Sprintf("/accessControlLists/acl-%04d", i), acl
	})
	list("virtualNetworks", s.networks, func(i int) (string, any) {
		v := VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16"}}
		for n := range (s.nics/s.networks+199)/200 + 1 {
			v.Subnets = append(v.Subnets, SubnetBody{ID: fmt.Sprintf("s%d", n), AddressPrefix: fmt.Sprintf("10.0.%d.0/24", n)})
		}
		return fmt.Sprintf("/virtualNetworks/net-%04d", i), v
	})
	list("networkInterfaces", s.nics, func(i int) (string, any) {
		ref, body := s.nic(i)
		return ref, body
	})
}

// TestFabric loads a fabric and starts again with it. It reports time and memory; what it asserts is
// that all is there. FAIRLEAD_WHOLE_FABRIC=1 takes the full size.
func TestFabric(t *testing.T) {
	s := tenthFabric
	if os.Getenv("FAIRLEAD_WHOLE_FABRIC") != "" {
		s = wholeFabric
	}
	in, data := t.TempDir(), t.TempDir()
	s.write(t, in)
	begin := time.Now()
	c, err := Open(Options{DataDir: data})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Load(in); err != nil {
		t.Fatal(err)
	}
	report := func(what string, c *Controller) {
		took := time.Since(begin)
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		t.Logf("%s: %v, heap %d MB in use, %d MB from the system, journal %d MB", what, took.Round(time.Millisecond), m.HeapAlloc>>20, m.Sys>>20, c.journal.bytes()>>20)
		if n := len(c.collections["networkInterfaces"].sorted); n != s.nics {
			t.Errorf("%s: %d NICs, want %d", what, n, s.nics)
		}
	}
	report("load", c)
	before := c.collections["networkInterfaces"].page("", 1000).etag
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = nil
	begin = time.Now()
	if c, err = Open(Options{DataDir: data}); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	report("start again", c)
	if after := c.collections["networkInterfaces"].page("", 1000).etag; after != before {
		t.Errorf("the first page's ETag is %s after a restart, was %s", after, before)
	}
}
