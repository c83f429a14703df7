package encap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

// Where the headers stand in a frame over IPv4 and over IPv6.
const (
	at4 = ethernetLen + ipv4Len
	at6 = ethernetLen + ipv6Len
)

// resum makes the IPv4 header checksum right again, so that only the damage under test is left.
func resum(b []byte) []byte {
	h := b[ethernetLen:]
	binary.BigEndian.PutUint16(h[10:], 0)
	binary.BigEndian.PutUint16(h[10:], ^sumIPv4(h))
	return b
}

// poke returns an edit that writes bytes at an offset.
func poke(at int, v ...byte) func([]byte) []byte {
	return func(b []byte) []byte { copy(b[at:], v); return b }
}

// poke4 is poke with the IPv4 checksum made right.
func poke4(at int, v ...byte) func([]byte) []byte {
	return func(b []byte) []byte { return resum(poke(at, v...)(b)) }
}

func truncate(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:n] } }

// shrink4 cuts the frame to n bytes after the IPv4 header and makes every length but UDP's agree.
func shrink4(n int) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint16(b[ethernetLen+2:], uint16(ipv4Len+n))
		return resum(b[:at4+n])
	}
}

// shrinkUDP4 is shrink4 with UDP's length agreeing too.
func shrinkUDP4(n int) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint16(b[at4+4:], uint16(n))
		return shrink4(n)(b)
	}
}

