package model

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

func dhcpWorld() *vfp.Policy {
	p := world()
	portOf(p, "a14").DHCP = &vfp.DHCP{PrefixLen: 24, Gateway: ca(1, 1), MTU: 1400, Lease: 3600,
		DNS: []netip.Addr{netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("8.8.8.8")}}
	return p
}

// client is a DHCP message of a14 with these options.
func client(options ...byte) modeltest.Packet {
	m := make([]byte, 240)
	m[0], m[1], m[2] = 1, 1, 6
	copy(m[4:], []byte{0xca, 0xfe, 0xba, 0xbe})
	m[10] = 0x80
	own := mac(0, 1, 4)
	copy(m[28:], own[:])
	binary.BigEndian.PutUint32(m[236:], 0x63825363)
	return modeltest.Packet{SrcMAC: own, DstMAC: vfp.MAC{255, 255, 255, 255, 255, 255}, Src: netip.IPv4Unspecified(), Dst: netip.MustParseAddr("255.255.255.255"),
		Proto: vfp.ProtocolUDP, SrcPort: 68, DstPort: 67, Payload: append(m, options...)}
}

func TestDHCPOfferBytes(t *testing.T) {
	got := New(dhcpWorld()).PortOut("a14", client(53, 1, 1, 255).Bytes(), 0)
	want(t, "discover", got, vfp.Reply, 0)
	if len(got.Frame) != 342 {
		t.Fatalf("%d bytes", len(got.Frame))
	}
	golden(t, "headers", got.Frame[:42], `001dd8000104 02fa1ead0001 0800
		45 00 0148 0000 4000 40 11 2ea5 0a000101 ffffffff 0043 0044 0134 0000`)
	golden(t, "message", got.Frame[42:86], `02 01 06 00 cafebabe 0000 8000 00000000 0a000104 0a000101 00000000 001dd8000104 00000000000000000000`)
	golden(t, "options", got.Frame[42+236:42+300], `63825363 350102 36040a000101 330400000e10 0104ffffff00 03040a000101 1a020578
		06080909090901010101 ff 000000000000000000000000000000000000`)
	if !bytes.Equal(got.Frame[86:278], make([]byte, 192)) {
		t.Errorf("server and file name: %x", got.Frame[86:278])
	}
}

