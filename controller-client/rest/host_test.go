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

// tenancy is a fabric with validators: what is put there has an ETag, and is counted when it is asked for.
type tenancy struct {
	*fabric
	etags   map[string]string
	version int
	full    []string // paths answered with a body
}

func newTenancy() *tenancy {
	t := &tenancy{fabric: &fabric{bodies: map[string]string{}}, etags: map[string]string{}}
	t.fault = t.serve
	return t
}

func (t *tenancy) put(path, body string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	t.bodies[path], t.etags[path] = body, fmt.Sprintf(`"%d"`, t.version)
}

func (t *tenancy) remove(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.bodies, path)
}

func (t *tenancy) serve(r *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(r.URL.RequestURI(), "/networking/v1")
	t.mu.Lock()
	defer t.mu.Unlock()
	body, ok := t.bodies[path]
	if !ok {
		return nil, nil
	}
	if etag := t.etags[path]; etag != "" && r.Header.Get("If-None-Match") == etag {
		return answer(http.StatusNotModified, ""), nil
	}
	t.full = append(t.full, path)
	return answer(200, body, "ETag", t.etags[path]), nil
}

// since answers what was served with a body, and forgets it.
func (t *tenancy) since() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	full := t.full
	t.full = nil
	slices.Sort(full)
	return full
}

func ref(to string) string { return `{"resourceRef":"` + to + `"}` }

func refs(to ...string) string {
	for i := range to {
		to[i] = ref(to[i])
	}
	return "[" + strings.Join(to, ",") + "]"
}

func (t *tenancy) server(id string, nics ...string) {
	t.put("/servers/"+id, `{"resourceId":"`+id+`","resourceRef":"/servers/`+id+`","properties":{"virtualNetworkInterfaces":`+refs(nics...)+`}}`)
}

func (t *tenancy) network(id, acl string, residents ...string) {
	for i := range residents {
		residents[i] += "/ipConfigurations/ip"
	}
	t.put("/virtualNetworks/"+id, `{"resourceId":"`+id+`","resourceRef":"/virtualNetworks/`+id+`","properties":{"subnets":[{"resourceId":"s","properties":{`+
		`"accessControlList":`+ref(acl)+`,"ipConfigurations":`+refs(residents...)+`}}]}}`)
}

func nicBody(id, server, network, acl string) string {
	return `{"resourceId":"` + id + `","resourceRef":"/networkInterfaces/` + id + `","properties":{"server":` + ref("/servers/"+server) +
		`,"ipConfigurations":[{"resourceId":"ip","properties":{"subnet":` + ref("/virtualNetworks/"+network+"/subnets/s") + `,"accessControlList":` + ref(acl) + `}}]}}`
}

func (t *tenancy) nic(id, server, network, acl string) {
	t.put("/networkInterfaces/"+id, nicBody(id, server, network, acl))
}

func (t *tenancy) acl(id string) { t.put("/accessControlLists/"+id, `{"resourceId":"`+id+`"}`) }

// twoTenants has host a with a NIC in blue; blue is also on b; red is only on b.
func twoTenants() *tenancy {
	t := newTenancy()
	t.put("/logicalNetworks", `{"value":[]}`)
	t.put("/servers", `{"value":[]}`)
	t.server("a", "/networkInterfaces/blue-1")
	t.server("b", "/networkInterfaces/blue-2", "/networkInterfaces/red-1")
	t.network("blue", "/accessControlLists/web", "/networkInterfaces/blue-1", "/networkInterfaces/blue-2")
	t.network("red", "/accessControlLists/web", "/networkInterfaces/red-1")
	t.nic("blue-1", "a", "blue", "/accessControlLists/own")
	t.nic("blue-2", "b", "blue", "/accessControlLists/theirs")
	t.nic("red-1", "b", "red", "")
	for _, id := range []string{"web", "own", "theirs"} {
		t.acl(id)
	}
	return t
}

