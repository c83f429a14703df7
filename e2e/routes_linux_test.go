package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// routedNetwork is a virtual network with one subnet, which has a route table or "".
type routedNetwork struct {
	nctest.VirtualNetworkBody
	table string
}

// MarshalJSON writes the wire form.
func (n routedNetwork) MarshalJSON() ([]byte, error) {
	text, err := n.VirtualNetworkBody.MarshalJSON()
	if err != nil || n.table == "" {
		return text, err
	}
	var body struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, err
	}
	subnet := body.Properties["subnets"].([]any)[0].(map[string]any)["properties"].(map[string]any)
	subnet["routeTable"] = map[string]any{"resourceRef": n.table}
	return json.Marshal(body)
}

func routeTable(prefix, appliance string) map[string]any {
	return map[string]any{"properties": map[string]any{"routes": []any{map[string]any{"resourceId": "across",
		"properties": map[string]any{"addressPrefix": prefix, "nextHopType": "VirtualAppliance", "nextHopIpAddress": appliance}}}}}
}

// TestHubAndSpokes: two networks that are no peers of each other meet by way of an appliance in a third, which is the peer of both.
func TestHubAndSpokes(t *testing.T) {
	l := newLab(t, lab.Options{PollInterval: quick})
	var web, hub, db *lab.Container
	dbCA, hubCA := netip.MustParseAddr("10.3.1.4"), netip.MustParseAddr("10.2.1.4")
	put := func(name string, n int, table string, peers ...string) {
		for i := range peers {
			peers[i] = "/virtualNetworks/" + peers[i]
		}
		l.Controller().Put("/virtualNetworks/"+name, routedNetwork{nctest.VirtualNetworkBody{AddressPrefixes: []string{fmt.Sprintf("10.%d.0.0/16", n)}, Peerings: peers,
			Subnets: []nctest.SubnetBody{{ID: "s", AddressPrefix: fmt.Sprintf("10.%d.1.0/24", n), VSID: uint32(6000 + n)}}}, table})
	}
	tell(t, l, func() {
		nc := l.Controller()
		hosts := map[string]*lab.Host{}
		for _, name := range []string{"host-a", "host-b", "host-c"} {
			hosts[name] = l.AddHost(name)
			nc.PutServer(hosts[name])
		}
		nc.Put("/routeTables/to-db", routeTable("10.3.0.0/16", hubCA.String()))
		nc.Put("/routeTables/to-web", routeTable("10.1.0.0/16", hubCA.String()))
		put("web", 1, "")
		put("db", 3, "")
		put("hub", 2, "", "web", "db")
		put("web", 1, "", "hub")
		put("db", 3, "", "hub")
		for n, name := range []string{"web", "hub", "db"} {
			nc.Put("/networkInterfaces/nic-"+name, nic(fmt.Sprintf("001DD807000%d", n+1), []string{"host-a", "host-b", "host-c"}[n], fmt.Sprintf("10.%d.1.4", n+1), "/virtualNetworks/"+name+"/subnets/s", ""))
		}
		for _, h := range hosts {
			l.Host(h.Name)
		}
		web, hub, db = hosts["host-a"].Container("web"), hosts["host-b"].Container("hub"), hosts["host-c"].Container("db")
		web.Attach("nic-web")
		hub.Attach("nic-hub")
		db.Attach("nic-db")
	})
	if err := hub.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644) }); err != nil {
		t.Fatal(err)
	}
	echo, err := traffic.Serve(db, "db", portOpen)
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()

	reaches := func(what string, to netip.Addr, want bool) {
		t.Helper()
		tell(t, l, func() {
			err := l.WaitFor(what, 10*time.Second, func() error {
				n, err := traffic.Ping(l.Context(), web, to, 3, 300*time.Millisecond)
				if err == nil && (n == 3) != want {
					err = fmt.Errorf("%d of 3 pings answered", n)
				}
				return err
			})
			if err != nil {
				l.Fail("%w", err)
			}
		})
	}
	reaches("a peer is reached", hubCA, true)
	reaches("a peer's peer is not", dbCA, false)

	tell(t, l, func() {
		put("web", 1, "/routeTables/to-db", "hub")
		put("db", 3, "/routeTables/to-web", "hub")
	})
	reaches("the appliance leads to a peer's peer", dbCA, true)
	if _, err := traffic.AskTCP(l.Context(), web, netip.AddrPortFrom(dbCA, portOpen), "by tcp", 3*time.Second); err != nil {
		t.Errorf("TCP by way of the appliance: %v", err)
	}
	if _, err := traffic.AskUDP(web, netip.AddrPortFrom(dbCA, portOpen), "by udp", 3*time.Second); err != nil {
		t.Errorf("UDP by way of the appliance: %v", err)
	}
	// The router in front of the appliance, the appliance, and the router behind it.
	if said, ok := echo.Heard("by udp"); !ok || said.TTL != 61 || said.From.Addr() != netip.MustParseAddr("10.1.1.4") {
		t.Errorf("db heard %+v", said)
	}
	got := web.Host().Fairlead("trace", "--from", "web", "--to", dbCA.String(), "--proto", "tcp", "--dport", fmt.Sprint(portOpen), "-o", "json")
	for _, want := range []string{`"user-routes"`, `"across"`, `"datapathAgrees": true`, `"host-b"`} {
		if !strings.Contains(got.Stdout, want) {
			t.Errorf("trace has no %s:\n%s%s", want, got.Stdout, got.Stderr)
		}
	}

	tell(t, l, func() { put("hub", 2, "", "web") }) // db is the hub's peer no more
	reaches("without the peering nothing gets there", dbCA, false)
	reaches("the hub still is", hubCA, true)
}
