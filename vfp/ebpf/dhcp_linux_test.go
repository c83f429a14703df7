package ebpf

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/model/modeltest"
)

// tap opens a tap device, as a hypervisor does: what is written is what the machine sends, what is read is what it gets.
func tap(t *testing.T, name string) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no tap devices here: %v", err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		t.Fatalf("tap %s: %v", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { _ = f.Close() })
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// hears reads frames until one is wanted: the host's own stack speaks on its devices, too.
func hears(t *testing.T, f *os.File, wanted func(frame []byte) bool) []byte {
	t.Helper()
	if err := f.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 2048)
	for {
		n, err := f.Read(buffer)
		if err != nil {
			t.Fatalf("%s: no answer: %v", f.Name(), err)
		}
		if wanted(buffer[:n]) {
			return buffer[:n]
		}
	}
}

// dhcpMessage of the machine at port4.
func dhcpMessage(xid uint32, options ...byte) []byte {
	m := make([]byte, 240, 300)
	m[0], m[1], m[2] = 1, 1, 6
	binary.BigEndian.PutUint32(m[4:], xid)
	mac := vfp.MAC{0, 0x1d, 0xd8, 0, 0, 4}
	copy(m[28:], mac[:])
	binary.BigEndian.PutUint32(m[236:], 0x63825363)
	p := modeltest.Packet{SrcMAC: mac, DstMAC: vfp.MAC{255, 255, 255, 255, 255, 255}, Src: netip.IPv4Unspecified(), Dst: netip.MustParseAddr("255.255.255.255"),
		Proto: vfp.ProtocolUDP, SrcPort: 68, DstPort: 67, Payload: append(m, options...)}
	return p.Bytes()
}

// dhcpOptions of an answer (RFC 2132), by number.
func dhcpOptions(t *testing.T, b []byte) map[byte][]byte {
	t.Helper()
	all := map[byte][]byte{}
	for len(b) > 0 && b[0] != 255 {
		if b[0] == 0 {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			t.Fatalf("options are cut: %x", b)
		}
		all[b[0]], b = b[2:2+b[1]], b[2+b[1]:]
	}
	if len(b) == 0 {
		t.Error("options have no end")
	}
	return all
}

// TestDHCPOnATap: a machine behind a tap gets its lease, and then speaks with another, both through real devices.
func TestDHCPOnATap(t *testing.T) {
	dir := enterHost(t, 0)
	first, second := tap(t, "tap1"), tap(t, "tap2")
	d := openTest(t, dir, modeLive)
	p := twoPorts()
	p.Ports[0].Device, p.Ports[1].Device = "tap1", "tap2"
	p.Ports[0].DHCP = &vfp.DHCP{PrefixLen: 24, Gateway: netip.MustParseAddr("10.0.1.1"), MTU: 1450, Lease: 7200, DNS: []netip.Addr{netip.MustParseAddr("10.0.0.53")}}
	mustApply(t, d, p)

	for _, c := range []struct {
		name        string
		options     []byte
		kind        byte
		yours       []byte
		withoutRest bool
	}{
		{"discover", []byte{53, 1, 1, 255}, 2, []byte{10, 0, 1, 4}, false},
		{"request", []byte{53, 1, 3, 50, 4, 10, 0, 1, 4, 54, 4, 10, 0, 1, 1, 255}, 5, []byte{10, 0, 1, 4}, false},
		{"request of another's address", []byte{53, 1, 3, 50, 4, 10, 0, 1, 5, 255}, 6, []byte{0, 0, 0, 0}, true},
	} {
		xid := uint32(0xfa1e0000) + uint32(c.kind)
		if _, err := first.Write(dhcpMessage(xid, c.options...)); err != nil {
			t.Fatal(err)
		}
		frame := hears(t, first, func(b []byte) bool {
			return len(b) > 14+28+240 && b[12] == 8 && b[13] == 0 && b[23] == vfp.ProtocolUDP && bytes.Equal(b[34:38], []byte{0, 67, 0, 68})
		})
		message := frame[42:]
		if sum16(frame[14:34]) != 0xffff {
			t.Errorf("%s: checksum of the IP header: %x", c.name, frame[14:34])
		}
		if message[0] != 2 || binary.BigEndian.Uint32(message[4:]) != xid || !bytes.Equal(message[16:20], c.yours) {
			t.Errorf("%s: answered by op %d, xid %x, yiaddr %v; want 2, %x, %v", c.name, message[0], message[4:8], message[16:20], xid, c.yours)
		}
		want := map[byte][]byte{53: {c.kind}, 54: {10, 0, 1, 1}, 1: {255, 255, 255, 0}, 3: {10, 0, 1, 1}, 6: {10, 0, 0, 53}, 26: {1450 >> 8, 1450 & 255}, 51: {0, 0, 7200 >> 8, 7200 & 255}}
		got := dhcpOptions(t, message[240:])
		for number, value := range want {
			if c.withoutRest && number != 53 && number != 54 {
				value = nil
			}
			if !bytes.Equal(got[number], value) {
				t.Errorf("%s: option %d is %v, want %v", c.name, number, got[number], value)
			}
		}
	}

	if _, err := first.Write(tcp(4, 5, 443)); err != nil {
		t.Fatal(err)
	}
	if frame := hears(t, second, func(b []byte) bool { return len(b) >= 54 && b[12] == 8 && b[23] == vfp.ProtocolTCP }); !bytes.Equal(frame, tcp(4, 5, 443)) {
		t.Errorf("the second machine got %x, want %x", frame, tcp(4, 5, 443))
	}
	c, err := d.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Ports["port4"]; got.TxPackets != 1 || c.Ports["port5"].RxPackets != 1 {
		t.Errorf("counted: %+v, %+v", got, c.Ports["port5"])
	}
}