func TestDecodeRefuses(t *testing.T) {
	const inner = 60
	for _, tc := range []struct {
		name string
		t    Type
		v6   bool
		edit func([]byte) []byte
		want error
	}{
		{"empty", VXLAN, false, truncate(0), errShortFrame},
		{"13 bytes", VXLAN, false, truncate(13), errShortFrame},
		{"ARP", VXLAN, false, poke(12, 0x08, 0x06), errEtherType},
		{"outer VLAN tag", VXLAN, false, poke(12, 0x81, 0x00), errEtherType},

		{"33 bytes", VXLAN, false, truncate(at4 - 1), errShortIPv4},
		{"version 6", VXLAN, false, poke4(ethernetLen, 0x65), errIPv4Version},
		{"options", VXLAN, false, poke4(ethernetLen, 0x46), errIPv4Options},
		{"IHL 4", NVGRE, false, poke4(ethernetLen, 0x44), errIPv4Options},
		{"first fragment", VXLAN, false, poke4(ethernetLen+6, 0x20, 0), errIPv4Fragment},
		{"middle fragment", VXLAN, false, poke4(ethernetLen+6, 0x20, 1), errIPv4Fragment},
		{"last fragment", NVGRE, false, poke4(ethernetLen+6, 0x10, 0), errIPv4Fragment},
		{"TCP", VXLAN, false, poke4(ethernetLen+9, 6), errProtocol},
		{"port 4788", VXLAN, false, poke(at4+2, 0x12, 0xB4), errUDPPort},
		{"total length 0", VXLAN, false, poke4(ethernetLen+2, 0, 0), errUDPPort},
		{"total length 19", NVGRE, false, poke4(ethernetLen+2, 0, 19), errGREProtocol},
		{"total length ends before the port", VXLAN, false, poke4(ethernetLen+2, 0, 23), errUDPPort},
		{"total length ends before the GRE protocol", NVGRE, false, poke4(ethernetLen+2, 0, 23), errGREProtocol},
		{"wrong checksum of another's packet", VXLAN, false, poke(ethernetLen+9, 6), errProtocol},
		{"another's packet cut short", VXLAN, false, func(b []byte) []byte { return poke(at4+2, 0, 53)(b)[:60] }, errUDPPort},
		{"cut before the port", VXLAN, false, truncate(at4 + 3), errUDPPort},
		{"cut before the GRE protocol", NVGRE, false, truncate(at4 + 3), errGREProtocol},

		{"total length beyond the frame", VXLAN, false, func(b []byte) []byte { return b[:len(b)-1] }, errIPLength},
		{"total length beyond the frame", NVGRE, false, func(b []byte) []byte { return b[:len(b)-1] }, errIPLength},
		{"cut behind the port", VXLAN, false, truncate(at4 + 4), errIPLength},
		{"wrong checksum", VXLAN, false, poke(ethernetLen+10, 0xDE, 0xAD), errIPv4Checksum},
		{"one bit of the source", NVGRE, false, poke(ethernetLen+15, 3), errIPv4Checksum},
		{"UDP length one less", VXLAN, false, poke(at4+4, 0, 8+8+inner-1), errUDPLength},
		{"UDP length one more", VXLAN, false, poke(at4+4, 0, 8+8+inner+1), errUDPLength},
		{"UDP length 0", VXLAN, false, poke(at4+4, 0, 0), errUDPLength},
		{"UDP only", VXLAN, false, shrinkUDP4(8), errShortVXLAN},
		{"4 bytes of UDP", VXLAN, false, shrink4(4), errShortVXLAN},
		{"15 bytes of headers", VXLAN, false, shrinkUDP4(15), errShortVXLAN},
		{"no inner", VXLAN, false, shrinkUDP4(16), errInnerShort},
		{"inner of 13 bytes", VXLAN, false, shrinkUDP4(16 + 13), errInnerShort},
		{"I flag clear", VXLAN, false, poke(at4+8, 0), errVXLANFlags},
		{"GPE", VXLAN, false, poke(at4+8, 0x0C, 0, 0, 3), errVXLANFlags},
		{"GBP", VXLAN, false, poke(at4+8, 0x88), errVXLANFlags},
		{"inner C-tag", VXLAN, false, poke(at4+16+12, 0x81, 0), errInnerTag},
		{"inner S-tag", NVGRE, false, poke(at4+8+12, 0x88, 0xA8), errInnerTag},

		{"no key", NVGRE, false, poke(at4, 0, 0), errGREProtocol},
		{"checksum", NVGRE, false, poke(at4, 0xA0), errGREProtocol},
		{"routing", NVGRE, false, poke(at4, 0x60), errGREProtocol},
		{"sequence", NVGRE, false, poke(at4, 0x30), errGREProtocol},
		{"reserved flag", NVGRE, false, poke(at4+1, 0x08), errGREProtocol},
		{"PPTP", NVGRE, false, poke(at4, 0x20, 1, 0x88, 0x0B), errGREProtocol},
		{"version 1", NVGRE, false, poke(at4+1, 1), errGREProtocol},
		{"IP in GRE", NVGRE, false, poke(at4+2, 8, 0), errGREProtocol},
		{"4 bytes of GRE", NVGRE, false, shrink4(4), errShortNVGRE},
		{"7 bytes of GRE", NVGRE, false, shrink4(7), errShortNVGRE},
		{"no inner", NVGRE, false, shrink4(8), errInnerShort},
		{"inner of 13 bytes", NVGRE, false, shrink4(8 + 13), errInnerShort},

		{"53 bytes of IPv6", VXLAN, true, truncate(at6 - 1), errShortIPv6},
		{"IPv6 version 4", VXLAN, true, poke(ethernetLen, 0x45), errIPv6Version},
		{"hop-by-hop", VXLAN, true, poke(ethernetLen+6, 0), errProtocol},
		{"fragment header", NVGRE, true, poke(ethernetLen+6, 44), errProtocol},
		{"IPv6 DNS", VXLAN, true, poke(at6+2, 0, 53), errUDPPort},
		{"payload length 0", VXLAN, true, poke(ethernetLen+4, 0, 0), errUDPPort},
		{"IPv6 GRE without key", NVGRE, true, poke(at6, 0), errGREProtocol},
		{"payload length beyond the frame", VXLAN, true, func(b []byte) []byte { return b[:len(b)-1] }, errIPLength},
		{"payload length one less", VXLAN, true, poke(ethernetLen+4, 0, 8+8+inner-1), errUDPLength},
		{"mapped source", VXLAN, true, poke(ethernetLen+8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF), errIPv6Mapped},
		{"mapped destination", NVGRE, true, poke(ethernetLen+24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF), errIPv6Mapped},
		{"I flag clear", VXLAN, true, poke(at6+8, 0), errVXLANFlags},
	} {
		name := fmt.Sprintf("%v4/%s", tc.t, tc.name)
		if tc.v6 {
			name = fmt.Sprintf("%v6/%s", tc.t, tc.name)
		}
		t.Run(name, func(t *testing.T) {
			frame := tc.edit(mustAppend(t, outerOf(tc.t, tc.v6), innerOf(inner)))
			o, rest, err := Decode(frame[:len(frame):len(frame)])
			if !errors.Is(err, tc.want) {
				t.Fatalf("Decode(%x): %v, want %v", frame, err, tc.want)
			}
			if o != (Outer{}) || rest != nil {
				t.Errorf("Decode returned %+v, %x beside an error", o, rest)
			}
			if errors.Is(err, ErrNotOverlay) == errors.Is(err, ErrMalformed) {
				t.Errorf("%v is of no kind or of two", err)
			}
		})
	}
}

