package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// dual is a fabric of two hosts and two tenants with the same addresses, IPv4 and IPv6. Every NIC has a CA of either family,
// each in a subnet of its own.
type dual struct {
	*lab.Lab
	t    *testing.T
	a, b *lab.Host
	at   map[string]*station
}

// station is a container with its addresses and an echo server, which says the container's name.
type station struct {
	*lab.Container
	v4, v6 netip.Addr
	echo   *traffic.Echo
}

// dualPlan says who lives where: n is the last part of the addresses.
var dualPlan = []struct {
	name, tenant, subnet, host string
	n                          byte
}{
	{"web1", "contoso", "web", "host-a", 11},
	{"web2", "contoso", "web", "host-b", 12},
	{"web3", "contoso", "web", "host-a", 13},
	{"db1", "contoso", "db", "host-b", 21},
	{"shop1", "fabrikam", "web", "host-a", 11},
	{"shop2", "fabrikam", "web", "host-b", 12},
}

const (
	portOpen   = 9000
	portClosed = 8080
)

// gateway4 and gateway6 of the subnet that web1 is in.
var (
	gateway4 = netip.MustParseAddr("10.0.1.1")
	gateway6 = netip.MustParseAddr("fd00:0:0:1::1")
)

func addresses(subnet string, n byte) (v4, v6 netip.Addr) {
	s := byte(1)
	if subnet == "db" {
		s = 2
	}
	return netip.AddrFrom4([4]byte{10, 0, s, n}), netip.MustParseAddr(fmt.Sprintf("fd00:0:0:%d::%d", s, n))
}

// dualOptions beside those of the lab.
type dualOptions struct {
	lab.Options
	only   []string                                   // of dualPlan; nil: all
	config map[string]string                          // more of a host's configuration, by host
	acl    map[string]nctest.AccessControlListBody    // of a station's NIC, by station
	nic    func(string, *nctest.NetworkInterfaceBody) // changes NICs before they are told
}

func newDual(t *testing.T, o dualOptions) *dual {
	t.Helper()
	o.PollInterval = quick
	d := &dual{Lab: newLab(t, o.Options), t: t, at: map[string]*station{}}
	tell(t, d.Lab, func() {
		nc := d.Controller()
		d.a, d.b = d.AddHost("host-a"), d.AddHost("host-b")
		nc.PutServer(d.a)
		nc.PutServer(d.b)
		for i, tenant := range []string{"contoso", "fabrikam"} {
			vsid := uint32(5000 + 1000*i)
			nc.Put("/virtualNetworks/"+tenant, nctest.VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16", "fd00::/48"}, Subnets: []nctest.SubnetBody{
				{ID: "web", AddressPrefix: "10.0.1.0/24", VSID: vsid + 1}, {ID: "web6", AddressPrefix: "fd00:0:0:1::/64", VSID: vsid + 11},
				{ID: "db", AddressPrefix: "10.0.2.0/24", VSID: vsid + 2}, {ID: "db6", AddressPrefix: "fd00:0:0:2::/64", VSID: vsid + 12},
			}})
		}
		for name, body := range o.acl {
			nc.Put("/accessControlLists/of-"+name, body)
		}
		for i, p := range dualPlan {
			if !o.has(p.name) {
				continue
			}
			v4, v6 := addresses(p.subnet, p.n)
			acl := ""
			if _, ok := o.acl[p.name]; ok {
				acl = "/accessControlLists/of-" + p.name
			}
			subnet := "/virtualNetworks/" + p.tenant + "/subnets/" + p.subnet
			body := nctest.NetworkInterfaceBody{MAC: fmt.Sprintf("001DD807%04X", i+1), Server: "/servers/" + p.host,
				IPConfigurations: []nctest.IPConfigurationBody{{ID: "ip4", Address: v4.String(), Subnet: subnet, ACL: acl}, {ID: "ip6", Address: v6.String(), Subnet: subnet + "6", ACL: acl}}}
			if o.nic != nil {
				o.nic(p.name, &body)
			}
			nc.Put("/networkInterfaces/nic-"+p.name, body)
		}
		for _, h := range []*lab.Host{d.a, d.b} {
			h.WriteConfig(h.Config() + o.config[h.Name])
			h.Start()
		}
		for _, p := range dualPlan {
			if !o.has(p.name) {
				continue
			}
			v4, v6 := addresses(p.subnet, p.n)
			s := &station{Container: d.Host(p.host).Container(p.name), v4: v4, v6: v6}
			s.Attach("nic-" + p.name)
			d.serve(s)
			d.at[p.name] = s
		}
	})
	d.healthy()
	return d
}

