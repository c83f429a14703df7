package fabric_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/controller-client/nctest/fabric"
)

var small = fabric.Spec{Servers: 5, Tenants: 12, Subnets: 2, NICs: 300, ACLRules: 9, Seed: 1}

func build(t testing.TB, spec fabric.Spec) *fabric.Fabric {
	t.Helper()
	f, err := fabric.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// variants of the small fabric.
func variants() map[string]fabric.Spec {
	dual, microsoft, none, one := small, small, small, small
	dual.DualStack, dual.Seed = true, 2
	microsoft.Microsoft, microsoft.Seed = true, 3
	none.ACLRules, none.Seed = 0, 4
	one.ACLRules, one.Tenants, one.Seed = 1, 1, 5
	return map[string]fabric.Spec{
		"small": small, "dual stack": dual, "Microsoft": microsoft, "no rules": none, "one tenant, one rule": one,
		"many NICs in a subnet": {Servers: 1, Tenants: 1, Subnets: 1, NICs: 400, Seed: 6},
		"servers only":          {Servers: 3, Subnets: 1, Seed: 7},
		"empty":                 {Subnets: 1},
	}
}

// The development controller takes every fabric, all at once and one by one, and then serves as many resources.
func TestControllerTakesIt(t *testing.T) {
	for name, spec := range variants() {
		t.Run(name, func(t *testing.T) {
			f := build(t, spec)
			dir := t.TempDir()
			written, err := f.WriteDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			loaded, err := nctest.Open(nctest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := loaded.Load(dir); err != nil {
				t.Fatal(err)
			}
			put, err := nctest.Open(nctest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			here := client(t, put)
			for ref, body := range f.Puts() {
				if _, err := here.Put(t.Context(), ref, json.RawMessage(body)); err != nil {
					t.Fatal(err)
				}
			}
			for collection, want := range written.Resources {
				if collection == "virtualNetworkManager" {
					continue // a singleton
				}
				for how, c := range map[string]nctest.Client{"loaded": client(t, loaded), "put": here} {
					var got struct{ Value []json.RawMessage }
					if err := c.Get(t.Context(), "/"+collection, &got); err != nil || len(got.Value) != want {
						t.Errorf("%s: serves %d %s, want %d: %v", how, len(got.Value), collection, want, err)
					}
				}
			}
		})
	}
}

func client(t *testing.T, c *nctest.Controller) nctest.Client {
	t.Helper()
	server := httptest.NewServer(c.Handler())
	t.Cleanup(server.Close)
	return nctest.Client{Base: server.URL, HTTP: server.Client()}
}

// digest of all documents, and that of the files, which must hold the same.
func digest(t *testing.T, spec fabric.Spec) string {
	t.Helper()
	f, sum := build(t, spec), sha256.New()
	var names []string
	for d := range f.Documents() {
		fmt.Fprintf(sum, "%s %d\n%s", d.Name, d.Count, d.Bytes)
		names = append(names, d.Name)
	}
	dir := t.TempDir()
	if _, err := f.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		files = append(files, e.Name())
	}
	if !slices.Equal(files, names) {
		t.Errorf("files %q, documents %q", files, names)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))[:16]
}

// A change here changes every fabric that was ever generated: benchmarks would no longer compare.
func TestSameSeedSameBytes(t *testing.T) {
	const want = "b54f88d2f5e9da21"
	got := digest(t, small)
	if got != want {
		t.Errorf("digest %s, want %s: the generator has changed", got, want)
	}
	if again := digest(t, small); again != got {
		t.Errorf("digest %s, then %s", got, again)
	}
	other := small
	other.Seed++
	if digest(t, other) == got {
		t.Error("another seed makes the same fabric")
	}
}

func TestMicrosoftShowsNothingOfOurs(t *testing.T) {
	for ref, body := range build(t, variants()["Microsoft"]).Resources() {
		if strings.Contains(string(body), "fairlead") {
			t.Errorf("%s: %s", ref, body)
		}
	}
}

func TestDocumentsAreCut(t *testing.T) {
	spec := small
	spec.NICs = 6000
	var names []string
	last, count := "", 0
	for d := range build(t, spec).Documents() {
		names = append(names, d.Name)
		if len(d.Bytes) > 5<<20 {
			t.Errorf("%s: %d bytes", d.Name, len(d.Bytes))
		}
		if d.Collection == "networkInterfaces" {
			count += d.Count
		}
		last = d.Name
	}
	if want := "networkInterfaces-0002.json"; !slices.Contains(names, "networkInterfaces-0001.json") || !strings.HasPrefix(last, "networkInterfaces-") || !slices.Contains(names, want) || count != 6000 {
		t.Errorf("%d NICs in %q", count, names)
	}
	for range build(t, spec).Documents() {
		break // whoever has seen enough may stop
	}
}

// A smaller fabric in the place of a larger one leaves nothing of it behind, and nothing else is touched.
func TestClearDir(t *testing.T) {
	dir := t.TempDir()
	large := small
	large.NICs = 6000
	for _, spec := range []fabric.Spec{large, {Subnets: 1}} {
		if err := fabric.ClearDir(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := build(t, spec).WriteDir(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "credentials.json"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"credentials.json", "logicalNetworks.json", "macPools.json", "securityTags.json", "virtualNetworkManager.json"} {
		if len(entries) != 5 || filepath.Base(entries[i]) != want {
			t.Fatalf("left: %q", entries)
		}
	}
}

func TestWriteDirSaysWhereItFailed(t *testing.T) {
	_, err := build(t, small).WriteDir(filepath.Join(t.TempDir(), "nowhere"))
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("%v", err)
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*fabric.Spec){
		"Servers: -1":                func(s *fabric.Spec) { s.Servers = -1 },
		"Servers: 300 NICs need":     func(s *fabric.Spec) { s.Servers = 0 },
		"Tenants: 300 NICs need":     func(s *fabric.Spec) { s.Tenants = 0 },
		"Tenants: 1048577 is not":    func(s *fabric.Spec) { s.Tenants = 1<<20 + 1 },
		"Subnets: 0 is not from 1":   func(s *fabric.Spec) { s.Subnets = 0 },
		"Subnets: 1048576 tenants":   func(s *fabric.Spec) { s.Tenants, s.Subnets = 1<<20, 100 },
		"Subnets: 4096 subnets of /": func(s *fabric.Spec) { s.Tenants, s.Subnets, s.NICs = 1, 4096, 1<<22 },
		"NICs: 4194305 is not":       func(s *fabric.Spec) { s.NICs = 1<<22 + 1 },
		"ACLRules: 60001 is not":     func(s *fabric.Spec) { s.ACLRules = 60001 },
	} {
		spec := small
		change(&spec)
		if _, err := fabric.New(spec); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s…", err, want)
		}
	}
}

// What the fabric answers about a server is what its NICs' bodies say.
func TestAsksAboutServers(t *testing.T) {
	f := build(t, small)
	nics, networks := map[string][]string{}, map[string]map[string]bool{}
	for ref, body := range f.Resources() {
		var nic struct {
			Properties struct {
				Server           struct{ ResourceRef string }
				IPConfigurations []struct {
					Properties struct {
						Subnet struct{ ResourceRef string }
					}
				}
			}
		}
		if !strings.HasPrefix(ref, "/networkInterfaces/") {
			continue
		}
		if err := json.Unmarshal(body, &nic); err != nil {
			t.Fatal(err)
		}
		server := nic.Properties.Server.ResourceRef
		nics[server] = append(nics[server], ref)
		if networks[server] == nil {
			networks[server] = map[string]bool{}
		}
		network, _, _ := strings.Cut(nic.Properties.IPConfigurations[0].Properties.Subnet.ResourceRef, "/subnets/")
		networks[server][network] = true
	}
	servers := f.Servers()
	if len(servers) != small.Servers {
		t.Errorf("servers %q", servers)
	}
	for i, server := range servers {
		if got := f.NICsOf(i); !slices.Equal(got, nics[server]) || len(got) < 30 || len(got) > 90 {
			t.Errorf("%s: NICs %q, want about 60: %q", server, got, nics[server])
		}
		if got, want := f.NetworksOf(i), slices.Sorted(maps.Keys(networks[server])); !slices.Equal(got, want) {
			t.Errorf("%s: networks %q, want %q", server, got, want)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	f := build(b, fabric.Spec{Servers: 100, Tenants: 50, Subnets: 4, NICs: 10000, ACLRules: 200})
	b.ReportAllocs()
	for b.Loop() {
		total := 0
		for _, body := range f.Resources() {
			total += len(body)
		}
		b.SetBytes(int64(total))
	}
}

func BenchmarkNICsOfServer(b *testing.B) {
	f := build(b, fabric.Spec{Servers: 1000, Tenants: 500, Subnets: 4, NICs: 100000})
	for b.Loop() {
		f.NICsOf(17)
	}
}
