package scenario

import (
	"fmt"
	"net"
	"time"

	"github.com/fairlead-net/fairlead/e2e/traffic"
)

const spoofed = 20 // frames of each kind

// spoof sends hand-made frames from web1: right ones, which must arrive, or the wrong ones would prove
// nothing; then with another machine's address; then with another MAC.
func (w *World) spoof() []Check {
	web1, web2 := w.at["web1"], w.at["web2"]
	_, err := traffic.Reach(w.Context(), web1, web2.ca, time.Second)
	w.must(err, "web1 → web2")
	right := traffic.Frame{
		SourceMAC: web1.MAC(), DestinationMAC: web1.Neighbour(web2.ca),
		Source: socket(web1.ca, 40000), Destination: socket(web2.ca, portAny),
	}
	otherCA, otherMAC := right, right
	otherCA.Source = socket(caWeb3, 40000)
	otherMAC.SourceMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x66}

	sniffer, err := traffic.Sniff(web2, web2.Device(), "sent-honestly", "sent-as-web3", "sent-with-other-mac")
	w.must(err, "sniffer in web2")
	defer sniffer.Close()
	before := web1.Endpoint().Counters.Drops
	w.flood(web1, right, "sent-honestly")
	w.flood(web1, otherCA, "sent-as-web3")
	w.flood(web1, otherMAC, "sent-with-other-mac")
	// When the honest ones of a second round have arrived, the spoofed ones before them would have, too.
	w.flood(web1, right, "sent-honestly")
	_ = w.WaitFor("honest frames", time.Second, func() error {
		if n := sniffer.Count("sent-honestly"); n < 2*spoofed {
			return fmt.Errorf("%d arrived", n)
		}
		return nil
	})
	after := web1.Endpoint().Counters.Drops
	seen := func(word, reason string) string {
		return fmt.Sprintf("%d arrived, %d counted as %s", sniffer.Count(word), after[reason]-before[reason], reason)
	}
	return []Check{
		reads("hand-made frames with web1's own address and MAC", fmt.Sprintf("%d arrived", 2*spoofed), fmt.Sprintf("%d arrived", sniffer.Count("sent-honestly"))),
		reads("frames with web3's address", fmt.Sprintf("0 arrived, %d counted as ca-spoof", spoofed), seen("sent-as-web3", "ca-spoof")),
		reads("frames with another MAC", fmt.Sprintf("0 arrived, %d counted as mac-spoof", spoofed), seen("sent-with-other-mac", "mac-spoof")),
	}
}

func (w *World) flood(from *machine, f traffic.Frame, payload string) {
	f.Payload = payload
	frames := make([][]byte, spoofed)
	for i := range frames {
		frames[i] = f.Marshal()
	}
	w.must(traffic.SendRaw(from, from.Device(), frames...), "send frames")
}
