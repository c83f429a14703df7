package lab

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

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
// first changes with every round, so that what else the machine does hits all alike.
func (l *Lab) Streams(rounds int, where Placement, paths ...Path) (rates [][]float64) {
	for _, p := range paths {
		server := l.ListenStreams(p)
		defer server.Kill()
	}
	rates = make([][]float64, len(paths))
	for round := range rounds {
		for i := range paths {
			n := (i + round) % len(paths)
			rate, err := l.Stream(paths[n], where, 1)
			l.must(err, "stream")
			rates[n] = append(rates[n], rate)
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
	oneCPU    = 0
	first     = -20 // nice value of what is measured: what else this machine does comes after it
)

// ListenStreams starts what Stream sends to.
func (l *Lab) ListenStreams(p Path) *Process {
	server, err := l.start(p.to, "iperf3-"+p.to.Name, "nice", "-n", strconv.Itoa(first), "iperf3", "--server", "--port", iperfPort, "--bind", p.address.String(),
		"--forceflush")
	l.must(err, "iperf3 server")
	return server
}

// Stream measures some TCP streams over a path for one second, in Gbit/s received. Congestion control is cubic, because
// bbr paces and hides differences; writes are large, as those of a bulk transfer, so that super-packets are whole.
func (l *Lab) Stream(p Path, where Placement, streams int) (float64, error) {
	// The server closes its socket between two tests.
	if err := l.WaitFor("iperf3 server listens", 5*time.Second, func() error { return p.to.listens(iperfPort) }); err != nil {
		return 0, err
	}
	args := []string{"-n", strconv.Itoa(first), "iperf3", "--client", p.address.String(), "--port", iperfPort, "--time", "1", "--congestion", "cubic", "--length", "1M",
		"--connect-timeout", "3000", "--parallel", strconv.Itoa(streams), "--json"}
	if where == OneCPU {
		cpu := strconv.Itoa(oneCPU)
		args = append(args, "--affinity", cpu+","+cpu)
	}
	out, diag, code, err := l.run(p.from, "nice", args...)
	if err != nil {
		return 0, fmt.Errorf("iperf3 to %s: %w", p.address, err)
	}
	var result struct {
		Error string
		End   struct {
			Received struct {
				BitsPerSecond float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || code != 0 || result.Error != "" {
		return 0, fmt.Errorf("iperf3 to %s: exit code %d: %s %s", p.address, code, result.Error, firstLine(diag))
	}
	return result.End.Received.BitsPerSecond / 1e9, nil
}

// Median of some values; 0 of none.
func Median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
