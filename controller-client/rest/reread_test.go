package rest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// crowd puts n NICs into each of two tenants on host b, lists them in pages of both, and gives host a a
// NIC in blue.
func crowd(n, pages int) *tenancy {
	f := twoTenants()
	listed := make([][]string, pages)
	for _, tenant := range []string{"blue", "red"} {
		who := []string{"/networkInterfaces/" + tenant + "-1"}
		for i := range n {
			id := fmt.Sprintf("%s-x%04d", tenant, i)
			who = append(who, "/networkInterfaces/"+id)
			f.nic(id, "b", tenant, "")
			listed[i%pages] = append(listed[i%pages], nicBody(id, "b", tenant, ""))
		}
		f.network(tenant, "", who...)
	}
	f.nic("red-1", "a", "red", "")
	for i, bodies := range listed {
		path, link := "/networkInterfaces", ""
		if i > 0 {
			path = fmt.Sprintf("/networkInterfaces?page=%d", i)
		}
		if i+1 < pages {
			link = fmt.Sprintf("?page=%d", i+1)
		}
		f.put(path, `{"value":[`+strings.Join(bodies, ",")+`],"nextLink":"`+link+`"}`)
	}
	return f
}

// Another tenant's NICs are as many, on the very same pages, as those needed before.
func TestOtherResourcesOfTheSamePages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = singlesAtMost + 200
		f := crowd(many, 2)
		s, updates := running(t, f.fabric, Config{Host: "a"})
		count := func(u cc.Update, prefix string) (n int) {
			for _, nic := range u.Snapshot.NetworkInterfaces {
				if strings.HasPrefix(nic.ID, prefix) {
					n++
				}
			}
			return n
		}
		<-updates
		u := <-updates
		if u.Snapshot == nil || count(u, "blue-x") != many || count(u, "red-x") != 0 || !s.known.nics.listed {
			t.Fatalf("at start: %+v", u.Status)
		}
		f.server("a", "/networkInterfaces/red-1") // its NIC in blue goes
		for u = range updates {
			if u.Status.State != cc.StateOK {
				t.Fatalf("status %+v", u.Status)
			}
			if u.Snapshot != nil {
				break
			}
		}
		if blue, red := count(u, "blue-x"), count(u, "red-x"); blue != 0 || red != many {
			t.Errorf("%d NICs of the old tenant and %d of the new one, want 0 and %d", blue, red, many)
		}
	})
}

// References to many resources that are not there must not cost a request each at every poll.
func TestManyDanglingReferencesAreLookedUpInTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		who := []string{"/networkInterfaces/blue-1"}
		for i := range 4 * singlesAtMost {
			who = append(who, fmt.Sprintf("/networkInterfaces/ghost-%d", i))
		}
		f.network("blue", "", who...)
		f.lists()
		_, updates := running(t, f.fabric, Config{Host: "a"})
		next(t, updates, "start", "a blue blue-1 own")
		<-updates
		f.set(func() { f.asked = 0 })
		<-updates
		f.set(func() {
			if f.asked > 10 {
				t.Errorf("%d requests of a poll without a change", f.asked)
			}
		})
		f.nic("ghost-7", "b", "blue", "")
		f.lists()
		next(t, updates, "one appears", "a b blue blue-1 ghost-7 own")
	})
}

// A resource that is read again on suspicion keeps its version before, and is not asked for ever after.
func TestSuspectOfAListKeepsTheVersionBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		f.lists()
		s, updates := running(t, f.fabric, Config{Scope: ScopeFull})
		next(t, updates, "start", "a b blue blue-1 blue-2 own red red-1 theirs web")
		// It is being put where nothing is.
		body := strings.Replace(nicBody("blue-2", "b", "nowhere", ""), `"properties":{`, `"properties":{"provisioningState":"Updating",`, 1)
		f.put("/networkInterfaces/blue-2", body)
		f.lists()
		u := next(t, updates, "updating", "a b blue blue-1 blue-2 own red red-1 theirs web")
		i := slices.IndexFunc(u.Snapshot.NetworkInterfaces, func(n cc.NetworkInterface) bool { return n.ID == "blue-2" })
		if i < 0 || u.Snapshot.NetworkInterfaces[i].IPConfigurations[0].Subnet != "/virtualNetworks/blue/subnets/s" {
			t.Errorf("the version before is not in force: %+v", u.Snapshot.NetworkInterfaces)
		}
		if n := len(s.known.nics.singles); n != 0 {
			t.Errorf("%d NICs of a whole list are asked for by themselves, too", n)
		}
	})
}

// What the controller says of the host's own server must not take its tenants down while it is unreadable or being changed.
func TestOwnServerUnreadableOrUpdating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		_, updates := running(t, f.fabric, Config{Host: "a"})
		next(t, updates, "start", "a b blue blue-1 blue-2 own web")
		f.put("/servers/a", `{"resourceId":"a","resourceRef":"/servers/a","properties":7}`)
		u := <-updates
		if u.Snapshot != nil || u.Status.State != cc.StateStale || u.Status.Message != "GET /networking/v1/servers/a: field properties is not an object" {
			t.Errorf("unreadable: %+v", u)
		}
		f.put("/servers/a", `{"resourceId":"a","resourceRef":"/servers/a","properties":{"provisioningState":"Updating"}}`)
		u = <-updates
		if u.Status.State != cc.StateOK || u.Status.Scope != ScopeHost {
			t.Errorf("updating: %+v", u.Status)
		}
		if u.Snapshot != nil && names(u.Snapshot) != "a b blue blue-1 blue-2 own web" {
			t.Errorf("updating: %s", names(u.Snapshot))
		}
	})
}

