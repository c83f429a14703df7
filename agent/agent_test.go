package agent

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/attach"
	"github.com/fairlead-net/fairlead/agent/ports"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/encap"
)

var away = cc.Update{Status: cc.Status{Type: "rest", State: cc.StateUnreachable, Message: "connection refused"}}

// TestNothingBeforeTheFirstSnapshot: an agent that knows nothing leaves alone what the kernel holds.
func TestNothingBeforeTheFirstSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t).started()
		b.source.send(away)
		pass(5 * time.Minute)
		if n := len(b.dp.applied); n != 0 {
			t.Errorf("%d policies applied", n)
		}
		if err := b.Ready(); err == nil || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("Ready: %v", err)
		}
		if _, err := b.Attach(t.Context(), api.AttachRequest{Name: "web", Netns: "/run/netns/web", NIC: "nic-web1"}); statusOf(err) != 503 {
			t.Errorf("Attach: %v", err)
		}
		b.source.send(cc.Update{Snapshot: fabric(), Status: cc.Status{State: cc.StateOK}})
		if n := len(b.dp.applied); n != 1 {
			t.Errorf("%d policies applied, want 1", n)
		}
		if err := b.Ready(); err != nil {
			t.Errorf("Ready: %v", err)
		}
		b.stop()
	})
}

// TestRestart: a new process takes ports and policy over, without a controller and without touching a device.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t).started()
		b.source.send(cc.Update{Snapshot: fabric(), Status: cc.Status{State: cc.StateOK}})
		before := b.mustAttach("web", "nic-web1")
		b.stop()
		b = b.restarted()
		if len(b.dp.ports()) != 1 || b.wiring.attached != 1 {
			t.Errorf("before Run: ports %q, %d attached", b.dp.ports(), b.wiring.attached)
		}
		b.started()
		b.source.send(away)
		synctest.Wait()
		if !slices.Equal(b.dp.ports(), []string{"web"}) || b.wiring.attached != 1 {
			t.Errorf("ports %q, %d attached, want web and 1", b.dp.ports(), b.wiring.attached)
		}
		if e := b.endpoint("web"); e == nil || e.State != "up" || e.MAC != before.MAC || e.Network != "contoso" {
			t.Errorf("endpoint %+v", e)
		}
		s, err := b.Status()
		if err != nil || s.Controller.State != cc.StateUnreachable || s.Model.Endpoints != 6 || !s.Degraded() {
			t.Errorf("status %+v, %v", s, err)
		}
		b.stop()
	})
}

// TestLastGoodSurvivesRestart: what is broken on the controller keeps its last good version, also over a restart.
func TestLastGoodSurvivesRestart(t *testing.T) {
	b := newBed(t)
	good, bad := fabric(), fabric()
	bad.AccessControlLists[0].Rules[0].DestinationPortRange = "443-80"
	bad.NetworkInterfaces = append(bad.NetworkInterfaces, nicOf("nic-new", "001DD8070021", "host-a", "10.0.1.21", webSubnet, ""))
	b.ok(good)
	b.ok(bad)
	b.ok(bad)
	b = b.restarted()
	acls, err := b.ACLs()
	if err != nil || len(acls) != 1 || len(acls[0].Rules) != 2 || acls[0].Rules[1].DestinationPorts != "443" {
		t.Errorf("%+v, %v: want the rules as they last were good", acls, err)
	}
	if b.model.FindEndpoint("nic-new") == nil {
		t.Error("what was new and good beside the mistake is lost")
	}
	b.ok(good)
	b = b.restarted()
	if s, err := b.Status(); err != nil || s.Model.FromDisk.IsZero() {
		t.Errorf("status does not say that the state is from disk: %+v, %v", s.Model, err)
	}
	if len(b.fromModel) != 0 {
		t.Errorf("problems of a past: %+v", b.fromModel)
	}
}

func TestUnreadableSnapshot(t *testing.T) {
	b := newBed(t)
	if err := ports.WriteFile(b.cfg.StateDir+"/"+lastSnapshot, []byte("{")); err != nil {
		t.Fatal(err)
	}
	b = b.restarted()
	if b.model != nil || b.log.with("last good snapshot is not usable") != 1 {
		t.Errorf("model %v, log %q", b.model, b.log.lines)
	}
}

