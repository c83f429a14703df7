package encap

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// tsharkFields are the columns to compare. The last two stay empty for a packet that nothing is wrong with.
var tsharkFields = []string{"frame.protocols", "eth.dst", "eth.src", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
	"ip.checksum.status", "vxlan.flags", "vxlan.vni", "gre.key", "gre.flags_and_version", "udp.srcport", "udp.dstport",
	"arp.dst.proto_ipv4", "_ws.malformed", "_ws.expert.message"}

// TestTshark has Wireshark's dissectors read what Append writes: every golden inner frame, in random outer headers of
// both types and families.
func TestTshark(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("runs tshark on Linux only")
	}
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		lacks(t, "tshark is not in PATH (apt-get install tshark): %v", err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var frames [][]byte
	var want []string
	for _, g := range goldens(t) { // which are of both types and families themselves
		o := randomOuter(r)
		o.Type, o.Src, o.Dst = g.outer.Type, g.outer.Src, g.outer.Dst
		o.SrcMAC[0], o.DstMAC[0] = 2, 2 // unicast, or the dissectors rightly remark on it
		o.Spread(r.Uint32())
		frames = append(frames, mustAppend(t, o, g.inner))
		want = append(want, g.tsharkLine(o))
	}

	file := filepath.Join(t.TempDir(), "overlay.pcap")
	if err := os.WriteFile(file, pcap(frames), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-n", "-r", file, "-T", "fields", "-E", "separator=|", "-E", "occurrence=a",
		"-o", "ip.check_checksum:TRUE", "-o", "udp.ignore_ipv6_zero_checksum:TRUE",
		// The inner packets are samples, not conversations: what is above inner IP would only draw remarks on that.
		"--disable-protocol", "tcp", "--disable-protocol", "dns", "--disable-protocol", "mdns"}
	for _, field := range tsharkFields {
		args = append(args, "-e", field)
	}
	cmd := exec.Command(tshark, args...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, complaints.String())
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(got) != len(want) {
		t.Fatalf("tshark read %d of %d packets", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("packet %d, %x: tshark reads\n%s, want\n%s", i, frames[i], got[i], want[i])
		}
	}
}

// tsharkLine is the line of fields tshark should print of g's inner frame in o.
func (g *golden) tsharkLine(o Outer) string {
	protocols, values := []string{"eth", "ethertype"}, map[string][]string{}
	add := func(field string, v any) { values[field] = append(values[field], fmt.Sprint(v)) }
	ip := func(src, dst any, v4 bool) {
		if v4 {
			add("ip.src", src)
			add("ip.dst", dst)
			add("ip.checksum.status", 1) // good
			protocols = append(protocols, "ip")
			return
		}
		add("ipv6.src", src)
		add("ipv6.dst", dst)
		protocols = append(protocols, "ipv6")
	}

	add("eth.dst", net.HardwareAddr(o.DstMAC[:]))
	add("eth.src", net.HardwareAddr(o.SrcMAC[:]))
	ip(o.Src, o.Dst, o.Src.Is4())
	if o.Type == VXLAN {
		add("vxlan.flags", "0x0800")
		add("vxlan.vni", uint32(o.VSID))
		add("udp.srcport", o.SourcePort)
		add("udp.dstport", VXLANPort)
		protocols = append(protocols, "udp", "vxlan")
	} else {
		add("gre.key", fmt.Sprintf("0x%08x", uint32(o.VSID)<<8|uint32(o.FlowID)))
		add("gre.flags_and_version", "0x2000")
		protocols = append(protocols, "gre")
	}

	protocols = append(protocols, "eth", "ethertype")
	add("eth.dst", net.HardwareAddr(g.inner[0:6]))
	add("eth.src", net.HardwareAddr(g.inner[6:12]))
	switch _, name, _ := strings.Cut(g.name, "/"); name {
	case "arp":
		add("arp.dst.proto_ipv4", g.flow[1])
		protocols = append(protocols, "arp")
	case "udp":
		ip(g.flow[0], g.flow[1], true)
		add("udp.srcport", g.flow[3])
		add("udp.dstport", g.flow[4])
		protocols = append(protocols, "udp", "data")
	default:
		ip(g.flow[0], g.flow[1], name != "ipv6")
		protocols = append(protocols, "data")
	}

	add("frame.protocols", strings.Join(protocols, ":"))
	var line []string
	for _, field := range tsharkFields {
		line = append(line, strings.Join(values[field], ","))
	}
	return strings.Join(line, "|")
}

// pcap is a capture file of Ethernet frames: a 24 byte file header, and 16 bytes before each.
func pcap(frames [][]byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0xA1B2C3D4)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...) // time zone, accuracy
	b = le.AppendUint32(b, 65535)     // snapshot length
	b = le.AppendUint32(b, 1)         // Ethernet
	for i, f := range frames {
		b = le.AppendUint32(b, uint32(i)) // seconds
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, uint32(len(f)))
		b = le.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}
