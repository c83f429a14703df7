package agent

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/overlay"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model"
)

// Trace implements api.Backend. The first packet of a flow runs through the reference pipeline, which tells the
// steps, and through the kernel's programs, which must agree. When it leaves the host, the pipeline goes on with
// the policy that the destination's host has for its endpoint: the inbound ACL is judged there.
func (a *Agent) Trace(req api.TraceRequest) (*api.Trace, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.policy == nil {
		return nil, api.Errorf(http.StatusServiceUnavailable, "no policy in force yet")
	}
	i := slices.IndexFunc(a.policy.Ports, func(p vfp.Port) bool { return p.ID == req.From })
	if i < 0 {
		return nil, api.Errorf(http.StatusNotFound, "endpoint %q has no port in force on this host", req.From)
	}
	if why := a.portMessages[req.From]; why != "" {
		return nil, api.Errorf(http.StatusConflict, "endpoint %q is not in force: %s", req.From, why)
	}
	port := &a.policy.Ports[i]
	frame, _, err := a.frame(port, req)
	if err != nil {
		return nil, err
	}
	said := model.New(a.policy).TracePort(port.ID, frame)
	did, err := a.dp.Trace(port.ID, frame)
	if err != nil {
		return nil, err
	}
	t := &api.Trace{Kinded: api.Kinded{APIVersion: api.Version, Kind: "Trace"}, Verdict: "allow", Steps: []api.TraceStep{}}
	t.DatapathAgrees = said.Verdict == did.Verdict && said.Reason == did.Reason && bytes.Equal(said.Frame, did.Frame) && slices.EqualFunc(said.Copies, did.Copies, sameCopy)
	if !t.DatapathAgrees {
		t.Disagreement = disagreement(said, did)
	}
	addSteps(t, a.cfg.Host.Name, said)
	if said.Verdict == vfp.Encapsulate {
		o, inner, err := encap.Decode(said.Frame)
		if err != nil {
			return nil, fmt.Errorf("decode the traced packet: %w", err)
		}
		t.Encapsulation = &api.TraceEncapsulation{Type: o.Type.String(), VSID: uint32(o.VSID), Source: o.Src.String(), Destination: o.Dst.String()}
		a.traceThere(t, o.VSID, inner, said.Frame)
	}
	return t, nil
}

func disagreement(said, did vfp.Trace) string {
	if said.Verdict == did.Verdict && said.Reason == did.Reason && said.Verdict == vfp.Replicate {
		return fmt.Sprintf("both say %s, but the copies differ: model %d, datapath %d", said.Verdict, len(said.Copies), len(did.Copies))
	}
	if said.Verdict == did.Verdict && said.Reason == did.Reason {
		return fmt.Sprintf("both say %s, but the packets differ: model %x, datapath %x", said.Verdict, said.Frame, did.Frame)
	}
	return fmt.Sprintf("the model says %s (%s), the datapath %s (%s)", said.Verdict, said.Reason, did.Verdict, did.Reason)
}

func sameCopy(x, y vfp.Copy) bool { return x.Port == y.Port && bytes.Equal(x.Frame, y.Frame) }

// traceThere goes on at the host of the endpoint that the frame inside the tunnel is addressed to: in its subnet it is known
// by its MAC.
func (a *Agent) traceThere(t *api.Trace, vsid encap.VSID, inner, frame []byte) {
	mac := vfp.MAC(inner[:6])
	for _, m := range a.model.Mappings(a.hostConfig()) {
		if m.Endpoint.MAC != mac || m.Address.Subnet.VSID != vsid || m.Endpoint.Host == nil {
			continue
		}
		// What that host's own configuration adds is not known here.
		host := overlay.HostConfig{Name: m.Endpoint.Host.ID, ProviderAddress: m.PA, UnderlayMTU: a.underlayMTU}
		there, _ := overlay.Compile(a.model, host, []overlay.AttachedPort{{ID: m.Endpoint.ID, NIC: m.Endpoint.ID}})
		if there == nil {
			return
		}
		addSteps(t, host.Name, model.New(there).TraceUnderlay(frame))
		a.unread(t, host.Name, m.Address)
		return
	}
}

// unread tells which lists of another host's endpoint are not known here, where the agent reads what its own host needs.
func (a *Agent) unread(t *api.Trace, host string, to *overlay.Address) {
	if t.Verdict != "allow" {
		return
	}
	for _, ref := range []string{to.Subnet.UnreadACL, to.UnreadACL} {
		if ref != "" {
			t.Reason = "acl-not-read"
			t.Steps = append(t.Steps, api.TraceStep{Host: host, Layer: vfp.LayerController.String(), Direction: vfp.Inbound.String(), Group: ref, Action: "unknown",
				Note: "this host does not read the list: it is judged at " + host})
		}
	}
}

func addSteps(t *api.Trace, host string, said vfp.Trace) {
	for _, s := range said.Steps {
		t.Steps = append(t.Steps, api.TraceStep{Host: host, Layer: s.Layer, Direction: s.Direction.String(), Group: s.Group, Rule: lastPart(s.Rule), Action: s.Action, Note: s.Note})
	}
	switch {
	case said.Verdict == vfp.Drop, said.Verdict == vfp.Reply && said.Reason != vfp.DropNone: // dropped, and the sender is told so
		t.Verdict, t.Reason = "drop", said.Reason.String()
	case said.Verdict == vfp.Pass: // the destination's vSwitch leaves it to its host, where nobody waits for it
		t.Verdict, t.Reason = "drop", said.Verdict.String()
	}
}
