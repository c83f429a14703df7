package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// sniffers of some stations, which end with the test.
func (d *dual) sniffers(words []string, names ...string) map[string]*traffic.Sniffer {
	d.t.Helper()
	all := map[string]*traffic.Sniffer{}
	for _, name := range names {
		s, err := traffic.Sniff(d.at[name], d.at[name].Device(), words...)
		if err != nil {
			d.t.Fatal(err)
		}
		d.t.Cleanup(s.Close)
		all[name] = s
	}
	return all
}

// TestMulticast: a subnet whose multicast is replicated, and one whose is not.
func TestMulticast(t *testing.T) {
	for _, encapsulation := range []string{"vxlan", "nvgre"} {
		t.Run(encapsulation, func(t *testing.T) {
			const config = `multicastSubnets:
  /virtualNetworks/contoso/subnets/web: replicate
  /virtualNetworks/contoso/subnets/web6: replicate
`
			d := newDual(t, dualOptions{Options: lab.Options{Encapsulation: encapsulation}, config: map[string]string{"host-a": config, "host-b": config}})
			const n = 10
			groups := []netip.Addr{netip.MustParseAddr("239.1.2.3"), netip.MustParseAddr("ff1e::1:3")}
			seen := d.sniffers([]string{"to the group", "to nobody"}, "web1", "web2", "web3", "db1", "shop1", "shop2")
			for _, g := range groups {
				for range n {
					_, _ = traffic.AskUDP(d.at["web1"], netip.AddrPortFrom(g, 5353), "to the group", time.Millisecond)
				}
			}
			for _, name := range []string{"web2", "web3"} {
				d.soon(name+" gets every packet", func() error {
					if got := seen[name].Count("to the group"); got < 2*n {
						return fmt.Errorf("%d of %d", got, 2*n)
					}
					return nil
				})
			}
			before := d.drops("shop1", "multicast")
			for _, g := range groups {
				for range n {
					_, _ = traffic.AskUDP(d.at["shop1"], netip.AddrPortFrom(g, 5353), "to nobody", time.Millisecond)
				}
			}
			d.soon("what is not replicated is counted", func() error {
				if got := d.drops("shop1", "multicast") - before; got < 2*n {
					return fmt.Errorf("%d of %d", got, 2*n)
				}
				return nil
			})
			want := map[string]int{"web2": 2 * n, "web3": 2 * n}
			for name, s := range seen {
				if got := s.Count("to the group"); got != want[name] {
					t.Errorf("%s got %d copies, want %d", name, got, want[name])
				}
				if got := s.Count("to nobody"); got != 0 {
					t.Errorf("%s got %d packets of a subnet that does not replicate", name, got)
				}
			}
		})
	}
}

// TestMirror: copies of what an endpoint sends and receives, at another endpoint and at a collector.
func TestMirror(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("IPv6 underlay %v", v6), func(t *testing.T) {
			collector := "172.16.0.3"
			if v6 {
				collector = "fd00:172:16::3"
			}
			config := strings.ReplaceAll(`mirrors:
- {endpoint: web1, to: web3}
- {endpoint: web3, collector: "COLLECTOR", type: vxlan, session: 7777}
- {endpoint: shop1, collector: "COLLECTOR", type: erspan, session: 77}
`, "COLLECTOR", collector)
			d := newDual(t, dualOptions{Options: lab.Options{IPv6Underlay: v6}, config: map[string]string{"host-a": config}})
			var capture *lab.Capture
			tell(t, d.Lab, func() { capture = d.AddHost("host-c").Capture() })
			seen := d.sniffers([]string{"asked by web1"}, "web2", "web3", "db1")
			for _, a := range d.at["web2"].both() {
				if got, err := traffic.AskUDP(d.at["web1"], netip.AddrPortFrom(a, portOpen), "asked by web1", time.Second); err != nil || got != "web2" {
					t.Errorf("%s: %q, %v", a, got, err)
				}
			}
			d.soon("copies of web1's at web3", func() error {
				if n := seen["web3"].Count("asked by web1"); n != 2 {
					return fmt.Errorf("%d, want 2", n)
				}
				return nil
			})
			if n := seen["web2"].Count("asked by web1"); n != 2 {
				t.Errorf("web2 got %d packets, want 2", n)
			}
			for _, c := range []struct{ from, to string }{{"web3", "web2"}, {"shop1", "shop2"}} {
				for _, a := range d.at[c.to].both() {
					if got, err := traffic.AskUDP(d.at[c.from], netip.AddrPortFrom(a, portOpen), "mirror", time.Second); err != nil || got != c.to {
						t.Errorf("%s: %q, %v", a, got, err)
					}
				}
			}
			counts := map[string]int{}
			tell(t, d.Lab, func() {
				for _, c := range capture.Decode(8, "frame.protocols", "vxlan.vni", "erspan.spanid", "udp.dstport") {
					port := c[3][strings.LastIndex(c[3], ",")+1:]
					// A request's port is the server's; the answer goes to another one.
					if strings.HasSuffix(c[0], ":data") && port != "9000" {
						port = "answer"
					}
					ip := "ip"
					if strings.HasSuffix(strings.TrimSuffix(c[0], ":udp:data"), ":ipv6") {
						ip = "ipv6"
					}
					counts[strings.Join([]string{ip, "vni " + c[1], "session " + c[2], port}, ", ")]++
				}
			})
			for _, ip := range []string{"ip", "ipv6"} {
				for _, what := range []string{"vni 7777, session ", "vni , session 77"} {
					for _, port := range []string{"9000", "answer"} {
						if key := ip + ", " + what + ", " + port; counts[key] != 1 {
							t.Errorf("%d copies %q at the collector, want 1; all: %v", counts[key], key, counts)
						}
					}
				}
			}
		})
	}
}