// The kinds are the contract of which packets reach the host's own stack.
func TestErrorKinds(t *testing.T) {
	for kind, errs := range map[error][]error{
		ErrNotOverlay: {errShortFrame, errEtherType, errShortIPv4, errIPv4Version, errIPv4Options, errIPv4Fragment,
			errShortIPv6, errIPv6Version, errProtocol, errUDPPort, errGREProtocol},
		ErrMalformed: {errIPLength, errIPv4Checksum, errIPv6Mapped, errUDPLength, errShortVXLAN, errVXLANFlags,
			errShortNVGRE, errInnerShort, errInnerTag},
		ErrInvalid: {errType, errVSID, errAddresses, errSourcePort, errPutShort, errPutLong, errPutTag, errBufferLength},
	} {
		for _, err := range errs {
			if !errors.Is(err, kind) {
				t.Errorf("%v is not of kind %v", err, kind)
			}
		}
	}
}

// What a sender may set and a receiver has to ignore.
func TestDecodeIgnores(t *testing.T) {
	for _, tc := range []struct {
		name string
		t    Type
		v6   bool
		edit func([]byte) []byte
	}{
		{"VXLAN reserved 24 bits", VXLAN, false, poke(at4+9, 1, 2, 3)},
		{"VXLAN reserved 8 bits", VXLAN, true, poke(at6+15, 0xFF)},
		{"UDP checksum", VXLAN, false, poke(at4+6, 0xBE, 0xEF)},
		{"UDP checksum over IPv6", VXLAN, true, poke(at6+6, 0xBE, 0xEF)},
		{"identification", VXLAN, false, poke4(ethernetLen+4, 0x12, 0x34)},
		{"don't fragment clear", NVGRE, false, poke4(ethernetLen+6, 0)},
		{"IPv4 reserved flag", NVGRE, false, poke4(ethernetLen+6, 0xC0)},
		{"flow label", NVGRE, true, func(b []byte) []byte { b[15] |= 0xF; b[16], b[17] = 0xFF, 0xFF; return b }},
		{"Ethernet padding", VXLAN, false, func(b []byte) []byte { return append(b, "padding"...) }},
		{"Ethernet padding", NVGRE, true, func(b []byte) []byte { return append(b, "padding"...) }},
	} {
		t.Run(fmt.Sprintf("%v/%s", tc.t, tc.name), func(t *testing.T) {
			o := outerOf(tc.t, tc.v6)
			got, inner := mustDecode(t, tc.edit(mustAppend(t, o, innerOf(60))))
			if got != o || !bytes.Equal(inner, innerOf(60)) {
				t.Errorf("Decode: %+v, %x; want %+v and the inner frame", got, inner, o)
			}
		})
	}
}

// A frame that ends anywhere before its end is refused, and what it still shows decides as what.
func TestDecodePrefixes(t *testing.T) {
	for _, typ := range types {
		for _, v6 := range []bool{false, true} {
			frame := mustAppend(t, outerOf(typ, v6), innerOf(60))
			seen := OuterLen(typ, v6) - tunnelLen(typ) + 4 // ports, or GRE flags and protocol
			for n := range frame {
				want := ErrNotOverlay
				if n >= seen {
					want = ErrMalformed
				}
				if _, _, err := Decode(frame[:n:n]); !errors.Is(err, want) {
					t.Fatalf("%v, IPv6 %v, %d of %d bytes: %v, want %v", typ, v6, n, len(frame), err, want)
				}
			}
		}
	}
}

// Every single bit error of an IPv4 header is refused: by the checksum, or before it.
func TestDecodeBitErrors(t *testing.T) {
	for _, typ := range types {
		frame := mustAppend(t, outerOf(typ, false), innerOf(60))
		for bit := ethernetLen * 8; bit < at4*8; bit++ {
			b := bytes.Clone(frame)
			b[bit/8] ^= 0x80 >> (bit % 8)
			if _, _, err := Decode(b); err == nil {
				t.Errorf("%v: bit %d of the IPv4 header flipped, and decoded", typ, bit-ethernetLen*8)
			}
		}
	}
}
