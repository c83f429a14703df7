// Bench compares the overlay with its peers on this machine, side by side in one run. Run it with: make bench
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/e2e/lab"
)

// Result of one comparison: medians, and medians of the ratios of each round.
type Result struct {
	Name   string             `json:"name"`
	Metric string             `json:"metric"`
	Unit   string             `json:"unit"`
	Ours   float64            `json:"ours"`
	Peers  map[string]float64 `json:"peers"`
	Ratios map[string]float64 `json:"ratios"`
	Spread map[string]Spread  `json:"spread"` // of the ratios
	Runs   int                `json:"runs"`
}

// Spread of a ratio over the rounds.
type Spread struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// rules per endpoint, as an endpoint of a real tenant has.
const rules = 100

func main() {
	rounds := flag.Int("rounds", 7, "rounds of one second for each path")
	out := flag.String("out", filepath.Join("bench", "latest.json"), "file for the results")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *rounds, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int, out string) error {
	var results []Result
	for _, encapsulation := range []string{"vxlan", "nvgre"} {
		found, err := streams(ctx, encapsulation, rounds)
		if err != nil {
			return err
		}
		results = append(results, found...)
	}
	print(results)
	raw, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, append(raw, '\n'), 0o644)
}

// streams compares one TCP stream between containers of two hosts, behind an ACL, with the underlay alone and with a
// Linux bridge and vxlan device without any policy.
func streams(ctx context.Context, encapsulation string, rounds int) (results []Result, err error) {
	l, err := lab.New(ctx, lab.Options{Encapsulation: encapsulation})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	err = l.Do(func() {
		a, b := l.AddHost("host-a"), l.AddHost("host-b")
		ours := overlayPath(l, a, b)
		paths := []lab.Path{ours, a.Path(b), l.BridgeVXLAN(a, b)}
		for _, where := range []struct {
			name string
			lab.Placement
		}{{"one CPU", lab.OneCPU}, {"free", lab.Free}} {
			fmt.Fprintf(os.Stderr, "%s, %s: %d rounds of %d s\n", encapsulation, where.name, rounds, len(paths))
			rates := l.Streams(rounds, where.Placement, paths...)
			results = append(results, judge(encapsulation+", "+where.name, rates))
		}
	})
	return results, err
}

func judge(name string, rates [][]float64) Result {
	r := Result{Name: name, Metric: "TCP, 1 stream", Unit: "Gbit/s", Ours: lab.Median(rates[0]), Runs: len(rates[0]),
		Peers: map[string]float64{}, Ratios: map[string]float64{}, Spread: map[string]Spread{}}
	for i, peer := range []string{"raw", "bridge-vxlan"} {
		ratios := lab.Ratios(rates[0], rates[i+1])
		r.Peers[peer], r.Ratios[peer] = lab.Median(rates[i+1]), lab.Median(ratios)
		r.Spread[peer] = Spread{slices.Min(ratios), slices.Max(ratios)}
	}
	return r
}

// overlayPath attaches a container on each host to one subnet, each behind an ACL of so many rules that do not match
// and one that allows.
func overlayPath(l *lab.Lab, a, b *lab.Host) lab.Path {
	nc := l.Controller()
	acl := nctest.AccessControlListBody{}
	for _, direction := range []string{"Inbound", "Outbound"} {
		for i := range rules - 1 {
			acl.Rules = append(acl.Rules, nctest.ACLRuleBody{ID: fmt.Sprintf("%s-%d", direction, i), Direction: direction, Action: "Deny", Protocol: "TCP",
				Priority: 100 + i, Source: fmt.Sprintf("10.9.%d.0/24", i), DestinationPorts: fmt.Sprint(20000 + i)})
		}
		acl.Rules = append(acl.Rules, nctest.ACLRuleBody{ID: direction + "-rest", Direction: direction, Action: "Allow", Protocol: "All", Priority: 1000})
	}
	nc.Put("/accessControlLists/hundred", acl)
	nc.Put("/virtualNetworks/tenant", nctest.VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16"},
		Subnets: []nctest.SubnetBody{{ID: "web", AddressPrefix: "10.0.1.0/24"}}})
	containers := map[string]*lab.Container{}
	for i, h := range []*lab.Host{a, b} {
		nc.PutServer(h)
		nc.Put("/networkInterfaces/nic-"+h.Name, nctest.NetworkInterfaceBody{MAC: fmt.Sprintf("001DD80700%02X", i+1), Server: "/servers/" + h.Name,
			IPConfigurations: []nctest.IPConfigurationBody{{ID: "ip", Address: fmt.Sprintf("10.0.1.%d", 11+i), Subnet: "/virtualNetworks/tenant/subnets/web", ACL: "/accessControlLists/hundred"}}})
	}
	for _, h := range []*lab.Host{a, b} {
		l.Host(h.Name) // starts its agent
		containers[h.Name] = h.Container("on-" + h.Name)
		containers[h.Name].AttachSoon("nic-"+h.Name, 5*time.Second)
	}
	return containers[a.Name].Path(containers[b.Name], netip.MustParseAddr("10.0.1.12"))
}

func print(results []Result) {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "METRIC\tNAME\tOURS\tRAW\tRATIO (SPREAD)\tBRIDGE+VXLAN\tRATIO (SPREAD)")
	for _, r := range results {
		fmt.Fprintf(w, "%s, %s\t%s\t%.1f", r.Metric, r.Unit, r.Name, r.Ours)
		for _, peer := range []string{"raw", "bridge-vxlan"} {
			fmt.Fprintf(w, "\t%.1f\t%.2f (%.2f-%.2f)", r.Peers[peer], r.Ratios[peer], r.Spread[peer].Min, r.Spread[peer].Max)
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
}
