package ebpf

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model"
)

const (
	corpusPath   = "../../e2e/testdata/hostile.hex"
	corpusScript = "../../e2e/testdata/hostile.py"
)

// hostile is one packet of the corpus and what becomes of it, see e2e/testdata/hostile.py.
type hostile struct {
	world, from, what, name string
	frame                   []byte
}

func corpus(t *testing.T) (all []hostile) {
	t.Helper()
	f, err := os.Open(corpusPath)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Split(lines.Text(), " | ")
		if len(words) != 5 {
			t.Fatalf("%s: %q: want five columns", corpusPath, lines.Text())
		}
		frame, err := hex.DecodeString(words[4])
		if err != nil {
			t.Fatalf("%s: %s: %v", corpusPath, words[3], err)
		}
		all = append(all, hostile{words[0], words[1], words[2], words[3], frame})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestHostileCorpus: the corpus is what scapy makes of its script.
func TestHostileCorpus(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, where python3-scapy is
	if err := exec.Command(python, "-c", "import scapy.layers.vxlan").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s cannot import scapy (apt-get install python3-scapy): %v", python, err)
		}
		t.Skipf("%s cannot import scapy (apt-get install python3-scapy): %v", python, err)
	}
	made, err := exec.Command(python, corpusScript).Output()
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(corpusPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, have) {
		t.Errorf("%s is not what %s writes", corpusPath, corpusScript)
	}
}

// hostileWorld is the policy that the corpus is made for: 4 and 5 are here, 6 and 7 on two other hosts; 8 is another
// tenant's. Everyone has an address of either family.
func hostileWorld(world string) *vfp.Policy {
	v6 := strings.HasSuffix(world, "6")
	pa := func(n byte) netip.Addr {
		if v6 {
			return netip.MustParseAddr(fmt.Sprintf("fd00:172:16::%x", n))
		}
		return netip.AddrFrom4([4]byte{172, 16, 0, n})
	}
	p := &vfp.Policy{Encapsulation: encap.VXLAN, ProviderAddress: pa(1), InnerMTU: 1400}
	if strings.HasPrefix(world, "nvgre") {
		p.Encapsulation = encap.NVGRE
	}
	for _, tenant := range []struct {
		rdid string
		vsid encap.VSID
	}{{"rd", 5001}, {"rd2", 6001}} {
		p.Subnets = append(p.Subnets,
			vfp.Subnet{VSID: tenant.vsid, RDID: tenant.rdid, Prefix: netip.MustParsePrefix("10.0.1.0/24"), Gateway: netip.MustParseAddr("10.0.1.1")},
			vfp.Subnet{VSID: tenant.vsid + 1, RDID: tenant.rdid, Prefix: netip.MustParsePrefix("10.0.2.0/24"), Gateway: netip.MustParseAddr("10.0.2.1")},
			vfp.Subnet{VSID: tenant.vsid + 10, RDID: tenant.rdid, Prefix: netip.MustParsePrefix("fd00:0:0:1::/64"), Gateway: netip.MustParseAddr("fd00:0:0:1::1")})
	}
	for _, v := range []bool{false, true} {
		for n := byte(4); n <= 8; n++ {
			ca, vsid, rdid, host := netip.AddrFrom4([4]byte{10, 0, 1, n}), encap.VSID(5001), "rd", byte(1)
			if n == 6 || n == 7 {
				host = n - 4
			}
			if n == 8 {
				vsid, rdid = 6001, "rd2"
			}
			if v {
				ca, vsid = netip.MustParseAddr(fmt.Sprintf("fd00:0:0:1::%x", n)), vsid+10
			}
			mac := vfp.MAC{0, 0x1d, 0xd8, 0, 0, n}
			p.Mappings = append(p.Mappings, vfp.Mapping{RDID: rdid, CA: ca, VSID: vsid, MAC: mac, PA: pa(host)})
			if host != 1 {
				continue
			}
			id := fmt.Sprintf("port%d", n)
			i := slices.IndexFunc(p.Ports, func(port vfp.Port) bool { return port.ID == id })
			if i < 0 {
				i = len(p.Ports)
				p.Ports = append(p.Ports, vfp.Port{ID: id, Device: fmt.Sprintf("p%d", i+1), MAC: mac})
			}
			p.Ports[i].Addresses = append(p.Ports[i].Addresses, vfp.Address{CA: ca, VSID: vsid, RDID: rdid})
		}
	}
	slices.SortFunc(p.Mappings, func(x, y vfp.Mapping) int {
		if c := strings.Compare(x.RDID, y.RDID); c != 0 {
			return c
		}
		return x.CA.Compare(y.CA)
	})
	return p
}

