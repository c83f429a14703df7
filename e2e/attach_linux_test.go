package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-net/fairlead/e2e/lab"
)

// TestAttachErrors: an attach that cannot be done says why and leaves nothing behind.
func TestAttachErrors(t *testing.T) {
	p := newPair(t, lab.Options{})
	var spare *lab.Container
	tell(t, p.Lab, func() {
		spare = p.a.Container("spare")
		p.Controller().Put("/networkInterfaces/nic-spare", nic("001DD8070003", "host-a", "10.0.1.13", webSubnet, ""))
	})
	p.status("the spare NIC is known", func(s lab.Status, _ int) error {
		if s.Model.Endpoints != 3 {
			return fmt.Errorf("%d endpoints", s.Model.Endpoints)
		}
		return nil
	})
	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"unknown NIC", []string{"spare", "--netns", spare.Netns(), "--nic", "nic-nobody"}, 3, []string{"nic-nobody"}},
		{"NIC of another host", []string{"spare", "--netns", spare.Netns(), "--nic", "nic-web2"}, 1, []string{"nic-web2", "host-b"}},
		{"missing namespace", []string{"spare", "--netns", spare.Netns() + "-gone", "--nic", "nic-spare"}, 1, []string{spare.Netns() + "-gone"}},
		{"name already used", []string{"web1", "--netns", spare.Netns(), "--nic", "nic-spare"}, 1, []string{"web1"}},
		{"NIC already attached", []string{"spare", "--netns", spare.Netns(), "--nic", "nic-web1"}, 1, []string{"nic-web1", "web1"}},
		{"no namespace but a file", []string{"spare", "--netns", "/etc/hostname", "--nic", "nic-spare"}, 1, []string{"/etc/hostname"}},
		{"device name already used", []string{"spare", "--netns", p.web1.Netns(), "--nic", "nic-spare"}, 1, []string{"eth0"}},
		{"unknown network", []string{"spare", "--netns", spare.Netns(), "--network", "nowhere", "--subnet", "web"}, 3, []string{"nowhere"}},
		{"no NIC named", []string{"spare", "--netns", spare.Netns()}, 2, []string{"--nic"}},
		{"no namespace named", []string{"spare", "--nic", "nic-spare"}, 2, []string{"netns"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.t = t
			before := p.traces(spare)
			r := p.a.Fairlead(append([]string{"endpoint", "attach"}, c.args...)...)
			if r.Code != c.code {
				t.Errorf("exit code %d, want %d", r.Code, c.code)
			}
			for _, word := range c.says {
				if !strings.Contains(r.Stderr, word) {
					t.Errorf("says %q, want %q in it", r.Stderr, word)
				}
			}
			if r.Stdout != "" {
				t.Errorf("standard output %q", r.Stdout)
			}
			if after := p.traces(spare); !slices.Equal(before, after) {
				t.Errorf("left behind: before %q, after %q", before, after)
			}
			p.flows("afterwards")
		})
	}
	t.Run("detach of an unknown endpoint", func(t *testing.T) {
		if r := p.a.Fairlead("endpoint", "detach", "nobody"); r.Code != 3 || !strings.Contains(r.Stderr, "nobody") {
			t.Errorf("exit code %d: %s", r.Code, r.Stderr)
		}
	})
	t.Run("detach leaves nothing", func(t *testing.T) {
		tell(t, p.Lab, p.web1.Detach)
		// fairlead0 is the vSwitch's own, see vfp/ebpf.
		if links, err := p.a.Namespace().Links(); err != nil || !slices.Equal(links, []string{"lo", "eth0", "fairlead0"}) {
			t.Errorf("devices of the host: %q, %v", links, err)
		}
	})
}

// traces are the devices of host-a and of a container, and the names of host-a's endpoints.
func (p *pair) traces(c *lab.Container) []string {
	p.t.Helper()
	var all []string
	tell(p.t, p.Lab, func() {
		for _, list := range []func() ([]string, error){p.a.Namespace().Links, c.Links} {
			links, err := list()
			if err != nil {
				p.Fail("%w", err)
			}
			all = append(all, links...)
		}
		endpoints, err := p.a.Endpoints()
		if err != nil {
			p.Fail("%w", err)
		}
		for name := range endpoints {
			all = append(all, "endpoint "+name)
		}
	})
	slices.Sort(all)
	return all
}
