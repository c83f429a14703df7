package classifier_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/vfp"
	. "github.com/fairlead-net/fairlead/vfp/classifier"
	"github.com/fairlead-net/fairlead/vfp/classifier/internal/rulesets"
)

func anyNumber(string) (uint32, error) { return 1, nil }

// built gives memory with a set in slot 0, with as much as Lines says or more.
func built(t testing.TB, rules []vfp.Rule) (*Table, []byte) {
	t.Helper()
	lines := Lines(rules)
	for {
		mem := make([]byte, lines*Line)
		table := New(mem)
		err := table.Build(rules, [2]vfp.Action{}, (&counter{}).number)
		if errors.Is(err, ErrFull) {
			lines *= 2
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		table.Publish(0)
		return table, mem
	}
}

// counter numbers rules as they come, without remembering them.
type counter struct{ n uint32 }

func (c *counter) number(string) (uint32, error) {
	c.n++
	return c.n, nil
}

func eachSet(b *testing.B, sets map[string][]vfp.Rule, f func(b *testing.B, rules []vfp.Rule)) {
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		b.Run(name, func(b *testing.B) { f(b, sets[name]) })
	}
}

func benchBuild(b *testing.B, rules []vfp.Rule) {
	mem := make([]byte, 3*Lines(rules)*Line)
	b.ResetTimer()
	for b.Loop() {
		table := New(mem)
		if err := table.Build(rules, [2]vfp.Action{}, anyNumber); err != nil {
			b.Fatal(err)
		}
		used, _ := table.Used()
		b.ReportMetric(float64(used)*Line/float64(len(rules)), "B/rule")
		b.ReportMetric(float64(Lines(rules))/float64(used), "slack")
	}
}

func benchLookup(b *testing.B, rules []vfp.Rule) {
	_, mem := built(b, rules)
	for name, deep := range map[string]bool{"hit": true, "default": false} {
		keys := rulesets.Packets(rules, 4096, deep)
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				Lookup(mem, 0, vfp.Outbound, keys[i&4095])
				i++
			}
		})
	}
}

func benchChange(b *testing.B, rules []vfp.Rule) {
	table, _ := built(b, rules)
	times := make([]float64, 0, 1<<16)
	i := 0
	for b.Loop() {
		r := rules[i*7919%len(rules)]
		i++
		r.Action ^= vfp.Action(i / len(rules) & 1)
		begin := time.Now()
		if err := table.Change(nil, []vfp.Rule{r}, [2]vfp.Action{}, anyNumber); err != nil {
			b.Fatal(err)
		}
		table.Publish(0)
		table.Release()
		times = append(times, float64(time.Since(begin).Nanoseconds()))
	}
	slices.Sort(times)
	b.ReportMetric(times[len(times)/2], "p50-ns")
	b.ReportMetric(times[len(times)*99/100], "p99-ns")
	b.ReportMetric(times[len(times)-1], "max-ns")
}

func BenchmarkBuild(b *testing.B)  { eachSet(b, rulesets.Sizes(), benchBuild) }
func BenchmarkLookup(b *testing.B) { eachSet(b, rulesets.Sizes(), benchLookup) }
func BenchmarkChange(b *testing.B) { eachSet(b, rulesets.Sizes(), benchChange) }

func BenchmarkClassBenchBuild(b *testing.B)  { eachSet(b, rulesets.ClassBench(b), benchBuild) }
func BenchmarkClassBenchLookup(b *testing.B) { eachSet(b, rulesets.ClassBench(b), benchLookup) }
func BenchmarkClassBenchChange(b *testing.B) { eachSet(b, rulesets.ClassBench(b), benchChange) }

// BenchmarkReplace replaces an ACL of 1000 rules by another.
func BenchmarkReplace(b *testing.B) {
	sets := [2][]vfp.Rule{rulesets.Like(1, 1000), rulesets.Like(2, 1000)}
	mem := make([]byte, 4*Lines(sets[0])*Line)
	table := New(mem)
	if err := table.Build(sets[0], [2]vfp.Action{}, anyNumber); err != nil {
		b.Fatal(err)
	}
	table.Publish(0)
	i := 0
	for b.Loop() {
		i++
		remove, put := Diff(sets[(i+1)%2], sets[i%2])
		if err := table.Change(remove, put, [2]vfp.Action{}, anyNumber); err != nil {
			b.Fatal(err)
		}
		table.Publish(0)
		table.Release()
	}
}

// BenchmarkDiff compares 100,000 rules with a copy in which one differs.
func BenchmarkDiff(b *testing.B) {
	before := rulesets.Like(1, 100_000)
	after := slices.Clone(before)
	after[70_000].Action ^= 1
	for b.Loop() {
		Diff(before, after)
	}
}
