package agent

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/attach"
	"github.com/fairlead-net/fairlead/vfp"
)

func TestAttach(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	e, err := b.Attach(t.Context(), api.AttachRequest{Name: "web", Netns: "/run/netns/web", NIC: "NIC-WEB1"}) // references ignore case
	if err != nil {
		t.Fatal(err)
	}
	if e.Name != "web" || e.NIC != "nic-web1" || e.Network != "contoso" || e.Subnet != "web" || e.MAC != "00:1d:d8:07:00:01" ||
		!slices.Equal(e.Addresses, []string{"10.0.1.11"}) || e.Ifname != "eth0" || e.MTU != 1450 || e.State != "up" || e.Message != "" {
		t.Errorf("%+v", e)
	}
	s := b.wiring.devices[attach.DeviceName("web")]
	if s.Netns != "/run/netns/web" || s.MTU != 1450 || s.Gateway != netip.MustParseAddr("10.0.1.1") || !slices.Equal(s.Addresses, []netip.Prefix{netip.MustParsePrefix("10.0.1.11/24")}) {
		t.Errorf("vNIC %+v", s)
	}
	if !slices.Equal(b.dp.ports(), []string{"web"}) {
		t.Errorf("in force: %q", b.dp.ports())
	}
	b.dp.counters = vfp.Counters{Ports: map[string]vfp.PortCounters{"web": {RxPackets: 1, TxBytes: 2, Drops: map[vfp.DropReason]uint64{vfp.DropCASpoof: 3}}}}
	if c := b.endpoint("web").Counters; c.RxPackets != 1 || c.TxBytes != 2 || c.Drops["ca-spoof"] != 3 {
		t.Errorf("counters %+v", c)
	}
	if err := b.Detach(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	if len(b.wiring.devices) != 0 || len(b.dp.ports()) != 0 || b.endpoint("web") != nil {
		t.Errorf("left: %v, %q, %+v", b.wiring.devices, b.dp.ports(), b.endpoint("web"))
	}
	if err := b.Detach(t.Context(), "web"); statusOf(err) != 404 {
		t.Errorf("again: %v", err)
	}
}

func TestAttachBySubnet(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	ask := func(name, network, subnet, ip string) (*api.Endpoint, error) {
		return b.Attach(t.Context(), api.AttachRequest{Name: name, Netns: "/run/netns/" + name, Network: network, Subnet: subnet, IP: ip})
	}
	if e, err := ask("web", "contoso", "web", "10.0.1.12"); err != nil || e.NIC != "nic-web2" {
		t.Fatalf("%+v, %v", e, err)
	}
	if e, err := ask("app", "/networking/v1/virtualNetworks/contoso", "web", ""); err != nil || e.NIC != "nic-web1" {
		t.Fatalf("%+v, %v", e, err)
	}
	for _, c := range []struct{ network, subnet, ip, says string }{
		{"contoso", "web", "", "no free NIC of subnet " + webSubnet + " on this host, host-a"},
		{"contoso", "web", "10.0.1.13", "no free NIC with 10.0.1.13"},
		{"contoso", "app", "", "no free NIC"},
		{"contoso", "db", "", `network "contoso" has no subnet "db"`},
		{"nowhere", "web", "", `network "nowhere" is not known`},
	} {
		if _, err := ask("third", c.network, c.subnet, c.ip); statusOf(err) != 404 || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestAttachRefuses(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	b.mustAttach("web", "nic-web1")
	good := api.AttachRequest{Name: "app", Netns: "/run/netns/app", NIC: "nic-web2"}
	for _, c := range []struct {
		name   string
		change func(*api.AttachRequest)
		status int
		says   string
	}{
		{"unknown NIC", func(r *api.AttachRequest) { r.NIC = "nic-nobody" }, 404, `NIC "nic-nobody" is not known to the controller, or not usable`},
		{"NIC of another host", func(r *api.AttachRequest) { r.NIC = "nic-web3" }, 409, "placed on server host-b"},
		{"NIC of no host", func(r *api.AttachRequest) { r.NIC = "nic-loose" }, 409, "placed on no server"},
		{"NIC attached already", func(r *api.AttachRequest) { r.NIC = "nic-web1" }, 409, `"nic-web1" is attached already, as endpoint "web"`},
		{"name in use", func(r *api.AttachRequest) { r.Name = "web" }, 409, `endpoint "web" exists`},
		{"name that is a path", func(r *api.AttachRequest) { r.Name = "../web" }, 400, `name "../web"`},
		{"no name", func(r *api.AttachRequest) { r.Name = "" }, 400, "name"},
		{"no namespace named", func(r *api.AttachRequest) { r.Netns = "" }, 400, "netns"},
		{"relative namespace", func(r *api.AttachRequest) { r.Netns = "app" }, 400, "absolute"},
		{"missing namespace", func(r *api.AttachRequest) { r.Netns = "/run/netns/gone" }, 400, "/run/netns/gone"},
		{"interface in use", func(r *api.AttachRequest) { r.Netns = "/run/netns/web" }, 409, "already in use"},
		{"interface's name", func(r *api.AttachRequest) { r.Ifname = "eth/0" }, 400, `ifname "eth/0"`},
		{"interface's name too long", func(r *api.AttachRequest) { r.Ifname = "a-name-of-sixteen" }, 400, "ifname"},
		{"NIC and subnet", func(r *api.AttachRequest) { r.Network, r.Subnet = "contoso", "web" }, 400, "either a NIC"},
		{"neither NIC nor subnet", func(r *api.AttachRequest) { r.NIC = "" }, 400, "name a NIC, or"},
		{"network without subnet", func(r *api.AttachRequest) { r.NIC, r.Network = "", "contoso" }, 400, "name a NIC, or"},
		{"not an address", func(r *api.AttachRequest) { r.NIC, r.Network, r.Subnet, r.IP = "", "contoso", "web", "ten" }, 400, `"ten" is not an address`},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := good
			c.change(&req)
			_, err := b.Attach(t.Context(), req)
			if statusOf(err) != c.status || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%d %v; want %d %q", statusOf(err), err, c.status, c.says)
			}
			nothingOf(t, b, "app")
		})
	}
}

