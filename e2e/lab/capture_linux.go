package lab

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// Capture is a packet capture at a host's place on the underlay, outside the host.
type Capture struct {
	lab     *Lab
	process *Process
	file    string
}

// Capture starts recording the encapsulated packets between the host and the underlay.
func (h *Host) Capture() *Capture { return h.CaptureOnly("udp port 4789 or proto 47") }

// CaptureOnly records what a tcpdump filter lets through.
func (h *Host) CaptureOnly(filter string) *Capture {
	l := h.lab
	name := fmt.Sprintf("capture-%s-%d", h.Name, time.Now().UnixNano())
	c := &Capture{lab: l, file: l.path(name + ".pcap")}
	var err error
	c.process, err = l.start(l.fabric, name, "tcpdump", "-i", h.Name, "-w", c.file, "-U", "--immediate-mode",
		"-s", "256", "-Z", "root", filter)
	l.must(err, "capture")
	l.must(l.WaitFor("tcpdump listens", 5*time.Second, func() error {
		if how, ended := c.process.Ended(); ended {
			return permanent{fmt.Errorf("it ended: %s", how)}
		}
		text, err := os.ReadFile(c.process.Log)
		if err != nil || !strings.Contains(string(text), "listening on") {
			return fmt.Errorf("it says: %s", text)
		}
		return nil
	}), "capture")
	return c
}

// Encapsulated is a captured packet as tshark decodes it.
type Encapsulated struct {
	Protocol               string // "vxlan" or "nvgre"
	VSID                   uint32
	Entropy                uint32 // VXLAN: outer source port; NVGRE: flow id
	Outer, Inner           Addresses
	OuterTTL, InnerTTL     int
	DontFragment           bool // of the outer header
	OuterChecksumGood      bool
	InnerSource, InnerDest uint16 // UDP or TCP ports, 0 for others
}

// Addresses of one IP header.
type Addresses struct{ Source, Destination netip.Addr }

var tsharkFields = []string{"frame.protocols", "ip.src", "ip.dst", "ip.ttl", "ipv6.src", "ipv6.dst", "ipv6.hlim", "ip.flags.df", "ip.checksum.status",
	"udp.srcport", "udp.dstport", "tcp.srcport", "tcp.dstport", "vxlan.vni", "gre.key", "gre.proto"}

// Stop waits until a number of packets is recorded, or it is clear that they will not come, ends the
// recording and decodes it with tshark. Packets that tshark cannot make out as a
// well-formed IP packet in VXLAN or NVGRE are in strange: also ARP, which a host answers itself.
func (c *Capture) Stop(expected int) (packets []Encapsulated, strange []string) {
	for _, columns := range c.Decode(expected, tsharkFields...) {
		if p, err := decodeLine(columns); err == nil {
			packets = append(packets, p)
		} else {
			strange = append(strange, fmt.Sprintf("%q (%v)", columns, err))
		}
	}
	return packets, strange
}

