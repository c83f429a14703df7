package encap

import (
	"errors"
	"fmt"
)

// The three kinds of error. Every error of Append, PutHeaders and Decode is one of the static values below and wraps
// one of these, so refusing a packet allocates nothing. errors.Is tells the kind; the text names the header at fault.
var (
	// ErrNotOverlay is Decode's answer to a packet that is none of the overlay's business: leave it to the host's
	// own stack.
	ErrNotOverlay = errors.New("not an overlay packet")

	// ErrMalformed is Decode's answer to a packet that addresses the overlay but breaks its format: drop it.
	ErrMalformed = errors.New("malformed overlay packet")

	// ErrInvalid is Append's and PutHeaders' answer to a packet the formats cannot carry.
	ErrInvalid = errors.New("not encodable")
)

// Not an overlay packet.
var (
	errShortFrame   = notOverlay("ethernet: frame is shorter than its 14 byte header")
	errEtherType    = notOverlay("ethernet: type is neither IPv4 nor IPv6")
	errShortIPv4    = notOverlay("ipv4: packet is shorter than its 20 byte header")
	errIPv4Version  = notOverlay("ipv4: version is not 4")
	errIPv4Options  = notOverlay("ipv4: header length is not 20 bytes")
	errIPv4Fragment = notOverlay("ipv4: packet is a fragment")
	errShortIPv6    = notOverlay("ipv6: packet is shorter than its 40 byte header")
	errIPv6Version  = notOverlay("ipv6: version is not 6")
	errProtocol     = notOverlay("ip: protocol is neither UDP nor GRE")
	errUDPPort      = notOverlay("udp: destination port is not 4789")
	errGREProtocol  = notOverlay("gre: flags and version are not 0x2000, or protocol is not 0x6558")
)

// Malformed overlay packet.
var (
	errIPLength     = malformed("ip: length field exceeds the frame")
	errIPv4Checksum = malformed("ipv4: header checksum is wrong")
	errIPv6Mapped   = malformed("ipv6: address is an IPv4-mapped one")
	errUDPLength    = malformed("udp: length field differs from the IP payload's")
	errShortVXLAN   = malformed("vxlan: packet ends before the 8 byte header does")
	errVXLANFlags   = malformed("vxlan: flags are not 0x08")
	errShortNVGRE   = malformed("nvgre: packet ends before the 8 byte header does")
	errInnerShort   = malformed("inner ethernet: frame is shorter than its 14 byte header")
	errInnerTag     = malformed("inner ethernet: frame has an 802.1Q tag")
)

// Not encodable.
var (
	errType         = invalid("type is neither VXLAN nor NVGRE")
	errVSID         = invalid("VSID exceeds 24 bits")
	errAddresses    = invalid("addresses are not both IPv4 or both IPv6")
	errSourcePort   = invalid("VXLAN source port is 0 (see Outer.Spread)")
	errPutShort     = invalid("inner frame is shorter than an Ethernet header")
	errPutLong      = invalid("inner frame is too long for the 16 bit length of the outer IP header")
	errPutTag       = invalid("inner frame has an 802.1Q tag")
	errBufferLength = invalid("buffer is shorter than the headers")
)

func notOverlay(why string) error { return fmt.Errorf("%w: %s", ErrNotOverlay, why) }
func malformed(why string) error  { return fmt.Errorf("%w: %s", ErrMalformed, why) }
func invalid(why string) error    { return fmt.Errorf("%w: %s", ErrInvalid, why) }
