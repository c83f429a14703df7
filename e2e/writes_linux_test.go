package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

const writesOn = "    writes: {configurationState: true, ipConfigurations: true}\n"

// shared is two hosts that have been given one NIC each, for all their containers.
type shared struct {
	*lab.Lab
	t    *testing.T
	a, b *lab.Host
}

func newShared(t *testing.T, writes string) *shared {
	t.Helper()
	s := &shared{Lab: newLab(t, lab.Options{InProcess: true, PollInterval: quick}), t: t}
	tell(t, s.Lab, func() {
		nc := s.Controller()
		s.a, s.b = s.AddHost("host-a"), s.AddHost("host-b")
		nc.PutServer(s.a)
		nc.PutServer(s.b)
		nc.Put("/virtualNetworks/contoso", nctest.VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16", "fd00:1::/48"}, Subnets: []nctest.SubnetBody{
			{ID: "web", AddressPrefix: "10.0.1.0/24"}, {ID: "web6", AddressPrefix: "fd00:1:0:1::/64"}}})
		nc.Put("/networkInterfaces/nic-a", nic("001DD8070001", "host-a", "10.0.1.11", webSubnet, ""))
		nc.Put("/networkInterfaces/nic-b", nic("001DD8070002", "host-b", "10.0.1.12", webSubnet, ""))
		for _, h := range []*lab.Host{s.a, s.b} {
			h.WriteConfig(strings.Replace(h.Config(), "    pollInterval:", writes+"    pollInterval:", 1))
			h.Start()
		}
	})
	return s
}

// shows is what the controller has.
func (s *shared) shows(ref string) (body map[string]any) {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.Controller().Inside.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/networking/v1"+ref, nil))
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		s.t.Fatal(err)
	}
	return body
}

// configurations of a NIC, by id.
func (s *shared) configurations(nic string) (ids []string) {
	s.t.Helper()
	list, _ := s.shows("/networkInterfaces/" + nic)["properties"].(map[string]any)["ipConfigurations"].([]any)
	for _, c := range list {
		ids = append(ids, c.(map[string]any)["resourceId"].(string))
	}
	slices.Sort(ids)
	return ids
}

func (s *shared) soon(what string, within time.Duration, condition func() error) {
	s.t.Helper()
	if err := s.WaitFor(what, within, condition); err != nil {
		s.t.Error(err)
	}
}

func (s *shared) released(within time.Duration) {
	s.t.Helper()
	s.soon("the addresses are given back", within, func() error {
		if left := append(s.configurations("nic-a"), s.configurations("nic-b")...); !slices.Equal(left, []string{"ip1", "ip1"}) {
			return fmt.Errorf("ipConfigurations %v", left)
		}
		return nil
	})
}

// state of a resource as reported.
func (s *shared) state(ref string) (status string, lastUpdated any) {
	s.t.Helper()
	state, _ := s.shows(ref)["properties"].(map[string]any)["configurationState"].(map[string]any)
	status, _ = state["status"].(string)
	return status, state["lastUpdatedTime"]
}

