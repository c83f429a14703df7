package e2e

import (
	"testing"

	"github.com/fairlead-net/fairlead/e2e/scenario"
)

// TestTenants asserts what `make demo` shows.
func TestTenants(t *testing.T) {
	for _, encapsulation := range []string{"vxlan", "nvgre"} {
		t.Run(encapsulation, func(t *testing.T) {
			needsRoot(t)
			w, err := scenario.Open(interrupted, scenario.Options{
				Encapsulation: encapsulation, BinDir: binaries, Log: t.Output(), Say: func(text string) { t.Log(text) },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := w.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
				leftovers(t, w.ID())
			}()
			for _, step := range scenario.Steps {
				t.Run(step.Name, func(t *testing.T) {
					checks, err := w.Run(step)
					if err != nil {
						t.Fatal(err)
					}
					for _, c := range checks {
						if c.OK {
							t.Logf("%s: %s", c.Name, c.Seen)
						} else {
							t.Errorf("%s: want %s, got %s", c.Name, c.Expected, c.Seen)
						}
					}
				})
			}
		})
	}
}