// A nextLink that is good only for a while is got anew.
func TestExpiredNextLink(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusGone, http.StatusBadRequest} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := twoTenants()
				f.lists()
				page := func(token string) {
					f.set(func() {
						f.bodies["/servers"] = `{"value":[{"resourceId":"a"}],"nextLink":"?token=` + token + `"}` // its etag is of the members
						delete(f.bodies, "/servers?token=1")
					})
					f.put("/servers?token="+token, `{"value":[{"resourceId":"b"}],"nextLink":""}`)
				}
				inner := f.fault
				f.fault = func(r *http.Request) (*http.Response, error) {
					if resp, err := inner(r); resp != nil || err != nil || !strings.Contains(r.URL.RawQuery, "token") {
						return resp, err
					}
					return answer(status, `{}`), nil
				}
				page("1")
				_, updates := running(t, f.fabric, Config{Scope: ScopeFull})
				next(t, updates, "start", "a b blue blue-1 blue-2 own red red-1 theirs web")
				page("2")
				for range 20 {
					if u := <-updates; u.Status.State != cc.StateOK || len(u.Problems) != 0 || u.Snapshot != nil {
						t.Fatalf("with another token: %+v", u)
					}
				}
			})
		})
	}
}

// A tenant that grows slowly ends up read from the list as one that was large from the start.
func TestSlowGrowthIsReadFromTheListAtLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		who := []string{"/networkInterfaces/blue-1"}
		f.network("blue", "", slices.Clone(who)...)
		_, updates := running(t, f.fabric, Config{Host: "a"})
		<-updates
		<-updates
		total := 0
		for range 8 {
			for range singlesAtMost - 10 {
				id := fmt.Sprintf("x%d", total)
				total++
				f.nic(id, "b", "blue", "")
				who = append(who, "/networkInterfaces/"+id)
			}
			f.lists()
			f.network("blue", "", slices.Clone(who)...)
			for u := range updates {
				if u.Snapshot != nil {
					if got := len(u.Snapshot.NetworkInterfaces); got != total+1 {
						t.Fatalf("%d NICs, want %d", got, total+1)
					}
					break
				}
			}
		}
		<-updates
		f.set(func() { f.asked = 0 })
		<-updates
		f.set(func() {
			if f.asked > singlesAtMost+10 { // the last to come are not in a page yet that was read since
				t.Errorf("%d requests of a poll without a change, with %d NICs on one page", f.asked, total)
			}
		})
	})
}

// A controller that says at last who lives where is read for one host again.
func TestScopeReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		f.put("/servers/a", `{"resourceId":"a","resourceRef":"/servers/a","properties":{}}`)
		f.lists()
		_, updates := running(t, f.fabric, Config{Host: "a"})
		next(t, updates, "start", "a b blue blue-1 blue-2 own red red-1 theirs web")
		f.server("a", "/networkInterfaces/blue-1")
		f.lists()
		for u := range updates {
			if u.Status.State != cc.StateOK {
				t.Fatalf("status %+v", u.Status)
			}
			if u.Status.Scope == ScopeHost {
				if u.Snapshot == nil || u.Snapshot.Host != "a" || names(u.Snapshot) != "a b blue blue-1 blue-2 own web" || len(u.Problems) != 0 {
					t.Errorf("back in host scope: %+v", u)
				}
				return
			}
		}
	})
}

// One failure is one line, whichever of many requests meets it.
func TestFailureOfAnyRequestIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		_, updates := running(t, f.fabric, Config{Host: "a"})
		next(t, updates, "start", "a b blue blue-1 blue-2 own web")
		n := 0
		inner := f.fault
		f.set(func() {
			f.fault = func(r *http.Request) (*http.Response, error) {
				if !strings.HasSuffix(r.URL.Path, "/servers/a") {
					f.mu.Lock()
					n++
					fails := n%3 == 0
					f.mu.Unlock()
					if fails {
						return answer(http.StatusForbidden, ``), nil
					}
				}
				return inner(r)
			}
		})
		failures := 0
		for u := range updates {
			if u.Status.State == cc.StateStale {
				if failures++; failures == 1 {
					break
				}
			}
		}
		// Thirty intervals of it.
		for range 30 {
			select {
			case u := <-updates:
				t.Fatalf("said again: %+v", u.Status)
			case <-time.After(2 * time.Second):
			}
		}
	})
}

// Both of two resources with one name are handed on: it is for the overlay to complain.
func TestDuplicateResourceIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		f.lists()
		one, other := nicBody("twin", "a", "blue", ""), nicBody("twin", "b", "red", "")
		f.put("/networkInterfaces", `{"value":[`+one+`,`+other+`,`+one+`]}`)
		_, updates := running(t, f.fabric, Config{Scope: ScopeFull})
		u := next(t, updates, "start", "a b blue own red theirs twin twin twin web")
		if s := u.Snapshot.NetworkInterfaces; s[0].Server != "/servers/a" || s[1].Server != "/servers/b" {
			t.Errorf("twins on %s and %s", s[0].Server, s[1].Server)
		}
		for range 10 {
			if u := <-updates; u.Snapshot != nil {
				t.Error("a snapshot without a change")
			}
		}
	})
}
