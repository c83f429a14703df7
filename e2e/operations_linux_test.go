package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// event is what is looked at of `fairlead monitor -o json` and of a line of the ACL log.
type event struct {
	Event, Endpoint, ACL, Rule, Action, Reason, Direction, Protocol, Source, Destination string
	SourcePort, DestinationPort                                                          uint16
}

// TestOperations: what an operator sees of what happens is what happened.
func TestOperations(t *testing.T) {
	d := newDual(t, dualOptions{acl: closed8080("web2"), config: map[string]string{"host-b": "log: {acl: {path: acl.log}}\n"}})
	web1, web2 := d.at["web1"], d.at["web2"]
	closed := netip.AddrPortFrom(web2.v4, portClosed)
	knock := func(to netip.AddrPort) { _, _ = traffic.AskUDP(web1, to, "knock", time.Millisecond) }

	t.Run("monitor", func(t *testing.T) {
		d.t = t
		var live, table *lab.Process
		tell(t, d.Lab, func() {
			live = d.b.Follow("monitor", "--endpoint", "web2", "--kind", "drop,acl", "-o", "json")
			table = d.b.Follow("monitor", "--endpoint", "web2")
		})
		defer live.Interrupt()
		defer table.Interrupt()
		wants := map[string]event{
			"acl":  {Event: "acl", Endpoint: "web2", Action: "block", Direction: "inbound", Protocol: "udp", Source: web1.v4.String(), Destination: web2.v4.String(), DestinationPort: portClosed},
			"drop": {Event: "drop", Endpoint: "web2", Reason: "acl-inbound", Direction: "inbound", Protocol: "udp", Source: web1.v4.String(), Destination: web2.v4.String(), DestinationPort: portClosed},
		}
		d.soon("the monitor shows a drop and an ACL event", func() error {
			knock(closed)
			seen := map[string]bool{}
			for _, e := range lines[event](t, live.Log) {
				if e.Reason == "multicast" { // its own stack speaks MLD
					continue
				}
				if e.Event == "acl" && !strings.HasSuffix(e.Rule, "closed-udp") {
					t.Errorf("rule %q", e.Rule)
				}
				e.SourcePort, e.Rule, e.ACL = 0, "", ""
				if e == wants[e.Event] {
					seen[e.Event] = true
				} else {
					t.Errorf("%+v, want %+v", e, wants[e.Event])
				}
			}
			if !seen["acl"] || !seen["drop"] {
				return fmt.Errorf("seen: %v", seen)
			}
			text, err := os.ReadFile(table.Log)
			if err != nil || !strings.Contains(string(text), "acl-inbound") || !strings.Contains(string(text), "closed-udp") {
				return fmt.Errorf("table: %s %w", text, err)
			}
			return nil
		})
		d.soon("the ACL log has the line", func() error {
			for _, e := range lines[event](t, filepath.Join(d.Dir(), "host-b", "acl.log")) {
				if e.Endpoint == "web2" && strings.HasSuffix(e.Rule, "closed-udp") && e.Action == "block" && e.Source == web1.v4.String() && e.DestinationPort == portClosed {
					return nil
				}
			}
			return fmt.Errorf("not there")
		})
	})
	t.Run("layers and rules", func(t *testing.T) {
		d.t = t
		type rule struct {
			Layer, Group, Direction, ID string
			Packets                     uint64
		}
		counted := func() (n uint64) {
			for _, r := range items[rule](d, d.b, "vfp", "list-rule", "--port", "web2") {
				if strings.HasSuffix(r.ID, "closed-udp") && r.Direction == "inbound" {
					n += r.Packets
				}
			}
			return n
		}
		before := counted()
		for range 5 {
			knock(closed)
			knock(netip.AddrPortFrom(web2.v6, portClosed))
		}
		d.soon("the rule counts what it blocked", func() error {
			if n := counted() - before; n != 10 {
				return fmt.Errorf("%d, want 10", n)
			}
			return nil
		})
		var layers []string
		for _, l := range items[struct{ Name string }](d, d.b, "vfp", "list-layer", "--port", "web2") {
			layers = append(layers, l.Name)
		}
		if all := strings.Join(layers, " "); !strings.Contains(all, "FW_CONTROLLER_LAYER_ID") || !strings.Contains(all, "PORT_SECURITY") {
			t.Errorf("layers: %s", all)
		}
		if groups := items[rule](d, d.b, "vfp", "list-group", "--port", "web2", "--layer", "FW_CONTROLLER_LAYER_ID"); len(groups) == 0 {
			t.Error("no groups")
		}
	})
	t.Run("flows", func(t *testing.T) {
		d.t = t
		if _, err := traffic.AskUDP(web1, netip.AddrPortFrom(web2.v6, portOpen), "once", time.Second); err != nil {
			t.Fatal(err)
		}
		d.pings(web1, web2.v4, 3)
		d.transfers(web1, web2, web2.v4, 100*time.Millisecond)
		type flow struct {
			Endpoint, Protocol, State string
			DestinationPort           uint16
			Packets                   uint64
			PacketsOut, PacketsIn     uint64
			Bytes                     uint64
		}
		udp := items[flow](d, d.a, "flow", "list", "--endpoint", "web1", "--proto", "udp", "--destination", web2.v6.String(), "--port", "9000")
		if len(udp) != 1 || udp[0].PacketsOut != 1 || udp[0].PacketsIn != 1 || udp[0].Packets != 2 {
			t.Errorf("UDP: %+v, want one packet each way", udp)
		}
		if icmp := items[flow](d, d.a, "flow", "list", "--endpoint", "web1", "--proto", "icmp", "--destination", "10.0.1.0/24"); len(icmp) != 1 || icmp[0].PacketsOut != 3 || icmp[0].PacketsIn != 3 {
			t.Errorf("ICMP: %+v, want three packets each way", icmp)
		}
		if most := items[flow](d, d.a, "flow", "list", "--sort", "bytes", "--limit", "1"); len(most) != 1 || most[0].DestinationPort != 7100 || most[0].Bytes < 1<<17 {
			t.Errorf("most bytes: %+v, want the transfer's", most)
		}
	})
	t.Run("an established connection that is forbidden", func(t *testing.T) {
		d.t = t
		doomed, kept := d.connect(web1, web2.v4), d.connect(web1, web2.v6)
		before := d.drops("web2", "acl-inbound")
		tell(t, d.Lab, func() {
			body := closed8080("web2")["web2"]
			body.Rules = append(body.Rules, nctest.ACLRuleBody{ID: "now", Action: "Deny", Protocol: "TCP", Priority: 50, DestinationPorts: "9000", Source: "10.0.1.0/24"})
			d.Controller().Put("/accessControlLists/of-web2", body)
		})
		d.soon("the connection that is forbidden stops", func() error {
			if answer, err := doomed.Ask("still there?", 100*time.Millisecond); err == nil {
				return fmt.Errorf("%s answers", answer)
			}
			return nil
		})
		if answer, err := kept.Ask("still there?", time.Second); err != nil || answer != "web2" {
			t.Errorf("the other connection: %q, %v", answer, err)
		}
		if n := d.drops("web2", "acl-inbound") - before; n == 0 {
			t.Error("nothing counted as acl-inbound")
		}
	})
}

