package agent

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-net/fairlead/agent/api"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/overlay"
	"github.com/fairlead-net/fairlead/vfp"
)

// Ready implements api.Backend: the first state is in force.
func (a *Agent) Ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.model == nil:
		return fmt.Errorf("nothing received from the controller yet: %s", a.status.Message)
	case a.policy == nil:
		return errors.New("no policy in force yet")
	}
	return nil
}

// Status implements api.Backend.
func (a *Agent) Status() (*api.Status, error) {
	dp, err := a.dp.Status()
	counters, cerr := a.dp.Counters()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &api.Status{Kinded: api.Kinded{APIVersion: api.Version, Kind: "Status"}, Host: a.cfg.Host.Name, Version: a.version,
		Controller: a.status, Problems: a.problems(),
		Datapath: api.DatapathStatus{Type: dp.Type, Generation: dp.Generation, Ports: dp.Ports, Flows: dp.Flows, Drops: dropNames(counters.Host)}}
	if err = errors.Join(err, cerr); err != nil { // status is where one looks when something is broken
		s.Problems = append(s.Problems, cc.Problem{Code: "datapath-status", Severity: "error", Resource: a.cfg.Host.Name, Message: err.Error()})
	}
	s.Problems = append(s.Problems, a.down()...)
	if m := a.model; m != nil {
		s.Datapath.Encapsulation = m.Encapsulation.String()
		s.Model = api.ModelStatus{Generation: a.builds, Networks: len(m.VirtualNetworks), Subnets: len(m.Subnets()), Endpoints: len(m.Endpoints),
			VSIDSource: origins(m.VSIDSource), PASource: origins(m.PASource)}
		for _, e := range m.Endpoints {
			s.Model.Mappings += len(e.Addresses)
		}
		for _, l := range m.ACLs {
			s.Model.Rules += len(l.Rules)
		}
	}
	return s, nil
}

// down names the endpoints whose device went since the last resync; those that were gone then are problems already.
func (a *Agent) down() (problems []cc.Problem) {
	for _, name := range slices.Sorted(maps.Keys(a.records)) {
		state, message := a.state(a.records[name])
		if state == "down" && a.portMessages[name] == "" {
			problems = append(problems, cc.Problem{Code: "endpoint-down", Severity: "error", Resource: name, Message: message})
		}
	}
	return problems
}

func origins(c overlay.OriginCounts) map[string]int {
	out := map[string]int{}
	for name, n := range map[string]int{"source": c.Source, "config": c.Config, "derived": c.Derived, "none": c.None} {
		if n > 0 {
			out[name] = n
		}
	}
	return out
}

// Networks implements api.Backend.
func (a *Agent) Networks() []api.Network {
	out := []api.Network{}
	if m := a.currentModel(); m != nil {
		for _, n := range m.VirtualNetworks {
			out = append(out, api.Network{ID: n.ID, Name: n.ID, RDID: n.RDID, AddressPrefixes: texts(n.AddressPrefixes), Peerings: n.Peerings})
		}
	}
	return out
}

// currentModel can be read without the lock: a model is immutable.
func (a *Agent) currentModel() *overlay.Model {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.model
}

func texts[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].String()
	}
	return out
}

// Subnets implements api.Backend.
func (a *Agent) Subnets() []api.Subnet {
	out := []api.Subnet{}
	if m := a.currentModel(); m != nil {
		for _, s := range m.Subnets() {
			v := api.Subnet{Network: s.Network.ID, ID: s.ID, Prefix: s.Prefix.String(), VSID: uint32(s.VSID), Gateway: s.Gateway.String()}
			if s.ACL != nil {
				v.ACL = s.ACL.Ref
			}
			out = append(out, v)
		}
	}
	return out
}