func (o *dualOptions) has(name string) bool {
	if o.only == nil {
		return true
	}
	for _, n := range o.only {
		if n == name {
			return true
		}
	}
	return false
}

// serve starts a station's echo server, which ends with the test.
func (d *dual) serve(s *station) {
	var err error
	if s.echo, err = traffic.Serve(s, s.Name, portOpen, portClosed); err != nil {
		d.Fail("%s: %w", s.Name, err)
	}
	d.t.Cleanup(s.echo.Close)
}

// healthy asserts that neither agent complains.
func (d *dual) healthy() {
	d.t.Helper()
	for _, h := range []*lab.Host{d.a, d.b} {
		if s, code, err := h.Status(); err != nil || code != 0 || len(s.Problems) > 0 {
			d.t.Errorf("%s: status: exit code %d, problems %+v, %v", h.Name, code, s.Problems, err)
		}
	}
}

// pings asserts that all of three pings are answered, or none.
func (d *dual) pings(from traffic.Place, to netip.Addr, want int) {
	d.t.Helper()
	wait := time.Second
	if want == 0 {
		wait = 200 * time.Millisecond
	}
	if n, err := traffic.Ping(d.Context(), from, to, 3, wait); err != nil || n != want {
		d.t.Errorf("%d of 3 pings to %s answered, want %d; %v", n, to, want, err)
	}
}

// asks asserts who answers over TCP and UDP; "" is nobody.
func (d *dual) asks(from traffic.Place, to netip.Addr, port uint16, want string) {
	d.t.Helper()
	wait, address := time.Second, netip.AddrPortFrom(to, port)
	if want == "" {
		wait = 200 * time.Millisecond
	}
	for _, c := range []struct {
		proto string
		ask   func() (string, error)
	}{
		{"tcp", func() (string, error) { return traffic.AskTCP(d.Context(), from, address, "hello", wait) }},
		{"udp", func() (string, error) { return traffic.AskUDP(from, address, "hello", wait) }},
	} {
		if got, err := c.ask(); got != want || (err == nil) != (want != "") {
			d.t.Errorf("%s %s: answered by %q, want %q; %v", c.proto, address, got, want, err)
		}
	}
}

// drops a station's port has counted.
func (d *dual) drops(name, reason string) uint64 {
	d.t.Helper()
	var n uint64
	tell(d.t, d.Lab, func() { n = d.at[name].Endpoint().Counters.Drops[reason] })
	return n
}

// soon asserts that something holds within two seconds.
func (d *dual) soon(what string, holds func() error) {
	d.t.Helper()
	if err := d.WaitFor(what, 2*time.Second, holds); err != nil {
		d.t.Error(err)
	}
}

// both families of a station.
func (s *station) both() []netip.Addr { return []netip.Addr{s.v4, s.v6} }

