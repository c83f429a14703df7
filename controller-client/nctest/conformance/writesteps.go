package conformance

import (
	"net/http"
	"slices"
)

// What the script makes. Everything is named after the run.
const (
	acl     = "/accessControlLists/fairlead-conformance-{run}"
	routes  = "/routeTables/fairlead-conformance-{run}"
	network = "/virtualNetworks/fairlead-conformance-{run}"
	other   = "/virtualNetworks/fairlead-conformance-other-{run}"
	nic     = "/networkInterfaces/fairlead-conformance-{run}"
	public  = "/publicIPAddresses/fairlead-conformance-{run}"
	lb      = "/loadBalancers/fairlead-conformance-{run}"
	subnet  = network + "/subnets/web"
	trial   = "fairlead-conformance-trial-{run}"
	nobody  = "fairlead-conformance-nobody-{run}"
)

const (
	rule = `{"resourceId":"allow-in","properties":{"protocol":"All","sourcePortRange":"0-65535","destinationPortRange":"0-65535",` +
		`"action":"Allow","sourceAddressPrefix":"*","destinationAddressPrefix":"*","priority":"100","type":"Inbound","logging":"Disabled"}}`
	ruleOut = `{"resourceId":"allow-out","properties":{"protocol":"TCP","sourcePortRange":"*","destinationPortRange":"443",` +
		`"action":"Allow","sourceAddressPrefix":"10.249.1.0/24","destinationAddressPrefix":"*","priority":"200","type":"Outbound","logging":"Enabled"}}`
	aclBody    = `{"properties":{"aclRules":[` + rule + `]}}`
	aclBody2   = `{"properties":{"aclRules":[` + rule + `,` + ruleOut + `]}}`
	routesBody = `{"properties":{"routes":[{"resourceId":"away","properties":{"addressPrefix":"192.0.2.0/24","nextHopType":"VirtualAppliance","nextHopIpAddress":"10.249.1.10"}}]}}`
	routesNone = `{"properties":{"routes":[{"resourceId":"away","properties":{"addressPrefix":"192.0.2.0/24","nextHopType":"None"}}]}}`
	webSubnet  = `{"resourceId":"web","properties":{"addressPrefix":"10.249.1.0/24","accessControlList":{"resourceRef":"` + acl + `"},"routeTable":{"resourceRef":"` + routes + `"}}}`
	dbSubnet   = `{"resourceId":"db","properties":{"addressPrefix":"10.249.2.0/24"}}`
	space      = `{"properties":{{logicalNetwork}"addressSpace":{"addressPrefixes":["10.249.0.0/16"]},"subnets":[`
	publicBody = `{"properties":{"publicIPAllocationMethod":"Dynamic","publicIPAddressVersion":"IPv4","idleTimeoutInMinutes":4}}`
	lbBody     = `{"properties":{"frontendIPConfigurations":[{"resourceId":"vip","properties":{"privateIPAllocationMethod":"Dynamic","publicIPAddress":{"resourceRef":"` + public + `"}}}],` +
		`"backendAddressPools":[{"resourceId":"pool","properties":{}}],` +
		`"loadBalancingRules":[{"resourceId":"https","properties":{"frontendIPConfigurations":[{"resourceRef":"` + lb + `/frontendIPConfigurations/vip"}],` +
		`"backendAddressPool":{"resourceRef":"` + lb + `/backendAddressPools/pool"},"protocol":"Tcp","frontendPort":443,"backendPort":8443,"idleTimeoutInMinutes":4,"enableFloatingIP":false,"loadDistribution":"Default"}}],` +
		`"inboundNatRules":[],"outboundNatRules":[],"probes":[]}}`
	badAddress = `{"properties":{"privateIPAddress":"10.249.9.4","privateIPAllocationMethod":"Static","subnet":{"resourceRef":"` + subnet + `"}}}`
)

func subnetBody(id, prefix string) string {
	return `{"resourceId":"` + id + `","properties":{"addressPrefix":"` + prefix + `"}}`
}

