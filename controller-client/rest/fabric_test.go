package rest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// peered makes a tenant's network with peerings and one NIC.
func (t *tenancy) peered(id, server string, peers ...string) {
	var list []string
	for i, peer := range peers {
		list = append(list, fmt.Sprintf(`{"resourceId":"p%d","properties":{"remoteVirtualNetwork":%s}}`, i, ref("/virtualNetworks/"+peer)))
	}
	t.put("/virtualNetworks/"+id, `{"resourceId":"`+id+`","resourceRef":"/virtualNetworks/`+id+`","properties":{"virtualNetworkPeerings":[`+strings.Join(list, ",")+`],`+
		`"subnets":[{"resourceId":"s","properties":{"ipConfigurations":`+refs("/networkInterfaces/"+id+"-n/ipConfigurations/ip")+`}}]}}`)
	t.nic(id+"-n", server, id, "")
}

// Networks that are peered in a circle, and with themselves, are read as far as the host reaches and no further.
func TestReferenceCycles(t *testing.T) {
	for scope, want := range map[string]string{ScopeHost: "a a-n b b-n c h1 h2 self self-n", ScopeFull: "a a-n b b-n c c-n h1 h2 h3 self self-n"} {
		t.Run(scope, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newTenancy()
				f.peered("a", "h1", "b")
				f.peered("b", "h2", "c")
				f.peered("c", "h3", "a")
				f.peered("self", "h1", "self")
				f.server("h1", "/networkInterfaces/a-n", "/networkInterfaces/self-n")
				f.server("h2", "/networkInterfaces/b-n")
				f.server("h3", "/networkInterfaces/c-n")
				f.lists()
				_, updates := running(t, f.fabric, Config{Host: "h1", Scope: scope})
				next(t, updates, "start", want)
				<-updates
				f.set(func() { f.asked = 0 })
				<-updates
				f.set(func() {
					if f.asked > len(strings.Fields(want))+8 {
						t.Errorf("%d requests of a poll without a change", f.asked)
					}
				})
			})
		})
	}
}

// A NIC that moves, of a tenant so large that it is read from lists, is on one server at a time.
func TestMovingNICOfALargeTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = singlesAtMost + 100
		f := crowd(many, 3)
		_, updates := running(t, f.fabric, Config{Host: "a"})
		<-updates
		<-updates
		pages := map[string]string{}
		f.set(func() {
			for path, body := range f.bodies {
				if strings.HasPrefix(path, "/networkInterfaces") {
					pages[path] = body
				}
			}
		})
		where := func(u cc.Update) (servers []string) {
			for _, n := range u.Snapshot.NetworkInterfaces {
				if n.ID == "blue-x0007" {
					servers = append(servers, n.Server)
				}
			}
			return servers
		}
		for i := range 6 {
			from, to := []string{"b", "c", "a"}[i%3], []string{"c", "a", "b"}[i%3]
			f.server("c")
			moved := nicBody("blue-x0007", to, "blue", "")
			for path, body := range pages {
				if changed := strings.Replace(body, nicBody("blue-x0007", from, "blue", ""), moved, 1); changed != body {
					pages[path] = changed
					f.put(path, changed)
				}
			}
			f.put("/networkInterfaces/blue-x0007", moved)
			own := []string{"/networkInterfaces/blue-1"}
			if to == "a" {
				own = append(own, "/networkInterfaces/blue-x0007")
			}
			f.server("a", own...)
			for u := range updates {
				if u.Status.State != cc.StateOK {
					t.Fatalf("status %+v", u.Status)
				}
				if u.Snapshot == nil {
					continue
				}
				if got := where(u); len(got) != 1 || got[0] != "/servers/"+to {
					t.Errorf("move %d from %s to %s: it is on %v", i, from, to, got)
				}
				if n := len(u.Snapshot.NetworkInterfaces); n != many+1 {
					t.Errorf("%d NICs, want %d", n, many+1)
				}
				break
			}
		}
	})
}

