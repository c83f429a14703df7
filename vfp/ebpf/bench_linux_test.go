package ebpf

import (
	"testing"

	"github.com/cilium/ebpf"
)

// BenchmarkProgram is the kernel's own figure for one run, without the packet's way to the program and from it.
// Only frames that the program does not change can be run again and again: drops and delivery on this host.
func BenchmarkProgram(b *testing.B) {
	spoofed := tcp(4, 5, 443)
	spoofed[11]++
	own := tcp(4, 5, 443)
	own[14+15] = 99
	back := tcp(5, 4, 443)
	for _, c := range []struct {
		name, port string
		frame      []byte
	}{
		{"mac-spoof", "port4", spoofed},
		{"ca-spoof", "port4", own},
		{"acl-block", "port4", tcp(4, 5, 80)},
		{"deliver-guarded", "port4", tcp(4, 5, 443)},
		{"deliver-open", "port5", back},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := openTest(b, enterHost(b, 2), modeLive)
			mustApply(b, d, twoPorts())
			ctx := skbContext(d.ifindexOf(c.port))
			b.ResetTimer()
			if _, err := d.objs.PortOut.Run(&ebpf.RunOptions{Data: c.frame, Context: ctx, Repeat: uint32(b.N)}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
