package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/fairlead-net/fairlead/e2e/lab"
)

// Result of one comparison: medians, and medians of the ratios of each round.
type Result struct {
	Name   string             `json:"name"`
	Metric string             `json:"metric"`
	Unit   string             `json:"unit"`
	Ours   float64            `json:"ours"`
	Peers  map[string]float64 `json:"peers"`
	Ratios map[string]float64 `json:"ratios"` // ours to the peer's
	Spread map[string]Spread  `json:"spread"` // of the ratios
	Runs   int                `json:"runs"`
}

// Spread of a ratio over the rounds.
type Spread struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// judge compares the values of each round.
func judge(r Result, ours []float64, peers map[string][]float64) Result {
	r.Ours, r.Runs = lab.Median(ours), len(ours)
	r.Peers, r.Ratios, r.Spread = map[string]float64{}, map[string]float64{}, map[string]Spread{}
	for peer, values := range peers {
		r.Peers[peer] = lab.Median(values)
		if slices.ContainsFunc(values, func(v float64) bool { return v == 0 }) {
			continue // no ratio to nothing, and JSON has no word for it
		}
		ratios := lab.Ratios(ours, values)
		r.Ratios[peer] = lab.Median(ratios)
		r.Spread[peer] = Spread{slices.Min(ratios), slices.Max(ratios)}
	}
	return r
}

// write keeps what there is: the file is whole after every group.
func (b *bench) write() error {
	raw, err := json.MarshalIndent(b.results, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(b.out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(b.out, append(raw, '\n'), 0o644)
}

// tables prints results, one table for those that follow each other and have the same peers.
func tables(to io.Writer, results []Result) {
	for len(results) > 0 {
		peers := columns(results[0])
		n := 1
		for n < len(results) && slices.Equal(columns(results[n]), peers) {
			n++
		}
		table(to, peers, results[:n])
		results = results[n:]
	}
}

// columns are a result's peers, in order.
func columns(r Result) []string {
	return slices.SortedFunc(maps.Keys(r.Peers), func(a, b string) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a, b)) })
}

func table(to io.Writer, peers []string, results []Result) {
	w := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprint(w, "\nMETRIC\tWHERE\tOURS")
	for _, peer := range peers {
		fmt.Fprintf(w, "\t%s: RATIO (SPREAD)", peer)
	}
	fmt.Fprintln(w)
	for _, r := range results {
		fmt.Fprintf(w, "%s, %s\t%s\t%s", r.Metric, r.Unit, r.Name, number(r.Ours))
		for _, peer := range peers {
			fmt.Fprintf(w, "\t%s: %s (%s-%s)", number(r.Peers[peer]), number(r.Ratios[peer]), number(r.Spread[peer].Min), number(r.Spread[peer].Max))
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
}

// rank orders the columns: the limits first, then overlays.
func rank(peer string) int {
	order := []string{"raw", "redirect", "bridge-vxlan", "bridge-vxlan-nft", "nft-sets", "ovs"}
	if i := slices.Index(order, peer); i >= 0 {
		return i
	}
	return len(order)
}

func number(v float64) string {
	switch {
	case v >= 10_000:
		return fmt.Sprintf("%.1fk", v/1000)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v > 0 && v < 0.1:
		return fmt.Sprintf("%.2g", v)
	}
	return fmt.Sprintf("%.2f", v)
}
