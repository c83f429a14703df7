package agent

import (
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-net/fairlead/agent/api"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/vfp"
)

func updateOf(s *cc.Snapshot) cc.Update {
	return cc.Update{Snapshot: s, Status: cc.Status{State: cc.StateOK}}
}

func tracing(t *testing.T) *bed {
	b := newBed(t)
	b.ok(fabric())
	b.mustAttach("web", "nic-web1")
	b.mustAttach("app", "nic-web2")
	return b
}

// steps as "host layer direction rule action".
func steps(tr *api.Trace) (lines []string) {
	for _, s := range tr.Steps {
		lines = append(lines, strings.Join([]string{s.Host, s.Layer, s.Direction, s.Rule, s.Action}, " "))
	}
	return lines
}

func TestTrace(t *testing.T) {
	b := tracing(t)
	for _, c := range []struct {
		name            string
		req             api.TraceRequest
		verdict, reason string
		encapsulated    bool
		has             []string
	}{
		{"same host", api.TraceRequest{To: "10.0.1.12"}, "allow", "", false, []string{"host-a PORT_SECURITY outbound source allow"}},
		{"other host", api.TraceRequest{To: "10.0.1.13", Proto: "udp", Dport: 53}, "allow", "", true, []string{"host-a VNET_ENCAP_LAYER outbound 10.0.1.13 encapsulate"}},
		{"echo", api.TraceRequest{To: "10.0.1.13", Proto: "icmp"}, "allow", "", true, nil},
		{"other subnet, ACL there allows", api.TraceRequest{To: "10.0.2.11", Proto: "tcp", Dport: 443}, "allow", "", true,
			[]string{"host-a VNET_MAC_REWRITE_LAYER outbound next-hop rewrite", "host-b FW_CONTROLLER_LAYER_ID inbound https allow"}},
		{"ACL there blocks", api.TraceRequest{To: "10.0.2.11", Dport: 8080}, "drop", "acl-inbound", true, []string{"host-b FW_CONTROLLER_LAYER_ID inbound no-8080 block"}},
		{"no rule there", api.TraceRequest{To: "10.0.2.11", Proto: "udp", Dport: 53}, "drop", "acl-inbound", true, []string{"host-b FW_CONTROLLER_LAYER_ID inbound default-inbound block"}},
		{"nobody", api.TraceRequest{To: "10.0.1.99"}, "drop", "no-mapping", false, nil},
		{"not attached", api.TraceRequest{To: "10.0.2.12"}, "drop", "no-mapping", false, nil},
		{"gateway", api.TraceRequest{To: "10.0.1.1", Proto: "icmp"}, "allow", "", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.req.From = "web"
			tr, err := b.Trace(c.req)
			if err != nil {
				t.Fatal(err)
			}
			if tr.Verdict != c.verdict || tr.Reason != c.reason || !tr.DatapathAgrees || tr.Disagreement != "" {
				t.Errorf("%s %s, agrees %v %s; want %s %s", tr.Verdict, tr.Reason, tr.DatapathAgrees, tr.Disagreement, c.verdict, c.reason)
			}
			for _, line := range c.has {
				if !slices.Contains(steps(tr), line) {
					t.Errorf("no step %q in\n%s", line, strings.Join(steps(tr), "\n"))
				}
			}
			if e := tr.Encapsulation; (e != nil) != c.encapsulated {
				t.Errorf("encapsulation %+v", e)
			} else if e != nil && (e.Type != "vxlan" || e.Source != "172.16.0.1" || e.Destination != "172.16.0.2" || e.VSID < 5001 || e.VSID > 5002) {
				t.Errorf("encapsulation %+v", e)
			}
		})
	}
}

// TestTraceFrame: the frame is what a real stack sends; its checksums are right.
func TestTraceFrame(t *testing.T) {
	b := tracing(t)
	port := &b.policy.Ports[slices.IndexFunc(b.policy.Ports, func(p vfp.Port) bool { return p.ID == "web" })]
	for _, proto := range []string{"tcp", "udp", "icmp"} {
		f, from, err := b.frame(port, api.TraceRequest{To: "10.0.1.13", Proto: proto, Sport: 40000, Dport: 443})
		if err != nil {
			t.Fatal(err)
		}
		if from.CA.String() != "10.0.1.11" || [6]byte(f[6:12]) != port.MAC || checksum(f[14:34]) != 0xffff {
			t.Errorf("%s: %x", proto, f)
		}
		pseudo := append(slices.Clone(f[26:34]), 0, f[23], 0, byte(len(f)-34))
		switch l4 := f[34:]; proto {
		case "icmp":
			if checksum(l4) != 0xffff {
				t.Errorf("icmp checksum of %x", l4)
			}
		case "udp":
			if sum := l4[6:8]; (sum[0]|sum[1]) != 0 && checksum(append(pseudo, l4...)) != 0xffff {
				t.Errorf("udp checksum of %x", l4)
			}
		case "tcp":
			if checksum(append(pseudo, l4...)) != 0xffff {
				t.Errorf("tcp checksum of %x", l4)
			}
		}
	}
	f, _, err := b.frame(port, api.TraceRequest{To: "10.0.2.11"})
	if err != nil || vfp.MAC(f[:6]) != vfp.RouterMAC {
		t.Errorf("%x, %v: want the router's MAC", f, err)
	}
}

func TestTraceRefuses(t *testing.T) {
	b := newBed(t)
	if _, err := b.Trace(api.TraceRequest{From: "web", To: "10.0.1.12"}); statusOf(err) != 503 {
		t.Errorf("before the first policy: %v", err)
	}
	b = tracing(t)
	for _, c := range []struct {
		req    api.TraceRequest
		status int
		says   string
	}{
		{api.TraceRequest{From: "nobody", To: "10.0.1.12"}, 404, `"nobody"`},
		{api.TraceRequest{From: "web", To: "there"}, 400, `"there" is not`},
		{api.TraceRequest{From: "web", To: "fd00::1"}, 400, "no address of the family of fd00::1"},
		{api.TraceRequest{From: "web", To: "10.0.1.12", Proto: "icmpv6"}, 400, "is not an IPv6 address"},
		{api.TraceRequest{From: "web", To: "fe80::1%eth0"}, 400, "is not an address"},
		{api.TraceRequest{From: "web", To: "10.0.1.12", Proto: "sctp"}, 400, `"sctp"`},
	} {
		if _, err := b.Trace(c.req); statusOf(err) != c.status || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v; want %d %q", c.req, err, c.status, c.says)
		}
	}
	b.dp.missing = func(string) bool { return true }
	b.resync()
	if _, err := b.Trace(api.TraceRequest{From: "web", To: "10.0.1.12"}); statusOf(err) != 409 || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("port out of force: %v", err)
	}
}

func TestTraceDisagreement(t *testing.T) {
	b := tracing(t)
	b.dp.lies = true
	tr, err := b.Trace(api.TraceRequest{From: "web", To: "10.0.1.12"})
	if err != nil || tr.DatapathAgrees || !strings.Contains(tr.Disagreement, "no-mapping") || tr.Verdict != "allow" {
		t.Errorf("%+v, %v", tr, err)
	}
}
