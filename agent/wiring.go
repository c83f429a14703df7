package agent

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/agent/attach"
	"github.com/fairlead-net/fairlead/agent/ports"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/encap"
)

// wiring makes and removes vNICs. The kernel does; tests have one that needs no root.
type wiring interface {
	Attach(attach.Spec) error
	Up(device string) error
	Detach(device string) error
	Exists(device string) (bool, error)
	UnderlayMTU(device string, pa net.IP) (mtu int, hasPA bool, err error)
}

type kernel struct{}

func (kernel) Attach(s attach.Spec) error                         { return attach.Attach(s) }
func (kernel) Up(device string) error                             { return attach.Up(device) }
func (kernel) Detach(device string) error                         { return attach.Detach(device) }
func (kernel) Exists(device string) (bool, error)                 { return attach.Exists(device) }
func (kernel) UnderlayMTU(d string, pa net.IP) (int, bool, error) { return attach.UnderlayMTU(d, pa) }

// errNoNIC: the controller has no such NIC for this host any more.
var errNoNIC = errors.New("the controller has placed no such NIC on this host")

// wanted is the vNIC that an endpoint needs. checkHost has read the underlay's MTU.
func (a *Agent) wanted(r ports.Record) (attach.Spec, error) {
	s := attach.Spec{Device: attach.DeviceName(r.Name), Netns: r.Netns, Ifname: r.Ifname}
	if a.underlayMTU == 0 {
		return s, errors.New(a.fromHost[0].Message)
	}
	if r.Network != "" {
		return a.wantedHere(r, s)
	}
	nic := a.model.FindEndpoint(r.NIC)
	if nic == nil || a.placed(nic) != nil {
		return s, errNoNIC
	}
	s.MAC = net.HardwareAddr(nic.MAC[:])
	mtu, err := encap.InnerMTU(a.model.Encapsulation, a.cfg.PA().Is6(), a.underlayMTU)
	if err != nil {
		return s, err
	}
	s.MTU = mtu
	own := a.addressesOf(r, nic)
	if len(own) == 0 {
		return s, fmt.Errorf("%w, or it has no address for this endpoint", errNoNIC)
	}
	for _, ad := range own {
		s.Addresses = append(s.Addresses, netip.PrefixFrom(ad.CA, ad.Subnet.Prefix.Bits()))
		gateway := &s.Gateway
		if ad.CA.Is6() {
			gateway = &s.Gateway6
		}
		if !gateway.IsValid() {
			*gateway = ad.Subnet.Gateway
		}
	}
	return s, nil
}

// repair makes the vNICs again that are gone although their namespace is there, and ends detaching what a failure
// kept from being detached.
func (a *Agent) repair() {
	for _, r := range a.records {
		switch r.Phase {
		case ports.Detaching:
			_ = a.unplug(r) // its state tells
			continue
		case ports.Attaching:
			continue // who attaches it is at work
		}
		there, err := a.wiring.Exists(r.Device)
		if there || err != nil || a.model == nil {
			continue
		}
		s, err := a.wanted(r)
		if errors.Is(err, errNoNIC) {
			continue
		}
		if err == nil {
			err = a.wiring.Attach(s)
		}
		if err != nil {
			a.trouble[r.Name] = err.Error()
			continue
		}
		delete(a.trouble, r.Name)
		a.closed[r.Name] = true
		a.log.Info("vNIC made again: its device was gone", "endpoint", r.Name, "device", r.Device)
		r.MAC, r.Addresses, r.MTU = s.MAC.String(), s.Addresses, s.MTU
		a.records[r.Name] = r
		if err := a.ports.Put(r); err != nil {
			a.log.Warn("port registry", "endpoint", r.Name, "error", err)
		}
	}
}

// outdated names the endpoints that were attached with another MAC, address or MTU than the controller says now.
func (a *Agent) outdated() (problems []cc.Problem) {
	for _, r := range a.records {
		if r.Phase != ports.Attached {
			continue
		}
		s, err := a.wanted(r)
		if err != nil {
			continue // told by checkHost, or by Compile
		}
		resource := r.Name
		if nic := a.model.FindEndpoint(r.NIC); r.Network == "" && nic != nil {
			resource = nic.Ref
		}
		complain := func(what string, is, was any) {
			problems = append(problems, cc.Problem{Code: "endpoint-outdated", Severity: "warning", Resource: resource,
				Message: fmt.Sprintf("%s is %v now, endpoint %q was attached with %v and keeps that until it is detached and attached again", what, is, r.Name, was)})
		}
		if s.MAC.String() != r.MAC {
			complain("the MAC", s.MAC, r.MAC)
		}
		if !slices.Equal(s.Addresses, r.Addresses) {
			complain("the addresses", s.Addresses, r.Addresses)
		}
		if s.MTU < r.MTU {
			complain("the MTU", s.MTU, r.MTU)
		}
	}
	slices.SortFunc(problems, func(x, y cc.Problem) int {
		return cmp.Or(strings.Compare(x.Resource, y.Resource), strings.Compare(x.Message, y.Message))
	})
	return problems
}
