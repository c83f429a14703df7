package agent

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// told are the reports since the last time, as text.
func (b *bed) told() string {
	b.nc.mu.Lock()
	defer b.nc.mu.Unlock()
	var all []string
	for _, r := range b.nc.reports {
		all = append(all, lastPart(r.ref)+" "+r.Status)
	}
	b.nc.reports = nil
	return strings.Join(all, ", ")
}

func (b *bed) expect(when, want string) {
	b.t.Helper()
	pass(10 * time.Second)
	if got := b.told(); got != want {
		b.t.Errorf("%s: %q, want %q", when, got, want)
	}
}

func TestStateIsReportedOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t).started()
		b.expect("at first", "host-a Success")
		b.mustAttach("web", "nic-web1")
		b.expect("attached", "nic-web1 Success")
		for range 10 {
			b.ok(b.nc.fabric())
		}
		pass(time.Minute)
		b.expect("nothing new", "")
		b.dp.set(func() { b.dp.missing = func(string) bool { return true } })
		b.resync()
		pass(reportInterval + time.Millisecond)
		if r := b.nc.reports[0]; r.ID != "id-of-/networkInterfaces/nic-web1" || r.Details[0].Code != cc.CodeVFP || r.Details[0].Source != "fairlead" || !strings.Contains(r.Details[0].Message, "does not exist") || r.LastUpdated.IsZero() {
			t.Errorf("%+v", r)
		}
		b.expect("the port fails", "nic-web1 Failure, host-a Warning")
		b.dp.set(func() { b.dp.missing, b.dp.fail = nil, errors.New("no memory") })
		b.resync()
		b.expect("the datapath fails", "nic-web1 Success, host-a Failure")
		b.dp.set(func() { b.dp.fail = nil })
		b.wiring.set(func() { b.wiring.mtu = 0 })
		b.resync()
		pass(reportInterval + time.Millisecond)
		if d := b.nc.reports[0].Details; len(d) != 1 || d[0].Code != cc.CodePA {
			t.Errorf("%+v", d)
		}
		b.told()
		b.wiring.set(func() { b.wiring.mtu = 1500 })
		b.resync()
		b.expect("all is well", "host-a Success")

	})
}

// TestReportThatIsTakenAway by who writes the resource comes again, but never as often as a strange controller would have it.
func TestReportThatIsTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t).started()
		b.mustAttach("web", "nic-web1")
		b.expect("at first", "nic-web1 Success, host-a Success")
		b.nc.set(func() { b.nc.write("/servers/host-a") })
		b.ok(b.nc.fabric())
		b.expect("Success stays Success", "")
		b.dp.set(func() { b.dp.missing = func(string) bool { return true } })
		b.resync()
		b.expect("a failure", "nic-web1 Failure, host-a Warning")
		b.ok(b.nc.fabric())
		b.expect("its own reports read back", "")
		pass(reportAgain)
		b.nc.set(func() { b.nc.write("/networkInterfaces/nic-web1") })
		b.ok(b.nc.fabric())
		b.expect("written by another", "nic-web1 Failure")
		b.nc.set(func() { b.nc.write("/networkInterfaces/nic-web1") })
		b.ok(b.nc.fabric())
		b.expect("at once again", "")
		pass(2 * reportRetry)
		b.expect("later", "nic-web1 Failure")
		for range 600 {
			b.nc.set(func() { b.nc.write("/networkInterfaces/nic-web1") })
			b.ok(b.nc.fabric())
			pass(time.Second)
		}
		if n := len(b.nc.reports); n < 5 || n > 20 {
			t.Errorf("%d reports in ten minutes to a controller that forgets", n)
		}
	})
}

func TestReportsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t).started()
		b.expect("at first", "host-a Success")
		s := fabric()
		for i := range 30 {
			s.NetworkInterfaces = append(s.NetworkInterfaces, nicOf(fmt.Sprintf("bad%d", i), "no MAC", "host-a", "10.0.1.200", webSubnet, ""))
		}
		for range 5 { // one round, however much happens
			b.ok(s)
			b.ok(fabric())
		}
		b.ok(s)
		pass(reportInterval + time.Millisecond)
		if len(b.nc.reports) != 1 || b.nc.reports[0].Status != cc.StatusWarning || len(b.nc.reports[0].Details) != maxDetails+1 || b.nc.reports[0].Details[maxDetails].Message != "and 10 more" {
			t.Errorf("%+v", b.nc.reports)
		}
	})
}

func TestRefusedReportIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		b.nc.reportErr = &cc.WriteError{Method: "PATCH", Path: "/x", Status: 403}
		b.started()
		b.expect("refused", "host-a Success")
		if p := b.problem("configuration-state-refused"); p == nil || !strings.Contains(p.Message, "PATCH /x: HTTP 403") {
			t.Errorf("%+v", p)
		}
		b.mustAttach("web", "nic-web1")
		pass(time.Hour)
		b.expect("later", "")
	})
}

func TestReportIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		b.nc.reportErr = errors.New("no route")
		b.started()
		pass(10 * time.Minute)
		if n := len(b.nc.reports); n < 5 || n > 20 {
			t.Errorf("%d tries in ten minutes", n)
		}
		b.nc.set(func() { b.nc.reports, b.nc.reportErr = nil, nil })
		pass(2 * reportRetry)
		b.expect("back", "host-a Success")
		b.expect("once", "")
		b.nc.set(func() { b.nc.reportErr = cc.ErrGone })
		b.mustAttach("web", "nic-web1")
		b.expect("gone", "nic-web1 Success")
		pass(time.Hour)
		b.expect("not again", "")
	})
}

// TestNothingIsReported while the agent knows nothing for certain.
func TestNothingIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWritingBed(t)
		b.deliver(cc.Update{Status: cc.Status{State: cc.StateUnreachable}})
		b.started()
		b.expect("unreachable", "")
		b.ok(fabric())
		b.expect("there again", "host-a Success")
		b.deliver(cc.Update{Status: cc.Status{State: cc.StateUnreachable}})
		b.dp.set(func() { b.dp.fail = errors.New("no memory") })
		b.resync()
		b.expect("a failure meanwhile", "")
		b.deliver(cc.Update{Status: cc.Status{State: cc.StateOK}})
		b.expect("back", "host-a Failure")
	})
}
