package rulesets

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-net/fairlead/vfp"
)

// parseClassBench reads the filter format of ClassBench: @src/len dst/len sport : sport dport : dport proto/mask flags/mask.
func parseClassBench(path string, from int) ([]vfp.Rule, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rules []vfp.Rule
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		if line == "" {
			continue
		}
		w := strings.Fields(strings.TrimPrefix(line, "@"))
		if len(w) < 9 {
			return nil, fmt.Errorf("%s: %q", path, line)
		}
		src, err := netip.ParsePrefix(w[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		dst, err := netip.ParsePrefix(w[1])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		var s, d vfp.PortRange
		var proto, protoMask uint16
		if _, err := fmt.Sscanf(strings.Join(w[2:9], " "), "%d : %d %d : %d 0x%x/0x%x", &s.First, &s.Last, &d.First, &d.Last, &proto, &protoMask); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", path, line, err)
		}
		i := from + len(rules)
		v := vfp.Rule{ID: fmt.Sprintf("cb-%06d", i), Priority: uint32(i), Protocol: vfp.ProtocolAny, Action: vfp.Action(i % 2),
			Sources: []netip.Prefix{src}, Destinations: []netip.Prefix{dst}}
		if protoMask != 0 {
			v.Protocol = proto
		}
		if proto == 6 || proto == 17 {
			if s != (vfp.PortRange{Last: 65535}) {
				v.SourcePorts = []vfp.PortRange{s}
			}
			if d != (vfp.PortRange{Last: 65535}) {
				v.DestinationPorts = []vfp.PortRange{d}
			}
		}
		rules = append(rules, v)
	}
	return rules, nil
}

// ClassBench are the files of the directory FAIRLEAD_CLASSBENCH, and all 10k ones in a row.
func ClassBench(t testing.TB) map[string][]vfp.Rule {
	dir := os.Getenv("FAIRLEAD_CLASSBENCH")
	if dir == "" {
		t.Skip("FAIRLEAD_CLASSBENCH names no directory with ClassBench filter sets")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*_*k"))
	sets := map[string][]vfp.Rule{}
	for _, f := range files {
		rules, err := parseClassBench(f, 0)
		if err != nil {
			t.Fatal(err)
		}
		sets[filepath.Base(f)] = rules
		if strings.HasSuffix(f, "_10k") {
			all, err := parseClassBench(f, len(sets["all_10k"]))
			if err != nil {
				t.Fatal(err)
			}
			sets["all_10k"] = append(sets["all_10k"], all...)
		}
	}
	return sets
}
