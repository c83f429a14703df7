package agent

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/vfp"
)

func TestShow(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	b.dp.counters.Rules = map[vfp.RuleKey]vfp.RuleCounters{
		{ACL: gateACL, RuleID: gateACL + "/aclRules/https"}: {Packets: 3, Bytes: 300},
		{ACL: gateACL, RuleID: vfp.DefaultRule + "inbound"}: {Packets: 4, Bytes: 400}}
	acls, err := b.ACLs()
	if err != nil {
		t.Fatal(err)
	}
	rule := func(id, action, ports string, priority uint32, packets, bytes uint64) api.Rule {
		return api.Rule{ID: id, Direction: "inbound", Action: action, Protocol: "tcp", Source: "*", Destination: "*", SourcePorts: "*",
			DestinationPorts: ports, Priority: priority, Packets: packets, Bytes: bytes}
	}
	if diff := cmp.Diff([]api.ACL{{ID: "gate", ResourceRef: gateACL, Layer: "FW_CONTROLLER_LAYER_ID",
		Rules:    []api.Rule{rule("no-8080", "block", "8080", 90, 0, 0), rule("https", "allow", "443", 100, 3, 300)},
		Defaults: []api.Default{{Direction: "outbound", Action: "allow"}, {Direction: "inbound", Action: "block", Packets: 4, Bytes: 400}}}}, acls); diff != "" {
		t.Error("acls:", diff)
	}
	if got := b.Networks(); len(got) != 2 || got[0].ID != "contoso" || got[0].AddressPrefixes[0] != "10.0.0.0/16" || got[0].RDID == got[1].RDID {
		t.Errorf("networks: %+v", got)
	}
	if got := b.Subnets(); len(got) != 4 || got[1] != (api.Subnet{Network: "contoso", ID: "web", Prefix: "10.0.1.0/24", VSID: 5001, Gateway: "10.0.1.1"}) {
		t.Errorf("subnets: %+v", got)
	}
	mappings := b.Mappings()
	if len(mappings) != 6 || mappings[0] != (api.Mapping{Network: "contoso", Subnet: "web", VSID: 5001, CA: "10.0.1.11", MAC: "00:1d:d8:07:00:01", PA: "172.16.0.1", Host: "host-a", Local: true}) ||
		mappings[4].PA != "" || mappings[4].Host != "" {
		t.Errorf("mappings: %+v", mappings)
	}
	s, err := b.Status()
	if err != nil || s.Model.Networks != 2 || s.Model.Subnets != 4 || s.Model.Mappings != 6 || s.Model.Rules != 2 || s.Model.Generation != 1 ||
		s.Model.VSIDSource["source"] != 4 || s.Datapath.Encapsulation != "vxlan" || s.Degraded() {
		t.Errorf("status: %+v, %v", s, err)
	}
	b.ok(fabric()) // the same again
	if s, _ := b.Status(); s.Model.Generation != 1 {
		t.Errorf("generation %d of an unchanged model", s.Model.Generation)
	}
}

func TestFlowsAreSorted(t *testing.T) {
	b := newBed(t)
	flow := func(port, dst string, dport uint16) vfp.Flow {
		return vfp.Flow{PortID: port, Protocol: vfp.ProtocolTCP, Source: "10.0.1.11", Destination: dst, SourcePort: 40000, DestinationPort: dport,
			State: "established", Packets: [2]uint64{2, 3}, Bytes: [2]uint64{20, 30}, Age: 1500 * time.Millisecond,
			Rules: []vfp.RuleKey{{ACL: gateACL, RuleID: gateACL + "/aclRules/https"}}}
	}
	b.dp.flows = []vfp.Flow{flow("web", "10.0.1.13", 443), flow("app", "10.0.1.13", 443), flow("web", "10.0.1.12", 443), flow("web", "10.0.1.13", 80)}
	flows, err := b.Flows()
	if err != nil || len(flows) != 4 {
		t.Fatal(flows, err)
	}
	for i, want := range []struct {
		endpoint, destination string
		port                  uint16
	}{{"app", "10.0.1.13", 443}, {"web", "10.0.1.12", 443}, {"web", "10.0.1.13", 80}, {"web", "10.0.1.13", 443}} {
		if f := flows[i]; f.Endpoint != want.endpoint || f.Destination != want.destination || f.DestinationPort != want.port {
			t.Errorf("%d: %+v, want %+v", i, f, want)
		}
	}
	if f := flows[0]; f.Packets != 5 || f.Bytes != 50 || f.AgeSeconds != 1.5 || f.Protocol != "tcp" || f.Rules[0] != gateACL+" https" {
		t.Errorf("%+v", f)
	}
}

// TestStatusOfABrokenDatapath: status is where one looks then, so it answers.
func TestStatusOfABrokenDatapath(t *testing.T) {
	b := newBed(t)
	b.ok(fabric())
	b.Agent.dp = broken{b.dp}
	s, err := b.Status()
	if err != nil || !s.Degraded() || b.problem("datapath-status") == nil {
		t.Errorf("%+v, %v", s, err)
	}
}

type broken struct{ vfp.Datapath }

func (broken) Counters() (vfp.Counters, error) {
	return vfp.Counters{}, errors.New("map: bad file descriptor")
}
