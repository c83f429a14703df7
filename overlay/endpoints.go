package overlay

import (
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

func (b *builder) networkInterfaces(list []cc.NetworkInterface) {
	names := b.nameInterfaces(list)
	items := make([]item[cc.NetworkInterface], 0, len(list))
	items = collectNamed(&b.report, items, "", "/networkInterfaces", list, func(i int) (Resource, bool) { return names[i].Resource, names[i].ok })
	count := 0
	for i := range items {
		count += len(items[i].v.IPConfigurations)
	}
	endpoints := make([]Endpoint, 0, len(items)) // one block: a fabric has very many
	b.m.Endpoints = make([]*Endpoint, 0, len(items))
	claims := make([]addressClaim, 0, count)
	addresses := make([]Address, 0, count)
	before := cursor[*Endpoint]{b.prev.Endpoints}
	var configs []item[cc.IPConfiguration]
	for _, it := range items {
		prev := before.at(it.Key)
		endpoints = append(endpoints, Endpoint{Resource: it.Resource})
		ep := &endpoints[len(endpoints)-1]
		if !b.endpoint(ep, it.v, prev) {
			endpoints = endpoints[:len(endpoints)-1]
			continue
		}
		b.m.Endpoints = append(b.m.Endpoints, ep)
		named := names[it.at].configs
		configs = collectNamed(&b.report, configs, ep.Ref, "/ipConfigurations", it.v.IPConfigurations, func(i int) (Resource, bool) { return named[i].Resource, named[i].ok })
		for _, c := range configs {
			addresses = append(addresses, Address{})
			if claim, ok := b.ipConfiguration(&addresses[len(addresses)-1], ep, c, prev); ok {
				claims = append(claims, claim)
			} else {
				addresses = addresses[:len(addresses)-1]
			}
		}
	}
	b.nameEndpoints()
	b.resolveAddresses(claims, addresses)
	b.reportUnreachable()
}

// endpoint reads what belongs to the interface itself; false if it cannot be used at all.
func (b *builder) endpoint(ep *Endpoint, v *cc.NetworkInterface, prev *Endpoint) bool {
	ep.Primary, ep.AllowMACSpoofing = v.Primary, v.MACSpoofing
	b.settings(ep, v, prev)
	var err error
	if ep.MAC, err = parseMAC(strings.TrimSpace(v.MAC)); err != nil {
		if prev == nil {
			b.errorf("mac-invalid", ep.Ref, "properties.privateMacAddress %s %v; the network interface is left out", quote(v.MAC), err)
			return false
		}
		b.errorf("mac-invalid", ep.Ref, "properties.privateMacAddress %s %v; the last good version (%s) stays in force", quote(v.MAC), err, prev.MAC)
		b.keepEndpoint(ep, prev)
		return true
	}
	if v.Server == "" {
		return true
	}
	if h, ok := b.hosts.find(v.Server); ok {
		ep.Host = h
		return true
	}
	if prev != nil && prev.Host != nil && b.hosts.byKey[prev.Host.Key] != nil {
		b.keepEndpoint(ep, prev)
		b.errorf("server-unknown", ep.Ref, "properties.server %s does not exist; the last good version (on server %s) stays in force", quote(v.Server), quote(ep.Host.ID))
		return true
	}
	b.errorf("server-unknown", ep.Ref, "properties.server %s does not exist; the network interface is on no host and its mappings are left out", quote(v.Server))
	return true
}

func (b *builder) keepEndpoint(ep, prev *Endpoint) {
	ep.MAC, ep.Primary, ep.AllowMACSpoofing = prev.MAC, prev.Primary, prev.AllowMACSpoofing
	ep.FlowLimit, ep.Mbps, ep.DNS = prev.FlowLimit, prev.Mbps, prev.DNS
	if prev.Host != nil {
		ep.Host = b.hosts.byKey[prev.Host.Key]
	}
}

// nameEndpoints lets endpoints be found by their IDs.
func (b *builder) nameEndpoints() {
	prev := b.prev
	if len(prev.byID) == len(prev.Endpoints) && slices.EqualFunc(prev.Endpoints, b.m.Endpoints, func(x, y *Endpoint) bool { return x.ID == y.ID }) {
		b.m.byID = prev.byID
		return
	}
	b.m.byID = make(map[string]int, len(b.m.Endpoints))
	for i, ep := range b.m.Endpoints {
		id := strings.ToLower(ep.ID)
		if other, taken := b.m.byID[id]; taken {
			b.warnf("resource-duplicate", ep.Ref, "resourceId %s is also that of %s, which keeps the name; this one can only be named by its reference", quote(ep.ID),
				b.m.Endpoints[other].Ref)
			continue
		}
		b.m.byID[id] = i
	}
}

// address finds an ipConfiguration; e may be nil.
func (e *Endpoint) address(key string) *Address {
	if e == nil {
		return nil
	}
	for i := range e.Addresses {
		if e.Addresses[i].Key == key {
			return &e.Addresses[i]
		}
	}
	return nil
}