// names lists what is in a snapshot.
func names(s *cc.Snapshot) string {
	var all []string
	for _, v := range s.VirtualNetworks {
		all = append(all, v.ID)
	}
	for _, n := range s.NetworkInterfaces {
		all = append(all, n.ID)
	}
	for _, v := range s.Servers {
		all = append(all, v.ID)
	}
	for _, a := range s.AccessControlLists {
		all = append(all, a.ID)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// want checks the next snapshot that is not nil.
func next(t *testing.T, updates <-chan cc.Update, what, want string) cc.Update {
	t.Helper()
	for range 100 {
		u := <-updates
		if u.Status.State != cc.StateOK && u.Status.State != cc.StateStarting {
			t.Fatalf("%s: %+v", what, u.Status)
		}
		if u.Snapshot == nil {
			continue
		}
		if got := names(u.Snapshot); got != want {
			t.Errorf("%s: snapshot has %s, want %s", what, got, want)
		}
		return u
	}
	t.Fatalf("%s: no snapshot", what)
	return cc.Update{}
}

// A host reads what it needs and no more; what did not change is not sent again.
func TestHostScopeFollowsReferences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		_, updates := running(t, f.fabric, Config{Host: "a"})
		u := next(t, updates, "start", "a b blue blue-1 blue-2 own web")
		if u.Snapshot.Host != "a" || u.Status.Scope != ScopeHost {
			t.Errorf("host %q, scope %q", u.Snapshot.Host, u.Status.Scope)
		}
		f.since()
		if u := <-updates; u.Snapshot != nil {
			t.Error("a poll without a change gives a snapshot")
		}
		if full := f.since(); len(full) > 1 {
			t.Errorf("a poll without a change was sent %v; at most one is asked for without condition", full)
		}

		f.nic("red-2", "a", "red", "")
		f.network("red", "/accessControlLists/web", "/networkInterfaces/red-1", "/networkInterfaces/red-2")
		f.server("a", "/networkInterfaces/blue-1", "/networkInterfaces/red-2")
		next(t, updates, "a second tenant comes", "a b blue blue-1 blue-2 own red red-1 red-2 web")

		f.since()
		f.nic("blue-2", "c", "blue", "") // moves to a server that was not known
		f.server("c", "/networkInterfaces/blue-2")
		f.server("b", "/networkInterfaces/red-1")
		next(t, updates, "a NIC moves", "a b blue blue-1 blue-2 c own red red-1 red-2 web")
		for _, path := range []string{"/virtualNetworks/blue", "/virtualNetworks/red", "/networkInterfaces/red-1"} {
			if n := len(slices.DeleteFunc(f.since(), func(p string) bool { return p != path })); n > 1 {
				t.Errorf("%s, which did not change, was sent %d times", path, n)
			}
		}

		f.server("a", "/networkInterfaces/blue-1")
		f.remove("/networkInterfaces/red-2")
		f.network("red", "/accessControlLists/web", "/networkInterfaces/red-1")
		next(t, updates, "the second tenant goes", "a blue blue-1 blue-2 c own web")
	})
}

// What was read before something else changed is read again instead of being reported as dangling.
func TestOneSnapshotIsConsistent(t *testing.T) {
	for _, scope := range []string{ScopeHost, ScopeFull} {
		t.Run(scope, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := twoTenants()
				f.lists()
				// Between the answer about the network and that about the NIC, the subnet is made and the NIC put there.
				inner := f.fault
				f.fault = func(r *http.Request) (*http.Response, error) {
					resp, err := inner(r)
					if strings.HasSuffix(r.URL.Path, "/virtualNetworks/late") || strings.HasSuffix(r.URL.Path, "/virtualNetworks") {
						f.mu.Lock()
						body := f.bodies["/virtualNetworks/late"]
						f.mu.Unlock()
						if body == "" || strings.Contains(body, `"subnets":[]`) {
							f.network("late", "", "/networkInterfaces/late-1")
							f.nic("late-1", "a", "late", "")
							f.server("a", "/networkInterfaces/blue-1", "/networkInterfaces/late-1")
							f.lists()
						}
					}
					return resp, err
				}
				f.put("/virtualNetworks/late", `{"resourceId":"late","resourceRef":"/virtualNetworks/late","properties":{"subnets":[]}}`)
				f.nic("late-1", "a", "late", "")
				f.server("a", "/networkInterfaces/blue-1", "/networkInterfaces/late-1")
				f.lists()
				_, updates := running(t, f.fabric, Config{Host: "a", Scope: scope})
				<-updates
				u := <-updates
				if u.Snapshot == nil {
					t.Fatalf("update %+v", u)
				}
				i := slices.IndexFunc(u.Snapshot.VirtualNetworks, func(v cc.VirtualNetwork) bool { return v.ID == "late" })
				if i < 0 || len(u.Snapshot.VirtualNetworks[i].Subnets) != 1 {
					t.Errorf("the subnet of a NIC is missing: %s %+v", names(u.Snapshot), u.Snapshot.VirtualNetworks)
				}
			})
		})
	}
}

