package rest

import cc "github.com/fairlead-net/fairlead/controller-client"

func routeMeta(r *cc.Route) *cc.Meta { return &r.Meta }

var decodeRoute = decoderOf("routes", routeMeta, func(d *decoder, r *cc.Route, key string) bool {
	switch key {
	case "addressPrefix":
		r.AddressPrefix = d.text()
	case "nextHopType":
		r.NextHopType = d.word()
	case "nextHopIpAddress", "nextHopIPAddress":
		r.NextHopIPAddress = d.text()
	default:
		return false
	}
	return true
})

var decodeRouteTable = top("routeTables", func(t *cc.RouteTable) *cc.Meta { return &t.Meta },
	func(d *decoder, t *cc.RouteTable, key string) bool {
		if key != "routes" {
			return false
		}
		t.Routes = resources(d, "routes", decodeRoute)
		return true
	},
	func(t *cc.RouteTable) { referAll(t.Routes, routeMeta, &t.Meta, "routes") })