func nicBody(mac, address, subnet, more string) string {
	return `{"properties":{"privateMacAddress":"` + mac + `","privateMacAllocationMethod":"Static","ipConfigurations":[{"resourceId":"ip","properties":{"privateIPAddress":"` +
		address + `","privateIPAllocationMethod":"Static","subnet":{"resourceRef":"` + subnet + `"}` + more + `}}]}}`
}

// MACs are locally administered ones.
const mac, mac2 = "021DD8{RUN}", "061DD8{RUN}"

func put(name, path, body string) Step {
	return Step{Name: name, Method: http.MethodPut, Path: path, Body: body}
}

// try puts something that a controller is likely to refuse.
func try(name, path, body string) Step {
	s := put(name, path, body)
	s.Trial = true
	return s
}

func get(name, path string) Step { return Step{Name: name, Method: http.MethodGet, Path: path} }

func remove(name, path string) Step {
	return Step{Name: name, Method: http.MethodDelete, Path: path}
}

func (s Step) with(name, value string) Step {
	s.Header = header{name: value}
	return s
}

func (s Step) as(label string) Step {
	s.Label = label
	return s
}

// writeSteps make and change resources of their own, and delete them again.
func writeSteps() []Step {
	return slices.Concat(aclSteps(), networkSteps(), nicSteps(), publicSteps(), deleteSteps())
}

// aclSteps use a resource that nothing depends on for all that is the same everywhere.
func aclSteps() []Step {
	return []Step{
		put("create", acl, aclBody).as("acl"),
		get("read what was created", acl),
		put("replace", acl, aclBody2).as("acl"),
		put("replace with the same", acl, aclBody2).as("acl"),
		get("not modified, just written", acl).with("If-None-Match", "{etag.acl}"),
		put("right If-Match", acl, aclBody).with("If-Match", "{etag.acl}"),
		put("outdated If-Match", acl, aclBody2).with("If-Match", "{etag.acl}"),
		put("wrong If-Match", acl, aclBody2).with("If-Match", `W/"other"`),
		put("If-Match of anything", acl, aclBody2).with("If-Match", "*").as("acl"),
		try("If-Match of nothing", "/accessControlLists/"+trial, aclBody).with("If-Match", "*"),
		try("If-None-Match of nothing", "/accessControlLists/"+trial, aclBody).with("If-None-Match", "*"),
		put("If-None-Match of what exists", acl, aclBody).with("If-None-Match", "*"),
		put("instanceId kept", acl, `{"instanceId":"{instanceId.acl}",`+aclBody2[1:]),
		put("another instanceId", acl, `{"instanceId":"00000000-0000-4000-8000-000000000001",`+aclBody2[1:]),
		put("outdated etag in the body", acl, `{"etag":"W/\"other\"",`+aclBody2[1:]),
		{Name: "PATCH", Method: http.MethodPatch, Path: acl, Body: `{"tags":{"changed":"yes"}}`},
		{Name: "POST", Method: http.MethodPost, Path: acl, Body: aclBody},
		{Name: "PUT to a collection", Method: http.MethodPut, Path: "/accessControlLists", Body: aclBody},
		try("PUT to an unknown collection", "/nonsense/fairlead-conformance-{run}", aclBody),
		put("invalid JSON", acl, `{"properties":`),
		put("JSON, but no object", acl, `[]`),
		{Name: "no body", Method: http.MethodPut, Path: acl},
		put("no properties", acl, `{}`),
		put("properties of a wrong type", acl, `{"properties":{"aclRules":{}}}`),
		put("unknown property", acl, `{"properties":{"nonsense":1,"aclRules":[`+rule+`]}}`),
		put("wrong Content-Type", acl, aclBody2).with("Content-Type", "text/plain"),
		put("no Content-Type", acl, aclBody2).with("Content-Type", ""),
		put("another resourceId", acl, `{"resourceId":"other",`+aclBody2[1:]),
		put("another resourceRef", acl, `{"resourceRef":"/accessControlLists/other",`+aclBody2[1:]),
		put("child without resourceId", acl, `{"properties":{"aclRules":[{"properties":{}}]}}`),
		put("child twice", acl, `{"properties":{"aclRules":[`+rule+`,`+rule+`]}}`),
		put("priority that is no number", acl, `{"properties":{"aclRules":[{"resourceId":"allow-in","properties":{"priority":"first","type":"Inbound","action":"Allow"}}]}}`),
		put("in order again", acl, aclBody2).as("acl"),
		put("create a nested resource", acl+"/aclRules/second", ruleWithoutID),
		put("replace a nested resource", acl+"/aclRules/second", ruleWithoutID),
		get("read a nested resource", acl+"/aclRules/second"),
		get("list nested resources", acl+"/aclRules"),
		get("etag of the parent after that", acl).with("If-None-Match", "{etag.acl}"),
		remove("delete a nested resource", acl+"/aclRules/second"),
		get("read the nested resource after that", acl+"/aclRules/second"),
		put("nested resource of nobody", "/accessControlLists/"+nobody+"/aclRules/second", ruleWithoutID),
	}
}