func TestDHCPAnswers(t *testing.T) {
	at := func(b []byte, i int) netip.Addr { return addr4(b[42+i:]) }
	change := func(p modeltest.Packet, f func(p *modeltest.Packet)) modeltest.Packet { f(&p); return p }
	ciaddr := func(a netip.Addr) func(p *modeltest.Packet) {
		return func(p *modeltest.Packet) { copy(p.Payload[12:], a.AsSlice()) }
	}
	for _, c := range []struct {
		name   string
		p      modeltest.Packet
		answer byte
		yiaddr netip.Addr
		reason vfp.DropReason
	}{
		{"request", client(53, 1, 3, 50, 4, 10, 0, 1, 4, 255), 5, ca(1, 4), 0},
		{"request without an end", client(53, 1, 3, 50, 4, 10, 0, 1, 4), 5, ca(1, 4), 0},
		{"request after a reboot elsewhere", client(53, 1, 3, 50, 4, 10, 0, 9, 4, 255), 6, netip.IPv4Unspecified(), 0},
		{"renewal", change(client(53, 1, 3, 255), func(p *modeltest.Packet) {
			ciaddr(ca(1, 4))(p)
			p.Src, p.Dst, p.DstMAC = ca(1, 4), ca(1, 1), vfp.RouterMAC
		}), 5, ca(1, 4), 0},
		{"renewal of another address", change(client(53, 1, 3, 255), ciaddr(ca(1, 9))), 6, netip.IPv4Unspecified(), 0},
		{"request for whatever", client(53, 1, 3, 255), 5, ca(1, 4), 0},
		{"inform", change(client(53, 1, 8, 255), ciaddr(ca(1, 4))), 5, netip.IPv4Unspecified(), 0},
		{"padding and others first", client(0, 0, 61, 1, 9, 53, 1, 1, 255), 2, ca(1, 4), 0},
		{"the later duplicate", client(53, 1, 7, 53, 1, 1, 255), 2, ca(1, 4), 0},
		{"type of two bytes", client(53, 2, 1, 1, 255), 0, netip.Addr{}, vfp.DropDHCPUnanswered},
		{"release", client(53, 1, 7, 255), 0, netip.Addr{}, vfp.DropDHCPUnanswered},
		{"BOOTP", client(255), 0, netip.Addr{}, vfp.DropDHCPUnanswered},
		{"type behind the end", client(255, 53, 1, 1), 0, netip.Addr{}, vfp.DropDHCPUnanswered},
		{"type behind 128 bytes", client(append(append([]byte{12, 124}, make([]byte, 124)...), 53, 1, 1, 255)...), 0, netip.Addr{}, vfp.DropDHCPUnanswered},
		{"type within 128 bytes", client(append(append([]byte{12, 123}, make([]byte, 123)...), 53, 1, 1, 255)...), 2, ca(1, 4), 0},
		{"cut option", client(53, 1), 0, netip.Addr{}, vfp.DropDHCPUnanswered},
		{"reply", change(client(53, 1, 1), func(p *modeltest.Packet) { p.Payload[0] = 2 }), 0, netip.Addr{}, vfp.DropMalformed},
		{"short", change(client(), func(p *modeltest.Packet) { p.Payload = p.Payload[:239] }), 0, netip.Addr{}, vfp.DropMalformed},
		{"cookie", change(client(53, 1, 1), func(p *modeltest.Packet) { p.Payload[239]++ }), 0, netip.Addr{}, vfp.DropMalformed},
		{"another's chaddr", change(client(53, 1, 1), func(p *modeltest.Packet) { p.Payload[33]++ }), 0, netip.Addr{}, vfp.DropDHCPGuard},
		{"another's address", change(client(53, 1, 1), func(p *modeltest.Packet) { p.Src = ca(1, 5) }), 0, netip.Addr{}, vfp.DropCASpoof},
		{"fragment", change(client(53, 1, 1), func(p *modeltest.Packet) { p.Fragment, p.More = true, true }), 0, netip.Addr{}, vfp.DropCASpoof},
	} {
		got := New(dhcpWorld()).PortOut("a14", c.p.Bytes(), 0)
		if c.reason != 0 {
			want(t, c.name, got, vfp.Drop, c.reason)
			continue
		}
		want(t, c.name, got, vfp.Reply, 0)
		b := got.Frame
		if b[42+242] != c.answer || at(b, 16) != c.yiaddr || modeltest.CheckSums(b) != nil || len(b) != 342 {
			t.Errorf("%s: answer %x", c.name, b[42:])
		}
		if lease := bytes.Contains(b[42+240:], []byte{51, 4, 0, 0, 0x0e, 0x10}); lease != (c.yiaddr == ca(1, 4)) {
			t.Errorf("%s: lease %v", c.name, lease)
		}
		if c.answer == 6 && at(b, 12) != netip.IPv4Unspecified() {
			t.Errorf("%s: NAK has a client address", c.name)
		}
	}
	want(t, "a port without", New(world()).PortOut("a14", client(53, 1, 1).Bytes(), 0), vfp.Drop, vfp.DropCASpoof)
}

func TestDHCPWithoutGateway(t *testing.T) {
	p := dhcpWorld()
	portOf(p, "a14").DHCP = &vfp.DHCP{PrefixLen: 24}
	got := New(p).PortOut("a14", client(53, 1, 1, 255).Bytes(), 0)
	golden(t, "server is the subnet's gateway, but no router", got.Frame[42+240:42+265], `350102 36040a000101 330400000000 0104ffffff00 ff 000000`)
}
