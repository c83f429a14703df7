package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// throughputRounds of one second on each path.
const throughputRounds = 5

// throughput is shown, not judged: how fast a machine is, and how noisy, says nothing about the code (make bench
// compares with care). Only super-packets cut to pieces fail: then no round reaches a fifth. What else the machine does
// can spoil some rounds, so the best one is judged.
func (w *World) throughput() []Check {
	const broken = 0.3
	rates := w.Streams(throughputRounds, lab.OneCPU, w.at["web1"].Path(w.at["web2"].Container, caWeb2), w.hosts["host-a"].Path(w.hosts["host-b"]))
	ratios := lab.Ratios(rates[0], rates[1])
	return []Check{is("one TCP stream across hosts, beside the raw underlay", fmt.Sprintf("shown; always below %.1f: something is broken", broken),
		fmt.Sprintf("%.1f of %.1f Gbit/s, ratio %.2f", lab.Median(rates[0]), lab.Median(rates[1]), lab.Median(ratios)), slices.Max(ratios) >= broken)}
}

// survive kills the agents at both ends of a ping and of a transfer.
func (w *World) survive() []Check {
	web1, web2, db := w.at["web1"], w.at["web2"], w.at["db1"]
	ends := []string{"host-a", "host-b"}
	probe, err := traffic.StartPing(web1, web2.ca, 10*time.Millisecond)
	w.must(err, "ping")
	routed, err := traffic.StartPing(web1, db.ca, 10*time.Millisecond)
	w.must(err, "ping")
	transfer, err := traffic.StartTransfer(w.Context(), web1, web2, socket(web2.ca, portTransfer))
	w.must(err, "transfer")
	w.Pause(300 * time.Millisecond)
	for _, name := range ends {
		w.hosts[name].Kill()
	}
	w.Pause(500 * time.Millisecond)
	meanwhile := w.tcp(web1, web2.ca, portAny, time.Second)
	w.Pause(200 * time.Millisecond)
	start := time.Now()
	for _, name := range ends {
		w.hosts[name].StartUnready()
	}
	for _, name := range ends {
		w.hosts[name].WaitReady()
	}
	took := time.Since(start)
	w.Pause(700 * time.Millisecond) // longer than half a poll: what they do once they are up is part of it
	pings, routedPings, stream := probe.Stop(), routed.Stop(), transfer.Stop()

	var states []string
	for _, name := range ends {
		s, code, err := w.hosts[name].Status()
		w.must(err, "status")
		states = append(states, fmt.Sprintf("%d %s", code, s.Controller.State))
	}
	return []Check{
		is("a ping every 10 ms, same subnet", "0 lost", pings.String(), pings.Lost == 0 && pings.Sent > 100),
		is("a ping every 10 ms, routed", "0 lost", routedPings.String(), routedPings.Lost == 0 && routedPings.Sent > 100),
		is("a TCP transfer", "every byte arrives, no wait above 1000 ms", stream.String(), stream.Intact && stream.Stall < time.Second),
		reads("a new connection while no agent runs", "contoso/web2", meanwhile),
		is("both agents ready again", "within 5000 ms", ms(took), took < 5*time.Second),
		reads("their status (exit code, controller)", "0 ok, 0 ok", strings.Join(states, ", ")),
	}
}

// move takes fabrikam's roamer from host-b to host-c while its neighbours' agents only hear of it from
// the controller.
func (w *World) move() []Check {
	roamer, shop := w.at["roamer"], w.at["shop1"]
	before := w.pings("before: shop1 → roamer on host-b", "shop1", roamer.ca, 3)
	roamer.Detach()
	roamer.echo.Close()
	detached := w.pings("detached: shop1 → roamer", "shop1", roamer.ca, 0)

	start := time.Now()
	w.Controller().MoveNIC(roamer.nic, "host-c")
	moved := w.settle(roamer.tenant, roamer.name, "roamer-c", roamer.ca.String(), w.hosts["host-c"])
	attached := time.Since(start)
	// Its neighbours on another host, and on the one that it left.
	_, err := traffic.Reach(w.Context(), shop, moved.ca, 5*time.Second)
	took := time.Since(start)
	_, errOld := traffic.Reach(w.Context(), w.at["shop2"], moved.ca, 5*time.Second)
	tookOld := time.Since(start)
	// One poll of the new host, then the attach; one poll of the caller's host runs beside them.
	limit := w.PollInterval()*11/10 + time.Second
	checks := []Check{
		before, detached,
		timed(fmt.Sprintf("moved on the controller, attached on host-c after %s: shop1 → roamer", ms(attached)), "reachable within "+ms(limit), took, limit, err),
		timed("shop2, on the host it left → roamer", "reachable within "+ms(limit), tookOld, limit, errOld),
		reads("who answers shop1 at "+moved.ca.String(), "fabrikam/roamer", w.tcp(shop, moved.ca, portAny, time.Second)),
		reads("who answers shop2 at "+moved.ca.String(), "fabrikam/roamer", w.tcp(w.at["shop2"], moved.ca, portAny, time.Second)),
	}
	links, err := w.hosts["host-b"].Endpoints()
	w.must(err, "endpoints")
	_, stays := links["roamer"]
	return append(checks, reads("roamer among host-b's endpoints", "false", fmt.Sprint(stays)))
}
