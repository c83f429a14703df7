package nctest

import (
	"fmt"
	"strings"
)

// singletons has the collections of the controller's discovery list, in its spelling; a singleton
// has the id of its only resource.
var singletons = map[string]string{
	"accessControlLists": "", "auditingSettings": "configuration", "credentials": "",
	"gatewayPools": "", "gateways": "", "iDNSServer": "configuration",
	"learnedIPAddresses": "", "loadBalancerManager": "config", "loadBalancerMuxes": "",
	"loadBalancers": "", "logicalNetworks": "", "macPools": "", "networkInterfaces": "",
	"publicIPAddresses": "", "routeTables": "", "securityTags": "", "servers": "",
	"serviceInsertions": "", "virtualGateways": "", "virtualNetworkManager": "configuration",
	"virtualNetworks": "", "virtualServers": "", "virtualSwitchManager": "configuration",
}

// spelling maps lower case to the spelling above: paths are compared without case.
var spelling = func() map[string]string {
	m := map[string]string{}
	for c := range singletons {
		m[strings.ToLower(c)] = c
	}
	return m
}()

// name is a parsed resource reference.
type name struct {
	ref        string   // in the spelling of its writer, the collection in ours
	key        string   // as compared
	collection string   // of the top-level resource
	segments   []string // collection, id, nested collection, id, …
}

func (n name) id() string { return n.segments[len(n.segments)-1] }
func (n name) top() bool  { return len(n.segments) == 2 }

func (n name) topName() name { return makeName(n.segments[:2]) }

func makeName(segments []string) name {
	ref := "/" + strings.Join(segments, "/")
	return name{ref: ref, key: refKey(ref), collection: segments[0], segments: segments}
}

// parseRef reads the reference of a resource, with or without "/networking/v1" in front.
func parseRef(ref string) (name, error) {
	path := strings.Trim(ref, "/")
	if rest, ok := strings.CutPrefix(strings.ToLower(path), "networking/v"); ok {
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			path = path[len(path)-len(rest)+i+1:]
		}
	}
	segments := strings.Split(path, "/")
	collection, ok := spelling[strings.ToLower(segments[0])]
	if !ok {
		return name{}, fmt.Errorf("%q: unknown collection", ref)
	}
	segments[0] = collection
	if len(segments)%2 != 0 {
		return name{}, fmt.Errorf("%q: names a collection, not a resource", ref)
	}
	for _, s := range segments {
		if s == "" || s == "." || s == ".." || len(s) > 512 {
			return name{}, fmt.Errorf("%q: not a resource reference", ref)
		}
	}
	if only := singletons[collection]; only != "" && !strings.EqualFold(segments[1], only) {
		return name{}, fmt.Errorf("%q: the only resource of %s is %s", ref, collection, only)
	}
	return makeName(segments), nil
}