// TestWrites: containers get addresses of their own on their host's NIC, and give them back.
func TestWrites(t *testing.T) {
	s := newShared(t, writesOn)
	place := map[string]*lab.Container{}
	address := map[string]netip.Addr{}
	attach := func(h *lab.Host, name string, args ...string) {
		c := h.Container(name)
		c.AttachTo(args...)
		e := c.Endpoint()
		if len(e.Addresses) != 1 || e.State != "up" {
			t.Fatalf("%s: %+v", name, e)
		}
		place[name], address[name] = c, netip.MustParseAddr(e.Addresses[0])
	}
	reach := func(from, to string) {
		t.Helper()
		if n, err := traffic.Ping(s.Context(), place[from], address[to], 3, time.Second); err != nil || n != 3 {
			t.Errorf("%s to %s: %d of 3 pings answered, %v", from, to, n, err)
		}
	}
	tell(t, s.Lab, func() {
		attach(s.a, "own", "--nic", "nic-a")
		attach(s.a, "one", "--network", "contoso", "--subnet", "web")
		attach(s.a, "two", "--network", "contoso", "--subnet", "web", "--ip", "10.0.1.77")
		attach(s.b, "far", "--network", "contoso", "--subnet", "web")
		attach(s.a, "one6", "--network", "contoso", "--subnet", "web6")
		attach(s.a, "two6", "--network", "contoso", "--subnet", "web6")
		attach(s.b, "far6", "--network", "contoso", "--subnet", "web6", "--ip", "fd00:1:0:1::77")
	})
	if a := address["own"]; a.String() != "10.0.1.11" {
		t.Errorf("own has %s", a)
	}
	if a := address["two"]; a.String() != "10.0.1.77" {
		t.Errorf("two has %s", a)
	}
	if one, own := place["one"].Endpoint(), place["own"].Endpoint(); one.MAC != own.MAC || one.NIC != "nic-a" {
		t.Errorf("one: %+v", one)
	}
	for _, family := range [][]string{{"own", "one", "two", "far"}, {"one6", "two6", "far6"}} {
		for _, from := range family {
			for _, to := range family {
				if from != to {
					reach(from, to)
				}
			}
		}
	}
	if got, want := s.configurations("nic-a"), []string{"fl-one", "fl-one6", "fl-two", "fl-two6", "ip1"}; !slices.Equal(got, want) {
		t.Errorf("nic-a has %v, want %v", got, want)
	}
	for _, ref := range []string{"/servers/host-a", "/servers/host-b"} {
		s.soon(ref+" is reported", 10*time.Second, func() error {
			if status, when := s.state(ref); status != "Success" || when == nil {
				return fmt.Errorf("%s, %v", status, when)
			}
			return nil
		})
	}
	// What the host cannot put in force it says.
	tell(t, s.Lab, func() {
		s.Controller().Put("/networkInterfaces/nic-bad", nic("no MAC", "host-a", "10.0.1.200", webSubnet, ""))
	})
	s.soon("a complaint is reported", 10*time.Second, func() error {
		if status, _ := s.state("/servers/host-a"); status != "Warning" {
			return fmt.Errorf("%v", s.shows("/servers/host-a"))
		}
		return nil
	})
	tell(t, s.Lab, func() { s.Controller().Delete("/networkInterfaces/nic-bad") })
	s.soon("and that it is gone", 10*time.Second, func() error {
		if status, when := s.state("/servers/host-a"); status != "Success" || when == nil {
			return fmt.Errorf("%s, %v", status, when)
		}
		return nil
	})

	// An agent that starts again changes nothing.
	tell(t, s.Lab, func() {
		s.a.Kill()
		s.a.Start()
	})
	reach("one", "two")
	reach("far", "one")
	tell(t, s.Lab, func() {
		for name, c := range place {
			if name != "own" {
				c.Detach()
			}
		}
	})
	s.released(10 * time.Second)
	for _, h := range []*lab.Host{s.a, s.b} {
		status, code, err := h.Status()
		if err != nil || code != 0 || len(status.Problems) > 0 {
			t.Errorf("%s: exit code %d, %v %+v", h.Name, code, err, status.Problems)
		}
	}
	if n, err := traffic.Ping(s.Context(), place["own"], address["own"], 1, time.Second); err != nil || n != 1 {
		t.Error(n, err)
	}
}

// TestManyAttachAtOnce: all of them share a NIC, and get along with each other.
func TestManyAttachAtOnce(t *testing.T) {
	s := newShared(t, writesOn)
	const many = 6
	var all []*lab.Container
	tell(t, s.Lab, func() {
		for i := range many {
			all = append(all, s.a.Container(fmt.Sprintf("c%d", i)))
		}
		for _, c := range all {
			s.a.Follow("endpoint", "attach", c.Name, "--netns", c.Netns(), "--network", "contoso", "--subnet", "web")
		}
	})
	address := map[string]netip.Addr{}
	s.soon("all are attached", 20*time.Second, func() error {
		endpoints, err := s.a.Endpoints()
		if err != nil {
			return err
		}
		taken := map[netip.Addr]string{}
		for _, c := range all {
			e := endpoints[c.Name]
			if e.State != "up" || len(e.Addresses) != 1 {
				return fmt.Errorf("%s: %+v", c.Name, e)
			}
			a := netip.MustParseAddr(e.Addresses[0])
			if other, twice := taken[a]; twice {
				t.Errorf("%s and %s both have %s", other, c.Name, a)
			}
			taken[a], address[c.Name] = c.Name, a
		}
		return nil
	})
	for i, c := range all {
		to := all[(i+1)%many].Name
		if n, err := traffic.Ping(s.Context(), c, address[to], 2, time.Second); err != nil || n != 2 {
			t.Errorf("%s to %s: %d of 2 pings answered, %v", c.Name, to, n, err)
		}
	}
	tell(t, s.Lab, func() {
		for _, c := range all {
			s.a.Follow("endpoint", "detach", c.Name)
		}
	})
	s.released(20 * time.Second)
}

