package scenario

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/fairlead-net/fairlead/e2e/traffic"
)

const silence = "no answer"

// tcp asks over TCP and answers what came back. A blocked packet is dropped without a word, so
// nothing within the time is what being blocked looks like.
func (w *World) tcp(from *machine, to netip.Addr, port uint16, timeout time.Duration) string {
	answer, err := traffic.AskTCP(w.Context(), from, socket(to, port), from.tenant+"/"+from.name, timeout)
	return saying(answer, err)
}

func (w *World) udp(from *machine, to netip.Addr, port uint16, timeout time.Duration) string {
	answer, err := traffic.AskUDP(from, socket(to, port), from.tenant+"/"+from.name, timeout)
	return saying(answer, err)
}

func saying(answer string, err error) string {
	var late net.Error
	switch {
	case err == nil:
		return answer
	case errors.As(err, &late) && late.Timeout():
		return silence
	}
	return err.Error()
}

func (w *World) acl() []Check {
	shop, gate := w.at["shop1"], w.at["gate"]
	before := gate.Endpoint().Counters.Drops["acl-inbound"]
	checks := []Check{
		reads("tcp/443 into gate", "fabrikam/gate", w.tcp(shop, gate.ca, portHTTPS, time.Second)),
		reads("tcp/8080 into gate", silence, w.tcp(shop, gate.ca, portBlocked, 700*time.Millisecond)),
		reads("udp/9000 into gate (no rule allows it)", silence, w.udp(shop, gate.ca, portAny, 300*time.Millisecond)),
		reads("return traffic of what gate starts, tcp/9000", "fabrikam/shop1", w.tcp(gate, shop.ca, portAny, time.Second)),
		reads("return traffic of what gate starts, udp/9000", "fabrikam/shop1", w.udp(gate, shop.ca, portAny, time.Second)),
		reads("tcp/8080 at stock1, which has no ACL", "fabrikam/stock1", w.tcp(shop, caDB, portBlocked, time.Second)),
	}
	counted := gate.Endpoint().Counters.Drops["acl-inbound"] - before
	return append(checks, is("what gate's ACL blocked is counted", "acl-inbound at least 2", fmt.Sprintf("acl-inbound %d", counted), counted >= 2))
}

func (w *World) denyOutbound() []Check {
	quiet, web := w.at["quiet"], w.at["web1"]
	return []Check{
		w.pings("quiet starts a ping", "quiet", web.ca, 0),
		reads("quiet starts a TCP connection", silence, w.tcp(quiet, web.ca, portAny, 500*time.Millisecond)),
		w.pings("quiet answers a ping: web1 → quiet", "web1", quiet.ca, 3),
		reads("quiet answers a TCP connection", "contoso/quiet", w.tcp(web, quiet.ca, portAny, time.Second)),
	}
}

// aclChange opens 8080 on the controller, and closes it again under an open connection.
func (w *World) aclChange() []Check {
	shop, gate := w.at["shop1"], w.at["gate"]
	limit := w.PollInterval()*11/10 + 500*time.Millisecond // polls jitter by a tenth; then it is to be put in force
	expected := "within " + ms(limit)

	start := time.Now()
	w.Controller().Put("/accessControlLists/gate", gateACL("Allow"))
	opened := time.Duration(0)
	err := w.WaitFor("tcp/8080 is open", 3*limit, func() error {
		if answer := w.tcp(shop, gate.ca, portBlocked, 50*time.Millisecond); answer != "fabrikam/gate" {
			return fmt.Errorf("%s", answer)
		}
		opened = time.Since(start)
		return nil
	})
	checks := []Check{timed("PUT allows tcp/8080: open", expected, opened, limit, err)}

	session, err := traffic.Connect(w.Context(), shop, socket(gate.ca, portBlocked), time.Second)
	if err != nil {
		return append(checks, is("PUT denies it again: an open connection ends", expected, err.Error(), false))
	}
	defer session.Close()
	start = time.Now()
	w.Controller().Put("/accessControlLists/gate", gateACL("Deny"))
	closed := time.Duration(0)
	err = w.WaitFor("the open connection on tcp/8080 ends", 3*limit, func() error {
		asked := time.Since(start)
		if _, err := session.Ask("fabrikam/shop1", 150*time.Millisecond); err == nil {
			return fmt.Errorf("it still answers")
		}
		closed = asked
		return nil
	})
	return append(checks,
		timed("PUT denies it again: an open connection ends", expected, closed, limit, err),
		reads("tcp/8080 into gate afterwards", silence, w.tcp(shop, gate.ca, portBlocked, 500*time.Millisecond)),
		reads("tcp/443 into gate afterwards", "fabrikam/gate", w.tcp(shop, gate.ca, portHTTPS, time.Second)))
}

// timed is a check that something happened in time.
func timed(name, expected string, took, limit time.Duration, err error) Check {
	if err != nil {
		return is(name, expected, err.Error(), false)
	}
	return is(name, expected, ms(took), took <= limit)
}