// connect opens a connection that ends with the test.
func (d *dual) connect(from traffic.Place, to netip.Addr) *traffic.Session {
	d.t.Helper()
	s, err := traffic.Connect(d.Context(), from, netip.AddrPortFrom(to, portOpen), time.Second)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(s.Close)
	if _, err := s.Ask("hello", time.Second); err != nil {
		d.t.Fatal(err)
	}
	return s
}

// lines of JSON in a file; what is not is left out, and so is a last line without an end.
func lines[T any](t *testing.T, path string) (all []T) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		var v T
		if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &v) == nil {
			all = append(all, v)
		}
	}
	return all
}

// TestAdminRules: the operator's rules come before the tenants', and change with a restart that no connection notices
// that they do not forbid.
func TestAdminRules(t *testing.T) {
	allow := map[string]nctest.AccessControlListBody{"web2": {Rules: []nctest.ACLRuleBody{{ID: "all", Action: "Allow", Protocol: "All", Priority: 100}}}}
	const rules = `adminRules:
- {name: no-db, direction: outbound, action: block, protocol: tcp, destination: 10.0.2.0/24, destinationPorts: "9000", priority: 100}
- {name: no-closed, direction: inbound, action: block, protocol: tcp, destinationPorts: "8080", priority: 100, endpoints: [web2]}
`
	d := newDual(t, dualOptions{acl: allow, only: []string{"web1", "web2", "web3", "db1"}})
	web1, web2, web3, db1 := d.at["web1"], d.at["web2"], d.at["web3"], d.at["db1"]
	kept, near, doomed := d.connect(web1, web2.v4), d.connect(web1, web3.v6), d.connect(web1, db1.v4)
	restart := func(more string) {
		t.Helper()
		tell(t, d.Lab, func() {
			for _, h := range []*lab.Host{d.a, d.b} {
				h.Kill()
				h.WriteConfig(h.Config() + more)
				h.Start()
			}
		})
	}
	restart(rules)
	if answer, err := doomed.Ask("still there?", 300*time.Millisecond); err == nil {
		t.Errorf("%s answers although a rule forbids it", answer)
	}
	for _, s := range []*traffic.Session{kept, near} {
		if _, err := s.Ask("still there?", time.Second); err != nil {
			t.Errorf("a connection that no rule forbids: %v", err)
		}
	}
	if n := d.drops("web1", "acl-outbound"); n == 0 {
		t.Error("nothing counted as acl-outbound")
	}
	// The tenant's ACL allows everything.
	for _, a := range web2.both() {
		if _, err := traffic.AskTCP(d.Context(), web1, netip.AddrPortFrom(a, portClosed), "hello", 300*time.Millisecond); !isLate(err) {
			t.Errorf("web2's closed port at %s: %v, want silence", a, err)
		}
	}
	for _, want := range []struct {
		args    []string
		verdict string
	}{
		{[]string{"--from", "web1", "--to", db1.v4.String(), "--dport", "9000"}, "drop"},
		{[]string{"--from", "web1", "--to", db1.v6.String(), "--dport", "9000"}, "allow"},
	} {
		if got := d.traces(want.args...); got.Verdict != want.verdict {
			t.Errorf("trace %v: %s %s, want %s", want.args, got.Verdict, got.Reason, want.verdict)
		}
	}
	restart("")
	d.asks(web1, db1.v4, portOpen, "db1")
	d.asks(web1, web2.v4, portClosed, "web2")
	for _, s := range []*traffic.Session{kept, near} {
		if _, err := s.Ask("still there?", time.Second); err != nil {
			t.Errorf("a connection that no rule forbids: %v", err)
		}
	}
	d.healthy()
}
