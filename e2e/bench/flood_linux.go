package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/fairlead-net/fairlead/e2e/bench/load"
	"github.com/fairlead-net/fairlead/e2e/bench/rules"
	"github.com/fairlead-net/fairlead/e2e/lab"
)

// flood compares what is left to a port when its neighbour on the same host sends nothing but first packets of new flows.
// All run on one CPU, which the scheduler shares fairly between the flood and the neighbour's two ends, whatever a packet
// costs. So the neighbour beside a flood through the vSwitch is compared with the same neighbour beside the same flood
// through a path that has no state at all (redirect), and with the neighbour alone. A refused or lost connection fails the round.
func flood(ctx context.Context, b *bench) error {
	return b.withPairs(ctx, func(l *lab.Lab) (err error) {
		p, err := direct(l, "fl")
		if err != nil {
			return err
		}
		defer p.Close()
		neighbour, flooder := p.endpoints[0], p.add(0)
		server, sink := p.endpoints[1], p.add(1)
		acl := list("hundred", rules.NSG(usual))
		p.acls, p.behind = append(p.acls, acl), []string{acl.ID}
		if err := p.apply(); err != nil {
			return err
		}
		sink.container.SinkUDP()
		through, err := load.NewSpray(flooder.end(), sink.end())
		if err != nil {
			return err
		}
		defer through.Close()
		beside, besidePlace, err := besideSpray(l)
		if err != nil {
			return err
		}
		defer beside.Close()

		path := p.path(neighbour, server)
		floods := map[string]func() func() (int, error){
			"flooded":              func() func() (int, error) { return through.Flood(flooder.container) },
			"flooded past vSwitch": func() func() (int, error) { return beside.Flood(besidePlace) },
			"alone":                func() func() (int, error) { return func() (int, error) { return 0, nil } },
		}
		all := []contender{{"flooded", true, path, l}, {"flooded past vSwitch", false, path, l}, {"alone", false, path, l}}
		frames := map[string]int{}
		for _, m := range oldAndNew {
			err = errors.Join(err, b.compare(ctx, Result{Metric: m.metric, Unit: m.unit, Name: "neighbour of a flood"}, b.rounds, all, func(c contender) (float64, error) {
				stop := floods[c.name]()
				rate, err := b.loaded(m.run)(c)
				n, failed := stop()
				frames[c.name] += n
				return rate, errors.Join(err, failed)
			}))
		}
		fmt.Fprintf(os.Stderr, "the floods: %d first packets through the vSwitch, %d past it\n", frames["flooded"], frames["flooded past vSwitch"])
		return errors.Join(err, p.refused(neighbour))
	})
}

// besideSpray floods the redirect path.
func besideSpray(l *lab.Lab) (*load.Spray, *lab.Namespace, error) {
	path := l.Redirect(l.AddHost("rd-a"), l.AddHost("rd-b"))
	l.SinkUDP(path.To())
	from, err := path.From().MAC("eth0")
	if err != nil {
		return nil, nil, err
	}
	to, err := path.To().MAC("eth0")
	if err != nil {
		return nil, nil, err
	}
	s, err := load.NewSpray(load.End{Place: path.From(), Device: "eth0", MAC: [6]byte(from), Address: path.Source()},
		load.End{Place: path.To(), Device: "eth0", MAC: [6]byte(to), Address: path.Address()})
	return s, path.From(), err
}

// refused fails when the vSwitch has refused one of a port's new flows.
func (p *pair) refused(e *endpoint) error {
	c, err := p.switches[e.side].Counters()
	if err != nil {
		return err
	}
	flows := c.Ports[e.port.ID].Flows
	fmt.Fprintf(os.Stderr, "the neighbour's flow table: %+v\n", flows)
	if flows.Refused > 0 {
		return fmt.Errorf("%d of the neighbour's new flows were refused", flows.Refused)
	}
	return nil
}