// became says in the corpus's words what a datapath did with a packet.
func became(t vfp.Trace, counted []string) string {
	switch {
	case t.Verdict == vfp.Drop && len(counted) == 1:
		return "drop " + counted[0]
	case t.Verdict == vfp.Drop:
		return fmt.Sprintf("drop %s, counted as %q", t.Reason, counted)
	case t.Verdict == vfp.Reply && t.Reason != 0:
		return "reply " + t.Reason.String()
	case t.Verdict == vfp.Deliver:
		return "deliver " + t.Port
	}
	return t.Verdict.String()
}

// drops of everywhere, by "REASON PLACE".
func drops(c vfp.Counters) map[string]uint64 {
	all := map[string]uint64{}
	for r, n := range c.Host {
		all[r.String()+" host"] = n
	}
	for id, p := range c.Ports {
		for r, n := range p.Drops {
			all[r.String()+" "+id] = n
		}
	}
	return all
}

// counted is what was counted between two readings.
func counted(before, after map[string]uint64) (list []string) {
	for key, n := range after {
		switch n -= before[key]; n {
		case 0:
		case 1:
			list = append(list, key)
		default:
			list = append(list, fmt.Sprintf("%d times %s", n, key))
		}
	}
	return list
}

// TestHostilePackets runs the corpus through kernel and model: neither lets anything through that it should not, both count
// it where an operator will look for it, and both answer with the same bytes.
func TestHostilePackets(t *testing.T) {
	d := openTest(t, enterHost(t, 3), modeRecord)
	d.graces.wait = func() {} // no packets but ours
	all := corpus(t)
	var worlds []string
	for _, c := range all {
		if !slices.Contains(worlds, c.world) {
			worlds = append(worlds, c.world)
		}
	}
	for i, world := range worlds {
		start := uint64(i+1) * uint64(1000*time.Hour)
		if err := d.objs.TestClock.Put(uint32(0), start); err != nil {
			t.Fatal(err)
		}
		mustApply(t, d, hostileWorld(world))
		if _, err := d.runSweep(sweepDead); err != nil {
			t.Fatal(err)
		}
		pl := model.New(hostileWorld(world))
		ran := 0
		kernel, reference := kernelDrops(t, d), drops(pl.Counters())
		for _, c := range all {
			if c.world != world {
				continue
			}
			bad := func(format string, args ...any) {
				t.Helper()
				t.Errorf("%s, from %s: %s: "+format, append([]any{c.world, c.from, c.name}, args...)...)
			}
			want := vfp.Trace{}
			if c.from == "underlay" {
				want = pl.UnderlayIn(c.frame, 0)
			} else {
				want = pl.PortOut(c.from, c.frame, 0)
			}
			before := reference
			reference = drops(pl.Counters())
			if got := became(want, counted(before, reference)); got != c.what {
				bad("the model: %s, want %s", got, c.what)
			}
			if !runnable(c.frame) {
				continue
			}
			prog, ifindex := d.objs.UnderlayIn, d.underlay
			if c.from != "underlay" {
				prog, ifindex = d.objs.PortOut, d.ifindexOf(c.from)
			}
			got, err := d.run(prog, ifindex, c.frame)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			ran++
			before, kernel = kernel, kernelDrops(t, d)
			if is := became(got, counted(before, kernel)); is != c.what {
				bad("the kernel: %s, want %s", is, c.what)
			}
			if !bytes.Equal(got.Frame, want.Frame) {
				bad("the kernel made\n%x, the model\n%x", got.Frame, want.Frame)
			}
		}
		if ran < 50 {
			t.Errorf("%s: only %d packets ran in the kernel", world, ran)
		}
	}
}

func kernelDrops(t *testing.T, d *Datapath) map[string]uint64 {
	t.Helper()
	c := vfp.Counters{Ports: map[string]vfp.PortCounters{}}
	var err error
	if c.Host, err = d.drops(0); err != nil {
		t.Fatal(err)
	}
	for index, id := range d.names.ports {
		var p vfp.PortCounters
		if p.Drops, err = d.drops(index); err != nil {
			t.Fatal(err)
		}
		c.Ports[id] = p
	}
	return drops(c)
}

// runnable tells frames that the kernel's test run takes: an IP header has to be whole. The live test sends the others.
func runnable(frame []byte) bool {
	if len(frame) <= 14 {
		return false
	}
	switch uint16(frame[12])<<8 | uint16(frame[13]) {
	case 0x0800:
		return len(frame) >= 34
	case 0x86dd:
		return len(frame) >= 54
	}
	return true
}
