package ebpf

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// routed is twoPorts in which packets of the subnet to 10.0.1.6, on host 2, go by way of somebody.
func routed(action vfp.RouteAction, hop byte) *vfp.Policy {
	p := twoPorts()
	r := vfp.Route{ID: "/r", VSID: 5001, Prefix: netip.MustParsePrefix("10.0.1.6/32"), Action: action}
	if action == vfp.RouteAppliance {
		r.NextHop = netip.AddrFrom4([4]byte{10, 0, 1, hop})
	}
	p.Routes = []vfp.Route{{VSID: 5001, Prefix: netip.MustParsePrefix("10.0.1.0/24")}, r,
		{ID: "/all", VSID: 5001, Prefix: netip.MustParsePrefix("::/0"), Action: vfp.RouteNone}}
	slices.SortFunc(p.Routes, vfp.CompareRoutes)
	for i := range p.Mappings {
		p.Mappings[i].Forwards = p.Mappings[i].CA == r.NextHop
	}
	for i := range p.Ports {
		p.Ports[i].Forwards = p.Ports[i].Addresses[0].CA == r.NextHop
	}
	return p
}

// TestRerouted: a live flow goes where the routes say now, though nothing else has changed.
func TestRerouted(t *testing.T) {
	d := openTest(t, enterHost(t, 2), modeRecord)
	for _, c := range []struct {
		action vfp.RouteAction
		hop    byte
		want   vfp.Verdict
		reason vfp.DropReason
		port   string
	}{
		{vfp.RouteLocal, 0, vfp.Encapsulate, 0, ""},
		{vfp.RouteNone, 0, vfp.Drop, vfp.DropRouteNone, "port4"},
		{vfp.RouteAppliance, 5, vfp.Deliver, 0, "port5"},
		{vfp.RouteAppliance, 9, vfp.Drop, vfp.DropNextHop, "port4"},
		{vfp.RouteInternet, 0, vfp.Drop, vfp.DropNoMapping, "port4"},
		{vfp.RouteAppliance, 6, vfp.Encapsulate, 0, ""},
		{vfp.RouteLocal, 0, vfp.Encapsulate, 0, ""},
	} {
		mustApply(t, d, routed(c.action, c.hop))
		got := send(t, d, "port4", tcp(4, 6, 443))
		if got.Verdict != c.want || got.Reason != c.reason || got.Port != c.port {
			t.Errorf("%s by %d: %s %s %q", c.action, c.hop, got.Verdict, got.Reason, got.Port)
		}
		if c.want == vfp.Encapsulate {
			ttl := map[vfp.RouteAction]byte{vfp.RouteLocal: 64, vfp.RouteAppliance: 63}[c.action]
			if _, inner, err := encap.Decode(got.Frame); err != nil || inner[14+8] != ttl {
				t.Errorf("%s: %x %v", c.action, inner, err)
			}
		}
	}
}

// TestRoutesSurvive: another process finds the routes that are in force, and takes away what it must.
func TestRoutesSurvive(t *testing.T) {
	dir := enterHost(t, 2)
	d := openTest(t, dir, modeRecord)
	p := routed(vfp.RouteAppliance, 5)
	for i := range 2 * batch {
		p.Routes = append(p.Routes, vfp.Route{ID: fmt.Sprint(i), VSID: 5001, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 0}), 24), Action: vfp.RouteNone})
	}
	slices.SortFunc(p.Routes, vfp.CompareRoutes)
	mustApply(t, d, p)
	want := d.slot[d.active]
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTest(t, dir, modeRecord)
	got := &d.slot[d.active]
	if !reflect.DeepEqual(got.routes, want.routes) || !reflect.DeepEqual(got.forwarders, want.forwarders) || !reflect.DeepEqual(got.forwardHosts, want.forwardHosts) ||
		len(got.routes) != 2*batch+3 || len(got.forwarders) != 1 || len(got.forwardHosts) != 1 {
		t.Errorf("%d routes, %d and %d who forward; they were %d, %d and %d", len(got.routes), len(got.forwarders), len(got.forwardHosts),
			len(want.routes), len(want.forwarders), len(want.forwardHosts))
	}
	generation := d.generation
	mustApply(t, d, twoPorts())
	mustApply(t, d, twoPorts())
	mustApply(t, d, &vfp.Policy{Encapsulation: encap.VXLAN, ProviderAddress: hostPA(1)})
	if d.generation == generation {
		t.Error("nothing changed")
	}
	routes, err := read[prefixKey, vswitchRoute](d.objs.Routes)
	if err != nil || len(routes[d.active]) != 0 {
		t.Errorf("%d routes are left: %v", len(routes[d.active]), err)
	}
}