const ruleWithoutID = `{"properties":{"protocol":"UDP","sourcePortRange":"*","destinationPortRange":"53","action":"Deny",` +
	`"sourceAddressPrefix":"*","destinationAddressPrefix":"*","priority":"300","type":"Inbound","logging":"Disabled"}}`

func networkSteps() []Step {
	return []Step{
		put("create a route table", routes, routesBody),
		put("replace a route table", routes, routesNone),
		get("read a route table", routes),
		try("network that refers to what is missing", "/virtualNetworks/"+trial, space+`{"resourceId":"web","properties":{"addressPrefix":"10.249.1.0/24","accessControlList":{"resourceRef":"/accessControlLists/`+nobody+`"}}}]}}`),
		try("network with subnets that overlap", "/virtualNetworks/"+trial, space+subnetBody("a", "10.249.1.0/24")+`,`+subnetBody("b", "10.249.1.128/25")+`]}}`),
		try("network with a subnet outside", "/virtualNetworks/"+trial, space+subnetBody("a", "10.248.1.0/24")+`]}}`),
		try("network with a prefix that is none", "/virtualNetworks/"+trial, space+subnetBody("a", "10.249.1/24")+`]}}`),
		put("create a network", network, space+webSubnet+`]}}`).as("network"),
		put("replace a network", network, space+webSubnet+`,`+dbSubnet+`]}}`).as("network"),
		get("read a network", network),
		get("read it in other letters", "/VirtualNetworks/FAIRLEAD-CONFORMANCE-{RUN}"),
		put("create a subnet", network+"/subnets/more", `{"properties":{"addressPrefix":"10.249.3.0/24"}}`),
		get("list subnets", network+"/subnets"),
		remove("delete a subnet", network+"/subnets/more"),
		try("network with the same addresses", "/virtualNetworks/"+trial, space+subnetBody("web", "10.249.1.0/24")+`]}}`),
		put("create a network to be peered", other, `{"properties":{{logicalNetwork}"addressSpace":{"addressPrefixes":["10.250.0.0/16"]},"subnets":[`+subnetBody("web", "10.250.1.0/24")+`]}}`),
		put("create a peering", network+"/virtualNetworkPeerings/peering", `{"properties":{"remoteVirtualNetwork":{"resourceRef":"`+other+`"},"allowVirtualNetworkAccess":true}}`),
		get("read a peering", network+"/virtualNetworkPeerings/peering"),
		remove("delete the network that is peered", other),
		remove("delete a peering", network+"/virtualNetworkPeerings/peering"),
	}
}

