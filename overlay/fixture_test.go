package overlay

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

var tenants = []string{"contoso", "fabrikam"}

// fabric is the normal case: two tenants with the same prefixes, CAs and MACs, and three hosts.
//
//	web-1 10.0.1.4 host-a   db-1 10.0.2.4 host-a
//	web-2 10.0.1.5 host-b   db-2 10.0.2.5 host-c
func fabric() *cc.Snapshot {
	s := &cc.Snapshot{Encapsulation: "Vxlan"}
	for i, name := range []string{"host-a", "host-b", "host-c"} {
		s.Servers = append(s.Servers, cc.Server{Meta: meta("/servers/", name), ProviderAddresses: []string{fmt.Sprintf("172.16.0.%d", i+1)}})
	}
	for t, tenant := range tenants {
		net := cc.VirtualNetwork{Meta: meta("/virtualNetworks/", tenant), AddressPrefixes: []string{"10.0.0.0/16"}}
		for n, subnet := range []string{"web", "db"} {
			acl := ""
			if subnet == "web" {
				acl = "/accessControlLists/" + tenant + "-web"
			}
			net.Subnets = append(net.Subnets, cc.Subnet{Meta: meta(net.Ref+"/subnets/", subnet), AddressPrefix: fmt.Sprintf("10.0.%d.0/24", n+1),
				VSID: uint32(5001 + 10*t + n), AccessControlList: acl})
		}
		s.VirtualNetworks = append(s.VirtualNetworks, net)
		for n, nic := range []struct{ name, subnet, ca, host string }{
			{"web-1", "web", "10.0.1.4", "host-a"}, {"web-2", "web", "10.0.1.5", "host-b"},
			{"db-1", "db", "10.0.2.4", "host-a"}, {"db-2", "db", "10.0.2.5", "host-c"},
		} {
			acl := ""
			if nic.name == "db-2" {
				acl = "/accessControlLists/" + tenant + "-db"
			}
			m := meta("/networkInterfaces/", tenant+"-"+nic.name)
			s.NetworkInterfaces = append(s.NetworkInterfaces, cc.NetworkInterface{Meta: m, MAC: fmt.Sprintf("001DD80700%02X", n+1), Server: "/servers/" + nic.host,
				IPConfigurations: []cc.IPConfiguration{{Meta: meta(m.Ref+"/ipConfigurations/", "ip1"), PrivateIPAddress: nic.ca,
					Subnet: net.Ref + "/subnets/" + nic.subnet, AccessControlList: acl}}})
		}
		s.AccessControlLists = append(s.AccessControlLists,
			cc.AccessControlList{Meta: meta("/accessControlLists/", tenant+"-web"), Rules: []cc.ACLRule{
				rule(tenant+"-web", "https", "TCP", "Allow", "Inbound", "100", "443"),
				rule(tenant+"-web", "no-8080", "TCP", "Deny", "Inbound", "110", "8080"),
				rule(tenant+"-web", "out", "All", "Allow", "Outbound", "100", "*")}},
			cc.AccessControlList{Meta: meta("/accessControlLists/", tenant+"-db"), Rules: []cc.ACLRule{
				rule(tenant+"-db", "sql", "TCP", "Allow", "Inbound", "100", "1433")}})
	}
	return s
}

func meta(collection, id string) cc.Meta {
	return cc.Meta{ID: id, Ref: collection + id, InstanceID: derivedGUID(strings.ToLower(collection+id), 7), ProvisioningState: "Succeeded"}
}

func rule(acl, id, protocol, action, direction, priority, port string) cc.ACLRule {
	return cc.ACLRule{Meta: meta("/accessControlLists/"+acl+"/aclRules/", id), Protocol: protocol, Action: action, Direction: direction, Priority: priority,
		SourceAddressPrefix: "*", DestinationAddressPrefix: "*", SourcePortRange: "0-65535", DestinationPortRange: port, Logging: "Disabled"}
}

// The parts of fabric that tests change; contoso's unless they say otherwise.
func network(s *cc.Snapshot, tenant string) *cc.VirtualNetwork {
	for i := range s.VirtualNetworks {
		if s.VirtualNetworks[i].ID == tenant {
			return &s.VirtualNetworks[i]
		}
	}
	panic("no network " + tenant)
}

func nic(s *cc.Snapshot, id string) *cc.NetworkInterface {
	for i := range s.NetworkInterfaces {
		if s.NetworkInterfaces[i].ID == id {
			return &s.NetworkInterfaces[i]
		}
	}
	panic("no NIC " + id)
}

func ipconfig(s *cc.Snapshot, id string) *cc.IPConfiguration { return &nic(s, id).IPConfigurations[0] }

func acl(s *cc.Snapshot, id string) *cc.AccessControlList {
	for i := range s.AccessControlLists {
		if s.AccessControlLists[i].ID == id {
			return &s.AccessControlLists[i]
		}
	}
	panic("no ACL " + id)
}

// build is Build of a snapshot that must not have problems.
func build(t testing.TB, s *cc.Snapshot, prev *Model, opts Options) *Model {
	t.Helper()
	m, problems := Build(s, prev, opts)
	for _, p := range problems {
		t.Errorf("unexpected problem: %+v", p)
	}
	return m
}

func find(problems []cc.Problem, code, resource string) *cc.Problem {
	for i, p := range problems {
		if p.Code == code && p.Resource == resource {
			return &problems[i]
		}
	}
	return nil
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

var hostA = HostConfig{Name: "host-a", ProviderAddress: netip.MustParseAddr("172.16.0.1")}
