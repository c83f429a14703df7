package vfp

import (
	"net/netip"
	"strings"
	"testing"
)

// TestUserRouteLayer: routes are listed as they match, and a next hop takes what is not its own.
func TestUserRouteLayer(t *testing.T) {
	p := layersPolicy()
	prefix := netip.MustParsePrefix
	p.Routes = []Route{{ID: "/routeTables/t/routes/all", VSID: 5001, Prefix: prefix("0.0.0.0/0"), Action: RouteAppliance, NextHop: netip.MustParseAddr("10.0.1.6")},
		{ID: "/routeTables/t/routes/dark", VSID: 5001, Prefix: prefix("10.9.0.0/16"), Action: RouteNone},
		{VSID: 5001, Prefix: prefix("10.0.0.0/16")}, {ID: "/routeTables/t/routes/out", VSID: 5001, Prefix: prefix("192.0.2.0/24"), Action: RouteInternet},
		{ID: "/routeTables/u/routes/other", VSID: 6001, Prefix: prefix("0.0.0.0/0"), Action: RouteNone}}
	p.Mappings = append(p.Mappings, Mapping{RDID: p.Ports[1].Addresses[0].RDID, CA: netip.MustParseAddr("10.0.1.200"), VSID: 6001, PA: netip.MustParseAddr("172.16.0.9")})
	p.Ports[1].Forwards = true
	text := draw(Layers(p, "web"))
	for _, want := range []string{`VNET_DR_REDIRECTION_LAYER
  user-routes outbound both 1
    /routeTables/t/routes/out route [destination=192.0.2.0/24; vsid=5001] outside
    /routeTables/t/routes/dark route [destination=10.9.0.0/16; vsid=5001] block
    system route [destination=10.0.0.0/16; vsid=5001] by the router
    /routeTables/t/routes/all route [destination=0.0.0.0/0; vsid=5001] to appliance 10.0.1.6
  router outbound both 2
`, "    subnet-6001 route [destination=10.0.1.0/24; rdid=other] route by mapping, to a peered network\n",
		"    next-hop guard [] allow\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no\n%s\nin\n%s", want, text)
		}
	}
	if strings.Contains(text, "source-address") || strings.Contains(text, "routeTables/u") {
		t.Error(text)
	}
}
