package agent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/ports"
	"github.com/fairlead-net/fairlead/vfp"
)

// whyNotInForce is empty for a port of the policy in force.
func (a *Agent) whyNotInForce(name string) string {
	if why := a.portMessages[name]; why != "" {
		return why
	}
	if a.policy != nil && slices.ContainsFunc(a.policy.Ports, func(p vfp.Port) bool { return p.ID == name }) {
		return ""
	}
	for _, p := range a.fromPolicy {
		if strings.HasPrefix(p.Code, "port-") && strings.Contains(p.Message, fmt.Sprintf("endpoint %q", name)) {
			return p.Message
		}
	}
	return notYet
}

const notYet = "not in force yet"

// Endpoints implements api.Backend.
func (a *Agent) Endpoints() ([]api.Endpoint, error) {
	counters, err := a.dp.Counters() // without the lock: reading maps takes its time, and attaching must not wait
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.endpoints(counters), nil
}

func (a *Agent) endpoints(counters vfp.Counters) []api.Endpoint {
	out := make([]api.Endpoint, 0, len(a.records))
	for _, r := range a.records {
		e := api.Endpoint{Name: r.Name, NIC: r.NIC, MAC: r.MAC, Netns: r.Netns, Ifname: r.Ifname, Device: r.Device, MTU: r.MTU,
			Addresses: make([]string, 0, len(r.Addresses)), Counters: apiCounters(counters.Ports[r.Name])}
		for _, p := range r.Addresses {
			e.Addresses = append(e.Addresses, p.Addr().String())
		}
		e.State, e.Message = a.state(r)
		e.Network, e.Subnet = a.homeNetwork(r)
		out = append(out, e)
	}
	slices.SortFunc(out, func(x, y api.Endpoint) int { return strings.Compare(x.Name, y.Name) })
	return out
}

// homeNetwork is where an endpoint's first address is.
func (a *Agent) homeNetwork(r ports.Record) (network, subnet string) {
	if r.Network != "" {
		return r.Network, ""
	}
	if a.model != nil {
		if own := a.addressesOf(r, a.model.FindEndpoint(r.NIC)); len(own) > 0 {
			return own[0].Subnet.Network.ID, own[0].Subnet.ID
		}
	}
	return "", ""
}

func (a *Agent) state(r ports.Record) (state, message string) {
	there, err := a.wiring.Exists(r.Device)
	trouble := a.trouble[r.Name]
	switch {
	case err != nil:
		return "error", err.Error()
	case r.Phase == ports.Attaching:
		return "pending", "waits for its address"
	case r.Phase == ports.Detaching && trouble == "":
		return "pending", "being detached"
	case r.Phase == ports.Detaching:
		return "error", "being detached, tried again: " + trouble
	case !there && trouble != "":
		return "down", fmt.Sprintf("device %s is gone: %s; detach the endpoint", r.Device, trouble)
	case !there:
		return "down", fmt.Sprintf("device %s is gone, with its namespace or by another hand", r.Device)
	case a.model == nil:
		return "pending", "nothing received from the controller yet; what the kernel holds is in force"
	}
	switch why := a.whyNotInForce(r.Name); why {
	case "":
		return "up", ""
	case notYet:
		return "pending", why
	default:
		return "error", why
	}
}

func apiCounters(c vfp.PortCounters) api.Counters {
	out := api.Counters{RxPackets: c.RxPackets, RxBytes: c.RxBytes, TxPackets: c.TxPackets, TxBytes: c.TxBytes, Drops: dropNames(c.Drops),
		Flows: &api.FlowCounters{Now: c.Flows.Now, Created: c.Flows.Created, Evicted: c.Flows.Evicted, Refused: c.Flows.Refused}}
	for class := range vfp.MeterClass(vfp.MeterClasses) {
		in, sent := c.Meter[class][vfp.Inbound], c.Meter[class][vfp.Outbound]
		if in.Packets+sent.Packets == 0 {
			continue
		}
		if out.Meter == nil {
			out.Meter = map[string]api.Meter{}
		}
		out.Meter[class.String()] = api.Meter{RxPackets: in.Packets, RxBytes: in.Bytes, TxPackets: sent.Packets, TxBytes: sent.Bytes}
	}
	return out
}

func dropNames(drops map[vfp.DropReason]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(drops))
	for r, n := range drops {
		out[r.String()] = n
	}
	return out
}
