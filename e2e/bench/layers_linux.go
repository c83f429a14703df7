package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/fairlead-net/fairlead/e2e/bench/rules"
	"github.com/fairlead-net/fairlead/e2e/lab"
)

// manyLayers is how many ACLs one after the other a tenant's endpoint can stand behind.
const manyLayers = 10

// layers compares one ACL with ten, a hundred rules in each: what an established flow pays for them, and a new one.
func layers(ctx context.Context, b *bench) error {
	return b.withPairs(ctx, func(l *lab.Lab) error {
		var contenders []contender
		for _, n := range []int{manyLayers, 1} {
			p, err := direct(l, fmt.Sprintf("l%d", n))
			if err != nil {
				return err
			}
			defer p.Close()
			for i := range n {
				acl := list(fmt.Sprintf("stage%02d", i), rules.NSG(usual))
				p.acls, p.behind = append(p.acls, acl), append(p.behind, acl.ID)
			}
			if err := p.apply(); err != nil {
				return fmt.Errorf("%d ACLs: %w", n, err)
			}
			contenders = append(contenders, p.contender(map[int]string{manyLayers: "10 layers", 1: "1 layer"}[n], n == manyLayers))
		}
		var err error
		for _, m := range oldAndNew {
			err = errors.Join(err, b.compare(ctx, Result{Metric: m.metric, Unit: m.unit, Name: "100 rules each"}, b.rounds, contenders, b.loaded(m.run)))
		}
		return err
	})
}
