package model

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

// run does a step of a world on a pipeline.
func run(pl *Pipeline, w *modeltest.World, s modeltest.Step) (t vfp.Trace) {
	switch s.Kind {
	case modeltest.FromPort:
		t = pl.PortOut(s.Port, s.Frame, w.Now())
	case modeltest.FromUnderlay:
		t = pl.UnderlayIn(s.Frame, w.Now())
	case modeltest.NewPolicy:
		pl.SetPolicy(s.Policy)
	case modeltest.Sweep:
		pl.Sweep(w.Now())
	}
	return t
}

// inWorlds runs sequences; after each step check sees what came of it.
func inWorlds(t *testing.T, check func(rt *rapid.T, pl *Pipeline, w *modeltest.World, s modeltest.Step, got vfp.Trace)) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		w := modeltest.Draw(rt)
		pl := New(w.Policy())
		for range rapid.IntRange(1, 120).Draw(rt, "steps") {
			s := w.Next(rt)
			got := run(pl, w, s)
			w.Result(got)
			check(rt, pl, w, s, got)
		}
	})
}

// Every frame that leaves is a packet with right checksums, if what came was.
func TestFramesAreWhole(t *testing.T) {
	inWorlds(t, func(rt *rapid.T, _ *Pipeline, _ *modeltest.World, s modeltest.Step, got vfp.Trace) {
		in := s.Frame
		if o, _, err := encap.Decode(in); err == nil {
			in = in[encap.OuterLen(o.Type, o.Src.Is6()):]
		}
		if got.Verdict == vfp.Pass {
			if !bytes.Equal(got.Frame, s.Frame) {
				rt.Fatal("passed and changed")
			}
			return
		}
		if len(s.Frame) == 0 || modeltest.CheckSums(in) != nil {
			return
		}
		for _, c := range append(append([]vfp.Copy{{Frame: got.Frame}}, got.Copies...), got.Mirrored...) {
			if c.Frame == nil {
				continue
			}
			if err := modeltest.CheckSums(c.Frame); err != nil {
				rt.Fatalf("%s %s\n in  %x\n out %x\n %v", got.Verdict, got.Reason, s.Frame, c.Frame, err)
			}
			if _, inner, err := encap.Decode(c.Frame); err == nil {
				if err := modeltest.CheckSums(inner); err != nil {
					rt.Fatalf("%s %s\n in  %x\n inner %x\n %v", got.Verdict, got.Reason, s.Frame, inner, err)
				}
			} else if got.Verdict == vfp.Encapsulate && len(got.Mirrored) == 0 {
				rt.Fatalf("encapsulated: %v", err)
			}
		}
	})
}

// The flow table, the ports' counts, the rings and the NAT's ports say the same.
func TestTablesAgree(t *testing.T) {
	placed := map[*Pipeline]bool{} // ports came or went: the limits changed under live flows
	inWorlds(t, func(rt *rapid.T, pl *Pipeline, w *modeltest.World, s modeltest.Step, _ vfp.Trace) {
		placed[pl] = placed[pl] || s.Moved
		count, halfOpen := map[*portState]uint64{}, map[*portState]uint64{}
		natPorts := 0
		for key, f := range pl.flows {
			count[f.counted]++
			if f.state&vfp.FlowAnswered == 0 {
				halfOpen[f.counted]++
			}
			if f.natPort != 0 {
				if natPorts++; pl.natPorts[natKeyOf(key, f.natPort)] != key {
					rt.Fatalf("NAT port %d of %+v belongs to %+v", f.natPort, key, pl.natPorts[natKeyOf(key, f.natPort)])
				}
			}
		}
		if natPorts != len(pl.natPorts) {
			rt.Fatalf("%d flows have a NAT port, %d ports are taken", natPorts, len(pl.natPorts))
		}
		for _, p := range w.Policy().Ports {
			state := pl.states[p.ID]
			if state.flows != count[state] || pl.Counters().Ports[p.ID].Flows.Now != count[state] && pl.counters.Ports[p.ID].Flows.Created > 0 {
				rt.Fatalf("port %s counts %d flows and has %d", p.ID, state.flows, count[state])
			}
			if placed[pl] {
				continue
			}
			if n := uint64(p.Limits.HalfOpen); n > 0 && halfOpen[state] > n {
				rt.Fatalf("port %s has %d half-open flows, more than %d", p.ID, halfOpen[state], n)
			}
			if n := uint64(p.Limits.Flows); n > 0 && count[state] > n {
				rt.Fatalf("port %s has %d flows, more than %d", p.ID, count[state], n)
			}
		}
	})
}

// What goes through between two ports here is answered, whatever the lists say of the answer alone; routes may lead it
// elsewhere.
func TestAnswersAreAllowed(t *testing.T) {
	inWorlds(t, func(rt *rapid.T, pl *Pipeline, w *modeltest.World, s modeltest.Step, got vfp.Trace) {
		if s.Kind != modeltest.FromPort || got.Verdict != vfp.Deliver {
			return
		}
		p, ok := modeltest.Parse(got.Frame)
		if !ok || p.IsICMP() && !p.IsEcho() || len(s.Frame) != len(got.Frame) {
			return
		}
		for _, at := range []*vfp.Address{addressOf(pl.ports[s.Port], p.Src), addressOf(pl.ports[got.Port], p.Dst)} {
			if at == nil || slices.ContainsFunc(w.Policy().Routes, func(r vfp.Route) bool { return r.VSID == at.VSID }) {
				return
			}
		}
		back := pl.PortOut(got.Port, p.Answer().Bytes(), w.Now())
		switch back.Reason {
		case vfp.DropBandwidth, vfp.DropMACSpoof, vfp.DropDHCPGuard:
			return
		case vfp.DropMulticast, vfp.DropDestinationMAC:
			if mac := macAt(got.Frame[6:]); mac[0]&1 != 0 || mac != pl.ports[s.Port].MAC && mac != vfp.RouterMAC { // a port that may send as any MAC did
				return
			}
		case vfp.DropFlowLimit:
			if got.Port == s.Port { // to itself: two flows, of which the second may take the first one's place
				return
			}
		}
		if back.Verdict != vfp.Deliver || back.Port != s.Port {
			rt.Fatalf("%x was delivered to %s, its answer: %s %s %s", s.Frame, got.Port, back.Verdict, back.Reason, back.Port)
		}
	})
}

