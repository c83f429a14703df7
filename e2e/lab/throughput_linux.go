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

// Placement of a stream's two ends.
type Placement bool

const (
	// Free leaves both ends to the scheduler, as a user's programs are.
	Free Placement = false
	// OneCPU puts both ends on one CPU: what counts then is the work per packet, and nothing else. Waking an idle
	// virtual CPU costs many times that.
	OneCPU Placement = true
)

// Streams measures one TCP stream over each path, in Gbit/s: rates[path][round]. The paths take turns, and who goes
// first changes with every round, so that what else the machine does hits all alike. Congestion control is cubic,
// because bbr paces and hides differences; writes are large, as those of a bulk transfer, so that super-packets are
// whole.
func (l *Lab) Streams(rounds int, where Placement, paths ...Path) (rates [][]float64) {
	for _, p := range paths {
		server := l.iperfServer(p)
		defer server.Kill()
	}
	rates = make([][]float64, len(paths))
	for round := range rounds {
		for i := range paths {
			n := (i + round) % len(paths)
			rates[n] = append(rates[n], l.stream(paths[n], where))
		}
	}
	return rates
}

// Ratios of two paths, round by round.
func Ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
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

func (l *Lab) stream(p Path, where Placement) float64 {
	// The server closes its socket between two tests.
	l.must(l.WaitFor("iperf3 server listens", 5*time.Second, func() error { return p.to.listens(iperfPort) }), "iperf3")
	args := []string{"--client", p.address.String(), "--port", iperfPort, "--time", "1", "--congestion", "cubic", "--length", "1M", "--json"}
	if where == OneCPU {
		args = append(args, "--affinity", iperfCPU+","+iperfCPU)
	}
	out, diag, code, err := l.run(p.from, "iperf3", args...)
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

// Median of some values; 0 of none.
func Median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