// Mappings implements api.Backend.
func (a *Agent) Mappings() []api.Mapping {
	out := []api.Mapping{}
	m := a.currentModel()
	if m == nil {
		return out
	}
	for _, p := range m.Mappings(a.hostConfig()) {
		s := p.Address.Subnet
		v := api.Mapping{Network: s.Network.ID, Subnet: s.ID, VSID: uint32(s.VSID), CA: p.Address.CA.String(), MAC: p.Endpoint.MAC.String(), Local: p.Local}
		if p.PA.IsValid() {
			v.PA = p.PA.String()
		}
		if p.Endpoint.Host != nil {
			v.Host = p.Endpoint.Host.ID
		}
		out = append(out, v)
	}
	return out
}

// ACLs implements api.Backend.
func (a *Agent) ACLs() ([]api.ACL, error) {
	counters, err := a.dp.Counters()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := []api.ACL{}
	if a.model == nil {
		return out, nil
	}
	for _, l := range a.model.ACLs {
		v := api.ACL{ID: l.ID, ResourceRef: l.Ref, Rules: []api.Rule{}}
		for i := range l.Rules {
			r := &l.Rules[i]
			c := counters.Rules[vfp.RuleKey{ACL: l.Ref, RuleID: r.ID}]
			v.Rules = append(v.Rules, api.Rule{ID: lastPart(r.ID), Direction: r.Direction.String(), Action: r.Action.String(), Protocol: protocolName(r.Protocol),
				Source: prefixWords(r.Sources), Destination: prefixWords(r.Destinations), SourcePorts: portWords(r.SourcePorts),
				DestinationPorts: portWords(r.DestinationPorts), Priority: r.Priority, Logging: r.Logging, Packets: c.Packets, Bytes: c.Bytes})
		}
		for d, action := range l.Default {
			direction := vfp.Direction(d).String()
			c := counters.Rules[vfp.RuleKey{ACL: l.Ref, RuleID: vfp.DefaultRule + direction}]
			v.Defaults = append(v.Defaults, api.Default{Direction: direction, Action: action.String(), Packets: c.Packets, Bytes: c.Bytes})
		}
		out = append(out, v)
	}
	return out, nil
}

func lastPart(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

func protocolName(p uint16) string {
	switch p {
	case vfp.ProtocolAny:
		return "all"
	case vfp.ProtocolICMP:
		return "icmp"
	case vfp.ProtocolTCP:
		return "tcp"
	case vfp.ProtocolUDP:
		return "udp"
	}
	return strconv.Itoa(int(p))
}

func prefixWords(list []netip.Prefix) string {
	if list == nil {
		return "*"
	}
	return strings.Join(texts(list), ",")
}

func portWords(list []vfp.PortRange) string {
	if list == nil {
		return "*"
	}
	var words []string
	for _, r := range list {
		if r.First == r.Last {
			words = append(words, strconv.Itoa(int(r.First)))
		} else {
			words = append(words, fmt.Sprintf("%d-%d", r.First, r.Last))
		}
	}
	return strings.Join(words, ",")
}

// Flows implements api.Backend.
func (a *Agent) Flows() ([]api.Flow, error) {
	flows, err := a.dp.Flows()
	if err != nil {
		return nil, err
	}
	out := make([]api.Flow, 0, len(flows))
	for i := range flows {
		f := &flows[i]
		v := api.Flow{Endpoint: f.PortID, Direction: f.Direction.String(), Protocol: protocolName(uint16(f.Protocol)), Source: f.Source, SourcePort: f.SourcePort,
			Destination: f.Destination, DestinationPort: f.DestinationPort, State: f.State, Packets: f.Packets[0] + f.Packets[1], Bytes: f.Bytes[0] + f.Bytes[1],
			AgeSeconds: api.Seconds(f.Age), Transposition: f.Transposition}
		for _, k := range f.Rules {
			v.Rules = append(v.Rules, k.ACL+" "+lastPart(k.RuleID))
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(x, y api.Flow) int {
		return cmp.Or(strings.Compare(x.Endpoint, y.Endpoint), strings.Compare(x.Protocol, y.Protocol), strings.Compare(x.Source, y.Source), strings.Compare(x.Destination, y.Destination),
			cmp.Compare(x.DestinationPort, y.DestinationPort), cmp.Compare(x.SourcePort, y.SourcePort), strings.Compare(x.Direction, y.Direction))
	})
	return out, nil
}
