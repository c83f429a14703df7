package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/netip"
	"path"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/controller-client/nctest"
	generated "github.com/fairlead-net/fairlead/controller-client/nctest/fabric"
	"github.com/fairlead-net/fairlead/controller-client/rest"
	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/overlay"
	"github.com/fairlead-net/fairlead/vfp"
)

// A host that reads what it needs enforces what it would if it read everything: whatever the fabric, and while it changes.
func TestHostScopeEnforcesTheSame(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			made, err := generated.New(generated.Spec{Servers: 16, Tenants: 40, Subnets: 3, NICs: 240, ACLRules: 10, Seed: seed, DualStack: seed == 2})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if _, err := made.WriteDir(dir); err != nil {
				t.Fatal(err)
			}
			controller, err := nctest.Open(nctest.Options{PageSize: 30})
			if err != nil {
				t.Fatal(err)
			}
			defer controller.Close()
			if err := controller.Load(dir); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(controller.Handler())
			defer server.Close()
			c := nctest.Client{Base: server.URL}
			host := path.Base(made.Servers()[0])
			full, mine := sourceOf(t, server.URL, host, rest.ScopeFull), sourceOf(t, server.URL, host, rest.ScopeHost)
			sameBoth(t, "start", host, full, mine)
			r := rand.New(rand.NewPCG(seed, 7))
			for n := range 12 {
				what := mutate(t, c, made, r)
				sameBoth(t, fmt.Sprintf("change %d, %s", n, what), host, full, mine)
			}
		})
	}
}

// watched is a source and the last snapshot it gave.
type watched struct {
	source  *rest.Source
	updates chan cc.Update
	last    *cc.Snapshot
	model   *overlay.Model
}

func sourceOf(t *testing.T, url, host, scope string) *watched {
	t.Helper()
	s, err := rest.New(rest.Config{URLs: []string{url}, Host: host, Scope: scope, PollInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{source: s, updates: make(chan cc.Update, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, func(u cc.Update) { w.updates <- u }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-w.updates // starting
	w.take(t)   // the first poll comes by itself; after it, one for each Refresh
	return w
}

// sync polls and builds.
func (w *watched) sync(t *testing.T) {
	t.Helper()
	w.source.Refresh()
	w.take(t)
}

func (w *watched) take(t *testing.T) {
	t.Helper()
	u := <-w.updates
	if u.Status.State != cc.StateOK {
		t.Fatalf("status %+v", u.Status)
	}
	if u.Snapshot != nil {
		w.last = u.Snapshot
		w.model, _ = overlay.Build(u.Snapshot, w.model, overlay.Options{})
	}
}

// policy is what a host with all its NICs attached enforces.
func (w *watched) policy(host string) *vfp.Policy {
	var ports []overlay.AttachedPort
	for _, ep := range w.model.Endpoints {
		if ep.Host != nil && ep.Host.ID == host {
			ports = append(ports, overlay.AttachedPort{ID: ep.ID, Device: "d-" + ep.ID, NIC: ep.ID})
		}
	}
	p, _ := overlay.Compile(w.model, overlay.HostConfig{Name: host, ProviderAddress: netip.MustParseAddr("172.16.0.4"), UnderlayMTU: 1500}, ports)
	return p
}

func sameBoth(t *testing.T, when, host string, full, mine *watched) {
	t.Helper()
	full.sync(t)
	mine.sync(t)
	want, got := full.policy(host), mine.policy(host)
	if len(want.Ports) == 0 || len(want.Mappings) == 0 {
		t.Fatalf("%s: the host has %d ports and %d mappings: nothing is compared", when, len(want.Ports), len(want.Mappings))
	}
	if len(mine.last.NetworkInterfaces) > len(full.last.NetworkInterfaces) {
		t.Errorf("%s: the host reads %d NICs of %d", when, len(mine.last.NetworkInterfaces), len(full.last.NetworkInterfaces))
	}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmp.Comparer(func(a, b encap.VSID) bool { return a == b })); d != "" {
		t.Fatalf("%s: (-full +host)\n%.3000s", when, d)
	}
}

// mutate changes the fabric somewhere and says how.
func mutate(t *testing.T, c nctest.Client, made *generated.Fabric, r *rand.Rand) string {
	t.Helper()
	servers := made.Servers()
	change := func(ref string, f func(properties map[string]any)) {
		t.Helper()
		var body map[string]any
		if err := c.Get(t.Context(), ref, &body); err != nil {
			t.Fatal(err)
		}
		f(body["properties"].(map[string]any))
		if _, err := c.Put(t.Context(), ref, body); err != nil {
			t.Fatal(err)
		}
	}
	from := r.IntN(len(servers))
	nics := made.NICsOf(from)
	nic := nics[r.IntN(len(nics))]
	network := made.NetworksOf(0)[r.IntN(len(made.NetworksOf(0)))]
	switch r.IntN(4) {
	case 0:
		to := servers[r.IntN(len(servers))]
		change(nic, func(p map[string]any) { p["server"] = map[string]any{"resourceRef": to} })
		return nic + " moves to " + to
	case 1:
		change(nic, func(p map[string]any) { p["privateMacAddress"] = fmt.Sprintf("02FB%08X", r.Uint32()) })
		return nic + " has another MAC"
	case 2:
		change(nic, func(p map[string]any) {
			list := p["ipConfigurations"].([]any)
			if len(list) > 1 {
				p["ipConfigurations"] = list[:1]
			}
		})
		return nic + " loses an address"
	default:
		change(network, func(p map[string]any) {
			first := p["subnets"].([]any)[0].(map[string]any)["properties"].(map[string]any)
			delete(first, "accessControlList")
		})
		return network + ": a subnet loses its ACL"
	}
}
