package rest_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/controller-client/rest"
)

var plotFile = flag.String("plot", "", "write a picture of the requests around a controller's restart to this `file`")

// With -plot, 200 agents poll a controller over TLS that goes away and comes back; docs/herd.svg is made like this:
//
//	go test ./controller-client/rest -run - -bench HerdPlot -plot $PWD/docs/herd.svg
func BenchmarkHerdPlot(t *testing.B) {
	if *plotFile == "" {
		t.Skip("takes 45 s; run it with -plot FILE")
	}
	const (
		agents         = 200
		away, back     = 15 * time.Second, 23 * time.Second
		end, step      = 45 * time.Second, 100 * time.Millisecond
		stepsPerSecond = int(time.Second / step)
	)
	var mu sync.Mutex
	counts := make([]int, end/step)
	begin := time.Now()
	count := func(at time.Time, _ *http.Request, _ int) {
		mu.Lock()
		defer mu.Unlock()
		if i := int(at.Sub(begin) / step); i >= 0 && i < len(counts) {
			counts[i]++
		}
	}
	c, err := nctest.Open(nctest.Options{OnRequest: count})
	if err != nil {
		t.Fatal(err)
	}
	pki, err := nctest.EnsurePKI(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	serverTLS, err := pki.ServerTLS(true)
	if err != nil {
		t.Fatal(err)
	}
	serve := func(address string) (stop func(), at string) {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: c.Handler(), TLSConfig: serverTLS, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		go func() { _ = server.ServeTLS(listener, "", "") }()
		return func() { _ = server.Close() }, listener.Addr().String()
	}
	stop, address := serve("127.0.0.1:0")
	defer func() { stop() }()
	clientTLS, err := pki.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	fabric := nctest.Client{Base: "https://" + address, HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: clientTLS}}}
	put := func(ref string, body any) {
		if _, err := fabric.Put(t.Context(), ref, body); err != nil {
			t.Fatal(err)
		}
	}
	for i := range agents {
		name := fmt.Sprintf("h%d", i)
		put("/servers/"+name, nctest.ServerBody{})
		put("/virtualNetworks/"+name, nctest.VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16"}, Subnets: []nctest.SubnetBody{{ID: "s", AddressPrefix: "10.0.1.0/24"}}})
		put("/networkInterfaces/"+name, nctest.NetworkInterfaceBody{MAC: fmt.Sprintf("001DD80700%02X", i), Server: "/servers/" + name,
			IPConfigurations: []nctest.IPConfigurationBody{{ID: "ip", Address: "10.0.1.4", Subnet: "/virtualNetworks/" + name + "/subnets/s"}}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	mu.Lock()
	clear(counts)
	begin = time.Now()
	mu.Unlock()
	for i := range agents {
		source, err := rest.New(rest.Config{URLs: []string{"https://" + address}, Host: fmt.Sprintf("h%d", i), TLS: rest.TLS{CA: pki.CA, Cert: pki.HostCert, Key: pki.HostKey}})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { _ = source.Run(ctx, func(cc.Update) {}) })
	}
	<-time.After(time.Until(begin.Add(away)))
	stop()
	<-time.After(time.Until(begin.Add(back)))
	stop, _ = serve(address)
	<-time.After(time.Until(begin.Add(end)))
	cancel()
	running.Wait()
	mu.Lock()
	defer mu.Unlock()
	summary := func(what string, from, to time.Duration) {
		most, sum := 0, 0
		for _, n := range counts[from/step : to/step] {
			most, sum = max(most, n), sum+n
		}
		t.Logf("%s: %d requests per 100 ms at most, %.0f on average", what, most, float64(sum)/float64((to-from)/step))
	}
	summary("start", 0, 3*time.Second)
	summary("steady", 5*time.Second, away)
	summary("back", back, end)
	title := fmt.Sprintf("%d agents, pollInterval 2s; all started at 0 s, controller away from %.0f s to %.0f s", agents, away.Seconds(), back.Seconds())
	if err := os.WriteFile(*plotFile, bars(title, counts, stepsPerSecond, int(away/step), int(back/step)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// bars draws how many requests came in each step, with the time without controller shaded.
func bars(title string, counts []int, perSecond, from, to int) []byte {
	const width, height, left, right, top, bottom = 720, 320, 60, 20, 40, 50
	highest := 10
	for _, n := range counts {
		highest = max(highest, (n+49)/50*50)
	}
	x := func(i int) float64 { return left + float64(i)*(width-left-right)/float64(len(counts)) }
	y := func(n int) float64 { return height - bottom - float64(n)*(height-top-bottom)/float64(highest) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/><text x="%d" y="22" font-size="15">%s</text>`+"\n", width, height, left, title)
	fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#f3e3dc"/>`+"\n", x(from), top, x(to)-x(from), height-top-bottom)
	for n := 0; n <= highest; n += highest / 5 {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%d</text>`+"\n", left, y(n), width-right, left-6, y(n)+4, n)
	}
	for i := 0; i <= len(counts); i += 5 * perSecond {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", x(i), height-bottom+16, i/perSecond)
	}
	path := fmt.Sprintf("M%.1f %.1f", x(0), y(0))
	for i, n := range counts {
		path += fmt.Sprintf("V%.1fH%.1f", y(n), x(i+1))
	}
	fmt.Fprintf(&b, `<path d="%sV%.1fZ" fill="#1f5fa8"/>`+"\n", path, y(0))
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">seconds; requests per 100 ms</text>`+"\n</svg>\n", (left+width-right)/2, height-12)
	return []byte(b.String())
}
