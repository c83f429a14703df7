package kerneltest

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/classifier"
	"github.com/fairlead-net/fairlead/vfp/classifier/internal/rulesets"
)

// BenchmarkKernelLookup reports the time of one lookup in the kernel: of packets drawn from the rules, and of packets that
// mostly match none.
func BenchmarkKernelLookup(b *testing.B)           { benchKernel(b, rulesets.Sizes()) }
func BenchmarkKernelLookupClassBench(b *testing.B) { benchKernel(b, rulesets.ClassBench(b)) }

func benchKernel(b *testing.B, sets map[string][]vfp.Rule) {
	k := open(b)
	for acl, name := range slices.Sorted(maps.Keys(sets)) {
		rules := sets[name]
		for lines := classifier.Lines(rules); ; lines *= 2 {
			mem, err := k.Memory(uint32(acl), lines)
			if err != nil {
				b.Fatal(err)
			}
			table := classifier.New(mem)
			err = table.Build(rules, [2]vfp.Action{}, func(string) (uint32, error) { return 1, nil })
			if errors.Is(err, classifier.ErrFull) {
				continue
			}
			if err != nil {
				b.Fatal(err)
			}
			table.Publish(0)
			break
		}
		for _, kind := range []string{"hit", "default"} {
			keys := rulesets.Packets(rules, Questions, kind == "hit")
			b.Run(name+"/"+kind, func(b *testing.B) {
				var d time.Duration
				for b.Loop() {
					var err error
					if d, err = k.Bench(uint32(acl), vfp.Outbound, keys, 20); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(d.Nanoseconds()), "ns/lookup")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
