package cni

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"

	"github.com/fairlead-net/fairlead/agent/api"
)

// fakeAgent has one endpoint once it is attached.
type fakeAgent struct {
	api.Backend
	err      error
	endpoint *api.Endpoint
	asked    api.AttachRequest
	subnets  []api.Subnet
}

func (a *fakeAgent) Ready() error { return a.err }
func (a *fakeAgent) Endpoints() ([]api.Endpoint, error) {
	if a.endpoint == nil {
		return nil, a.err
	}
	return []api.Endpoint{*a.endpoint}, a.err
}
func (a *fakeAgent) Subnets() []api.Subnet { return a.subnets }
func (a *fakeAgent) Attach(_ context.Context, r api.AttachRequest) (*api.Endpoint, error) {
	a.asked = r
	if a.err != nil {
		return nil, a.err
	}
	a.endpoint = &api.Endpoint{Name: r.Name, NIC: "nic-web1", Network: "contoso", Subnet: "web", MAC: "00:1d:d8:07:00:01", Addresses: []string{"10.0.1.11", "10.0.2.11"},
		Netns: r.Netns, Ifname: r.Ifname, Device: "fl0", MTU: 1450, State: "up"}
	return a.endpoint, nil
}
func (a *fakeAgent) Detach(_ context.Context, name string) error {
	if a.endpoint == nil || a.endpoint.Name != name {
		return api.Errorf(http.StatusNotFound, "no endpoint %q", name)
	}
	a.endpoint = nil
	return a.err
}

// bed is a plugin, an agent, and a container.
type bed struct {
	Plugin
	agent  *fakeAgent
	args   *skel.CmdArgs
	socket string
	out    bytes.Buffer
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{socket: filepath.Join(t.TempDir(), "s"), agent: &fakeAgent{subnets: []api.Subnet{
		{Network: "fabrikam", ID: "web", Prefix: "10.0.0.0/8", Gateway: "10.0.0.1"}, {Network: "contoso", ID: "web", Prefix: "10.0.1.0/24", Gateway: "10.0.1.1"},
		{Network: "contoso", ID: "app", Prefix: "10.0.2.0/26", Gateway: "10.0.2.1"}}}}
	b.Stdout = &b.out
	l, err := net.Listen("unix", b.socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: api.Handler(b.agent)}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	b.args = &skel.CmdArgs{ContainerID: "0123456789abcdef0123", Netns: "/run/netns/c", IfName: "eth0"}
	b.conf(`"nic":"nic-web1"`)
	return b
}

func (b *bed) conf(more string) {
	b.args.StdinData = fmt.Appendf(nil, `{"cniVersion":"1.1.0","name":"tenant","type":"fairlead","socket":%q,%s}`, b.socket, more)
}

