package e2e

import (
	"net/netip"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// TestBandwidth: what a NIC may send, by the controller, and what an endpoint may receive, by the configuration.
func TestBandwidth(t *testing.T) {
	const limit = 50 // Mbit/s
	d := newDual(t, dualOptions{
		only:   []string{"web1", "web2", "web3"},
		config: map[string]string{"host-b": "bandwidth: {web2: {inbound: 50Mbit}}\n"},
		nic: func(name string, body *nctest.NetworkInterfaceBody) {
			if name == "web1" {
				body.OutboundMbps = limit
			}
		},
	})
	for _, c := range []struct {
		name, from, to string
		limited        bool
	}{
		{"outbound, on the same host", "web1", "web3", true},
		{"inbound, from another host", "web3", "web2", true},
		{"the other direction of the first", "web3", "web1", false},
		{"the other direction of the second", "web2", "web3", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.t = t
			from, to := d.at[c.from], d.at[c.to]
			before := d.drops(c.from, "bandwidth") + d.drops(c.to, "bandwidth")
			transfer, err := traffic.StartTransfer(d.Context(), from, to, netip.AddrPortFrom(to.v4, 7100))
			if err != nil {
				t.Fatal(err)
			}
			ping, err := traffic.StartPing(from, to.v4, 20*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			var mbits float64
			tell(t, d.Lab, func() {
				start, got := time.Now(), to.ReceivedBytes()
				d.Pause(1500 * time.Millisecond)
				mbits = float64(to.ReceivedBytes()-got) * 8 / 1e6 / time.Since(start).Seconds()
			})
			pings, stats := ping.Stop(), transfer.Stop()
			dropped := d.drops(c.from, "bandwidth") + d.drops(c.to, "bandwidth") - before
			t.Logf("%.1f Mbit/s, pings: %v, median %v; dropped %d; %v", mbits, pings, pings.MedianRTT, dropped, stats)
			if c.limited && (mbits < 0.6*limit || mbits > 1.15*limit || dropped == 0) {
				t.Errorf("%.1f Mbit/s and %d drops, want about %d Mbit/s and some", mbits, dropped, limit)
			}
			// The stream is paced at about 100 Mbit/s.
			if !c.limited && (mbits < 1.3*limit || dropped != 0) {
				t.Errorf("%.1f Mbit/s and %d drops without a limit", mbits, dropped)
			}
			// Nothing queues: what is over the limit is dropped, and what is not goes at once.
			if pings.Lost == pings.Sent || pings.MedianRTT > 20*time.Millisecond {
				t.Errorf("pings beside it: %v, median %v", pings, pings.MedianRTT)
			}
		})
	}
}

// TestHostNetwork: endpoints that only this host knows, which leave as from its address.
func TestHostNetwork(t *testing.T) {
	d := newDual(t, dualOptions{only: []string{"web1", "web2"}, config: map[string]string{"host-a": "hostNetworks:\n- {name: nat0, prefix: 192.168.100.0/24}\n"}})
	outside, err := traffic.Serve(d.b.Namespace(), "outside", portOpen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(outside.Close)
	first, second := &station{v4: netip.MustParseAddr("192.168.100.2")}, &station{v4: netip.MustParseAddr("192.168.100.9")}
	tell(t, d.Lab, func() {
		first.Container, second.Container = d.a.Container("first"), d.a.Container("second")
		first.AttachTo("--network", "nat0")
		second.AttachTo("--network", "nat0", "--ip", second.v4.String())
		d.serve(first)
		d.serve(second)
	})
	d.at["first"] = first
	t.Run("to the outside", func(t *testing.T) {
		d.t = t
		for _, from := range []*station{first, second} {
			d.pings(from, d.b.Address, 3)
			d.asks(from, d.b.Address, portOpen, "outside")
			d.transfers(from, d.b.Namespace(), d.b.Address, 100*time.Millisecond)
		}
		for _, said := range outside.Said() {
			if said.From.Addr() != d.a.Address || said.From.Port() < 61000 || said.TTL != 0 && said.TTL != 63 {
				t.Errorf("outside heard %+v, want it as from %s, a port from 61000 on, TTL 63", said, d.a.Address)
			}
		}
	})
	t.Run("a port nobody listens on outside", func(t *testing.T) {
		d.t = t
		got, err := traffic.Complain(first, traffic.Datagram{To: netip.AddrPortFrom(d.b.Address, 5), Size: 32}, time.Second)
		if want := (traffic.Complaint{From: d.b.Address, Type: 3, Code: 3}); err != nil || got != want {
			t.Errorf("%v, want %v; %v", got, want, err)
		}
	})
	t.Run("among themselves", func(t *testing.T) {
		d.t = t
		d.pings(first, second.v4, 3)
		d.asks(first, second.v4, portOpen, "second")
		d.asks(second, first.v4, portOpen, "first")
	})
	t.Run("not from the outside", func(t *testing.T) {
		d.t = t
		tell(t, d.Lab, func() { d.b.Route(netip.MustParsePrefix("192.168.100.0/24"), d.a.Address) })
		d.pings(d.b.Namespace(), first.v4, 0)
		if answer, err := traffic.AskUDP(d.b.Namespace(), netip.AddrPortFrom(first.v4, portOpen), "hello", 200*time.Millisecond); err == nil {
			t.Errorf("%s answered", answer)
		}
		d.asks(d.at["web1"], first.v4, portOpen, "") // nor from a tenant
	})
	t.Run("the host's own traffic", func(t *testing.T) {
		d.t = t
		d.pings(d.a.Namespace(), d.b.Address, 3)
		d.asks(d.a.Namespace(), d.b.Address, portOpen, "outside")
	})
	d.healthy()
}
