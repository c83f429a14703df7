package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestJudgeComparesRoundByRound(t *testing.T) {
	r := judge(Result{Name: "x"}, []float64{10, 20, 30}, map[string][]float64{"raw": {10, 10, 60}, "ovs": {1, 0, 1}})
	if r.Ours != 20 || r.Runs != 3 || r.Peers["raw"] != 10 || r.Ratios["raw"] != 1 || r.Spread["raw"] != (Spread{0.5, 2}) {
		t.Errorf("%+v", r)
	}
	if _, ok := r.Ratios["ovs"]; ok {
		t.Error("a ratio to nothing")
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

func TestTablesKeepPeersTogether(t *testing.T) {
	one := Result{Metric: "a", Peers: map[string]float64{"raw": 1}}
	other := Result{Metric: "c", Peers: map[string]float64{"ovs": 1}}
	var b strings.Builder
	tables(&b, []Result{one, one, other})
	if n := strings.Count(b.String(), "METRIC"); n != 2 {
		t.Errorf("%d tables of 2:\n%s", n, b.String())
	}
}