// nothingOf asserts that of two endpoints only web is there.
func nothingOf(t *testing.T, b *bed, name string) {
	t.Helper()
	if len(b.wiring.devices) != 1 || b.endpoint(name) != nil || slices.Contains(b.dp.ports(), name) {
		t.Errorf("left: %v, %+v, %q", b.wiring.devices, b.endpoint(name), b.dp.ports())
	}
	if again := b.restarted(); again.endpoint(name) != nil || again.endpoint("web") == nil {
		t.Errorf("after a restart: %+v", again.endpoint(name))
	}
}

// TestAttachFailure: whatever fails on the way, nothing of the endpoint stays, and others are in force.
func TestAttachFailure(t *testing.T) {
	for _, c := range []struct {
		name        string
		fail, after func(*bed)
		says        string
	}{
		{"no device", func(b *bed) { b.wiring.attachErr = errors.New("create veth: operation not permitted") }, func(b *bed) { b.wiring.attachErr = nil }, "not permitted"},
		{"datapath refuses", func(b *bed) { b.dp.fail = errors.New("map ports is full") }, func(b *bed) { b.dp.fail = nil }, "map ports is full"},
		{"device not found", func(b *bed) { b.dp.missing = func(d string) bool { return d == attach.DeviceName("app") } }, func(b *bed) { b.dp.missing = nil }, "does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			b.ok(fabric())
			b.mustAttach("web", "nic-web1")
			c.fail(b)
			_, err := b.Attach(t.Context(), api.AttachRequest{Name: "app", Netns: "/run/netns/app", NIC: "nic-web2"})
			if err == nil || statusOf(err) != 0 || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want an internal error with %q", err, c.says)
			}
			c.after(b)
			nothingOf(t, b, "app")
			b.mustAttach("app", "nic-web2")
		})
	}
}