// TestApplyIsTriedAgain: with growing pauses, until the datapath takes the policy.
func TestApplyIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t).started()
		synctest.Wait()
		b.dp.set(func() { b.dp.fail = errors.New("no memory for map mappings") })
		start := time.Now()
		b.source.send(cc.Update{Snapshot: fabric(), Status: cc.Status{State: cc.StateOK}})
		pass(4 * time.Second)
		p := b.problem("datapath")
		if p == nil || !strings.Contains(p.Message, "no memory for map mappings") || !strings.Contains(p.Message, "stays in force") {
			t.Errorf("problem %+v", p)
		}
		b.dp.set(func() { b.dp.fail = nil })
		pass(20 * time.Second)
		if p := b.problem("datapath"); p != nil {
			t.Errorf("problem %+v", p)
		}
		var at []time.Duration
		for _, when := range b.dp.applied {
			at = append(at, when.Sub(start))
		}
		want := []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond, 7500 * time.Millisecond}
		if !slices.Equal(at, want) {
			t.Errorf("applied at %v, want %v", at, want)
		}
		if b.log.with("problem code=datapath") != 1 || b.log.with("problem gone code=datapath") != 1 {
			t.Errorf("not logged once each: %q", b.log.lines)
		}
		b.stop()
	})
}

// TestResyncRepairs: a device that somebody removed is made again; without its namespace the endpoint is down.
func TestResyncRepairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t).started()
		b.dp.missing = func(device string) bool { there, _ := b.wiring.Exists(device); return !there }
		b.source.send(cc.Update{Snapshot: fabric(), Status: cc.Status{State: cc.StateOK}})
		e := b.mustAttach("web", "nic-web1")
		spec := b.wiring.devices[e.Device]
		b.wiring.set(func() { delete(b.wiring.devices, e.Device) })
		if e := b.endpoint("web"); e.State != "down" || !strings.Contains(e.Message, e.Device) {
			t.Errorf("%+v, want down", e)
		}
		if p := b.problem("endpoint-down"); p == nil || p.Resource != "web" {
			t.Errorf("problem %+v", p)
		}
		pass(resyncInterval)
		if e := b.endpoint("web"); e.State != "up" || b.wiring.devices[e.Device].Netns != spec.Netns {
			t.Errorf("%+v, want up again", e)
		}
		b.wiring.set(func() {
			delete(b.wiring.devices, e.Device)
			delete(b.wiring.namespaces, spec.Netns)
		})
		pass(resyncInterval)
		if e := b.endpoint("web"); e.State != "down" || !strings.Contains(e.Message, spec.Netns) {
			t.Errorf("%+v, want down, and the namespace named", e)
		}
		if p := b.problem("endpoint-down"); p != nil {
			t.Errorf("told twice: %+v", p)
		}
		if p := b.problem("port"); p == nil || p.Resource != "web" {
			t.Errorf("problem %+v", p)
		}
		if err := b.Detach(t.Context(), "web"); err != nil {
			t.Errorf("Detach: %v", err)
		}
		if p := b.problem("port"); p != nil {
			t.Errorf("problem %+v", p)
		}
		b.stop()
	})
}

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t).started()
		pass(sweepInterval)
		b.dp.set(func() { b.dp.sweepErr = errors.New("map flows: bad file descriptor") })
		pass(4 * sweepInterval)
		if p := b.problem("datapath-sweep"); p == nil || b.log.with("problem code=datapath-sweep") != 1 {
			t.Errorf("%+v, %q", p, b.log.lines)
		}
		if b.dp.swept != 5 {
			t.Errorf("swept %d times, want 5", b.dp.swept)
		}
		b.stop()
	})
}

// TestCrash: whatever step a crash followed, the next start leaves neither a device nor a record behind.
func TestCrash(t *testing.T) {
	for _, phase := range []ports.Phase{ports.Attaching, ports.Detaching} {
		for _, device := range []bool{false, true} {
			b := newBed(t)
			rec := ports.Record{Name: "web", NIC: "nic-web1", Netns: "/run/netns/web", Ifname: "eth0", Device: attach.DeviceName("web"), Phase: phase}
			if err := b.ports.Put(rec); err != nil {
				t.Fatal(err)
			}
			if device {
				b.wiring.devices[rec.Device] = attach.Spec{Device: rec.Device, Netns: rec.Netns, Ifname: "eth0"}
			}
			b = b.restarted()
			if len(b.wiring.devices) != 0 || b.endpoint("web") != nil {
				t.Errorf("%s, device %v: devices %v, endpoint %+v", phase, device, b.wiring.devices, b.endpoint("web"))
			}
			b = b.restarted()
			b.ok(fabric())
			b.mustAttach("web", "nic-web1")
		}
	}
}

