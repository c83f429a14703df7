package agent

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/attach"
	"github.com/fairlead-net/fairlead/agent/ports"
	cc "github.com/fairlead-net/fairlead/controller-client"
)

func (b *bed) attachTo(name, network, subnet, ip string) (*api.Endpoint, error) {
	return b.Attach(b.t.Context(), api.AttachRequest{Name: name, Netns: "/run/netns/" + name, Network: network, Subnet: subnet, IP: ip})
}

// portAddrs are those of a port in force.
func (b *bed) portAddrs(name string) string {
	b.dp.mu.Lock()
	defer b.dp.mu.Unlock()
	var all []string
	for _, p := range b.dp.policy.Ports {
		for _, a := range p.Addresses {
			if p.ID == name {
				all = append(all, a.CA.String())
			}
		}
	}
	return strings.Join(all, " ")
}

// gone asserts that nothing of an endpoint is left, anywhere.
func (b *bed) gone(name string) {
	b.t.Helper()
	synctest.Wait()
	_, records, err := ports.Open(b.cfg.StateDir)
	if err != nil {
		b.t.Fatal(err)
	}
	onDisk := slices.ContainsFunc(records, func(r ports.Record) bool { return r.Name == name })
	_, device := b.wiring.devices[attach.DeviceName(name)]
	if onDisk || device || b.endpoint(name) != nil || slices.Contains(b.dp.ports(), name) || b.nc != nil && strings.Contains(b.nc.taken(), name) {
		b.t.Errorf("of %s: on disk %v, device %v, listed %+v, in force %q, on the controller %q", name, onDisk, device, b.endpoint(name), b.dp.ports(), b.nc.taken())
	}
}

func TestAttachAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		b.wiring.namespaces["/run/netns/own"] = true
		e, err := b.attachTo("web", "contoso", "web", "")
		if err != nil {
			t.Fatal(err)
		}
		if e.NIC != "nic-web1" || e.MAC != "00:1d:d8:07:00:01" || !slices.Equal(e.Addresses, []string{"10.0.1.100"}) || e.State != "up" || e.Network != "contoso" || e.Subnet != "web" {
			t.Errorf("%+v", e)
		}
		if e, err = b.attachTo("app", "contoso", "app", "10.0.2.50"); err != nil || e.NIC != "nic-web1" || e.Subnet != "app" {
			t.Fatalf("%+v, %v", e, err) // no NIC of this host is in that subnet: one of the network's
		}
		b.mustAttach("own", "nic-web1")
		for name, want := range map[string]string{"web": "10.0.1.100", "app": "10.0.2.50", "own": "10.0.1.11"} {
			if got := b.portAddrs(name); got != want {
				t.Errorf("%s has %s, want %s", name, got, want)
			}
			s := b.wiring.devices[attach.DeviceName(name)]
			if len(s.Addresses) != 1 || s.Addresses[0].Addr().String() != want || s.MAC.String() != "00:1d:d8:07:00:01" {
				t.Errorf("vNIC of %s: %+v", name, s)
			}
		}
		if got := b.wiring.devices[attach.DeviceName("app")].Gateway; got != netip.MustParseAddr("10.0.2.1") {
			t.Errorf("app's gateway: %s", got)
		}
		if p := b.problem("endpoint-outdated"); p != nil {
			t.Errorf("%+v", p)
		}
		if got := b.nc.taken(); got != "fl-app fl-web" {
			t.Errorf("on the controller: %s", got)
		}
		for _, name := range []string{"web", "app"} {
			if err := b.Detach(t.Context(), name); err != nil {
				t.Error(err)
			}
			b.gone(name)
		}
		synctest.Wait()
		if got := b.portAddrs("own"); got != "10.0.1.11" {
			t.Errorf("own has %s", got)
		}
	})
}