// A trace changes nothing.
func TestTracesLeaveNothingBehind(t *testing.T) {
	inWorlds(t, func(rt *rapid.T, pl *Pipeline, _ *modeltest.World, s modeltest.Step, _ vfp.Trace) {
		before := fmt.Sprintf("%+v", pl.Counters()) + fmt.Sprint(len(pl.fragments), len(pl.events))
		flows := map[flowKey]flow{}
		for k, f := range pl.flows {
			flows[k] = *f
		}
		switch s.Kind {
		case modeltest.FromPort:
			pl.TracePort(s.Port, s.Frame)
		case modeltest.FromUnderlay:
			pl.TraceUnderlay(s.Frame)
		default:
			return
		}
		after := fmt.Sprintf("%+v", pl.Counters()) + fmt.Sprint(len(pl.fragments), len(pl.events))
		if before != after || len(flows) != len(pl.flows) {
			rt.Fatalf("counters\n before %s\n after  %s", before, after)
		}
		for k, f := range pl.flows {
			if !reflect.DeepEqual(*f, flows[k]) {
				rt.Fatalf("flow %+v changed", k)
			}
		}
	})
}

// The sequences reach every verdict and every drop reason: or what compares with the model by them would be blind there.
func TestWorldsReachEverything(t *testing.T) {
	need := []string{"deliver from port", "deliver from underlay", "encapsulate from port", "reply from port", "replicate from port",
		"replicate from underlay", "translate from port", "pass from underlay", "sweep", "advance", "new policy", "mirrored", "event",
		"related", "nat answer", "clamped", "to an appliance", "in transit here", "in transit from the underlay", "passed on", "cannot be answered"}
	for r := vfp.DropMalformed; r <= vfp.LastDropReason; r++ {
		if r != vfp.DropInternal { // what only a kernel can say
			need = append(need, r.String())
		}
	}
	missing := need
	seen := map[string]int{}
	for round := 0; round < 30 && len(missing) > 0; round++ {
		inWorlds(t, func(_ *rapid.T, pl *Pipeline, _ *modeltest.World, s modeltest.Step, got vfp.Trace) {
			observe(seen, pl, s, got)
		})
		missing = nil
		for _, k := range need {
			if seen[k] == 0 {
				missing = append(missing, k)
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("never seen: %q among %v", missing, seen)
	}
}

// observe counts what a step showed.
func observe(seen map[string]int, pl *Pipeline, s modeltest.Step, got vfp.Trace) {
	seen[s.Kind.String()]++
	if s.Kind != modeltest.FromPort && s.Kind != modeltest.FromUnderlay {
		return
	}
	seen[got.Verdict.String()+" "+s.Kind.String()]++
	if got.Reason != 0 {
		seen[got.Reason.String()]++
	}
	if len(got.Mirrored) > 0 {
		seen["mirrored"]++
	}
	seen["event"] += len(pl.Events())
	observeRoutes(seen, pl, s, got)
	for _, st := range got.Steps {
		if st.Rule == "icmp-error" {
			seen["related"]++
		}
		if st.Layer == vfp.LayerNameNAT && got.Verdict == vfp.Deliver {
			seen["nat answer"]++
		}
	}
	if _, inner, err := encap.Decode(got.Frame); err == nil {
		in, _ := modeltest.Parse(s.Frame)
		if out, ok := modeltest.Parse(inner); ok && !bytes.Equal(in.TCPOptions, out.TCPOptions) {
			seen["clamped"]++
		}
	}
}

// observeRoutes counts what user routes made of a packet that went through.
func observeRoutes(seen map[string]int, pl *Pipeline, s modeltest.Step, got vfp.Trace) {
	for _, st := range got.Steps {
		if st.Group == vfp.GroupUserRoutes && st.Action == vfp.RouteAppliance.String() && got.Verdict == vfp.Encapsulate {
			seen["to an appliance"]++
		}
	}
	in, ok := modeltest.Parse(s.Frame)
	if from := pl.ports[s.Port]; ok && from != nil && addressOf(from, in.Src) == nil && (got.Verdict == vfp.Encapsulate || got.Verdict == vfp.Deliver) {
		seen["passed on"]++
	}
	out, ok := modeltest.Parse(got.Frame)
	if to := pl.ports[got.Port]; ok && got.Verdict == vfp.Deliver && addressOf(to, out.Dst) == nil {
		if s.Kind == modeltest.FromPort {
			seen["in transit here"]++
		} else {
			seen["in transit from the underlay"]++
		}
	}
	for _, f := range pl.flows {
		if f.nowhere != 0 {
			seen["cannot be answered"]++
		}
	}
}

func FuzzWorlds(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(rt *rapid.T) {
		w := modeltest.Draw(rt)
		pl := New(w.Policy())
		for range rapid.IntRange(1, 120).Draw(rt, "steps") {
			w.Result(run(pl, w, w.Next(rt)))
		}
	}))
}
