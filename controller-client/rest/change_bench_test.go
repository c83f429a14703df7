package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// BenchmarkOneNICChanged is a poll that finds one of 20,000 NICs of 90 networks changed, without the network.
func BenchmarkOneNICChanged(b *testing.B) {
	const networks, each, perPage = 90, 222, 1000
	f := newTenancy()
	f.put("/logicalNetworks", `{"value":[]}`)
	f.put("/servers", `{"value":[]}`)
	f.server("b")
	f.acl("web")
	var bodies, mine []string
	for n := range networks {
		network := fmt.Sprintf("v%d", n)
		var who []string
		for i := range each {
			id := fmt.Sprintf("nic-%d-%d", n, i)
			server := "b"
			if i == 0 {
				server = "a"
				mine = append(mine, "/networkInterfaces/"+id)
			}
			body := nicBody(id, server, network, "/accessControlLists/web")
			f.put("/networkInterfaces/"+id, body)
			bodies, who = append(bodies, body), append(who, "/networkInterfaces/"+id)
		}
		f.network(network, "/accessControlLists/web", who...)
	}
	f.server("a", mine...)
	page := func(i int) string {
		link := fmt.Sprintf("/networkInterfaces?page=%d", i+1)
		if (i+1)*perPage >= len(bodies) {
			link = ""
		}
		return `{"value":[` + strings.Join(bodies[i*perPage:min((i+1)*perPage, len(bodies))], ",") + `],"nextLink":"` + link + `"}`
	}
	f.put("/networkInterfaces", page(0))
	for i := 1; i*perPage < len(bodies); i++ {
		f.put(fmt.Sprintf("/networkInterfaces?page=%d", i), page(i))
	}
	s, err := newSource(Config{URLs: []string{"https://nc.example"}, Host: "a"}.withDefaults(), roundTripper(f.RoundTrip))
	if err != nil {
		b.Fatal(err)
	}
	var got *cc.Snapshot
	deliver := func(u cc.Update) { got = u.Snapshot }
	s.poll(context.Background(), deliver)
	if got == nil || len(got.NetworkInterfaces) != networks*each {
		b.Fatalf("%+v", s.status)
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		bodies[7] = nicBody("nic-0-7", "b", "v0", fmt.Sprintf("/accessControlLists/%d", n))
		f.put("/networkInterfaces", page(0))
		b.StartTimer()
		if s.poll(context.Background(), deliver); got == nil {
			b.Fatal("the change was not found")
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