// TestDetachFailure: the endpoint stays visible, its port is out of force, and Detach can be asked again.
func TestDetachFailure(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	b.mustAttach("web", "nic-web1")
	b.wiring.detachErr = errors.New("device or resource busy")
	if err := b.Detach(t.Context(), "web"); err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("%v", err)
	}
	if e := b.endpoint("web"); e == nil || e.State != "error" || !strings.Contains(e.Message, "busy") {
		t.Errorf("%+v", e)
	}
	if len(b.dp.ports()) != 0 {
		t.Errorf("in force: %q", b.dp.ports())
	}
	b.wiring.detachErr = nil
	if err := b.Detach(t.Context(), "web"); err != nil || b.endpoint("web") != nil {
		t.Errorf("%v, %+v", err, b.endpoint("web"))
	}
}

// TestEndpointWhoseNICLeaves: it is named and out of force, and comes back with its NIC.
func TestEndpointWhoseNICLeaves(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	b.mustAttach("web", "nic-web1")
	moved := fabric()
	moved.NetworkInterfaces[0].Server = "/servers/host-b"
	b.ok(moved)
	if e := b.endpoint("web"); e.State != "error" || !strings.Contains(e.Message, "host-b") || len(b.dp.ports()) != 0 {
		t.Errorf("%+v, in force %q", e, b.dp.ports())
	}
	b.ok(fabric())
	if e := b.endpoint("web"); e.State != "up" || len(b.dp.ports()) != 1 {
		t.Errorf("%+v, in force %q", e, b.dp.ports())
	}
}

// TestConcurrentUse: every call at once; the race detector looks on.
func TestConcurrentUse(t *testing.T) {
	b := newBed(t).started()
	b.source.send(updateOf(fabric()))
	var all sync.WaitGroup
	for _, f := range []func(){
		func() { b.mustAttach("web", "nic-web1"); _ = b.Detach(t.Context(), "web") },
		func() {
			b.mustAttach("app", "nic-web2")
			_, _ = b.Trace(api.TraceRequest{From: "app", To: "10.0.2.11"})
		},
		func() { b.source.send(updateOf(fabric())) },
		func() { _, _ = b.Status() },
		func() { _, _ = b.Endpoints(); _ = b.Ready() },
		func() { _, _ = b.ACLs(); _, _ = b.Flows() },
		func() { b.Networks(); b.Subnets(); b.Mappings() },
		func() { _, _ = b.Layers("app"); b.tenantOf("app") },
		func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, _ = b.Events(ctx, api.EventFilter{})
		},
		b.resync, b.sweep,
	} {
		all.Go(f)
	}
	all.Wait()
	b.stop()
}

// Between the making of a vNIC and its port's coming into force the endpoint's packets would reach the host's own
// stack: the host side is not up before.
func TestHostSideOpensWhenThePortIsInForce(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	b.dp.set(func() { b.dp.fail = errors.New("no room") })
	if _, err := b.Attach(t.Context(), api.AttachRequest{Name: "web", Netns: "/run/netns/web", NIC: "nic-web1"}); err == nil {
		t.Fatal("attached without a port in force")
	}
	b.wiring.set(func() {
		if len(b.wiring.up) > 0 {
			t.Errorf("%v up although no port is in force", b.wiring.up)
		}
	})
	b.dp.set(func() { b.dp.fail = nil })
	e := b.mustAttach("web", "nic-web1")
	b.wiring.set(func() {
		if !slices.Equal(b.wiring.up, []string{e.Device}) {
			t.Errorf("up: %v, want %s", b.wiring.up, e.Device)
		}
	})
}
