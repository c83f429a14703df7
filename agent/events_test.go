package agent

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/vfp"
)

func aclEvent(when time.Time) vfp.Event {
	return vfp.Event{Kind: vfp.EventACL, Time: when, PortID: "web", Direction: vfp.Inbound, Protocol: vfp.ProtocolTCP, Source: netip.MustParseAddr("10.0.1.12"), SourcePort: 40000,
		Destination: netip.MustParseAddr("10.0.1.11"), DestinationPort: 443, Length: 60, Rule: vfp.RuleKey{ACL: gateACL, RuleID: gateACL + "/aclRules/https"}, Action: vfp.Block, Suppressed: 2}
}

func TestEventsOfTheAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		b.ok(fabric())
		b.mustAttach("web", "nic-web1")
		next, err := b.Events(t.Context(), api.EventFilter{Endpoint: "web", Kinds: []string{"acl", "drop"}})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		b.dp.emit(vfp.Event{Kind: vfp.EventFlowNew, PortID: "web"})
		b.dp.emit(vfp.Event{Kind: vfp.EventDrop, PortID: "app"})
		b.dp.emit(aclEvent(when))
		b.dp.emit(vfp.Event{Kind: vfp.EventDrop, Time: when, PortID: "web", Reason: vfp.DropARPSpoof, Length: 42})
		kinded := api.Kinded{APIVersion: api.Version, Kind: "Event"}
		for _, want := range []api.Event{
			{Kinded: kinded, Event: "acl", Time: when, Endpoint: "web", Network: "contoso", Direction: "inbound", Protocol: "tcp", Source: "10.0.1.12", SourcePort: 40000,
				Destination: "10.0.1.11", DestinationPort: 443, Length: 60, ACL: gateACL, Rule: "https", Action: "block", Suppressed: 2},
			{Kinded: kinded, Event: "drop", Time: when, Endpoint: "web", Network: "contoso", Direction: "outbound", Length: 42, Reason: "arp-spoof"},
		} {
			got, err := next()
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		}
	})
}

// TestACLLog: a line per event, appended, only for root's eyes, put aside when full.
func TestACLLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		path := filepath.Join(t.TempDir(), "log", "acl.json")
		b.cfg.Log.ACL.Path = path
		b = b.restarted()
		b.ok(fabric())
		b.mustAttach("web", "nic-web1")
		b.started()
		synctest.Wait()
		when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		b.dp.emit(aclEvent(when))
		b.dp.emit(dropOf("web", 1))
		synctest.Wait()
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"time":"2026-01-02T03:04:05Z","tenant":"contoso","endpoint":"web","acl":"/accessControlLists/gate","rule":"https","action":"block","direction":"inbound","protocol":"tcp",` +
			`"source":"10.0.1.12","sourcePort":40000,"destination":"10.0.1.11","destinationPort":443,"bytes":60,"suppressed":2}` + "\n"
		if string(raw) != want {
			t.Errorf("%s\nwant\n%s", raw, want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		b.stop()
		b = b.restarted().started()
		synctest.Wait()
		b.dp.emit(aclEvent(when))
		synctest.Wait()
		if raw, err = os.ReadFile(path); err != nil || string(raw) != want+want {
			t.Errorf("not appended: %s", raw)
		}
		b.stop()
	})
}

func TestACLLogFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		dir := t.TempDir()
		b.cfg.Log.ACL.Path = filepath.Join(dir, "acl.json")
		if err := os.Mkdir(b.cfg.Log.ACL.Path, 0o700); err != nil {
			t.Fatal(err)
		}
		b = b.restarted().started()
		synctest.Wait()
		if p := b.problem("acl-log"); p == nil || !strings.Contains(p.Message, "acl.json") || p.Severity != "error" {
			t.Errorf("%+v", p)
		}
		if err := os.Remove(b.cfg.Log.ACL.Path); err != nil {
			t.Fatal(err)
		}
		b.dp.set(func() { b.dp.watchErr = errors.New("no ring buffer") })
		pass(logRetry)
		if p := b.problem("acl-log"); p == nil || !strings.Contains(p.Message, "no ring buffer") {
			t.Errorf("%+v", p)
		}
		b.dp.set(func() { b.dp.watchErr = nil })
		pass(logRetry)
		if p := b.problem("acl-log"); p != nil {
			t.Errorf("%+v", p)
		}
		b.stop()
	})
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := openRotating(path, 12)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { r.close() }()
	for _, line := range []string{"aaaaaaa\n", "bbb\n", "a line that is longer than a file\n", "c\n"} {
		if err := r.write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	now, _ := os.ReadFile(path)
	before, _ := os.ReadFile(path + ".1")
	if string(now) != "c\n" || string(before) != "a line that is longer than a file\n" {
		t.Errorf("%q, before %q", now, before)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}
