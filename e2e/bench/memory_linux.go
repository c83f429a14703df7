package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/pin"

	"github.com/fairlead-net/fairlead/e2e/bench/rules"
	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/vfp"
)

// memory measures what the kernel holds for a vSwitch: maps as they grow with mappings, rules and flows. Each figure is the
// difference to the same vSwitch with nothing in it, by the number of things. Where a map is allocated beforehand there is
// no difference: then its share per entry counts.
func memory(ctx context.Context, b *bench) error {
	return b.withPairs(ctx, func(l *lab.Lab) (err error) {
		for _, s := range []struct {
			what  string
			sizes []int
			put   func(p *pair, n int) error
		}{
			{"mapping", b.sizes(100, 10_000, 100_000, 1_000_000), func(p *pair, n int) error { p.more = strangers(n); return p.applyTo(0, p.policy(0)) }},
			{"rule", b.sizes(100, 10_000, 100_000), func(p *pair, n int) error {
				acl := list("large", rules.NSG(n/2))
				p.acls, p.behind = []vfp.ACL{acl}, []string{acl.ID}
				return p.applyTo(0, p.policy(0))
			}},
			{"flow", b.sizes(1000, 100_000, 1_000_000), func(p *pair, n int) error {
				there, err := p.converse(n)
				if err != nil {
					return err
				}
				return there.Close()
			}},
		} {
			for _, n := range s.sizes {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if failed := b.weigh(l, s.what, n, s.put); failed != nil {
					err = errors.Join(err, fmt.Errorf("%d of %s: %w", n, s.what, failed))
				}
			}
		}
		return err
	})
}

// weigh compares a fresh vSwitch with the same one when n things are in it.
func (b *bench) weigh(l *lab.Lab, what string, n int, put func(*pair, int) error) error {
	p, err := direct(l, fmt.Sprintf("%c%d", what[0], n))
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.apply(); err != nil {
		return err
	}
	empty, err := mapsMemory(p.hosts[0].BPFDir())
	if err != nil {
		return err
	}
	if err := put(p, n); err != nil {
		return err
	}
	full, err := mapsMemory(p.hosts[0].BPFDir())
	if err != nil {
		return err
	}
	each, how := float64(full.sum()-empty.sum())/float64(n), "as it grows"
	if full.sum() == empty.sum() {
		each, how = full.share(what), "allocated beforehand"
	}
	b.results = append(b.results,
		Result{Metric: "kernel memory per " + what, Unit: "bytes", Name: fmt.Sprintf("%d, %s", n, how), Ours: each, Runs: 1},
		Result{Metric: "kernel memory of a vSwitch", Unit: "MiB", Name: fmt.Sprintf("%d %ss", n, what), Ours: float64(full.sum()) / (1 << 20), Runs: 1})
	return nil
}

// mapSize is what the kernel says about a map.
type mapSize struct {
	name    string
	bytes   int64
	entries uint32
}

type mapSizes map[ebpf.MapID]mapSize

func (s mapSizes) sum() (total int64) {
	for _, m := range s {
		total += m.bytes
	}
	return total
}

// share is what an entry of the largest map of that name has, in bytes.
func (s mapSizes) share(what string) float64 {
	var largest mapSize
	for _, m := range s {
		if strings.Contains(m.name, what) && m.bytes > largest.bytes {
			largest = m
		}
	}
	if largest.entries == 0 {
		return 0
	}
	return float64(largest.bytes) / float64(largest.entries)
}

// mapsMemory weighs all maps that are pinned below a directory, and the maps within them.
func mapsMemory(dir string) (mapSizes, error) {
	all := mapSizes{}
	for p, err := range pin.WalkDir(dir, nil) {
		if err != nil {
			return nil, fmt.Errorf("pinned maps: %w", err)
		}
		m, ok := p.Object.(*ebpf.Map)
		if !ok {
			continue
		}
		if err := all.add(m); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Path, err)
		}
		if m.Type() != ebpf.ArrayOfMaps && m.Type() != ebpf.HashOfMaps {
			continue
		}
		key, id := make([]byte, m.KeySize()), ebpf.MapID(0)
		inner := m.Iterate()
		for inner.Next(&key, &id) {
			if err := all.addInner(id); err != nil {
				return nil, fmt.Errorf("%s: map %d: %w", p.Path, id, err)
			}
		}
		if err := inner.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Path, err)
		}
	}
	return all, nil
}

func (s mapSizes) addInner(id ebpf.MapID) error {
	m, err := ebpf.NewMapFromID(id)
	if errors.Is(err, os.ErrNotExist) {
		return nil // gone meanwhile
	}
	if err != nil {
		return err
	}
	defer m.Close()
	return s.add(m)
}

func (s mapSizes) add(m *ebpf.Map) error {
	info, err := m.Info()
	if err != nil {
		return err
	}
	id, ok := info.ID()
	bytes, known := info.Memlock()
	if !ok || !known {
		return errors.New("this kernel does not say how much memory a map has")
	}
	s[id] = mapSize{info.Name, int64(bytes), info.MaxEntries}
	return nil
}

// strangers are mappings of endpoints on other hosts.
func strangers(n int) []vfp.Mapping {
	all := make([]vfp.Mapping, n)
	for i := range all {
		a := uint32(10)<<24 | 1<<22 | uint32(i)
		all[i] = vfp.Mapping{RDID: domain, VSID: vsid, CA: netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}),
			MAC: vfp.MAC{2, 1, 0, byte(i >> 16), byte(i >> 8), byte(i)}, PA: netip.AddrFrom4([4]byte{172, 16, 0, byte(100 + i%100)})}
	}
	return all
}
