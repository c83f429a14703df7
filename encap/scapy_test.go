package encap

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// TestScapy compares Append with scapy, live and over the whole range of every field.
func TestScapy(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, where python3-scapy is
	if runtime.GOOS != "linux" {
		t.Skip("needs Debian's python3-scapy")
	}
	if err := exec.Command(python, "-c", "import scapy.layers.vxlan").Run(); err != nil {
		lacks(t, "%s cannot import scapy (apt-get install python3-scapy): %v", python, err)
	}
	r := rand.New(rand.NewPCG(7348, 7637))
	var asked bytes.Buffer
	var want [][]byte
	lines := json.NewEncoder(&asked)
	for range 300 {
		o, inner := randomOuter(r), randomInner(r, 120)
		want = append(want, mustAppend(t, o, inner))
		if err := lines.Encode(map[string]any{
			"type": o.Type.String(), "smac": net.HardwareAddr(o.SrcMAC[:]).String(), "dmac": net.HardwareAddr(o.DstMAC[:]).String(),
			"src": o.Src.String(), "dst": o.Dst.String(), "vsid": o.VSID, "tos": o.TOS, "ttl": o.TTL,
			"sport": o.SourcePort, "flowid": o.FlowID, "inner": hex.EncodeToString(inner),
		}); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(python, "testdata/golden.py", "live")
	var complaints strings.Builder
	cmd.Stdin, cmd.Stderr = &asked, &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("golden.py live: %v\n%s", err, complaints.String())
	}
	got := strings.Fields(string(out))
	if len(got) != len(want) {
		t.Fatalf("scapy answered %d of %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != hex.EncodeToString(want[i]) {
			t.Fatalf("packet %d: Append made\n%x, scapy\n%s", i, want[i], got[i])
		}
	}
}
