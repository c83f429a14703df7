// Package rules generates access rules for measuring, and writes them for the vSwitch and for its peers. The measured
// traffic matches none of them but a last one that allows the rest, so every filter has to look at all it must look at.
package rules

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
)

// Rule denies some connections.
type Rule struct {
	Protocol            string // TCP or UDP
	Source, Destination netip.Prefix
	Sources, Ports      [2]uint16 // source and destination ports, inclusive
}

// elsewhere is where the rules' sources are: 10.128.0.0/9. The measured endpoints are not in it.
func elsewhere(bits int, n uint32) netip.Prefix {
	a := uint32(10)<<24 | 1<<23 | n
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}), bits).Masked()
}

var (
	anywhere = netip.MustParsePrefix("0.0.0.0/0")
	anyPort  = [2]uint16{0, 65535}
)

// Guard is the port that every set's last rule denies to everybody: a connection to it shows whether the rules are in force.
const Guard = 5399

func guard() Rule {
	return Rule{Protocol: "TCP", Source: anywhere, Destination: anywhere, Sources: anyPort, Ports: [2]uint16{Guard, Guard}}
}

// NSG makes rules as a tenant's network security group has them: a few port ranges for each of many source prefixes.
// No two of them overlap, so that an nftables set can hold them.
func NSG(n int) []Rule {
	const each = 10 // port ranges per source
	all := make([]Rule, n)
	for i := range n - 1 {
		block, k := uint32(i/each), uint16(i%each)
		r := Rule{Protocol: "TCP", Source: elsewhere(24+int(block%9), block<<8&(1<<23-1)), Destination: anywhere, Sources: anyPort}
		if k%4 == 3 {
			r.Protocol = "UDP"
		}
		first := 1000 + 6000*k
		r.Ports = [2]uint16{first, first}
		if k%3 == 0 {
			r.Ports[1] = first + 10*(k+1)
		}
		all[i] = r
	}
	all[n-1] = guard()
	return all
}

// ClassBench makes rules of the kind that ClassBench's seeds of access lists lead to: both prefixes set, of nested
// lengths, ports exact, as ranges or any. They overlap. Equal seeds make equal rules.
func ClassBench(n int, seed uint64) []Rule {
	random := rand.New(rand.NewPCG(seed, 0))
	lengths := []int{0, 9, 16, 20, 22, 24, 24, 24, 27, 28, 30, 32, 32, 32}
	all := make([]Rule, n)
	for i := range n - 1 {
		r := Rule{Protocol: "TCP", Sources: anyPort, Ports: anyPort}
		if random.IntN(4) == 0 {
			r.Protocol = "UDP"
		}
		// At least one end is elsewhere: the last rule decides over the measured traffic.
		r.Source = elsewhere(max(9, lengths[random.IntN(len(lengths))]), random.Uint32N(1<<23))
		r.Destination = anywhere
		if bits := lengths[random.IntN(len(lengths))]; bits > 0 {
			r.Destination = elsewhere(max(9, bits), random.Uint32N(1<<23))
		}
		switch first := uint16(random.IntN(60000)); random.IntN(10) {
		case 0, 1:
		case 2:
			r.Ports = [2]uint16{1024, 65535}
		case 3, 4:
			r.Ports = [2]uint16{first, first + uint16(random.IntN(5000))}
		default:
			r.Ports = [2]uint16{first, first}
		}
		if random.IntN(20) == 0 {
			r.Sources = [2]uint16{1024, 65535}
		}
		all[i] = r
	}
	all[n-1] = guard()
	return all
}

func span(p [2]uint16, any string) string {
	switch {
	case p == anyPort:
		return any
	case p[0] == p[1]:
		return fmt.Sprint(p[0])
	}
	return fmt.Sprintf("%d-%d", p[0], p[1])
}

// Body writes the rules for the controller, in both directions, each with a last one that allows the rest.
func Body(all []Rule) nctest.AccessControlListBody {
	acl := nctest.AccessControlListBody{}
	for _, direction := range []string{"Inbound", "Outbound"} {
		for i, r := range all {
			acl.Rules = append(acl.Rules, nctest.ACLRuleBody{ID: fmt.Sprintf("%s-%d", direction, i), Direction: direction, Action: "Deny",
				Protocol: r.Protocol, Priority: 100 + i, Source: r.Source.String(), Destination: r.Destination.String(),
				SourcePorts: span(r.Sources, ""), DestinationPorts: span(r.Ports, "")})
		}
		acl.Rules = append(acl.Rules, nctest.ACLRuleBody{ID: direction + "-rest", Direction: direction, Action: "Allow", Protocol: "All",
			Priority: 100 + len(all)})
	}
	return acl
}

// Linear writes one nftables rule for each, as most tools do.
func Linear(all []Rule) func(netip.Addr) (declarations, outbound, inbound string) {
	var b strings.Builder
	for _, r := range all {
		if r.Source != anywhere {
			fmt.Fprintf(&b, "ip saddr %s ", r.Source)
		}
		if r.Destination != anywhere {
			fmt.Fprintf(&b, "ip daddr %s ", r.Destination)
		}
		protocol := strings.ToLower(r.Protocol)
		if r.Sources != anyPort {
			fmt.Fprintf(&b, "%s sport %s ", protocol, span(r.Sources, ""))
		}
		if r.Ports != anyPort {
			fmt.Fprintf(&b, "%s dport %s ", protocol, span(r.Ports, ""))
		} else if r.Sources == anyPort {
			fmt.Fprintf(&b, "meta l4proto %s ", protocol)
		}
		b.WriteString("drop\n")
	}
	b.WriteString("accept\n")
	return func(netip.Addr) (string, string, string) { return "", b.String(), b.String() }
}

// Sets writes one nftables interval set, which the kernel searches with pipapo. The rules must not overlap.
func Sets(all []Rule) func(netip.Addr) (declarations, outbound, inbound string) {
	var b strings.Builder
	for _, direction := range []string{"out", "in"} {
		fmt.Fprintf(&b, "set denied-%s { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval;\n elements = {\n", direction)
		for _, r := range all {
			source := r.Source.String()
			if r.Source == anywhere {
				source = "0.0.0.0-255.255.255.255"
			}
			fmt.Fprintf(&b, "%s . 0.0.0.0-255.255.255.255 . %s . %s,\n", source, strings.ToLower(r.Protocol), span(r.Ports, "0-65535"))
		}
		b.WriteString("}\n}\n")
	}
	verdict := func(direction string) string {
		return "ip saddr . ip daddr . meta l4proto . th dport @denied-" + direction + " drop\naccept\n"
	}
	return func(netip.Addr) (string, string, string) { return b.String(), verdict("out"), verdict("in") }
}
