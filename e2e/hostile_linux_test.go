package e2e

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// TestHostilePackets sends the corpus that vfp/ebpf tests packet by packet through real devices: every packet is counted
// where it belongs, nobody gets what is not meant for anybody, and all goes on.
func TestHostilePackets(t *testing.T) {
	for _, world := range []string{"vxlan4", "nvgre6"} {
		t.Run(world, func(t *testing.T) {
			l := newLab(t, lab.Options{PollInterval: quick, Encapsulation: world[:5], IPv6Underlay: world[5] == '6'})
			var a, b *lab.Host
			at := map[string]*lab.Container{}
			tell(t, l, func() {
				nc := l.Controller()
				a, b = l.AddHost("host-a"), l.AddHost("host-b")
				for _, h := range []*lab.Host{a, b, l.AddHost("host-c")} {
					nc.PutServer(h)
				}
				for i, tenant := range []string{"contoso", "fabrikam"} {
					vsid := uint32(5001 + 1000*i)
					nc.Put("/virtualNetworks/"+tenant, nctest.VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16", "fd00::/48"}, Subnets: []nctest.SubnetBody{
						{ID: "web", AddressPrefix: "10.0.1.0/24", VSID: vsid}, {ID: "db", AddressPrefix: "10.0.2.0/24", VSID: vsid + 1},
						{ID: "web6", AddressPrefix: "fd00:0:0:1::/64", VSID: vsid + 10}}})
				}
				for n, host := range map[int]string{4: "host-a", 5: "host-a", 6: "host-b", 7: "host-c", 8: "host-a"} {
					subnet := "/virtualNetworks/contoso/subnets/web"
					if n == 8 {
						subnet = "/virtualNetworks/fabrikam/subnets/web"
					}
					nc.Put(fmt.Sprintf("/networkInterfaces/nic-port%d", n), nctest.NetworkInterfaceBody{MAC: fmt.Sprintf("001DD800000%d", n), Server: "/servers/" + host,
						IPConfigurations: []nctest.IPConfigurationBody{{ID: "ip4", Address: fmt.Sprintf("10.0.1.%d", n), Subnet: subnet}, {ID: "ip6", Address: fmt.Sprintf("fd00:0:0:1::%d", n), Subnet: subnet + "6"}}})
				}
				l.Host("host-a")
				for _, name := range []string{"port4", "port5", "port8"} {
					at[name] = a.Container(name)
					at[name].Attach("nic-" + name)
				}
			})
			mac, err := a.Namespace().MAC(a.UnderlayDevice())
			if err != nil {
				t.Fatal(err)
			}
			var fromPort, fromUnderlay [][]byte
			want := map[string]uint64{}
			for _, c := range hostilePackets(t) {
				switch {
				case len(c.frame) < 14: // no device takes it
					continue
				case c.from == "port4":
					fromPort = append(fromPort, c.frame)
				case c.world == world:
					copy(c.frame, mac)
					fromUnderlay = append(fromUnderlay, c.frame)
				default:
					continue
				}
				if reason, ok := strings.CutPrefix(c.what, "drop "); ok {
					want[reason]++
				} else if reason, ok := strings.CutPrefix(c.what, "reply "); ok {
					want[reason+" port4"]++
				}
			}
			other, err := traffic.Sniff(at["port8"], at["port8"].Device(), "hostile!")
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			before := dropsOf(t, l, a)
			if err := traffic.SendRaw(at["port4"], at["port4"].Device(), fromPort...); err != nil {
				t.Fatal(err)
			}
			if err := traffic.SendRaw(b.Namespace(), b.UnderlayDevice(), fromUnderlay...); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d packets from a port, %d from the underlay", len(fromPort), len(fromUnderlay))
			var after map[string]uint64
			_ = l.WaitFor("all are counted", 2*time.Second, func() error { // whatever is not is told below
				after = dropsOf(t, l, a)
				for key, n := range want {
					if after[key]-before[key] < n {
						return fmt.Errorf("%s: %d of %d", key, after[key]-before[key], n)
					}
				}
				return nil
			})
			total := 0
			for key, n := range want {
				total += int(n)
				if key == "multicast port4" { // its own stack speaks MLD, too
					n = max(n, after[key]-before[key])
				}
				if got := after[key] - before[key]; got != n {
					t.Errorf("%s: counted %d, want %d", key, got, n)
				}
			}
			if total < 200 {
				t.Errorf("only %d packets to be dropped", total)
			}
			for key, n := range after {
				if want[key] == 0 && n != before[key] && !strings.HasSuffix(key, " port5") && key != "multicast port8" { // 5's stack answers what reaches it
					t.Errorf("%s: counted %d, want none", key, n-before[key])
				}
			}
			if n := other.Count("hostile!"); n != 0 {
				t.Errorf("%d packets reached another tenant", n)
			}
			if s, code, err := a.Status(); err != nil || code != 0 || len(s.Problems) > 0 {
				t.Errorf("status: exit code %d, problems %+v, %v", code, s.Problems, err)
			}
			for _, to := range []string{"10.0.1.5", "fd00:0:0:1::5"} {
				if n, err := traffic.Ping(l.Context(), at["port4"], netip.MustParseAddr(to), 3, time.Second); err != nil || n != 3 {
					t.Errorf("afterwards: %d of 3 pings to %s answered, %v", n, to, err)
				}
			}
		})
	}
}

// dropsOf a host, by "REASON PLACE" as the corpus has it.
func dropsOf(t *testing.T, l *lab.Lab, h *lab.Host) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	tell(t, l, func() {
		s, _, err := h.Status()
		if err != nil {
			l.Fail("%w", err)
		}
		for reason, n := range s.Datapath.Drops {
			all[reason+" host"] = n
		}
		endpoints, err := h.Endpoints()
		if err != nil {
			l.Fail("%w", err)
		}
		for name, e := range endpoints {
			for reason, n := range e.Counters.Drops {
				all[reason+" "+name] = n
			}
		}
	})
	return all
}

// hostile is one packet of testdata/hostile.hex, see the script there.
type hostile struct {
	world, from, what, name string
	frame                   []byte
}

func hostilePackets(t *testing.T) (all []hostile) {
	t.Helper()
	f, err := os.Open("testdata/hostile.hex")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Split(lines.Text(), " | ")
		if len(words) != 5 {
			t.Fatalf("%q: want five columns", lines.Text())
		}
		frame, err := hex.DecodeString(words[4])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, hostile{words[0], words[1], words[2], words[3], frame})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