// TestWritesOutliveTheAgent: what a killed agent had asked for is given back when it starts again, and what could not be
// given back because the controller was away.
func TestWritesOutliveTheAgent(t *testing.T) {
	s := newShared(t, writesOn)
	c, d := s.a.Container("one"), s.a.Container("two")
	tell(t, s.Lab, func() { d.AttachTo("--network", "contoso", "--subnet", "web") })

	// The agent's write happens, and its answer never comes.
	inside := s.Controller().Inside
	wrote := make(chan struct{}, 16)
	stuck := make(chan struct{})
	handler := inside.Handler()
	inside.SetFault(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || r.Header.Get("X-Inner") != "" {
			return false
		}
		r.Header.Set("X-Inner", "yes")
		handler.ServeHTTP(httptest.NewRecorder(), r)
		wrote <- struct{}{}
		<-stuck
		panic(http.ErrAbortHandler)
	})
	tell(t, s.Lab, func() {
		s.a.Follow("endpoint", "attach", "one", "--netns", c.Netns(), "--network", "contoso", "--subnet", "web")
		select {
		case <-wrote:
		case <-s.Context().Done():
		}
		s.a.Kill()
	})
	inside.SetFault(nil)
	close(stuck)
	if got := s.configurations("nic-a"); !slices.Contains(got, "fl-one") {
		t.Fatalf("nic-a has %v: the test proves nothing", got)
	}
	tell(t, s.Lab, func() { s.a.Start() })
	s.soon("nothing of it is left", 15*time.Second, func() error {
		all, err := s.a.Endpoints()
		if err != nil {
			return err
		}
		if got := s.configurations("nic-a"); !slices.Equal(got, []string{"fl-two", "ip1"}) || len(all) != 1 {
			return fmt.Errorf("nic-a has %v, the host %v", got, all)
		}
		return nil
	})
	if links, err := c.Links(); err != nil || slices.Contains(links, c.Device()) {
		t.Errorf("devices in the container: %v, %v", links, err)
	}

	tell(t, s.Lab, func() {
		s.Controller().Stop()
		d.Detach()
		if links, err := d.Links(); err != nil || slices.Contains(links, d.Device()) {
			s.Fail("devices in the container: %v, %w", links, err)
		}
		s.a.Kill()
		s.a.Start()
		if err := s.WaitFor("status names it", 20*time.Second, func() error {
			status, _, err := s.a.Status()
			if err != nil {
				return err
			}
			for _, p := range status.Problems {
				if p.Code == "address-not-released" && p.Resource == "two" {
					return nil
				}
			}
			return fmt.Errorf("problems %+v", status.Problems)
		}); err != nil {
			s.Fail("%w", err)
		}
		s.Controller().Start()
	})
	s.released(40 * time.Second)
}

// TestNothingIsWritten without the configuration's word.
func TestNothingIsWritten(t *testing.T) {
	s := newShared(t, "")
	before := writes(s.Controller().Inside)
	c := s.a.Container("one")
	tell(t, s.Lab, func() {
		c.AttachTo("--network", "contoso", "--subnet", "web")
		if e := c.Endpoint(); e.NIC != "nic-a" || len(e.Addresses) != 1 || e.Addresses[0] != "10.0.1.11" {
			s.Fail("%+v", e)
		}
		if r := s.a.Fairlead("endpoint", "attach", "two", "--netns", c.Netns(), "--ifname", "eth1", "--network", "contoso", "--subnet", "web"); r.Code != 3 {
			s.Fail("a second one: exit code %d: %s", r.Code, r.Stderr)
		}
		c.Detach()
		s.Pause(3 * time.Second) // reports come within two
	})
	if after := writes(s.Controller().Inside); after != before {
		t.Errorf("%d writes", after-before)
	}
}

// writes there have been, of all methods.
func writes(c *nctest.Controller) (n int64) {
	for kind, count := range c.Requests() {
		if kind.Method != http.MethodGet {
			n += count
		}
	}
	return n
}
