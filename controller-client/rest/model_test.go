package rest

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// world is a fabric that changes at random, and the two that read it.
type world struct {
	*tenancy
	nics      map[int][2]int // NIC -> server, network
	peers     map[int]int    // network -> network
	acls      map[int]bool
	perPage   int
	publishAt atomic.Int64 // requests until what has changed is to be seen
	failing   string       // part of the path of requests that are refused

	s    *Source
	last *cc.Snapshot // the last one delivered
}

const (
	worldServers  = 4
	worldNetworks = 4
)

// publish makes the controller answer as the world is by now.
func (w *world) publish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bodies, w.etags = map[string]string{}, map[string]string{}
	put := func(path, body string) {
		w.bodies[path], w.etags[path] = body, fmt.Sprintf(`"%x"`, maphash.String(seed, body))
	}
	list := func(collection string, bodies []string) {
		for i := 0; ; i++ {
			path, link := "/"+collection, ""
			if i > 0 {
				path += fmt.Sprintf("?page=%d", i)
			}
			n := min(w.perPage, len(bodies))
			page := bodies[:n]
			if bodies = bodies[n:]; len(bodies) > 0 {
				link = fmt.Sprintf("?page=%d", i+1)
			}
			put(path, `{"value":[`+strings.Join(page, ",")+`],"nextLink":"`+link+`"}`)
			if link == "" {
				return
			}
		}
	}
	var servers, networks, nics, acls []string
	ids := slices.Sorted(maps.Keys(w.nics))
	on, in := map[int][]string{}, map[int][]string{}
	for _, id := range ids {
		at := w.nics[id]
		ref := fmt.Sprintf("/networkInterfaces/n%d", id)
		on[at[0]], in[at[1]] = append(on[at[0]], ref), append(in[at[1]], ref+"/ipConfigurations/ip")
		body := nicBody(fmt.Sprintf("n%d", id), fmt.Sprintf("s%d", at[0]), fmt.Sprintf("v%d", at[1]), fmt.Sprintf("/accessControlLists/a%d", id%3))
		nics = append(nics, body)
		put(ref, body)
	}
	for i := range worldServers {
		body := fmt.Sprintf(`{"resourceId":"s%[1]d","resourceRef":"/servers/s%[1]d","properties":{"virtualNetworkInterfaces":%[2]s}}`, i, refs(on[i]...))
		servers = append(servers, body)
		put(fmt.Sprintf("/servers/s%d", i), body)
	}
	for i := range worldNetworks {
		var peering []string
		if peer, ok := w.peers[i]; ok {
			peering = append(peering, fmt.Sprintf("/virtualNetworks/v%d", peer))
		}
		body := fmt.Sprintf(`{"resourceId":"v%[1]d","resourceRef":"/virtualNetworks/v%[1]d","properties":{"virtualNetworkPeerings":%[2]s,"subnets":[{"resourceId":"s","properties":{"ipConfigurations":%[3]s}}]}}`,
			i, refs(peering...), refs(in[i]...))
		networks = append(networks, body)
		put(fmt.Sprintf("/virtualNetworks/v%d", i), body)
	}
	for i := range 3 {
		if w.acls[i] {
			body := fmt.Sprintf(`{"resourceId":"a%[1]d","resourceRef":"/accessControlLists/a%[1]d"}`, i)
			acls = append(acls, body)
			put(fmt.Sprintf("/accessControlLists/a%d", i), body)
		}
	}
	list("networkInterfaces", nics)
	list("servers", servers)
	list("virtualNetworks", networks)
	list("accessControlLists", acls)
}