func nicSteps() []Step {
	return []Step{
		try("NIC that refers to a missing subnet", "/networkInterfaces/"+trial, nicBody(mac, "10.249.1.4", network+"/subnets/nobody", "")),
		try("NIC outside its subnet", "/networkInterfaces/"+trial, nicBody(mac, "10.249.9.4", subnet, "")),
		try("NIC with the gateway's address", "/networkInterfaces/"+trial, nicBody(mac, "10.249.1.1", subnet, "")),
		try("NIC with a MAC that is none", "/networkInterfaces/"+trial, nicBody("nonsense", "10.249.1.4", subnet, "")),
		put("create a NIC", nic, nicBody(mac, "10.249.1.4", subnet, "")).as("nic"),
		put("replace a NIC", nic, nicBody(mac, "10.249.1.5", subnet, `,"accessControlList":{"resourceRef":"`+acl+`"}`)).as("nic"),
		get("read a NIC", nic),
		get("read the subnet of a NIC", subnet),
		try("NIC with an address in use", "/networkInterfaces/"+trial, nicBody(mac2, "10.249.1.5", subnet, "")),
		try("NIC with a MAC in use", "/networkInterfaces/"+trial, nicBody(mac, "10.249.1.6", subnet, "")),
		put("create an ipConfiguration", nic+"/ipConfigurations/more", `{"properties":{"privateIPAddress":"10.249.1.7","privateIPAllocationMethod":"Static","subnet":{"resourceRef":"`+subnet+`"}}}`),
		put("replace an ipConfiguration", nic+"/ipConfigurations/more", `{"properties":{"privateIPAddress":"10.249.1.8","privateIPAllocationMethod":"Static","subnet":{"resourceRef":"`+subnet+`"}}}`),
		try("ipConfiguration outside its subnet", nic+"/ipConfigurations/trial", badAddress),
		get("read an ipConfiguration", nic+"/ipConfigurations/more"),
		get("list ipConfigurations", nic+"/ipConfigurations"),
		remove("delete an ipConfiguration", nic+"/ipConfigurations/more"),
		put("create an ipConfiguration with a dynamic address", nic+"/ipConfigurations/dynamic", `{"properties":{"privateIPAllocationMethod":"Dynamic","subnet":{"resourceRef":"`+subnet+`"}}}`),
		remove("delete it", nic+"/ipConfigurations/dynamic"),
	}
}

func publicSteps() []Step {
	return []Step{
		put("create a public address", public, publicBody),
		put("replace a public address", public, publicBody),
		put("create a load balancer", lb, lbBody),
		put("replace a load balancer", lb, lbBody),
		get("read a load balancer", lb),
		get("list its front ends", lb+"/frontendIPConfigurations"),
		put("NIC joins a pool", nic, nicBody(mac, "10.249.1.5", subnet, `,"accessControlList":{"resourceRef":"`+acl+`"},"loadBalancerBackendAddressPools":[{"resourceRef":"`+lb+`/backendAddressPools/pool"}]`)),
		get("read the pool", lb+"/backendAddressPools/pool"),
		get("read the public address in use", public),
	}
}

func deleteSteps() []Step {
	return []Step{
		remove("delete an ACL in use", acl),
		remove("delete a route table in use", routes),
		remove("delete a network in use", network),
		remove("delete a subnet in use", subnet),
		remove("delete a public address in use", public),
		remove("delete a load balancer in use", lb),
		put("network without its subnet in use", network, space+dbSubnet+`]}}`),
		remove("delete with a wrong If-Match", nic).with("If-Match", `W/"other"`),
		get("read the NIC again", nic).as("nic"),
		remove("delete a NIC with the right If-Match", nic).with("If-Match", "{etag.nic}"),
		get("read a NIC that was deleted", nic),
		remove("delete a NIC that was deleted", nic),
		remove("delete a NIC that never was", "/networkInterfaces/"+nobody),
		remove("delete a collection", "/nonsense"),
		remove("delete a load balancer", lb),
		remove("delete a public address", public),
		remove("delete a network", network),
		remove("delete the other network", other),
		remove("delete a route table", routes),
		remove("delete an ACL", acl),
		get("read an ACL that was deleted", acl),
	}
}
