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
func (h *Host) Capture() *Capture {
	l := h.lab
	name := fmt.Sprintf("capture-%s-%d", h.Name, time.Now().UnixNano())
	c := &Capture{lab: l, file: l.path(name + ".pcap")}
	var err error
	c.process, err = l.start(l.fabric, name, "tcpdump", "-i", h.Name, "-w", c.file, "-U", "--immediate-mode",
		"-s", "256", "-Z", "root", "udp port 4789 or ip proto 47")
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

var tsharkFields = []string{"ip.src", "ip.dst", "ip.ttl", "ip.flags.df", "ip.checksum.status", "udp.srcport", "udp.dstport",
	"tcp.srcport", "tcp.dstport", "vxlan.vni", "gre.key", "gre.proto"}

// Stop waits until a number of packets is recorded, or it is clear that they will not come, ends the
// recording and decodes it with tshark. Packets that tshark cannot make out as a
// well-formed IPv4 packet in VXLAN or NVGRE are in strange: also ARP, which a host answers itself.
func (c *Capture) Stop(expected int) (packets []Encapsulated, strange []string) {
	// tcpdump throws away what it has not read yet when it is interrupted.
	_ = c.lab.WaitFor("packets recorded", 2*time.Second, func() error {
		if n := recorded(c.file); n < expected {
			return fmt.Errorf("%d of %d", n, expected)
		}
		return nil
	})
	c.process.Interrupt()
	args := []string{"-n", "-r", c.file, "-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator=;", "-E", "occurrence=a", "-E", "aggregator=,"}
	for _, f := range tsharkFields {
		args = append(args, "-e", f)
	}
	out, diag, code, err := c.lab.run(nil, "tshark", args...)
	c.lab.must(err, "tshark")
	if code != 0 {
		c.lab.Fail("tshark: exit code %d: %s", code, diag)
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if p, err := decodeLine(line); err == nil {
			packets = append(packets, p)
		} else {
			strange = append(strange, fmt.Sprintf("%s (%v)", line, err))
		}
	}
	return packets, strange
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

func decodeLine(line string) (p Encapsulated, err error) {
	columns := strings.Split(line, ";")
	if len(columns) != len(tsharkFields) {
		return p, fmt.Errorf("%d columns", len(columns))
	}
	field := map[string][]string{}
	for i, f := range tsharkFields {
		if columns[i] != "" {
			field[f] = strings.Split(columns[i], ",")
		}
	}
	if len(field["ip.src"]) != 2 || len(field["ip.dst"]) != 2 || len(field["ip.ttl"]) != 2 {
		return p, fmt.Errorf("%d IP headers", len(field["ip.src"]))
	}
	for i, a := range []*Addresses{&p.Outer, &p.Inner} {
		if a.Source, err = netip.ParseAddr(field["ip.src"][i]); err != nil {
			return p, err
		}
		if a.Destination, err = netip.ParseAddr(field["ip.dst"][i]); err != nil {
			return p, err
		}
	}
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
	p.OuterTTL, p.InnerTTL = int(number("ip.ttl", 0)), int(number("ip.ttl", 1))
	p.DontFragment = field["ip.flags.df"][0] == "1" || field["ip.flags.df"][0] == "True"
	p.OuterChecksumGood = len(field["ip.checksum.status"]) > 0 && field["ip.checksum.status"][0] == "1"
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
