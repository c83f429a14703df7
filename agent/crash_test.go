package agent

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// crashed is the host after its agent was killed: what the old one still does, nobody sees.
func (b *bed) crashed() *bed {
	b.t.Helper()
	b.writable.dead.Store(true)
	b.stop()
	cfg := *b.cfg
	cfg.StateDir = b.t.TempDir()
	if err := os.CopyFS(cfg.StateDir, os.DirFS(b.cfg.StateDir)); err != nil {
		b.t.Fatal(err)
	}
	b.wiring.mu.Lock()
	w := &fakeWiring{namespaces: b.wiring.namespaces, devices: maps.Clone(b.wiring.devices), mtu: b.wiring.mtu, pa: b.wiring.pa}
	b.wiring.mu.Unlock()
	n := (&bed{t: b.t, cfg: &cfg, dp: &fakeDatapath{}, wiring: w, nc: b.nc}).restarted()
	b.nc.set(func() { b.nc.refreshed = nil })
	return n.synced().started()
}

// killedWhileAttaching leaves a write under way: it has happened, or happens later if nobody writes the NIC before.
func (b *bed) killedWhileAttaching(name string, happened, late bool) *bed {
	b.nc.set(func() { b.nc.hold, b.nc.asked = make(chan struct{}), nil })
	go func() { _, _ = b.attachTo(name, "contoso", "web", "") }()
	synctest.Wait()
	b.nc.mu.Lock()
	b.nc.hold = nil
	ask := b.nc.asked // nil: it was refused before
	etag := ""
	if ask != nil {
		etag = b.nc.etags[nicOfConfiguration(ask.Ref)]
		if happened {
			b.nc.give(*ask)
		}
	}
	b.nc.mu.Unlock()
	n := b.crashed()
	if ask != nil && late && !happened {
		time.AfterFunc(3*time.Second, func() {
			n.nc.set(func() {
				if n.nc.etags[nicOfConfiguration(ask.Ref)] == etag { // If-Match
					n.nc.give(*ask)
				}
			})
		})
	}
	return n
}

// TestNothingIsLost: whatever happens, in any order, in the end the controller has every address back, and until then
// no two endpoints have the same one.
func TestNothingIsLost(t *testing.T) {
	type step struct {
		what int
		name string
	}
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{rapid.IntRange(0, 9).Draw(t, "what"), rapid.SampledFrom([]string{"web", "app"}).Draw(t, "name")}
	}), 1, 12)
	rapid.Check(t, func(rt *rapid.T) {
		story := steps.Draw(rt, "steps")
		var wrong error
		synctest.Test(t, func(t *testing.T) {
			b := newWritingBed(t).started()
			for _, s := range story {
				switch s.what {
				case 0, 1:
					_, _ = b.attachTo(s.name, "contoso", "web", "")
				case 2:
					_ = b.Detach(t.Context(), s.name)
				case 3:
					b.nc.set(func() { b.nc.addErr, b.nc.lost, b.nc.removeErr = cc.ErrUnanswered, true, errors.New("no route") })
				case 4:
					b.nc.set(func() { b.nc.addErr, b.nc.removeErr = nil, nil })
				case 5:
					b = b.crashed()
				case 6:
					b = b.killedWhileAttaching(s.name, true, false)
				case 7:
					b = b.killedWhileAttaching(s.name, false, true)
				case 8:
					pass(20 * time.Second)
				case 9:
					pass(time.Second)
				}
				synctest.Wait()
				wrong = errors.Join(wrong, b.distinct())
			}
			b.nc.set(func() { b.nc.addErr, b.nc.removeErr = nil, nil })
			for _, name := range []string{"web", "app"} {
				_ = b.Detach(t.Context(), name)
			}
			pass(2 * time.Minute)
			if left := b.nc.taken(); left != "" || len(b.wiring.devices) > 0 || len(b.records) > 0 {
				wrong = errors.Join(wrong, fmt.Errorf("left: %q, %v, %v", left, b.wiring.devices, b.records))
			}
			b.stop()
		})
		if wrong != nil {
			rt.Fatal(wrong)
		}
	})
}

// distinct says which endpoints have the same address, or one that they were not given.
func (b *bed) distinct() (wrong error) {
	all, err := b.Endpoints()
	if err != nil {
		return err
	}
	seen := map[string]string{}
	for _, e := range all {
		if e.State != "up" {
			continue
		}
		address := strings.Join(e.Addresses, " ")
		if other, twice := seen[address]; twice {
			wrong = errors.Join(wrong, fmt.Errorf("%s and %s have %s", e.Name, other, address))
		}
		seen[address] = e.Name
		if !strings.Contains(b.nc.taken(), "fl-"+e.Name) {
			wrong = errors.Join(wrong, fmt.Errorf("%s is up with %s, which the controller has not", e.Name, address))
		}
	}
	return wrong
}