func code(err error) uint {
	var e *types.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestAddCheckDel(t *testing.T) {
	b := newBed(t)
	if err := b.Add(b.args); err != nil {
		t.Fatal(err)
	}
	if want := (api.AttachRequest{Name: "0123456789ab-eth0", Netns: "/run/netns/c", Ifname: "eth0", NIC: "nic-web1"}); b.agent.asked != want {
		t.Errorf("asked %+v, want %+v", b.agent.asked, want)
	}
	var r current.Result
	if err := json.Unmarshal(b.out.Bytes(), &r); err != nil {
		t.Fatal(err, b.out.String())
	}
	if r.CNIVersion != "1.1.0" || len(r.Interfaces) != 2 || r.Interfaces[0].Name != "fl0" || *r.Interfaces[1] != (current.Interface{Name: "eth0", Mac: "00:1d:d8:07:00:01", Mtu: 1450, Sandbox: "/run/netns/c"}) {
		t.Errorf("interfaces of %s", b.out.String())
	}
	if len(r.IPs) != 2 || r.IPs[0].Address.String() != "10.0.1.11/24" || r.IPs[0].Gateway.String() != "10.0.1.1" || *r.IPs[0].Interface != 1 || r.IPs[1].Address.String() != "10.0.2.11/26" {
		t.Errorf("ips of %s", b.out.String())
	}
	if len(r.Routes) != 1 || r.Routes[0].Dst.String() != "0.0.0.0/0" || r.Routes[0].GW.String() != "10.0.1.1" {
		t.Errorf("routes of %s", b.out.String())
	}
	b.conf(`"nic":"nic-web1","prevResult":` + b.out.String())
	if err := b.Check(b.args); err != nil {
		t.Errorf("Check: %v", err)
	}
	b.agent.endpoint.Addresses = []string{"10.0.1.99"}
	if err := b.Check(b.args); err == nil || !strings.Contains(err.Error(), "10.0.1.11") {
		t.Errorf("Check of a changed address: %v", err)
	}
	b.agent.endpoint.State, b.agent.endpoint.Message = "down", "device fl0 is gone"
	if err := b.Check(b.args); err == nil || !strings.Contains(err.Error(), "down: device fl0 is gone") {
		t.Errorf("Check of a lost device: %v", err)
	}
	for range 2 { // also when it is gone
		if err := b.Del(b.args); err != nil {
			t.Errorf("Del: %v", err)
		}
	}
	if err := b.Check(b.args); err == nil {
		t.Error("Check of nothing")
	}
}

func TestAddBySubnet(t *testing.T) {
	b := newBed(t)
	b.conf(`"network":"contoso","subnet":"web"`)
	if err := b.Add(b.args); err != nil || b.agent.asked.Network != "contoso" || b.agent.asked.Subnet != "web" {
		t.Errorf("%v, %+v", err, b.agent.asked)
	}
}

func TestAddRefuses(t *testing.T) {
	for _, c := range []struct {
		name, conf string
		err        error
		code       uint
		says       string
	}{
		{"no NIC", `"x":1`, nil, types.ErrInvalidNetworkConfig, `"nic", or`},
		{"NIC and network", `"nic":"n","network":"v"`, nil, types.ErrInvalidNetworkConfig, "goes without"},
		{"not JSON", `"nic":`, nil, types.ErrDecodingFailure, ""},
		{"unknown NIC", `"nic":"x"`, api.Errorf(404, `NIC "x" is not known to the controller`), types.ErrInternal, `NIC "x" is not known`},
		{"agent not ready", `"nic":"x"`, api.Errorf(503, "nothing received yet"), types.ErrTryAgainLater, "nothing received"},
		{"bad request", `"nic":"x"`, api.Errorf(400, "netns"), types.ErrInvalidNetworkConfig, "netns"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t)
			b.agent.err = c.err
			b.conf(c.conf)
			err := b.Add(b.args)
			if code(err) != c.code || !strings.Contains(err.Error(), c.says) || b.out.Len() != 0 {
				t.Errorf("%d %v; want %d %q; printed %q", code(err), err, c.code, c.says, b.out.String())
			}
		})
	}
}

// TestAddThatCannotAnswer: an endpoint the runtime never hears of does not stay.
func TestAddThatCannotAnswer(t *testing.T) {
	b := newBed(t)
	b.agent.subnets = nil
	if err := b.Add(b.args); err == nil || b.agent.endpoint != nil {
		t.Errorf("%v, %+v", err, b.agent.endpoint)
	}
}

func TestStatus(t *testing.T) {
	b := newBed(t)
	if err := b.Status(b.args); err != nil {
		t.Error(err)
	}
	b.agent.err = errors.New("nothing received yet")
	if err := b.Status(b.args); code(err) != types.ErrPluginNotAvailable || !strings.Contains(err.Error(), "nothing received yet") {
		t.Errorf("%v", err)
	}
}

func TestWithoutAgent(t *testing.T) {
	b := newBed(t)
	b.socket += "-gone"
	b.conf(`"nic":"n"`)
	if err := b.Add(b.args); code(err) != types.ErrTryAgainLater {
		t.Errorf("Add: %v", err)
	}
	if err := b.Del(b.args); code(err) != types.ErrTryAgainLater {
		t.Errorf("Del: %v", err)
	}
	if err := b.Status(b.args); code(err) != types.ErrPluginNotAvailable {
		t.Errorf("Status: %v", err)
	}
}
