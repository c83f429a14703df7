package encap

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// golden is one packet of testdata/*.hex, which testdata/golden.py made with scapy.
type golden struct {
	name         string
	outer        Outer
	flow         []string
	hash         uint32
	inner, frame []byte
}

func goldens(t *testing.T) []golden {
	t.Helper()
	files, err := filepath.Glob("testdata/*.hex")
	if err != nil || len(files) != 4 {
		t.Fatalf("testdata/*.hex are %v, %v; want 4 files", files, err)
	}
	var all []golden
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		for n := 1; lines.Scan(); n++ {
			key, value, ok := strings.Cut(lines.Text(), ": ")
			if lines.Text() == "" || strings.HasPrefix(lines.Text(), "#") {
				continue
			}
			if !ok {
				t.Fatalf("%s:%d: want key: value", name, n)
			}
			if key == "name" {
				all = append(all, golden{name: strings.TrimSuffix(filepath.Base(name), ".hex") + "/" + value})
				continue
			}
			if err := all[len(all)-1].set(key, value); err != nil {
				t.Fatalf("%s:%d: %v", name, n, err)
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if len(all) != 16 {
		t.Fatalf("%d golden packets, want 16", len(all))
	}
	return all
}

func (g *golden) set(key, value string) (err error) {
	number := func(bits int) (n uint64) {
		if err == nil {
			n, err = strconv.ParseUint(value, 10, bits)
		}
		return n
	}
	mac := func() (m [6]byte) {
		var b net.HardwareAddr
		b, err = net.ParseMAC(value)
		copy(m[:], b)
		return m
	}
	switch key {
	case "flow":
		g.flow = strings.Fields(value)
	case "hash":
		var h uint64
		h, err = strconv.ParseUint(value, 16, 32)
		g.hash = uint32(h)
	case "type":
		g.outer.Type, err = ParseType(value)
	case "smac":
		g.outer.SrcMAC = mac()
	case "dmac":
		g.outer.DstMAC = mac()
	case "src":
		g.outer.Src, err = netip.ParseAddr(value)
	case "dst":
		g.outer.Dst, err = netip.ParseAddr(value)
	case "vsid":
		g.outer.VSID = VSID(number(24))
	case "tos":
		g.outer.TOS = uint8(number(8))
	case "ttl":
		g.outer.TTL = uint8(number(8))
	case "sport":
		g.outer.SourcePort = uint16(number(16))
	case "flowid":
		g.outer.FlowID = uint8(number(8))
	case "inner":
		g.inner, err = hex.DecodeString(value)
	case "frame":
		g.frame, err = hex.DecodeString(value)
	default:
		err = fmt.Errorf("unknown key %q", key)
	}
	return err
}

func (g *golden) flowHash() uint32 {
	number := func(s string) uint16 {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			panic(err)
		}
		return uint16(n)
	}
	return FlowHash(netip.MustParseAddr(g.flow[0]), netip.MustParseAddr(g.flow[1]), uint8(number(g.flow[2])),
		number(g.flow[3]), number(g.flow[4]))
}

func TestGolden(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(g.name, func(t *testing.T) {
			if got := mustAppend(t, g.outer, g.inner); !bytes.Equal(got, g.frame) {
				t.Errorf("Append:\n%x, scapy's is\n%x", got, g.frame)
			}
			o, inner := mustDecode(t, g.frame)
			if o != g.outer {
				t.Errorf("Decode:\n%+v, want\n%+v", o, g.outer)
			}
			if !bytes.Equal(inner, g.inner) {
				t.Errorf("Decode: inner %x, want %x", inner, g.inner)
			}
		})
	}
}
