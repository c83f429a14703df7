package nctest

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestIndexesAgreeWithAFreshStart changes a small fabric at random, and compares all that is served,
// with its validators, with a controller that reads the same journal anew: what is kept up to date
// step by step must be what a start computes.
func TestIndexesAgreeWithAFreshStart(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		c := openAt(t, dir)
		id := func(what string, n int) string { return fmt.Sprint(what, rapid.IntRange(1, n).Draw(rt, what)) }
		subnet := func() string { return "/virtualNetworks/" + id("V", 2) + "/subnets/" + id("s", 3) }
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			var err error
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0:
				err = c.do("/servers/"+id("h", 3), ServerBody{})
			case 1:
				v := VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16"}}
				for i := range rapid.IntRange(0, 3).Draw(rt, "subnets") {
					v.Subnets = append(v.Subnets, SubnetBody{ID: fmt.Sprint("s", i+1), AddressPrefix: fmt.Sprintf("10.0.%d.0/24", i)})
				}
				err = c.do("/virtualNetworks/"+id("V", 2), v)
			case 2, 3:
				n := NetworkInterfaceBody{Server: "/servers/" + id("h", 3)}
				for i := range rapid.IntRange(0, 2).Draw(rt, "addresses") {
					n.IPConfigurations = append(n.IPConfigurations, IPConfigurationBody{ID: fmt.Sprint("i", i), Subnet: subnet(), Address: "10.0.0.9"})
				}
				err = c.do("/networkInterfaces/"+id("N", 5), n)
			case 4:
				err = c.do("/networkInterfaces/"+id("n", 5), nil)
			case 5:
				err = c.do("/virtualNetworks/"+id("V", 2), nil)
			case 6:
				c.served() // so that there is something to keep up to date
			}
			if err != nil && !strings.Contains(err.Error(), "exist") && !strings.Contains(err.Error(), "still referred") && !strings.Contains(err.Error(), "not found") {
				rt.Fatal(err)
			}
		}
		before, validators := c.served(), c.validators()
		addresses := fmt.Sprint(len(c.addresses), len(c.targets), len(c.vsids.holder))
		must(t, c.Close())
		again := openAt(t, dir)
		if after := again.served(); !maps.Equal(after, before) {
			rt.Fatalf("served %v, after a restart %v", before, after)
		}
		if after := again.validators(); !maps.Equal(after, validators) {
			rt.Fatalf("validators %v, after a restart %v", validators, after)
		}
		if after := fmt.Sprint(len(again.addresses), len(again.targets), len(again.vsids.holder)); after != addresses {
			rt.Fatalf("indexes hold %s, after a restart %s", addresses, after)
		}
	})
}

func (c *Controller) validators() map[string]string {
	all := map[string]string{}
	for key, r := range c.resources {
		all[key] = fmt.Sprint(r.validator(r.etag, r.back, false), r.backSize)
	}
	for name, k := range c.collections {
		for after := ""; ; {
			p := k.page(after, 2)
			all[name+after] = p.etag
			if after = p.next; after == "" {
				break
			}
		}
	}
	return all
}