// A subnet that goes while NICs are in it: what is left is handed on as it is, and what comes back is found.
func TestSubnetDeletedUnderNICs(t *testing.T) {
	for _, scope := range []string{ScopeHost, ScopeFull} {
		t.Run(scope, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := twoTenants()
				f.lists()
				_, updates := running(t, f.fabric, Config{Host: "a", Scope: scope})
				want := map[string]string{ScopeHost: "a b blue blue-1 blue-2 own web", ScopeFull: "a b blue blue-1 blue-2 own red red-1 theirs web"}[scope]
				next(t, updates, "start", want)
				f.put("/virtualNetworks/blue", `{"resourceId":"blue","resourceRef":"/virtualNetworks/blue","properties":{"subnets":[]}}`)
				f.lists()
				var u cc.Update
				for u = range updates {
					if u.Snapshot != nil {
						break
					}
				}
				i := slices.IndexFunc(u.Snapshot.VirtualNetworks, func(v cc.VirtualNetwork) bool { return v.ID == "blue" })
				j := slices.IndexFunc(u.Snapshot.NetworkInterfaces, func(n cc.NetworkInterface) bool { return n.ID == "blue-1" })
				if u.Status.State != cc.StateOK || i < 0 || len(u.Snapshot.VirtualNetworks[i].Subnets) != 0 || j < 0 {
					t.Errorf("without the subnet: %+v, %s", u.Status, names(u.Snapshot))
				}
				for range 5 {
					f.set(func() { f.asked = 0 })
					if u := <-updates; u.Snapshot != nil || u.Status.State != cc.StateOK {
						t.Errorf("without a change: %+v", u)
					}
					f.set(func() {
						if f.asked > 14 {
							t.Errorf("%d requests of a poll without a change", f.asked)
						}
					})
				}
				f.network("blue", "/accessControlLists/web", "/networkInterfaces/blue-1", "/networkInterfaces/blue-2")
				f.lists()
				next(t, updates, "the subnet is back", want)
			})
		})
	}
}

// A list of a hundred thousand rules, two of them with the same priority, is read whole; one more rule is a change.
func TestHugeAccessControlList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 100_000
		f := twoTenants()
		body := func(n int) string {
			b := []byte(`{"resourceId":"own","resourceRef":"/accessControlLists/own","properties":{"aclRules":[`)
			for i := range n {
				if i > 0 {
					b = append(b, ',')
				}
				b = fmt.Appendf(b, `{"resourceId":"r%d","properties":{"protocol":"TCP","sourcePortRange":"0-65535","destinationPortRange":"%d","action":"Allow","sourceAddressPrefix":"*",`+
					`"destinationAddressPrefix":"10.%d.%d.0/24","priority":"%d","type":"Inbound","logging":"Disabled"}}`, i, i%65536, i>>8&255, i&255, 100+i/2)
			}
			return string(append(b, "]}}"...))
		}
		f.put("/accessControlLists/own", body(many))
		_, updates := running(t, f.fabric, Config{Host: "a"})
		rules := func(u cc.Update) []cc.ACLRule {
			i := slices.IndexFunc(u.Snapshot.AccessControlLists, func(a cc.AccessControlList) bool { return a.ID == "own" })
			if i < 0 {
				t.Fatalf("no list: %s", names(u.Snapshot))
			}
			return u.Snapshot.AccessControlLists[i].Rules
		}
		u := next(t, updates, "start", "a b blue blue-1 blue-2 own web")
		r := rules(u)
		if len(r) != many || r[2].Priority != "101" || r[3].Priority != "101" || r[2].ID == r[3].ID || len(u.Problems) != 0 {
			t.Errorf("%d rules, the third and fourth %+v, problems %v", len(r), r[2:4], u.Problems)
		}
		f.put("/accessControlLists/own", body(many+1))
		if r := rules(next(t, updates, "one more", "a b blue blue-1 blue-2 own web")); len(r) != many+1 {
			t.Errorf("%d rules", len(r))
		}
	})
}
