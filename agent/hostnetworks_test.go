package agent

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-net/fairlead/agent/api"
	"github.com/fairlead-net/fairlead/agent/attach"
	"github.com/fairlead-net/fairlead/agent/config"
)

func withHostNetwork(t *testing.T) *bed {
	b := newBed(t)
	b.cfg.HostNetworks = []config.HostNetwork{{Name: "nat0", Prefix: "192.168.100.0/29", Gateway: "192.168.100.1"}}
	b = b.restarted()
	b.ok(fabric())
	return b
}

func TestHostNetwork(t *testing.T) {
	b := withHostNetwork(t)
	ask := func(name, ip string) (*api.Endpoint, error) {
		return b.Attach(t.Context(), api.AttachRequest{Name: name, Netns: "/run/netns/" + name, Network: "nat0", IP: ip})
	}
	e, err := ask("web", "")
	if err != nil {
		t.Fatal(err)
	}
	if e.Network != "nat0" || e.NIC != "" || !slices.Equal(e.Addresses, []string{"192.168.100.2"}) || e.MTU != 1500 || e.State != "up" || !strings.HasPrefix(e.MAC, "02:fb:") {
		t.Errorf("%+v", e)
	}
	s := b.wiring.devices[attach.DeviceName("web")]
	if s.Gateway != netip.MustParseAddr("192.168.100.1") || s.MAC.String() != e.MAC || !slices.Equal(s.Addresses, []netip.Prefix{netip.MustParsePrefix("192.168.100.2/29")}) {
		t.Errorf("vNIC %+v", s)
	}
	p := b.dp.policy
	if p.Subnets[0].VSID != 1 || p.Subnets[0].NAT != netip.MustParseAddr("172.16.0.1") || p.Ports[0].Addresses[0].RDID != "host-local/nat0" || p.Ports[0].MAC.String() != e.MAC {
		t.Errorf("%+v", p)
	}
	if n := b.Networks(); len(n) != 3 || !n[2].HostLocal || n[2].RDID != "host-local/nat0" {
		t.Errorf("%+v", n)
	}
	if s := b.Subnets(); len(s) != 5 || s[4] != (api.Subnet{Network: "nat0", ID: "nat0", Prefix: "192.168.100.0/29", VSID: 1, Gateway: "192.168.100.1", HostLocal: true}) {
		t.Errorf("%+v", s)
	}
	if m := b.Mappings(); len(m) != 7 || m[0] != (api.Mapping{Network: "nat0", Subnet: "nat0", VSID: 1, CA: "192.168.100.2", MAC: e.MAC, PA: "172.16.0.1", Host: "host-a", Local: true}) {
		t.Errorf("%+v", m)
	}
	for _, c := range []struct {
		ip     string
		status int
		says   string
	}{{"192.168.100.2", 409, `that of endpoint "web"`}, {"192.168.100.1", 400, "want an address of"}, {"10.0.0.1", 400, "want an address of"}, {"x", 400, `"x"`}} {
		if _, err := ask("app", c.ip); statusOf(err) != c.status || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.ip, err)
		}
	}
	if e, err = ask("app", ""); err != nil || e.Addresses[0] != "192.168.100.3" {
		t.Errorf("%+v, %v", e, err)
	}
	// A new process gives nobody another address, and repairs what is gone.
	mac := b.endpoint("web").MAC
	b.wiring.set(func() { delete(b.wiring.devices, attach.DeviceName("web")) })
	b = b.restarted()
	b.resync()
	if e := b.endpoint("web"); e == nil || e.State != "up" || e.MAC != mac || e.Addresses[0] != "192.168.100.2" {
		t.Errorf("%+v", e)
	}
	if p := b.problem("endpoint-outdated"); p != nil {
		t.Errorf("%+v", p)
	}
	if err := b.Detach(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	if e, err := b.Attach(t.Context(), api.AttachRequest{Name: "web", Netns: "/run/netns/web", Network: "nat0"}); err != nil || e.Addresses[0] != "192.168.100.2" || e.MAC != mac {
		t.Errorf("not the address that is free again: %+v, %v", e, err)
	}
	// Without the network in the configuration the endpoint is out of force, and named.
	b.cfg.HostNetworks = nil
	b = b.restarted()
	b.resync()
	if e := b.endpoint("web"); e == nil || e.State != "error" || !strings.Contains(e.Message, "hostNetworks has no") {
		t.Errorf("%+v", e)
	}
}

func TestHostNetworkIsFull(t *testing.T) {
	b := withHostNetwork(t)
	for i := range 6 {
		name := string(rune('a' + i))
		b.wiring.namespaces["/run/netns/"+name] = true
		_, err := b.Attach(t.Context(), api.AttachRequest{Name: name, Netns: "/run/netns/" + name, Network: "nat0"})
		if i < 5 && err != nil {
			t.Errorf("%d: %v", i, err)
		}
		if i == 5 && (statusOf(err) != 409 || !strings.Contains(err.Error(), "no free address left")) {
			t.Errorf("%v", err)
		}
	}
}
