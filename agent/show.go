package agent

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
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
		if a.status.LastSync.IsZero() {
			s.Model.FromDisk = a.saved.at
		}
		for _, h := range m.Hosts {
			if len(h.ProviderAddresses) == 0 {
				s.Model.PAMissing = append(s.Model.PAMissing, h.ID)
			}
		}
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
	for i := range a.host.HostNetworks {
		n := &a.host.HostNetworks[i]
		out = append(out, api.Network{ID: n.Name, Name: n.Name, RDID: n.RDID(), AddressPrefixes: []string{n.Prefix.String()}, HostLocal: true})
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
	for i := range a.host.HostNetworks {
		n := &a.host.HostNetworks[i]
		out = append(out, api.Subnet{Network: n.Name, ID: n.Name, Prefix: n.Prefix.String(), VSID: uint32(n.VSID(i)), Gateway: n.Gateway.String(), HostLocal: true})
	}
	return out
}

// Mappings implements api.Backend.
func (a *Agent) Mappings() []api.Mapping {
	a.mu.Lock()
	m, out := a.model, a.hostMappings()
	a.mu.Unlock()
	if m == nil {
		return out
	}
	for _, p := range m.Mappings(a.host) {
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
	sums := sumRules(counters.Rules)
	if a.policy != nil {
		for i := range a.policy.ACLs {
			if l := &a.policy.ACLs[i]; l.Layer == vfp.LayerAdmin {
				v := api.ACL{ID: lastPart(l.ID), ResourceRef: l.ID, Layer: l.Layer.String()}
				out = append(out, fillACL(v, l.Rules, l.Default, func(int) (s, d []string) { return nil, nil }, sums))
			}
		}
	}
	for _, l := range a.model.ACLs {
		v := api.ACL{ID: l.ID, ResourceRef: l.Ref, Layer: vfp.LayerController.String()}
		out = append(out, fillACL(v, l.Rules, l.Default, l.Tags, sums))
	}
	return out, nil
}

// sumRules adds up what the instances of an ACL counted, each in its own network.
func sumRules(rules map[vfp.RuleKey]vfp.RuleCounters) map[vfp.RuleKey]vfp.RuleCounters {
	sums := make(map[vfp.RuleKey]vfp.RuleCounters, len(rules))
	for key, c := range rules {
		key.ACL = overlay.ACLRef(key.ACL)
		sum := sums[key]
		sum.Packets += c.Packets
		sum.Bytes += c.Bytes
		if c.LastHit.After(sum.LastHit) {
			sum.LastHit = c.LastHit.UTC()
		}
		sums[key] = sum
	}
	return sums
}

func fillACL(v api.ACL, rules []vfp.Rule, defaults [2]vfp.Action, tags func(i int) (source, destination []string), counters map[vfp.RuleKey]vfp.RuleCounters) api.ACL {
	v.Rules = make([]api.Rule, 0, len(rules))
	for i := range rules {
		r := &rules[i]
		c := counters[vfp.RuleKey{ACL: v.ResourceRef, RuleID: r.ID}]
		source, destination := tags(i)
		rule := api.Rule{ID: lastPart(r.ID), Direction: r.Direction.String(), Action: r.Action.String(), Protocol: vfp.ProtocolName(r.Protocol),
			Source: prefixWords(r.Sources, source), Destination: prefixWords(r.Destinations, destination), SourcePorts: vfp.PortWords(r.SourcePorts),
			DestinationPorts: vfp.PortWords(r.DestinationPorts), Priority: r.Priority, Logging: r.Logging, Packets: c.Packets, Bytes: c.Bytes, LastHit: c.LastHit}
		if r.ICMP != nil {
			rule.ICMP = vfp.ICMPWords(r.ICMP)
		}
		if r.TCPFlags.Mask != 0 {
			rule.TCPFlags = r.TCPFlags.String()
		}
		v.Rules = append(v.Rules, rule)
	}
	for d, action := range defaults {
		direction := vfp.Direction(d).String()
		c := counters[vfp.RuleKey{ACL: v.ResourceRef, RuleID: vfp.DefaultRule + direction}]
		v.Defaults = append(v.Defaults, api.Default{Direction: direction, Action: action.String(), Packets: c.Packets, Bytes: c.Bytes, LastHit: c.LastHit})
	}
	return v
}

func lastPart(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// prefixWords are such as "VirtualNetwork,192.0.2.0/24"; "*" for everything.
func prefixWords(list []netip.Prefix, tags []string) string {
	if list == nil && tags == nil {
		return "*"
	}
	return strings.Join(append(tags, texts(list)...), ",")
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
		v := api.Flow{Endpoint: f.PortID, Direction: f.Direction.String(), Protocol: vfp.ProtocolName(uint16(f.Protocol)), Source: f.Source, SourcePort: f.SourcePort,
			Destination: f.Destination, DestinationPort: f.DestinationPort, State: f.State, Packets: f.Packets[0] + f.Packets[1], Bytes: f.Bytes[0] + f.Bytes[1],
			PacketsOut: f.Packets[vfp.Outbound], BytesOut: f.Bytes[vfp.Outbound], PacketsIn: f.Packets[vfp.Inbound], BytesIn: f.Bytes[vfp.Inbound],
			AgeSeconds: api.Seconds(f.Age), IdleSeconds: api.Seconds(f.Idle), Meter: f.Meter.String(), Transposition: f.Transposition}
		for _, k := range f.Rules {
			v.Rules = append(v.Rules, overlay.ACLRef(k.ACL)+" "+lastPart(k.RuleID))
		}
		out = append(out, v)
	}
	slices.SortFunc(out, func(x, y api.Flow) int {
		return cmp.Or(strings.Compare(x.Endpoint, y.Endpoint), strings.Compare(x.Protocol, y.Protocol), strings.Compare(x.Source, y.Source), strings.Compare(x.Destination, y.Destination),
			cmp.Compare(x.DestinationPort, y.DestinationPort), cmp.Compare(x.SourcePort, y.SourcePort), strings.Compare(x.Direction, y.Direction))
	})
	return out, nil
}