func TestAttachAnewChooses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		s := fabric()
		s.NetworkInterfaces[0].IPConfigurations[0].AccessControlList = gateACL
		b.ok(s)
		b.mustAttach("web", "nic-web1")
		if e, err := b.attachTo("app", "contoso", "web", "10.0.1.12"); err != nil || e.NIC != "nic-web2" || b.nc.taken() != "" {
			t.Errorf("an address of a free NIC: %+v, %v", e, err)
		}
		for _, c := range []struct {
			network, subnet, ip string
			status              int
			says                string
		}{
			{"contoso", "web", "10.0.1.11", 409, "is that of /networkInterfaces/nic-web1/ipConfigurations/ip1"},
			{"contoso", "web", "10.0.1.13", 409, "nic-web3"},
			{"contoso", "web", "10.0.2.1", 400, "not in subnet " + webSubnet},
			{"contoso", "db", "", 404, `has no subnet "db"`},
		} {
			if _, err := b.attachTo("third", c.network, c.subnet, c.ip); statusOf(err) != c.status || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%+v: %v", c, err)
			}
		}
		nic, ask, err := b.chooseNIC(api.AttachRequest{Name: "x", Network: "contoso", Subnet: "web"})
		if err != nil || nic.ID != "nic-web1" || ask.AccessControlList != gateACL || ask.Ref != "/networkInterfaces/nic-web1/ipConfigurations/fl-x" || ask.Address.IsValid() {
			t.Errorf("%+v, %+v, %v: want nic-web1 with what guards it", nic, ask, err)
		}
		s.NetworkInterfaces = slices.DeleteFunc(s.NetworkInterfaces, func(n cc.NetworkInterface) bool { return n.Server == "/servers/host-a" })
		b.ok(s)
		if _, err := b.attachTo("third", "contoso", "web", ""); statusOf(err) != 404 || !strings.Contains(err.Error(), "the fabric must place one there") {
			t.Errorf("no NIC: %v", err)
		}
	})
}

func TestAttachAnewFails(t *testing.T) {
	full := &cc.WriteError{Method: "PUT", Path: "/x", Status: 409, Code: "IPAddressesExhausted", Message: "none left"}
	for _, c := range []struct {
		name   string
		change func(*bed)
		status int
		says   string
	}{
		{"the controller refuses", func(b *bed) { b.nc.addErr = full }, 409, "web gets no address: controller: PUT /x: HTTP 409 IPAddressesExhausted: none left"},
		{"the controller is away", func(b *bed) { b.nc.addErr = errors.New("no route") }, 503, "no route"},
		{"its answer is lost", func(b *bed) { b.nc.addErr, b.nc.lost = cc.ErrUnanswered, true }, 503, "unanswered"},
		{"it shows nothing", func(b *bed) { b.nc.refreshed = nil }, 503, "does not show it to this host"},
		{"the namespace is gone", func(b *bed) { clear(b.wiring.namespaces) }, 400, "/run/netns/web"},
		{"the datapath fails", func(b *bed) { b.dp.fail = errors.New("no memory") }, 500, "no memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newWritingBed(t)
				c.change(b)
				_, err := b.attachTo("web", "contoso", "web", "")
				if statusOf(err) != c.status && (c.status != 500 || err == nil) || err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want %d %s", err, c.status, c.says)
				}
				b.dp.set(func() { b.dp.fail = nil })
				b.resync()
				b.gone("web")
			})
		})
	}
}

// TestLateWrite: an answer that did not come may mean a write that comes later.
func TestLateWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		b.nc.addErr = cc.ErrUnanswered
		if _, err := b.attachTo("web", "contoso", "web", ""); err == nil {
			t.Fatal("attached")
		}
		b.started()
		pass(2 * time.Second)
		if e := b.endpoint("web"); e == nil || e.State != "error" || b.problem("address-not-released") == nil {
			t.Errorf("%+v, %+v", e, b.problem("address-not-released"))
		}
		b.nc.set(func() {
			b.nc.added["/networkInterfaces/nic-web1/ipConfigurations/fl-web"] = cc.IPRequest{Address: netip.MustParseAddr("10.0.1.5"), Subnet: webSubnet}
		})
		pass(time.Minute)
		b.gone("web")
		if p := b.problem("address-not-released"); p != nil {
			t.Errorf("%+v", p)
		}
	})
}

