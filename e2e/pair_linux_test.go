package e2e

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// pair is the smallest fabric in which something can go wrong: one tenant, two hosts, a container on
// each.
type pair struct {
	*lab.Lab
	t          *testing.T
	a, b       *lab.Host
	web1, web2 *lab.Container
}

var caWeb2 = netip.MustParseAddr("10.0.1.12")

// quick polls make waiting for the agents' reaction short.
const quick = 200 * time.Millisecond

func nic(mac, server, address, subnet, acl string) nctest.NetworkInterfaceBody {
	return nctest.NetworkInterfaceBody{MAC: mac, Server: "/servers/" + server, IPConfigurations: []nctest.IPConfigurationBody{
		{ID: "ip1", Address: address, Subnet: subnet, ACL: acl}}}
}

const webSubnet = "/virtualNetworks/contoso/subnets/web"

func newPair(t *testing.T, opts lab.Options) *pair {
	t.Helper()
	opts.PollInterval = quick
	p := &pair{Lab: newLab(t, opts), t: t}
	tell(t, p.Lab, func() {
		nc := p.Controller()
		p.a, p.b = p.AddHost("host-a"), p.AddHost("host-b")
		nc.PutServer(p.a)
		nc.PutServer(p.b)
		nc.Put("/virtualNetworks/contoso", nctest.VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16"}, Subnets: []nctest.SubnetBody{
			{ID: "web", AddressPrefix: "10.0.1.0/24", VSID: 5001}}})
		nc.Put("/networkInterfaces/nic-web1", nic("001DD8070001", "host-a", "10.0.1.11", webSubnet, ""))
		nc.Put("/networkInterfaces/nic-web2", nic("001DD8070002", "host-b", "10.0.1.12", webSubnet, ""))
		p.Host("host-a")
		p.Host("host-b")
		p.web1, p.web2 = p.a.Container("web1"), p.b.Container("web2")
		p.web1.Attach("nic-web1")
		p.web2.Attach("nic-web2")
	})
	p.flows("at first")
	return p
}

// flows asserts that the two containers reach each other.
func (p *pair) flows(when string) {
	p.t.Helper()
	n, err := traffic.Ping(p.Context(), p.web1, caWeb2, 3, time.Second)
	if err != nil || n != 3 {
		p.t.Errorf("%s: %d of 3 pings from web1 to web2 answered, %v", when, n, err)
	}
}

// falls asserts that soon they do not reach each other any more.
func (p *pair) falls(when string) {
	p.t.Helper()
	tell(p.t, p.Lab, func() {
		err := p.WaitFor(when+", web1 does not reach web2", 5*time.Second, func() error {
			n, err := traffic.Ping(p.Context(), p.web1, caWeb2, 3, 200*time.Millisecond)
			if err == nil && n > 0 {
				err = fmt.Errorf("%d of 3 pings answered", n)
			}
			return err
		})
		if err != nil {
			p.Fail("%w", err)
		}
	})
}

// status waits until host-a's status is as wanted.
func (p *pair) status(what string, wanted func(lab.Status, int) error) {
	p.t.Helper()
	tell(p.t, p.Lab, func() {
		err := p.WaitFor(what, 10*time.Second, func() error {
			s, code, err := p.a.Status()
			if err != nil {
				return err
			}
			return wanted(s, code)
		})
		if err != nil {
			p.Fail("%w", err)
		}
	})
}

// healthy waits until nothing is wrong.
func (p *pair) healthy() {
	p.t.Helper()
	p.status("nothing is wrong", func(s lab.Status, code int) error {
		if code != 0 || s.Controller.State != "ok" || len(s.Problems) > 0 {
			return fmt.Errorf("exit code %d, controller %s %s, problems %+v", code, s.Controller.State, s.Controller.Message, s.Problems)
		}
		return nil
	})
}
