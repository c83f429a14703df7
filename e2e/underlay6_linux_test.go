package e2e

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// TestIPv6Underlay: provider addresses are IPv6. tshark reads what is on the wire.
func TestIPv6Underlay(t *testing.T) {
	for _, encapsulation := range []string{"vxlan", "nvgre"} {
		t.Run(encapsulation, func(t *testing.T) {
			d := newDual(t, dualOptions{Options: lab.Options{IPv6Underlay: true, Encapsulation: encapsulation}, only: []string{"web1", "web2", "db1"}})
			web1, web2, db1 := d.at["web1"], d.at["web2"], d.at["db1"]
			var capture *lab.Capture
			tell(t, d.Lab, func() { capture = d.a.Capture() })
			const packets = 2 * 2 * 2 * 3 // there and back, two families, two places, three pings
			for _, a := range append(web2.both(), db1.both()...) {
				d.pings(web1, a, 3)
			}
			var seen []lab.Encapsulated
			var strange []string
			tell(t, d.Lab, func() { seen, strange = capture.Stop(packets) })
			if len(strange) > 0 || len(seen) != packets {
				t.Errorf("%d packets on the wire, want %d; not decoded: %q", len(seen), packets, strange)
			}
			vsids := map[netip.Addr]uint32{web2.v4: 5001, web2.v6: 5011, db1.v4: 5002, db1.v6: 5012, web1.v4: 5001, web1.v6: 5011}
			for _, p := range seen {
				outer := lab.Addresses{Source: d.a.Provider, Destination: d.b.Provider}
				if p.Inner.Destination == web1.v4 || p.Inner.Destination == web1.v6 {
					outer = lab.Addresses{Source: d.b.Provider, Destination: d.a.Provider}
				}
				if p.Protocol != encapsulation || p.Outer != outer || p.VSID != vsids[p.Inner.Destination] {
					t.Errorf("on the wire: %+v; want %s, %v, VSID %d", p, encapsulation, outer, vsids[p.Inner.Destination])
				}
			}
			for i, a := range append(web2.both(), db1.both()...) {
				to := web2
				if i >= 2 {
					to = db1
				}
				d.asks(web1, a, portOpen, to.Name)
				d.transfers(web1, to, a, 300*time.Millisecond)
			}
			d.healthy()
		})
	}
}

// transfers asserts that a bulk transfer arrives as it was sent, without long waits.
func (d *dual) transfers(from, to traffic.Place, address netip.Addr, long time.Duration) {
	d.t.Helper()
	transfer, err := traffic.StartTransfer(d.Context(), from, to, netip.AddrPortFrom(address, 7100))
	if err != nil {
		d.t.Errorf("transfer to %s: %v", address, err)
		return
	}
	tell(d.t, d.Lab, func() { d.Pause(long) })
	if s := transfer.Stop(); !s.Intact || s.Received < 1<<17 || s.Stall > time.Second {
		d.t.Errorf("transfer to %s: %v", address, s)
	}
}

// TestPathMTU: a container with a larger MTU than fits is told so, and TCP does not need to be told.
func TestPathMTU(t *testing.T) {
	for _, c := range []struct {
		encapsulation string
		ipv6          bool
		mtu           int // of the tenants' packets
	}{{"vxlan", false, 1450}, {"nvgre", true, 1500 - 40 - 8 - 14}} {
		t.Run(fmt.Sprintf("%s, IPv6 underlay %v", c.encapsulation, c.ipv6), func(t *testing.T) {
			d := newDual(t, dualOptions{Options: lab.Options{IPv6Underlay: c.ipv6, Encapsulation: c.encapsulation}, only: []string{"web1", "web2", "web3", "db1"}})
			web1, web2, web3, db1 := d.at["web1"], d.at["web2"], d.at["web3"], d.at["db1"]
			tell(t, d.Lab, func() {
				if mtu := web1.Endpoint().MTU; mtu != c.mtu {
					t.Errorf("attached with an MTU of %d, want %d", mtu, c.mtu)
				}
				for _, s := range []*station{web1, web2, web3, db1} {
					s.SetMTU(1500)
				}
			})
			for _, to := range []*station{web2, db1} {
				for _, a := range to.both() {
					want := traffic.Complaint{From: gateway4, Type: 3, Code: 4, MTU: c.mtu}
					header := 28
					if a.Is6() {
						want, header = traffic.Complaint{From: gateway6, Type: 2, MTU: c.mtu}, 48
					}
					before := d.drops("web1", "mtu")
					got, err := traffic.Complain(web1, traffic.Datagram{To: netip.AddrPortFrom(a, portOpen), Size: c.mtu - header + 1}, time.Second)
					if err != nil || got != want {
						t.Errorf("one byte too many to %s: %v, want %v; %v", a, got, want, err)
					}
					if n := d.drops("web1", "mtu") - before; n != 1 {
						t.Errorf("%d counted as mtu, want 1", n)
					}
					if got, err := traffic.Complain(web1, traffic.Datagram{To: netip.AddrPortFrom(a, portOpen), Size: c.mtu - header}, 100*time.Millisecond); err == nil {
						t.Errorf("as much as fits to %s: %v", a, got)
					}
				}
			}
			// On the same host there is nothing to fit into.
			if got, err := traffic.Complain(web1, traffic.Datagram{To: netip.AddrPortFrom(web3.v4, portOpen), Size: 1500 - 28}, 100*time.Millisecond); err == nil {
				t.Errorf("on the same host: %v", got)
			}
			for i, a := range append(web2.both(), db1.both()...) {
				to := []*station{web2, web2, db1, db1}[i]
				before := d.drops("web1", "mtu")
				d.transfers(web1, to, a, 200*time.Millisecond)
				if n := d.drops("web1", "mtu") - before; n != 0 {
					t.Errorf("%d segments were too big for the underlay: the MSS is not clamped", n)
				}
			}
		})
	}
}

// TestFragments: datagrams that no MTU carries whole pass, both families, routed or not; an ACL decides about all of one.
func TestFragments(t *testing.T) {
	d := newDual(t, dualOptions{only: []string{"web1", "web2", "web3", "db1"}, acl: closed8080("web2", "web3")})
	web1 := d.at["web1"]
	text := make([]byte, 5000)
	for i := range text {
		text[i] = 'a' + byte(i%23)
	}
	for _, name := range []string{"web2", "web3", "db1"} {
		to := d.at[name]
		for _, a := range to.both() {
			got, err := traffic.AskUDP(web1, netip.AddrPortFrom(a, portOpen), string(text), time.Second)
			if err != nil || got != name {
				t.Errorf("%d bytes to %s: %q, %v", len(text), a, got, err)
			}
			if _, whole := to.echo.Heard(string(text)); !whole {
				t.Errorf("%d bytes to %s did not arrive whole", len(text), a)
			}
			if name == "db1" {
				continue
			}
			before := d.drops(name, "acl-inbound") + d.drops(name, "fragment") + d.drops("web1", "fragment")
			if got, err := traffic.AskUDP(web1, netip.AddrPortFrom(a, portClosed), string(text), 200*time.Millisecond); err == nil {
				t.Errorf("%d bytes to the closed port of %s: %q", len(text), a, got)
			}
			// First and later fragments alike: 5000 bytes are four of them.
			d.soon("all fragments are counted as blocked", func() error {
				if n := d.drops(name, "acl-inbound") + d.drops(name, "fragment") + d.drops("web1", "fragment") - before; n != 4 {
					return fmt.Errorf("%d of 4", n)
				}
				return nil
			})
		}
	}
}
