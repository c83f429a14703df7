package scenario

import (
	"fmt"
	"time"

	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

const wireFlows = 16

// wire captures on host-a's cable while both tenants' first machines, which have the same address,
// call the same addresses. The destination port says whose packet it is.
func (w *World) wire() []Check {
	talks := []struct {
		from, to string
		port     uint16
		vsid     uint32 // of the destination's subnet
	}{
		{"web1", "web2", portContoso, vsids["contoso"]["web"]},
		{"shop1", "shop2", portFabrikam, vsids["fabrikam"]["web"]},
		{"web1", "db1", portContoso, vsids["contoso"]["db"]},
		{"shop1", "stock1", portFabrikam, vsids["fabrikam"]["db"]},
	}
	capture := w.hosts["host-a"].Capture()
	for _, t := range talks {
		for range wireFlows {
			_, err := traffic.AskUDP(w.at[t.from], socket(w.at[t.to].ca, t.port), "wire", time.Second)
			w.must(err, t.from+" → "+t.to)
		}
	}
	packets, strange := capture.Stop(2 * wireFlows * len(talks)) // each call has an answer

	checks := []Check{reads("packets tshark cannot decode as IPv4 in "+w.Encapsulation(), "0", fmt.Sprint(len(strange))+first(strange))}
	for _, t := range talks {
		from, to := w.at[t.from], w.at[t.to]
		want := lab.Addresses{Source: from.Host().Provider, Destination: to.Host().Provider}
		right, wrong := 0, ""
		entropy := map[uint32]bool{}
		for _, p := range packets {
			if p.Inner != (lab.Addresses{Source: from.ca, Destination: to.ca}) || p.InnerDest != t.port {
				continue
			}
			entropy[p.Entropy] = true
			if p.Protocol == w.Encapsulation() && p.VSID == t.vsid && p.Outer == want && p.OuterChecksumGood {
				right++
			} else if wrong == "" {
				wrong = fmt.Sprintf(", but also %s %d %s → %s", p.Protocol, p.VSID, p.Outer.Source, p.Outer.Destination)
			}
		}
		expected := func(n int) string {
			return fmt.Sprintf("%d packets with VSID %d, %s → %s", n, t.vsid, want.Source, want.Destination)
		}
		checks = append(checks, reads(fmt.Sprintf("%s → %s on the wire", t.from, t.to), expected(wireFlows), expected(right)+wrong))
		checks = append(checks, w.entropy(t.from, t.to, entropy))
	}
	return checks
}

// entropy is a check that flows spread. Sixteen random values of 256 are seldom all different, so half
// of them is asked for.
func (w *World) entropy(from, to string, values map[uint32]bool) Check {
	what, low := "flow ids", uint32(0)
	if w.Encapsulation() == "vxlan" {
		what, low = "source ports of 49152-65535", 49152
	}
	for v := range values {
		if v < low {
			return is(fmt.Sprintf("%s → %s: %s", from, to, what), what, fmt.Sprint(v), false)
		}
	}
	return is(fmt.Sprintf("%s → %s: %d flows", from, to, wireFlows), fmt.Sprintf("at least %d %s", wireFlows/2, what),
		fmt.Sprintf("%d %s", len(values), what), len(values) >= wireFlows/2)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return ": " + list[0]
}
