package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/e2e/bench/load"
	"github.com/fairlead-net/fairlead/e2e/bench/rules"
	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
	"github.com/fairlead-net/fairlead/vfp/ebpf"
)

// pair is two hosts whose vSwitches this process programs itself, without agent and controller.
type pair struct {
	l         *lab.Lab
	hosts     [2]*lab.Host
	switches  [2]vfp.Datapath
	endpoints []*endpoint
	acls      []vfp.ACL
	behind    []string      // the ACLs of every endpoint
	more      []vfp.Mapping // endpoints that do not exist
	stubs     []vfp.Port    // of the first host, with nothing behind them
}

type endpoint struct {
	container *lab.Container
	side      int
	port      vfp.Port
}

const (
	vsid   = 5001
	domain = "tenant"
)

var subnet = netip.MustParsePrefix("10.0.0.0/8")

// direct opens the vSwitches of two new hosts, with one endpoint on each.
func direct(l *lab.Lab, name string) (*pair, error) {
	p := &pair{l: l}
	for i := range p.hosts {
		h := l.AddHost(fmt.Sprintf("%s-%c", name, 'a'+i))
		p.hosts[i] = h
		err := h.Namespace().Do(func() (err error) {
			p.switches[i], err = ebpf.Open(ebpf.Config{BPFDir: h.BPFDir(), Underlay: h.UnderlayDevice(), FlowTable: 2 << 20})
			return err
		})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", h.Name, err), p.Close())
		}
		p.add(i)
	}
	return p, nil
}

// Close leaves the pinned objects to the lab.
func (p *pair) Close() (err error) {
	for _, s := range p.switches {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	return err
}

// add gives one of the hosts an endpoint.
func (p *pair) add(side int) *endpoint {
	n := len(p.endpoints)
	e := &endpoint{side: side, container: p.hosts[side].Container(fmt.Sprintf("%s-%d", p.hosts[side].Name, n)), port: vfp.Port{
		ID: fmt.Sprintf("port%d", n), Device: fmt.Sprintf("cable%d", n), MAC: vfp.MAC{2, 0, 0, 0, 1, byte(n)},
		Addresses: []vfp.Address{{CA: netip.AddrFrom4([4]byte{10, 0, 0, byte(10 + n)}), VSID: vsid, RDID: domain}},
		Limits:    vfp.FlowLimits{Flows: 1_200_000},
	}}
	p.hosts[side].Cable(e.container, e.port.Device, e.port.MAC, netip.PrefixFrom(e.address(), subnet.Bits()))
	p.endpoints = append(p.endpoints, e)
	return e
}

func (e *endpoint) address() netip.Addr { return e.port.Addresses[0].CA }

// end of hand-made frames.
func (e *endpoint) end() load.End {
	return load.End{Place: e.container, Device: e.container.Device(), MAC: e.port.MAC, Address: e.address()}
}

// path between two endpoints.
func (p *pair) path(from, to *endpoint) lab.Path {
	return from.container.Path(to.container, to.address())
}

// contender of a comparison: from the first endpoint to the second.
func (p *pair) contender(name string, ours bool) contender {
	return contender{name, ours, p.path(p.endpoints[0], p.endpoints[1]), p.l}
}

// policy of one host.
func (p *pair) policy(side int) *vfp.Policy {
	pa := func(side int) netip.Addr { return p.hosts[side].Provider }
	v := &vfp.Policy{Encapsulation: encap.VXLAN, ProviderAddress: pa(side), InnerMTU: 1450, ACLs: p.acls,
		Subnets: []vfp.Subnet{{VSID: vsid, RDID: domain, Prefix: subnet, Gateway: netip.MustParseAddr("10.0.0.1")}}}
	for _, e := range p.endpoints {
		v.Mappings = append(v.Mappings, vfp.Mapping{RDID: domain, CA: e.address(), VSID: vsid, MAC: e.port.MAC, PA: pa(e.side)})
		if e.side == side {
			port := e.port
			port.Addresses = slices.Clone(port.Addresses)
			port.Addresses[0].ACLs = p.behind
			v.Ports = append(v.Ports, port)
		}
	}
	if side == 0 {
		for _, s := range p.stubs {
			v.Ports = append(v.Ports, s)
			v.Mappings = append(v.Mappings, vfp.Mapping{RDID: domain, CA: s.Addresses[0].CA, VSID: vsid, MAC: s.MAC, PA: pa(0)})
		}
	}
	v.Mappings = append(v.Mappings, p.more...) // their CAs come after all others
	slices.SortFunc(v.Ports, func(a, b vfp.Port) int { return strings.Compare(a.ID, b.ID) })
	return v
}

// apply puts the present policy into force on both hosts.
func (p *pair) apply() error {
	return errors.Join(p.applyTo(0, p.policy(0)), p.applyTo(1, p.policy(1)))
}

func (p *pair) applyTo(side int, policy *vfp.Policy) error {
	return p.hosts[side].Namespace().Do(func() error {
		problems, err := p.switches[side].Apply(policy)
		for _, problem := range problems {
			err = errors.Join(err, fmt.Errorf("port %s: %s", problem.PortID, problem.Message))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.hosts[side].Name, err)
		}
		return nil
	})
}

// withPairs builds a fabric for a series and removes it.
func (b *bench) withPairs(ctx context.Context, series func(l *lab.Lab) error) (err error) {
	l, err := lab.New(ctx, lab.Options{BinDir: b.binDir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	var inner error
	return errors.Join(l.Do(func() { inner = series(l) }), inner)
}

// list makes an ACL of rules in both directions that allows the rest.
func list(id string, all []rules.Rule) vfp.ACL {
	acl := vfp.ACL{ID: id, Layer: vfp.LayerController, Default: [2]vfp.Action{vfp.Allow, vfp.Allow}}
	for _, d := range []vfp.Direction{vfp.Outbound, vfp.Inbound} {
		for i, r := range all {
			acl.Rules = append(acl.Rules, rule(fmt.Sprintf("%s-%d", d, i), d, uint32(100+i), r))
		}
	}
	return acl
}

func rule(id string, d vfp.Direction, priority uint32, r rules.Rule) vfp.Rule {
	out := vfp.Rule{ID: id, Direction: d, Priority: priority, Protocol: vfp.ProtocolTCP, Action: vfp.Block}
	if r.Protocol == "UDP" {
		out.Protocol = vfp.ProtocolUDP
	}
	if r.Source.Bits() > 0 {
		out.Sources = []netip.Prefix{r.Source}
	}
	if r.Destination.Bits() > 0 {
		out.Destinations = []netip.Prefix{r.Destination}
	}
	if r.Sources != [2]uint16{0, 65535} {
		out.SourcePorts = []vfp.PortRange{{First: r.Sources[0], Last: r.Sources[1]}}
	}
	if r.Ports != [2]uint16{0, 65535} {
		out.DestinationPorts = []vfp.PortRange{{First: r.Ports[0], Last: r.Ports[1]}}
	}
	return out
}
