package conformance

import "net/http"

// collections are those of the published documentation's table of contents; singletons are named with
// their only id.
var collections = []string{
	"accessControlLists", "auditingSettings/configuration", "credentials", "gatewayPools", "gateways",
	"iDNSServer/configuration", "learnedIPAddresses", "loadBalancerManager/config", "loadBalancerMuxes",
	"loadBalancers", "logicalNetworks", "macPools", "networkInterfaces", "publicIPAddresses",
	"routeTables", "securityTags", "servers", "serviceInsertions", "virtualGateways",
	"virtualNetworkManager/configuration", "virtualNetworks", "virtualServers",
	"virtualSwitchManager/configuration",
}

// shown are the collections of which one resource is looked at.
var shown = []string{
	"accessControlLists", "loadBalancers", "logicalNetworks", "macPools", "networkInterfaces",
	"publicIPAddresses", "routeTables", "securityTags", "servers", "virtualNetworks",
}

// readSteps harm no controller.
func readSteps() []Step {
	steps := []Step{
		{Name: "discovery", Path: "/networking/discovery"},
		{Name: "root of the API", Path: "/networking/v1"},
	}
	for _, c := range collections {
		steps = append(steps, Step{Name: "list " + c, Path: "/" + c, Label: c})
	}
	for _, c := range shown {
		steps = append(steps, Step{Name: "one of " + c, Path: "/" + c + "/{first." + c + "}", Label: "one" + c})
	}
	const network = "/virtualNetworks/{first.virtualNetworks}"
	steps = append(steps,
		Step{Name: "not modified", Path: network, Header: header{"If-None-Match": "{etag.onevirtualNetworks}"}},
		Step{Name: "modified", Path: network, Header: header{"If-None-Match": `W/"other"`}},
		Step{Name: "not modified, any etag", Path: network, Header: header{"If-None-Match": "*"}},
		Step{Name: "read with If-Match", Path: network, Header: header{"If-Match": "{etag.onevirtualNetworks}"}},
		Step{Name: "read with another If-Match", Path: network, Header: header{"If-Match": `W/"other"`}},
		Step{Name: "list, again", Path: "/virtualNetworks", Header: header{"If-None-Match": "{etag.virtualNetworks}"}},
		Step{Name: "head of a resource", Method: http.MethodHead, Path: network},
		Step{Name: "head of a list", Method: http.MethodHead, Path: "/virtualNetworks"},
		Step{Name: "nested list", Path: network + "/subnets", Label: "subnets"},
		Step{Name: "nested resource", Path: network + "/subnets/{first.subnets}"},
		Step{Name: "nested list of a NIC", Path: "/networkInterfaces/{first.networkInterfaces}/ipConfigurations"},
		Step{Name: "slash at the end", Path: network + "/"},
		Step{Name: "XML wanted", Path: network, Header: header{"Accept": "application/xml"}},
		Step{Name: "paging: first", Path: "/networkInterfaces?$top=1", Label: "page"},
		Step{Name: "paging: next", Path: "{nextLink.page}"},
		Step{Name: "paging: skip", Path: "/networkInterfaces?$top=1&$skip=1"},
		Step{Name: "paging: not a number", Path: "/networkInterfaces?$top=many"},
		Step{Name: "paging: none at all", Path: "/networkInterfaces?$top=0"},
		Step{Name: "filter", Path: "/networkInterfaces?$filter=resourceId%20eq%20'{first.networkInterfaces}'"},
		Step{Name: "unknown query", Path: "/virtualNetworks?nonsense=1"},
		Step{Name: "collection in capitals", Path: "/VIRTUALNETWORKS"},
		Step{Name: "collection in small letters", Path: "/virtualnetworks/{first.virtualNetworks}"},
		Step{Name: "API in capitals", Path: "/NETWORKING/V1/virtualNetworks"},
		Step{Name: "unknown collection", Path: "/nonsense"},
		Step{Name: "resource of an unknown collection", Path: "/nonsense/one"},
		Step{Name: "unknown resource", Path: "/virtualNetworks/fairlead-conformance-nobody"},
		Step{Name: "unknown nested resource", Path: network + "/subnets/fairlead-conformance-nobody"},
		Step{Name: "unknown nested list", Path: network + "/nonsense"},
		Step{Name: "unknown singleton", Path: "/virtualNetworkManager/nonsense"},
		Step{Name: "collection of a singleton", Path: "/virtualNetworkManager"},
		Step{Name: "version 2", Path: "/networking/v2/virtualNetworks"},
		Step{Name: "version 99", Path: "/networking/v99/virtualNetworks"},
		Step{Name: "outside the API", Path: "/networking/nonsense"},
	)
	for i := range steps {
		if steps[i].Method == "" {
			steps[i].Method = http.MethodGet
		}
	}
	return steps
}

type header = map[string]string
