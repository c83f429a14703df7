package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/e2e/bench/rules"
	"github.com/fairlead-net/fairlead/e2e/lab"
	"github.com/fairlead-net/fairlead/e2e/traffic"
)

// usual is how many rules an endpoint of a real tenant has in each direction, besides the last one, which allows the rest.
const usual = 100

// world is what the paths run through: a fabric with all peers and VXLAN, and one for NVGRE.
type world struct {
	labs  []*lab.Lab
	paths []contender
	nft   lab.Path
}

// theWorld is built when the first group asks for it.
func (b *bench) theWorld(ctx context.Context) (*world, error) {
	if b.world != nil {
		return b.world, nil
	}
	w := &world{}
	b.world = w
	for i, encapsulation := range []string{"vxlan", "nvgre"} {
		l, err := lab.New(ctx, lab.Options{Encapsulation: encapsulation, BinDir: b.binDir})
		if err != nil {
			return nil, errors.Join(err, b.close())
		}
		w.labs = append(w.labs, l)
		err = l.Do(func() {
			w.paths = append(w.paths, contender{encapsulation, true, overlay(l, rules.NSG(usual)), l})
			if i == 0 {
				w.addPeers(l)
			}
		})
		if err != nil {
			return nil, errors.Join(err, b.close())
		}
	}
	for _, c := range w.paths {
		if _, err := traffic.Reach(ctx, c.path.From(), c.path.Address(), 10*time.Second); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", c.name, err), b.close())
		}
	}
	return w, nil
}

// addPeers builds each peer on two hosts of its own.
func (w *world) addPeers(l *lab.Lab) {
	pair := func(name string) (*lab.Host, *lab.Host) { return l.AddHost(name + "-a"), l.AddHost(name + "-b") }
	add := func(name string, p lab.Path) { w.paths = append(w.paths, contender{name, false, p, l}) }
	a, b := pair("raw")
	add("raw", a.Path(b))
	a, b = pair("rd")
	add("redirect", l.Redirect(a, b))
	a, b = pair("br")
	add("bridge-vxlan", l.BridgeVXLAN(a, b))
	a, b = pair("nft")
	w.nft = l.BridgeNFT(a, b, rules.Linear(rules.NSG(usual)))
	add("bridge-vxlan-nft", w.nft)
	a, b = pair("ovs")
	if p, err := l.OVS(a, b); err != nil {
		fmt.Fprintln(os.Stderr, "bench: left out: ovs:", err)
	} else {
		add("ovs", p)
	}
}

func (b *bench) close() (err error) {
	if b.world == nil {
		return nil
	}
	for _, l := range b.world.labs {
		err = errors.Join(err, l.Close())
	}
	b.world = nil
	return err
}

// overlay attaches a container on each of two hosts to one subnet, each behind an ACL.
func overlay(l *lab.Lab, acl []rules.Rule) lab.Path {
	nc := l.Controller()
	nc.Put("/accessControlLists/measured", rules.Body(acl))
	nc.Put("/virtualNetworks/tenant", nctest.VirtualNetworkBody{AddressPrefixes: []string{"10.0.0.0/16"},
		Subnets: []nctest.SubnetBody{{ID: "web", AddressPrefix: "10.0.1.0/24"}}})
	hosts := []*lab.Host{l.AddHost("host-a"), l.AddHost("host-b")}
	for i, h := range hosts {
		nc.PutServer(h)
		nc.Put("/networkInterfaces/nic-"+h.Name, nctest.NetworkInterfaceBody{MAC: fmt.Sprintf("001DD80700%02X", i+1), Server: "/servers/" + h.Name,
			IPConfigurations: []nctest.IPConfigurationBody{{ID: "ip", Address: fmt.Sprintf("10.0.1.%d", 11+i), Subnet: "/virtualNetworks/tenant/subnets/web", ACL: "/accessControlLists/measured"}}})
	}
	var containers []*lab.Container
	for _, h := range hosts {
		l.Host(h.Name) // starts its agent
		c := h.Container("on-" + h.Name)
		c.AttachSoon("nic-"+h.Name, 10*time.Second)
		containers = append(containers, c)
	}
	return containers[0].Path(containers[1], netip.MustParseAddr("10.0.1.12"))
}
