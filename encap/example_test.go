package encap_test

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/fairlead-net/fairlead/encap"
)

// One host puts a tenant's frame on the underlay, another takes it off.
func Example() {
	inner := make([]byte, 60) // the tenant's Ethernet frame
	inner[12], inner[13] = 0x08, 0x00

	o := encap.Outer{
		Type:   encap.VXLAN,
		SrcMAC: [6]byte{2, 0, 0, 0, 0, 1}, DstMAC: [6]byte{2, 0, 0, 0, 0, 2},
		Src: netip.MustParseAddr("172.16.0.1"), Dst: netip.MustParseAddr("172.16.0.2"),
		VSID: 5001,
	}
	o.Spread(encap.FlowHash(netip.MustParseAddr("10.1.0.10"), netip.MustParseAddr("10.1.0.11"), 6, 40000, 443))
	buf := make([]byte, 0, 1600) // reused for every packet: nothing is allocated
	frame, err := encap.Append(buf, &o, inner)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(frame)-len(inner), "bytes of headers")

	got, rest, err := encap.Decode(frame)
	switch {
	case errors.Is(err, encap.ErrNotOverlay):
		fmt.Println("for the host's own stack:", err)
	case err != nil:
		fmt.Println("drop:", err)
	default:
		fmt.Println(got.Type, got.VSID, got.Src, "to", got.Dst, "source port", got.SourcePort, "with", len(rest), "bytes")
	}
	// Output:
	// 50 bytes of headers
	// vxlan 5001 172.16.0.1 to 172.16.0.2 source port 51552 with 60 bytes
}