// lists makes the collections' lists of what is there.
func (t *tenancy) lists() {
	for _, collection := range []string{"networkInterfaces", "virtualNetworks", "accessControlLists", "servers"} {
		t.mu.Lock()
		var bodies []string
		for path, body := range t.bodies {
			if strings.HasPrefix(path, "/"+collection+"/") {
				bodies = append(bodies, body)
			}
		}
		t.mu.Unlock()
		slices.Sort(bodies)
		t.put("/"+collection, `{"value":[`+strings.Join(bodies, ",")+`],"nextLink":""}`)
	}
}

// A reference that leads nowhere for good is handed on, and does not cost a request more at every poll.
func TestDanglingReferenceSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		f.remove("/accessControlLists/own")
		_, updates := running(t, f.fabric, Config{Host: "a"})
		next(t, updates, "start", "a b blue blue-1 blue-2 web")
		<-updates
		for range 10 {
			f.set(func() { f.asked = 0 })
			if u := <-updates; u.Snapshot != nil {
				t.Error("a snapshot without a change")
			}
			f.set(func() {
				if f.asked != 10 {
					t.Errorf("%d requests, want one for each of 9 that are needed and one for the security tags", f.asked)
				}
			})
		}
		f.acl("own")
		next(t, updates, "the list appears", "a b blue blue-1 blue-2 own web")
	})
}

// A controller that does not say who lives where is read whole.
func TestScopeFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		f.put("/servers/a", `{"resourceId":"a","resourceRef":"/servers/a","properties":{}}`)
		f.lists()
		_, updates := running(t, f.fabric, Config{Host: "a"})
		u := next(t, updates, "start", "a b blue blue-1 blue-2 own red red-1 theirs web")
		if u.Status.Scope != ScopeFull || u.Snapshot.Host != "" || len(u.Problems) != 1 || u.Problems[0].Code != "controller-scope" {
			t.Errorf("scope %q, host %q, problems %+v", u.Status.Scope, u.Snapshot.Host, u.Problems)
		}
	})
}

// A server that is not there is news; a controller that knows no servers at all is not one.
func TestUnknownServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		_, updates := running(t, f.fabric, Config{Host: "a"})
		next(t, updates, "start", "a b blue blue-1 blue-2 own web")
		f.remove("/servers/a")
		f.remove("/servers")
		for u := range updates {
			if u.Snapshot != nil {
				t.Fatal("what answers 404 to everything was taken for an empty fabric")
			}
			if u.Status.State == cc.StateStale {
				break
			}
		}
		f.put("/servers", `{"value":[]}`)
		for u := range updates {
			if u.Snapshot != nil {
				if got := names(u.Snapshot); got != "" {
					t.Errorf("without the server the snapshot has %s", got)
				}
				break
			}
		}
	})
}

// Etags that do not tell a change are found out.
func TestFrozenETagIsFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		_, updates := running(t, f.fabric, Config{Host: "a"})
		next(t, updates, "start", "a b blue blue-1 blue-2 own web")
		f.mu.Lock()
		f.bodies["/networkInterfaces/blue-2"] = nicBody("blue-2", "c", "blue", "") // under the etag it had
		f.mu.Unlock()
		f.server("c")
		u := next(t, updates, "a change without a new etag", "a blue blue-1 blue-2 c own web")
		if len(u.Problems) != 1 || u.Problems[0].Code != "controller-etag" || u.Problems[0].Resource != "/networkInterfaces/blue-2" {
			t.Errorf("problems %+v", u.Problems)
		}
		f.since()
		<-updates
		if full := f.since(); len(full) < 8 {
			t.Errorf("after that only %v are read", full)
		}
	})
}