// TestAttachDoesNotBlock: the controller may take its time for one, everything else goes on.
func TestAttachDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		hold := make(chan struct{})
		b.nc.hold = hold
		failed := make(chan error, 2)
		for _, name := range []string{"web", "app"} {
			go func() {
				_, err := b.attachTo(name, "contoso", "web", "")
				failed <- err
			}()
		}
		synctest.Wait()
		if e := b.endpoint("web"); e == nil || e.State != "pending" {
			t.Errorf("%+v", e)
		}
		_, records, err := ports.Open(b.cfg.StateDir)
		if err != nil || len(records) != 2 || records[1].IPConfiguration != "/networkInterfaces/nic-web1/ipConfigurations/fl-web" {
			t.Errorf("on disk before the controller is written to: %+v, %v", records, err)
		}
		if _, err := b.attachTo("web", "contoso", "web", ""); statusOf(err) != 409 {
			t.Errorf("the same again: %v", err)
		}
		if _, err := b.attachTo("WEB", "contoso", "web", ""); statusOf(err) != 409 || !strings.Contains(err.Error(), `that of endpoint "web"`) {
			t.Errorf("the same to a controller: %v", err)
		}
		b.resync()
		close(hold)
		for range 2 {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		if web, app := b.portAddrs("web"), b.portAddrs("app"); web == app || web == "" || app == "" {
			t.Errorf("web %s, app %s", web, app)
		}
	})
}

func TestDetachWhileAttaching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		b.nc.refreshed = nil // it waits for the model
		failed := make(chan error, 1)
		go func() {
			_, err := b.attachTo("web", "contoso", "web", "")
			failed <- err
		}()
		synctest.Wait()
		if err := b.Detach(t.Context(), "web"); err != nil {
			t.Error(err)
		}
		if err := <-failed; err == nil || !strings.Contains(err.Error(), "detached meanwhile") {
			t.Error(err)
		}
		b.gone("web")
	})
}

// TestReleaseGoesOn: until the controller has the address back, over restarts, with or without the right to write.
func TestReleaseGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		if _, err := b.attachTo("web", "contoso", "web", ""); err != nil {
			t.Fatal(err)
		}
		b.nc.removeErr = errors.New("no route")
		if err := b.Detach(t.Context(), "web"); err != nil {
			t.Error(err)
		}
		if len(b.dp.ports()) != 0 || len(b.wiring.devices) != 0 {
			t.Errorf("in force %q, devices %v", b.dp.ports(), b.wiring.devices)
		}
		if _, err := b.attachTo("web", "contoso", "web", ""); statusOf(err) != 409 || !strings.Contains(err.Error(), "still being detached: ipConfiguration /networkInterfaces/nic-web1") {
			t.Error(err)
		}
		p := b.problem("address-not-released")
		if p == nil || p.Resource != "web" || !strings.Contains(p.Message, "/networkInterfaces/nic-web1/ipConfigurations/fl-web is not released: no route") {
			t.Errorf("%+v", p)
		}
		b.cfg.Controller.REST.Writes.IPConfigurations = false
		b = b.restarted().synced().started()
		before := b.nc.removes
		pass(time.Minute)
		if p := b.problem("address-not-released"); p == nil || !strings.Contains(p.Message, "writes.ipConfigurations is off") || b.nc.removes != before {
			t.Errorf("%+v, %d writes", p, b.nc.removes-before)
		}
		b.stop()
		b.cfg.Controller.REST.Writes.IPConfigurations = true
		b = b.restarted().synced().started()
		pass(2 * time.Minute)
		if tries := b.nc.removes - before; tries < 3 || tries > 20 {
			t.Errorf("%d tries in two minutes", tries)
		}
		b.nc.set(func() { b.nc.removeErr = nil })
		pass(retryMost + time.Second)
		b.gone("web")
	})
}