// isLate reports whether an error is that nothing came in time.
func isLate(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// TestDualStack: tenants with both families; whoever reaches whom over IPv4 does over IPv6.
func TestDualStack(t *testing.T) {
	v6Gate := nctest.AccessControlListBody{Rules: []nctest.ACLRuleBody{
		{ID: "closed", Action: "Deny", Protocol: "TCP", Priority: 100, DestinationPorts: "8080", Source: "fd00:0:0:1::/64"},
		{ID: "closed-udp", Action: "Deny", Protocol: "UDP", Priority: 101, DestinationPorts: "8080", Source: "fd00:0:0:1::/64"},
		{ID: "rest", Action: "Allow", Protocol: "All", Priority: 1000},
	}}
	d := newDual(t, dualOptions{acl: map[string]nctest.AccessControlListBody{"db1": v6Gate}})
	web1, web2, web3, db1 := d.at["web1"], d.at["web2"], d.at["web3"], d.at["db1"]
	t.Run("reach", func(t *testing.T) {
		d.t = t
		for _, to := range []*station{web2, web3, db1} { // other host, same host, other subnet
			for _, a := range to.both() {
				d.pings(web1, a, 3)
				d.asks(web1, a, portOpen, to.Name)
			}
		}
		d.pings(web1, gateway4, 3)
		d.pings(web1, gateway6, 3)
	})
	t.Run("neighbours are answered for", func(t *testing.T) {
		d.t = t
		tell(t, d.Lab, func() {
			if got, want := net.HardwareAddr(web1.Neighbour(web2.v6)), net.HardwareAddr(web2.MAC()); got.String() != want.String() {
				t.Errorf("web1 has %s for %s, want web2's %s", got, web2.v6, want)
			}
			if got := net.HardwareAddr(web1.Neighbour(gateway6)).String(); got != "02:fa:1e:ad:00:01" {
				t.Errorf("web1 has %s for its IPv6 gateway, want the router's", got)
			}
		})
	})
	t.Run("routing lowers the TTL", func(t *testing.T) {
		d.t = t
		for _, a := range db1.both() {
			text := "count " + a.String()
			if _, err := traffic.AskUDP(web1, netip.AddrPortFrom(a, portOpen), text, time.Second); err != nil {
				t.Error(err)
			}
			if said, ok := db1.echo.Heard(text); !ok || said.TTL != 63 {
				t.Errorf("%s: heard %v with TTL %d, want 63", a, ok, said.TTL)
			}
		}
	})
	t.Run("the router complains about a TTL of 1", func(t *testing.T) {
		d.t = t
		before := d.drops("web1", "ttl-expired")
		for _, c := range []struct {
			to   netip.Addr
			want traffic.Complaint
		}{{db1.v4, traffic.Complaint{From: gateway4, Type: 11}}, {db1.v6, traffic.Complaint{From: gateway6, Type: 3}}} {
			got, err := traffic.Complain(web1, traffic.Datagram{To: netip.AddrPortFrom(c.to, 33434), TTL: 1, Size: 32}, time.Second)
			if err != nil || got != c.want {
				t.Errorf("%s: %v, want %v; %v", c.to, got, c.want, err)
			}
		}
		if n := d.drops("web1", "ttl-expired") - before; n != 2 {
			t.Errorf("%d counted as ttl-expired, want 2", n)
		}
	})
	t.Run("a port nobody listens on", func(t *testing.T) {
		d.t = t
		// The error comes from the other end, through the flow of what it quotes.
		for _, to := range append(web2.both(), db1.both()...) {
			got, err := traffic.Complain(web1, traffic.Datagram{To: netip.AddrPortFrom(to, 5), Size: 32}, time.Second)
			if err != nil || got.From != to {
				t.Errorf("%s: %v; %v", to, got, err)
			}
		}
	})
	t.Run("an ACL of IPv6 prefixes", func(t *testing.T) {
		d.t = t
		before := d.drops("db1", "acl-inbound")
		d.asks(web1, db1.v6, portClosed, "")
		d.asks(web1, db1.v4, portClosed, "db1")
		if n := d.drops("db1", "acl-inbound") - before; n < 2 {
			t.Errorf("%d counted as acl-inbound, want 2 or more", n)
		}
	})
	t.Run("tenants", func(t *testing.T) {
		d.t = t
		for _, c := range []struct{ from, to string }{{"web1", "web2"}, {"shop1", "shop2"}} {
			for _, a := range d.at[c.to].both() {
				d.asks(d.at[c.from], a, portOpen, c.to)
			}
		}
		d.pings(d.at["shop1"], web3.v6, 0) // only contoso has it
		d.asks(d.at["shop1"], web3.v6, portOpen, "")
	})
	t.Run("trace agrees", func(t *testing.T) {
		d.t = t
		for _, args := range [][]string{
			{"--from", "web1", "--to", web2.v6.String(), "--proto", "tcp", "--dport", "9000"},
			{"--from", "web1", "--to", db1.v6.String(), "--proto", "udp", "--dport", "9000"},
			{"--from", "web1", "--to", web3.v6.String(), "--proto", "icmpv6"},
			{"--from", "web1", "--to", "fd00:0:0:1::99"},
		} {
			d.traces(args...)
		}
	})
	d.healthy()
}

// closed8080 closes one port of some stations.
func closed8080(names ...string) map[string]nctest.AccessControlListBody {
	all := map[string]nctest.AccessControlListBody{}
	for _, name := range names {
		all[name] = nctest.AccessControlListBody{Rules: []nctest.ACLRuleBody{
			{ID: "closed-tcp", Action: "Deny", Protocol: "TCP", Priority: 100, DestinationPorts: "8080", Logging: true},
			{ID: "closed-udp", Action: "Deny", Protocol: "UDP", Priority: 101, DestinationPorts: "8080", Logging: true},
			{ID: "rest", Action: "Allow", Protocol: "All", Priority: 1000},
		}}
	}
	return all
}