// settledSnapshot is a snapshot in an order of its own.
func settledSnapshot(s *cc.Snapshot) *cc.Snapshot {
	if s == nil {
		return nil
	}
	c := *s
	c.VirtualNetworks, c.NetworkInterfaces, c.Servers, c.AccessControlLists = slices.Clone(s.VirtualNetworks), slices.Clone(s.NetworkInterfaces), slices.Clone(s.Servers), slices.Clone(s.AccessControlLists)
	slices.SortFunc(c.VirtualNetworks, func(a, b cc.VirtualNetwork) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(c.NetworkInterfaces, func(a, b cc.NetworkInterface) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(c.Servers, func(a, b cc.Server) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(c.AccessControlLists, func(a, b cc.AccessControlList) int { return strings.Compare(a.ID, b.ID) })
	return &c
}

func newReader(t interface{ Fatal(...any) }, f http.RoundTripper, scope string) *Source {
	s, err := newSource(Config{URLs: []string{"https://nc.example"}, Host: "s0", Scope: scope}.withDefaults(), f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// However a fabric came to be what it is, with polls that failed on the way, who followed it has what a newcomer reads.
func TestWhoFollowsHasWhatANewcomerReads(t *testing.T) {
	for _, scope := range []string{ScopeHost, ScopeFull} {
		t.Run(scope, func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { follow(t, scope) }) })
	}
}

func follow(t *rapid.T, scope string) {
	w := &world{tenancy: newTenancy(), nics: map[int][2]int{}, peers: map[int]int{}, acls: map[int]bool{0: true}, perPage: 100}
	serve := w.fault
	w.fault = func(r *http.Request) (*http.Response, error) {
		if w.failing != "" && strings.Contains(r.URL.Path, w.failing) {
			return answer(http.StatusForbidden, ""), nil
		}
		resp, err := serve(r)
		if w.publishAt.Add(-1) == 0 {
			w.publish()
		}
		return resp, err
	}
	w.publish()
	w.s = newReader(t, w.fabric, scope)
	server, network := rapid.IntRange(0, worldServers-1), rapid.IntRange(0, worldNetworks-1)
	span := func(t *rapid.T) (from, to int) {
		from = rapid.IntRange(0, 900).Draw(t, "from")
		return from, from + rapid.SampledFrom([]int{1, 3, 70, 300}).Draw(t, "many")
	}
	t.Repeat(map[string]func(*rapid.T){
		"put": func(t *rapid.T) {
			from, to := span(t)
			s, v := server.Draw(t, "server"), network.Draw(t, "network")
			for i := from; i < to; i++ {
				w.nics[i] = [2]int{s, v}
			}
		},
		"remove": func(t *rapid.T) {
			from, to := span(t)
			for i := from; i < to; i++ {
				delete(w.nics, i)
			}
		},
		"swap tenants": func(t *rapid.T) {
			a, b := network.Draw(t, "one"), network.Draw(t, "other")
			for i, at := range w.nics {
				switch at[1] {
				case a:
					w.nics[i] = [2]int{at[0], b}
				case b:
					w.nics[i] = [2]int{at[0], a}
				}
			}
		},
		"peer":   func(t *rapid.T) { w.peers[network.Draw(t, "one")] = network.Draw(t, "other") },
		"unpeer": func(t *rapid.T) { delete(w.peers, network.Draw(t, "one")) },
		"acl":    func(t *rapid.T) { i := rapid.IntRange(0, 2).Draw(t, "acl"); w.acls[i] = !w.acls[i] },
		"repage": func(t *rapid.T) { w.perPage = rapid.SampledFrom([]int{1, 40, 100, 2000}).Draw(t, "per page") },
		"poll": func(t *rapid.T) {
			w.publish()
			w.take(t)
		},
		"poll amid a change": func(t *rapid.T) {
			w.publish()
			from, to := span(t)
			s, v := server.Draw(t, "server"), network.Draw(t, "network")
			for i := from; i < to; i++ {
				w.nics[i] = [2]int{s, v}
			}
			w.publishAt.Store(int64(rapid.IntRange(1, 40).Draw(t, "after requests")))
			w.take(t)
			w.publishAt.Store(0)
		},
		"failing poll": func(t *rapid.T) {
			w.publish()
			w.failing = rapid.SampledFrom([]string{"/networkInterfaces", "/virtualNetworks/v1", "/servers/s2", "page", "/accessControlLists"}).Draw(t, "failing")
			w.take(t)
			w.failing = ""
		},
		"check": func(t *rapid.T) {
			w.publish()
			for range 2 { // the second settles what the first may have read before it was listed
				if u := w.take(t); u.Status.State != cc.StateOK {
					t.Fatalf("status %+v", u.Status)
				}
			}
			var fresh cc.Update
			newReader(t, w.fabric, scope).poll(context.Background(), func(u cc.Update) { fresh = u })
			if d := cmp.Diff(settledSnapshot(fresh.Snapshot), settledSnapshot(w.last)); d != "" {
				t.Fatalf("(-newcomer +follower)\n%s", d)
			}
		},
	})
}

func (w *world) take(t *rapid.T) (last cc.Update) {
	w.s.poll(context.Background(), func(u cc.Update) { last = u })
	if last.Snapshot != nil {
		w.last = last.Snapshot
	}
	return last
}