// Decode ends the recording as Stop does and returns some of tshark's fields of each packet; a field that a packet has more
// than once has commas between its values.
func (c *Capture) Decode(expected int, fields ...string) (packets [][]string) {
	// tcpdump throws away what it has not read yet when it is interrupted.
	_ = c.lab.WaitFor("packets recorded", 2*time.Second, func() error {
		if n := recorded(c.file); n < expected {
			return fmt.Errorf("%d of %d", n, expected)
		}
		return nil
	})
	c.process.Interrupt()
	args := []string{"-n", "-r", c.file, "-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator=;", "-E", "occurrence=a", "-E", "aggregator=,"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, diag, code, err := c.lab.run(nil, "tshark", args...)
	c.lab.must(err, "tshark")
	if code != 0 {
		c.lab.Fail("tshark: exit code %d: %s", code, diag)
	}
	for line := range strings.Lines(out) {
		packets = append(packets, strings.Split(strings.TrimRight(line, "\n"), ";"))
	}
	return packets
}

// recorded counts the packets in a capture file (pcap-savefile(5)).
func recorded(file string) (n int) {
	const header, record = 24, 16
	data, err := os.ReadFile(file)
	if err != nil || len(data) < header {
		return 0
	}
	for data = data[header:]; len(data) >= record; n++ {
		size := record + int(binary.NativeEndian.Uint32(data[8:]))
		if size > len(data) {
			break
		}
		data = data[size:]
	}
	return n
}

func decodeLine(columns []string) (p Encapsulated, err error) {
	if len(columns) != len(tsharkFields) {
		return p, fmt.Errorf("%d columns", len(columns))
	}
	field := map[string][]string{}
	for i, f := range tsharkFields {
		if columns[i] != "" {
			field[f] = strings.Split(columns[i], ",")
		}
	}
	take := func(name string) (value string) { // the first of a field's values that has not been taken
		if len(field[name]) > 0 {
			value, field[name] = field[name][0], field[name][1:]
		}
		return value
	}
	p.DontFragment = len(field["ip.flags.df"]) > 0 && (field["ip.flags.df"][0] == "1" || field["ip.flags.df"][0] == "True")
	var headers []Addresses
	var ttls []int
	if len(field["frame.protocols"]) != 1 {
		return p, fmt.Errorf("no protocols")
	}
	outer4 := false
	for layer := range strings.SplitSeq(field["frame.protocols"][0], ":") {
		ttl := "ip.ttl"
		switch layer {
		case "ip":
			outer4 = outer4 || len(headers) == 0
		case "ipv6":
			ttl = "ipv6.hlim"
		default:
			continue
		}
		var a Addresses
		if a.Source, err = netip.ParseAddr(take(layer + ".src")); err != nil {
			return p, err
		}
		if a.Destination, err = netip.ParseAddr(take(layer + ".dst")); err != nil {
			return p, err
		}
		n, err := strconv.Atoi(take(ttl))
		if err != nil {
			return p, err
		}
		headers, ttls = append(headers, a), append(ttls, n)
	}
	if len(headers) != 2 {
		return p, fmt.Errorf("%d IP headers", len(headers))
	}
	p.Outer, p.Inner, p.OuterTTL, p.InnerTTL = headers[0], headers[1], ttls[0], ttls[1]
	// IPv6 has no header checksum, and no fragmentation on the way.
	p.OuterChecksumGood = !outer4 || len(field["ip.checksum.status"]) > 0 && field["ip.checksum.status"][0] == "1"
	p.DontFragment = !outer4 || p.DontFragment
	number := func(name string, i int) uint64 {
		if i < 0 || i >= len(field[name]) {
			return 0
		}
		n, e := strconv.ParseUint(field[name][i], 0, 32)
		if e != nil && err == nil {
			err = fmt.Errorf("%s: %w", name, e)
		}
		return n
	}
	inner := 0 // index of the inner UDP header
	switch {
	case field["vxlan.vni"] != nil && number("udp.dstport", 0) == 4789:
		p.Protocol, p.VSID, p.Entropy = "vxlan", uint32(number("vxlan.vni", 0)), uint32(number("udp.srcport", 0))
		inner = 1
	case field["gre.key"] != nil && number("gre.proto", 0) == 0x6558:
		key := uint32(number("gre.key", 0))
		p.Protocol, p.VSID, p.Entropy = "nvgre", key>>8, key&0xff
	default:
		return p, fmt.Errorf("neither VXLAN nor NVGRE")
	}
	p.InnerSource, p.InnerDest = uint16(number("udp.srcport", inner)), uint16(number("udp.dstport", inner))
	if field["tcp.srcport"] != nil {
		p.InnerSource, p.InnerDest = uint16(number("tcp.srcport", 0)), uint16(number("tcp.dstport", 0))
	}
	return p, err
}
