package lab

import (
	"encoding/json"
	"net/netip"
	"slices"
	"time"
)

// Path is a way TCP takes between two namespaces.
type Path struct {
	from, to *Namespace
	address  netip.Addr
}

// Path between two containers.
func (c *Container) Path(to *Container, address netip.Addr) Path {
	return Path{c.ns, to.ns, address}
}

// Path between two hosts, without any overlay.
func (h *Host) Path(to *Host) Path { return Path{h.ns, to.ns, to.Provider} }

// Comparison of two paths' throughput, in Gbit/s.
type Comparison struct {
	A, B  []float64
	Ratio float64 // median of A[i]/B[i]
}

// Medians of both paths.
func (c Comparison) Medians() (a, b float64) { return median(c.A), median(c.B) }

// Compare measures one TCP stream over both paths, in turn, so that what else the machine does hits
// both alike. Congestion control is cubic, because bbr paces and hides differences; writes are large, as
// those of a bulk transfer, so that super-packets are whole; both ends share one CPU, because waking an
// idle virtual CPU costs many times a packet's work and says nothing about the path.
func (l *Lab) Compare(a, b Path, rounds int) Comparison {
	var c Comparison
	for _, p := range []Path{a, b} {
		server := l.iperfServer(p)
		defer server.Kill()
	}
	var ratios []float64
	for i := range rounds {
		// Who goes first changes with every round.
		var x, y float64
		if i%2 == 0 {
			x = l.stream(a)
			y = l.stream(b)
		} else {
			y = l.stream(b)
			x = l.stream(a)
		}
		c.A, c.B, ratios = append(c.A, x), append(c.B, y), append(ratios, x/y)
	}
	c.Ratio = median(ratios)
	return c
}

const (
	iperfPort = "5201"
	iperfCPU  = "0"
)

func (l *Lab) iperfServer(p Path) *Process {
	server, err := l.start(p.to, "iperf3-"+p.to.Name, "iperf3", "--server", "--port", iperfPort, "--bind", p.address.String(),
		"--forceflush")
	l.must(err, "iperf3 server")
	return server
}

func (l *Lab) stream(p Path) float64 {
	// The server closes its socket between two tests.
	l.must(l.WaitFor("iperf3 server listens", 5*time.Second, func() error { return p.to.listens(iperfPort) }), "iperf3")
	out, diag, code, err := l.run(p.from, "iperf3", "--client", p.address.String(), "--port", iperfPort, "--time", "1",
		"--congestion", "cubic", "--length", "1M", "--affinity", iperfCPU+","+iperfCPU, "--json")
	l.must(err, "iperf3")
	var result struct {
		Error string
		End   struct {
			Received struct {
				BitsPerSecond float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || code != 0 || result.Error != "" {
		l.Fail("iperf3 to %s: exit code %d: %s %s %v", p.address, code, result.Error, firstLine(diag), err)
	}
	return result.End.Received.BitsPerSecond / 1e9
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