// Of more resources than are worth a request each, the list is read, and only what is needed kept.
func TestManyNICsAreReadFromTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		const many = 2 * singlesAtMost
		who := []string{"/networkInterfaces/blue-1", "/networkInterfaces/blue-2"}
		pages := make([][]string, 4)
		for i := range many {
			id := fmt.Sprintf("blue-x%04d", i)
			who = append(who, "/networkInterfaces/"+id)
			pages[i%4] = append(pages[i%4], nicBody(id, "b", "blue", ""), nicBody("red-x"+id, "b", "red", ""))
		}
		f.network("blue", "/accessControlLists/web", who...)
		for i, p := range pages {
			link := fmt.Sprintf("/networkInterfaces?page=%d", i+1)
			if i == 3 {
				link = ""
			}
			path := "/networkInterfaces"
			if i > 0 {
				path = fmt.Sprintf("/networkInterfaces?page=%d", i)
			}
			f.put(path, `{"value":[`+strings.Join(p, ",")+`],"nextLink":"`+link+`"}`)
		}
		s, updates := running(t, f.fabric, Config{Host: "a"})
		<-updates
		u := <-updates
		if n := len(u.Snapshot.NetworkInterfaces); n != many+2 { // those not in the list are asked for by themselves
			t.Fatalf("%d NICs, want %d", n, many+2)
		}
		for _, n := range u.Snapshot.NetworkInterfaces {
			if strings.HasPrefix(n.ID, "red") {
				t.Fatalf("%s is not needed here", n.ID)
			}
		}
		asked := 0
		f.set(func() { asked, f.asked = f.asked, 0 })
		if asked > 20 {
			t.Errorf("%d requests at start", asked)
		}
		<-updates
		f.set(func() { asked = f.asked })
		if asked > 16 {
			t.Errorf("%d requests of a poll without a change", asked)
		}
		f.since()
		p := append([]string{nicBody("blue-x0000", "a", "blue", "")}, pages[0][1:]...)
		f.put("/networkInterfaces", `{"value":[`+strings.Join(p, ",")+`],"nextLink":"/networkInterfaces?page=1"}`)
		u = <-updates
		if u.Snapshot == nil {
			t.Fatal("a changed page gives no snapshot")
		}
		if full := f.since(); len(full) > 2 {
			t.Errorf("one NIC changed and %v were sent", full)
		}
		// Fewer than pages are needed: the list is given up.
		f.network("blue", "/accessControlLists/web", "/networkInterfaces/blue-1")
		<-updates
		<-updates
		if s.known.nics.listed {
			t.Error("a list is read for one NIC")
		}
	})
}

// While a resource is Updating or Failed, the version before stays in force; one being deleted is gone.
func TestProvisioningStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		_, updates := running(t, f.fabric, Config{Host: "a"})
		next(t, updates, "start", "a b blue blue-1 blue-2 own web")
		state := func(id, server, state string) {
			f.put("/networkInterfaces/"+id, strings.Replace(nicBody(id, server, "blue", "/accessControlLists/own"), `"properties":{`, `"properties":{"provisioningState":"`+state+`",`, 1))
		}
		server := func(u cc.Update, id string) string {
			for _, n := range u.Snapshot.NetworkInterfaces {
				if n.ID == id {
					return n.Server
				}
			}
			return "none"
		}
		f.server("c")
		state("blue-2", "c", "Updating")
		start := time.Now()
		u := next(t, updates, "updating", "a b blue blue-1 blue-2 c own web")
		if got := server(u, "blue-2"); got != "/servers/b" || len(u.Problems) != 0 {
			t.Errorf("while Updating on %s, %v", got, u.Problems)
		}
		u = next(t, updates, "updating for long", "a b blue blue-1 blue-2 c own web")
		if got := server(u, "blue-2"); got != "/servers/c" || len(u.Problems) != 1 || time.Since(start) < updatingAtMost {
			t.Errorf("Updating for %v on %s, %v", time.Since(start), got, u.Problems)
		}
		state("blue-2", "c", "Succeeded")
		next(t, updates, "succeeded", "a blue blue-1 blue-2 c own web")
		state("blue-2", "b", "failed")
		u = next(t, updates, "failed", "a b blue blue-1 blue-2 c own web")
		if got := server(u, "blue-2"); got != "/servers/c" || len(u.Problems) != 1 || u.Problems[0].Code != "resource-failed" {
			t.Errorf("while Failed on %s, %v", got, u.Problems)
		}
		state("blue-2", "b", "Deleting")
		u = next(t, updates, "deleting", "a b blue blue-1 own web")
		if len(u.Problems) != 0 {
			t.Errorf("problems %v", u.Problems)
		}
	})
}

// Peers are reached; of a peer's peers only the network is known, which decides about the peer. A ring ends.
func TestHostScopeFollowsPeerings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := twoTenants()
		peer := func(id, with, nic string) {
			f.network(id, "/accessControlLists/web", "/networkInterfaces/"+nic)
			f.set(func() {
				path := "/virtualNetworks/" + id
				f.bodies[path] = strings.Replace(f.bodies[path], `"properties":{`,
					`"properties":{"virtualNetworkPeerings":[{"resourceId":"p","properties":{"remoteVirtualNetwork":`+ref("/virtualNetworks/"+with)+`,"allowVirtualNetworkAccess":true}}],`, 1)
			})
			if nic != "blue-1" {
				f.nic(nic, "b", id, "/accessControlLists/theirs")
			}
		}
		peer("blue", "green", "blue-1")
		peer("green", "far", "green-1")
		peer("far", "blue", "far-1")
		_, updates := running(t, f.fabric, Config{Host: "a"})
		next(t, updates, "start", "a b blue blue-1 far green green-1 own web")
	})
}
