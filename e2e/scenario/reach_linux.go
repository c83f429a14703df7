package scenario

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// allUp looks at what the agents say about themselves.
func (w *World) allUp() (checks []Check) {
	for _, name := range []string{"host-a", "host-b", "host-c"} {
		s, code, err := w.hosts[name].Status()
		w.must(err, "status")
		seen := fmt.Sprintf("exit code %d, controller %s, %s, %d problems", code, s.Controller.State, s.Datapath.Encapsulation, len(s.Problems))
		for _, p := range s.Problems {
			seen += fmt.Sprintf("; %s: %s", p.Resource, p.Message)
		}
		checks = append(checks, reads("status of "+name, fmt.Sprintf("exit code 0, controller ok, %s, 0 problems", w.Encapsulation()), seen))
	}
	up, wrong := 0, []string(nil)
	for _, m := range w.machines() {
		switch e := m.Endpoint(); {
		case e.State != "up":
			wrong = append(wrong, fmt.Sprintf("%s is %s %s", e.Name, e.State, e.Message))
		case e.NIC != m.nic && !strings.HasSuffix(e.NIC, "/"+m.nic):
			wrong = append(wrong, fmt.Sprintf("%s has NIC %s", e.Name, e.NIC))
		default:
			up++
		}
	}
	return append(checks, reads("endpoints", "10 of 10 up", strings.Join(append([]string{fmt.Sprintf("%d of 10 up", up)}, wrong...), ", ")))
}

// reach pings along every kind of way.
func (w *World) reach() (checks []Check) {
	for _, way := range []struct {
		name, from string
		to         netip.Addr
	}{
		{"same subnet, other host: web1 → web2", "web1", caWeb2},
		{"same subnet, other host: shop1 → shop2", "shop1", caWeb2},
		{"same subnet, same host: web1 → web3", "web1", caWeb3},
		{"other subnet, other host: web1 → db1", "web1", caDB},
		{"other subnet, other host: shop2 → stock1", "shop2", caDB},
		{"other subnet, same host: shop2 → gate", "shop2", caLast},
		{"the subnet's gateway: web1", "web1", netip.MustParseAddr("10.0.1.1")},
	} {
		checks = append(checks, w.pings(way.name, way.from, way.to, 3))
	}
	return append(checks, w.fragments())
}

// fragments sends a datagram that no MTU here carries whole.
func (w *World) fragments() Check {
	const size = 4000
	long := strings.Repeat("long ", size/5)
	answer, err := traffic.AskUDP(w.at["web1"], socket(caDB, portAny), long, time.Second)
	seen := saying(answer, err)
	if _, whole := w.at["db1"].echo.Heard(long); !whole {
		seen += ", not whole"
	}
	return reads(fmt.Sprintf("a datagram of %d bytes, in fragments: web1 → db1", size), "contoso/db1", seen)
}

// pings is a check that all of three pings, or none, are answered.
func (w *World) pings(name, from string, to netip.Addr, expected int) Check {
	wait := time.Second
	if expected == 0 {
		wait = 300 * time.Millisecond
	}
	n, err := traffic.Ping(w.Context(), w.at[from], to, 3, wait)
	w.must(err, "ping")
	return reads(name, fmt.Sprintf("%d of 3 pings answered", expected), fmt.Sprintf("%d of 3 pings answered", n))
}

// ttl sends with a TTL of 64 and looks at what arrives.
func (w *World) ttl() (checks []Check) {
	for _, way := range []struct {
		name, from, to string
		ttl            int
	}{
		{"same subnet: web1 → web2", "web1", "web2", 64},
		{"other subnet, other host: web1 → db1", "web1", "db1", 63},
		{"other subnet, other host: stock1 → shop1", "stock1", "shop1", 63},
	} {
		from, to := w.at[way.from], w.at[way.to]
		token := "ttl of " + way.name
		_, err := traffic.AskUDP(from, socket(to.ca, portAny), token, time.Second)
		said, _ := to.echo.Heard(token)
		seen := fmt.Sprintf("TTL %d", said.TTL)
		if err != nil {
			seen += ", " + err.Error()
		}
		checks = append(checks, reads("TTL 64 sent, "+way.name, fmt.Sprintf("TTL %d", way.ttl), seen))
	}
	return checks
}