// TestUndoneLater: what cannot be undone at start does not keep the agent from starting.
func TestUndoneLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		if err := b.ports.Put(ports.Record{Name: "web", NIC: "nic-web1", Device: "fl1", Phase: ports.Attaching}); err != nil {
			t.Fatal(err)
		}
		b.wiring.detachErr = errors.New("device or resource busy")
		b = b.restarted().started()
		if e := b.endpoint("web"); e == nil || e.State != "error" || !strings.Contains(e.Message, "busy") {
			t.Errorf("%+v", e)
		}
		b.wiring.set(func() { b.wiring.detachErr = nil })
		pass(resyncInterval)
		if e := b.endpoint("web"); e != nil {
			t.Errorf("%+v", e)
		}
		b.stop()
	})
}

func TestSourceThatCannotWork(t *testing.T) {
	for _, cause := range []error{errors.New("bad URL"), nil} {
		b := newBed(t)
		ended := make(chan error)
		go func() { ended <- b.Run(t.Context()) }()
		b.source.fail <- cause
		if err := <-ended; err == nil || cause != nil && !errors.Is(err, cause) {
			t.Errorf("Run: %v, want %v", err, cause)
		}
	}
}

// TestHost: the configuration and the underlay device must fit.
func TestHost(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	if p := b.problem("underlay"); p != nil {
		t.Errorf("%+v", p)
	}
	b.wiring.pa = nil
	b.resync()
	if p := b.problem("underlay"); p == nil || !strings.Contains(p.Message, "172.16.0.1 is not an address of eth0") {
		t.Errorf("%+v", p)
	}
	b.wiring.mtu = 0
	b.resync()
	if p := b.problem("underlay"); p == nil || !strings.Contains(p.Message, "eth0") {
		t.Errorf("%+v", p)
	}
	if _, err := b.Attach(t.Context(), api.AttachRequest{Name: "web", Netns: "/run/netns/web", NIC: "nic-web1"}); err == nil || !strings.Contains(err.Error(), "eth0") {
		t.Errorf("Attach: %v", err)
	}
	if len(b.wiring.devices) != 0 || b.endpoint("web") != nil {
		t.Error("something is left")
	}
}

// TestProblemsAreLoggedOnce: when they come, and when they go.
func TestProblemsAreLoggedOnce(t *testing.T) {
	b := newBed(t)
	bad := fabric()
	bad.NetworkInterfaces[0].IPConfigurations[0].Subnet = "/virtualNetworks/contoso/subnets/gone"
	for range 3 {
		b.ok(bad)
		b.resync()
	}
	b.ok(fabric())
	if came, went := b.log.with("problem code="), b.log.with("problem gone code="); came != went || came == 0 {
		t.Errorf("%d came, %d went: %q", came, went, b.log.lines)
	}
	seen := map[string]bool{}
	for _, line := range b.log.lines {
		if strings.HasPrefix(line, "problem ") && seen[line] {
			t.Errorf("twice: %s", line)
		}
		seen[line] = true
	}
}

// TestOutdated: an endpoint whose NIC changed under it is named; what fits keeps quiet.
func TestOutdated(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	b.mustAttach("web", "nic-web1")
	if p := b.problem("endpoint-outdated"); p != nil {
		t.Errorf("%+v", p)
	}
	changed := fabric()
	changed.NetworkInterfaces[0].IPConfigurations[0].PrivateIPAddress = "10.0.1.99"
	b.ok(changed)
	p := b.problem("endpoint-outdated")
	if p == nil || p.Severity != "warning" || !strings.Contains(p.Message, "10.0.1.99/24") || !strings.Contains(p.Message, "10.0.1.11/24") {
		t.Errorf("%+v", p)
	}
}

func TestEncapsulationOverride(t *testing.T) {
	b := newBed(t)
	b.cfg.Encapsulation = "nvgre"
	b = b.restarted()
	b.ok(fabric())
	if e := b.mustAttach("web", "nic-web1"); e.MTU != 1500-encap.Overhead(encap.NVGRE, false) {
		t.Errorf("MTU %d", e.MTU)
	}
	if b.dp.policy.Encapsulation != encap.NVGRE {
		t.Errorf("%s", b.dp.policy.Encapsulation)
	}
}

func statusOf(err error) int {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}
