package scenario

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// isolation lets everyone talk to every address there is, while sniffers in all containers look for
// frames that name the other tenant: requests and answers both carry their sender's tenant.
func (w *World) isolation() []Check {
	var checks []Check
	for _, pair := range []struct{ from, to string }{{"web1", "web2"}, {"shop1", "shop2"}, {"web2", "db1"}, {"shop2", "stock1"}} {
		checks = append(checks, w.answersAs(pair.from, pair.to))
	}
	checks = append(checks,
		w.pings("an address only fabrikam has: web1 → 10.0.1.14", "web1", caRoamer, 0),
		w.pings("an address only contoso has: shop1 → 10.0.1.13", "shop1", caWeb3, 0))
	return append(checks, w.sniffed()...)
}

// answersAs is a check that an address both tenants use is one's own tenant's machine.
func (w *World) answersAs(from, to string) Check {
	a, b := w.at[from], w.at[to]
	address := socket(b.ca, portAny)
	udp, err := traffic.AskUDP(a, address, a.tenant+"/"+a.name, time.Second)
	if err != nil {
		udp = err.Error()
	}
	tcp, err := traffic.AskTCP(w.Context(), a, address, a.tenant+"/"+a.name, time.Second)
	if err != nil {
		tcp = err.Error()
	}
	self := b.tenant + "/" + b.name
	return reads(fmt.Sprintf("who answers %s at %s (UDP, TCP)", from, b.ca), self+", "+self, udp+", "+tcp)
}

func (w *World) sniffed() []Check {
	sniffers := map[*machine]*traffic.Sniffer{}
	for _, m := range w.machines() {
		s, err := traffic.Sniff(m, m.Device(), "contoso/", "fabrikam/")
		w.must(err, "sniffer in "+m.name)
		defer s.Close()
		sniffers[m] = s
	}
	targets := map[netip.Addr]bool{}
	for _, m := range w.machines() {
		targets[m.ca] = true
	}
	var wait sync.WaitGroup
	for _, m := range w.machines() {
		for to := range targets {
			wait.Add(2)
			go func() {
				defer wait.Done()
				// Whether it is answered is looked at elsewhere: here it is who else sees it.
				_, _ = traffic.AskUDP(m, socket(to, portAny), m.tenant+"/"+m.name, 300*time.Millisecond)
			}()
			go func() {
				defer wait.Done()
				_, _ = traffic.AskTCP(w.Context(), m, socket(to, portAny), m.tenant+"/"+m.name, 300*time.Millisecond)
			}()
		}
	}
	wait.Wait()
	own, foreign := 0, 0
	for m, s := range sniffers {
		if m.tenant == "contoso" {
			own, foreign = own+s.Count("contoso/"), foreign+s.Count("fabrikam/")
		} else {
			own, foreign = own+s.Count("fabrikam/"), foreign+s.Count("contoso/")
		}
	}
	heard := 0
	for _, m := range w.machines() {
		for _, said := range m.echo.Said() {
			if tenant, _, ok := strings.Cut(said.Text, "/"); ok && tenant != m.tenant {
				heard++
			}
		}
	}
	return []Check{
		is("everyone calls every address: the other tenant's frames seen by sniffers", "0, and some of its own",
			fmt.Sprintf("%d, and %d of its own", foreign, own), foreign == 0 && own >= 20),
		reads("the other tenant's messages at servers", "0", fmt.Sprint(heard)),
	}
}