// TestReleasedByHand: without the right to write, somebody else may do it.
func TestReleasedByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		if _, err := b.attachTo("web", "contoso", "web", ""); err != nil {
			t.Fatal(err)
		}
		b.cfg.Controller.REST.Writes.IPConfigurations = false
		b = b.restarted().synced().started()
		if got := b.portAddrs("web"); got != "10.0.1.100" {
			t.Errorf("web has %s", got)
		}
		if err := b.Detach(t.Context(), "web"); err != nil {
			t.Error(err)
		}
		pass(time.Minute)
		if b.endpoint("web") == nil {
			t.Error("the address is forgotten")
		}
		b.nc.set(func() { clear(b.nc.added) })
		b.ok(b.nc.fabric())
		pass(time.Minute)
		b.gone("web")
	})
}

// TestCrashWhileAttaching: the record tells what to undo.
func TestCrashWhileAttaching(t *testing.T) {
	for _, happened := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newWritingBed(t)
			rec := ports.Record{Name: "web", NIC: "nic-web1", Device: attach.DeviceName("web"), Phase: ports.Attaching, IPConfiguration: "/networkInterfaces/nic-web1/ipConfigurations/fl-web"}
			if err := b.ports.Put(rec); err != nil {
				t.Fatal(err)
			}
			if happened {
				b.nc.added[rec.IPConfiguration] = cc.IPRequest{Ref: rec.IPConfiguration, Subnet: webSubnet, Address: netip.MustParseAddr("10.0.1.5")}
			}
			b = b.restarted().synced().started()
			pass(time.Minute)
			b.gone("web")
			if len(b.nc.added) != 0 {
				t.Errorf("left: %v", b.nc.added)
			}
		})
	}
}

// TestAddressTakenAway by another hand: the endpoint keeps nothing of it, and status says so.
func TestAddressTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		if _, err := b.attachTo("web", "contoso", "web", ""); err != nil {
			t.Fatal(err)
		}
		b.nc.set(func() { clear(b.nc.added) })
		b.ok(b.nc.fabric())
		if got := b.portAddrs("web"); got != "" || b.problem("port-address-unknown") == nil {
			t.Errorf("web has %q; %+v", got, b.problem("port-address-unknown"))
		}
		if e := b.endpoint("web"); e.State != "error" {
			t.Errorf("%+v", e)
		}
	})
}

// TestWritesNeedAWriter and the configuration's word.
func TestWritesNeedAWriter(t *testing.T) {
	b := newBed(t)
	b.cfg.Controller.REST.Writes.IPConfigurations = true
	if _, err := newAgent(b.cfg, b.source, b.dp, b.wiring, b.Agent.log, ""); err == nil || !strings.Contains(err.Error(), "controller.rest.writes") {
		t.Error(err)
	}
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		b.cfg.Controller.REST.Writes.IPConfigurations, b.cfg.Controller.REST.Writes.ConfigurationState = false, false
		b = b.restarted().synced().started()
		if e, err := b.attachTo("web", "contoso", "web", ""); err != nil || e.NIC != "nic-web1" || e.Addresses[0] != "10.0.1.11" {
			t.Errorf("%+v, %v", e, err)
		}
		pass(time.Minute)
		if err := b.Detach(t.Context(), "web"); err != nil {
			t.Error(err)
		}
		pass(time.Minute)
		if b.nc.taken() != "" || b.nc.removes != 0 || len(b.nc.reports) != 0 {
			t.Errorf("written: %q, %d, %v", b.nc.taken(), b.nc.removes, b.nc.reports)
		}
	})
}
