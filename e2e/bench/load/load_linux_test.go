package load

import (
	"net/netip"
	"testing"
	"time"
)

// here is this process's own namespace.
type here struct{}

func (here) Do(f func() error) error { return f() }

func TestLoads(t *testing.T) {
	for i, load := range []struct {
		name string
		run  func(from, to Place, address netip.AddrPort, round time.Duration) (float64, error)
	}{{"Requests", Requests}, {"Connections", Connections}, {"Datagrams", Datagrams}} {
		t.Run(load.name, func(t *testing.T) {
			to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(17701+i))
			rate, err := load.run(here{}, here{}, to, 300*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if rate < 1000 {
				t.Errorf("%.0f a second over loopback: the loop itself is too slow", rate)
			}
			t.Logf("%.0f a second", rate)
		})
	}
}

func TestNobodyThere(t *testing.T) {
	fd, err := dial(netip.MustParseAddrPort("127.0.0.1:1"))
	if err == nil {
		closeSocket(fd)
		t.Error("connected to a port nobody listens on")
	}
	if _, err := connections(netip.MustParseAddrPort("127.0.0.1:1"), time.Second); err == nil {
		t.Error("connections to a port nobody listens on were counted")
	}
}
