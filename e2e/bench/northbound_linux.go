package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-net/fairlead/controller-client/nctest/fabric"
	"github.com/fairlead-net/fairlead/e2e/lab"
)

// northbound starts an agent beside a controller that has a whole fabric, on this machine: how long it takes until it is in
// sync, what it and an idle poll cost, and how soon a change is in force. The peer is the agent that reads everything.
func northbound(ctx context.Context, b *bench) (err error) {
	spec := fabric.Spec{Servers: 1000, Tenants: 500, Subnets: 4, NICs: 100_000, ACLRules: 200, Seed: 1}
	if b.quick {
		spec.Servers, spec.Tenants, spec.NICs = 100, 50, 10_000
	}
	made, err := fabric.New(spec)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fl-fabric-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if _, err := made.WriteDir(dir); err != nil {
		return err
	}
	l, err := lab.New(ctx, lab.Options{BinDir: b.binDir, Load: dir, PollInterval: 5 * time.Second})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	var inner error
	return errors.Join(l.Do(func() { inner = b.northboundOf(l, made, spec) }), inner)
}

// cost of an agent.
type cost struct{ sync, memory, idle float64 } // seconds, MB, percent of a processor

func (b *bench) northboundOf(l *lab.Lab, made *fabric.Fabric, spec fabric.Spec) error {
	h := l.AddHost(path.Base(made.Servers()[0]))
	name := fmt.Sprintf("%d NICs, %d servers", spec.NICs, spec.Servers)
	costs := map[string]cost{}
	for _, scope := range []string{"full", "host"} {
		h.WriteConfig(strings.Replace(h.Config(), "scope: host", "scope: "+scope, 1))
		c, err := b.agentCost(l, h)
		if err != nil {
			return fmt.Errorf("scope %s: %w", scope, err)
		}
		costs[scope] = c
		if scope == "full" {
			h.Agent().Interrupt()
			h.Forget()
		}
	}
	b.pair("in sync after start", "s, lower is better", name, costs["host"].sync, "full scope", costs["full"].sync)
	b.pair("agent's memory at most", "MB, lower is better", name, costs["host"].memory, "full scope", costs["full"].memory)
	b.pair("idle at a poll every 5 s", "% of a processor, lower is better", name, costs["host"].idle, "full scope", costs["full"].idle)
	return b.attachedCost(l, h, made, name)
}

// pair is a result with one value on each side.
func (b *bench) pair(metric, unit, name string, ours float64, peer string, peers float64) {
	b.results = append(b.results, judge(Result{Name: name, Metric: metric, Unit: unit}, []float64{ours}, map[string][]float64{peer: {peers}}))
}

// agentCost starts the agent and watches it.
func (b *bench) agentCost(l *lab.Lab, h *lab.Host) (c cost, err error) {
	if c.sync, err = inSync(l, h, 0); err != nil {
		return c, err
	}
	l.Pause(6 * time.Second) // what was read goes to disk
	before, err := processorTime(h)
	if err != nil {
		return c, err
	}
	idle := either(0, b.quick, 10*time.Second, 30*time.Second)
	l.Pause(idle)
	after, err := processorTime(h)
	if err != nil {
		return c, err
	}
	c.idle = 100 * (after - before).Seconds() / idle.Seconds()
	c.memory, err = peakMemory(h)
	return c, err
}

// inSync starts the agent and answers how long it took until all it should know is in force, in seconds.
func inSync(l *lab.Lab, h *lab.Host, ports int) (float64, error) {
	begun := time.Now()
	h.StartUnready()
	err := l.WaitFor(h.Name+": in sync", time.Minute, func() error {
		s, err := h.AskStatus()
		if err == nil && (s.Controller.State != "ok" || s.Model.Endpoints == 0 || s.Datapath.Ports < ports) {
			err = fmt.Errorf("controller %s: %s, %d endpoints, %d ports", s.Controller.State, s.Controller.Message, s.Model.Endpoints, s.Datapath.Ports)
		}
		return err
	})
	return time.Since(begun).Seconds(), err
}

// attachedCost attaches the host's NICs, and then changes NICs of others.
func (b *bench) attachedCost(l *lab.Lab, h *lab.Host, made *fabric.Fabric, name string) error {
	mine := made.NICsOf(0)
	here := map[string]bool{}
	for i, nic := range mine {
		here[nic] = true
		h.Container(fmt.Sprintf("n%d", i)).Attach(path.Base(nic))
	}
	h.Agent().Interrupt()
	h.WriteConfig(strings.Replace(h.Config(), "pollInterval: 5s", "pollInterval: "+interval.String(), 1))
	again, err := inSync(l, h, len(mine))
	if err != nil {
		return err
	}
	b.results = append(b.results, judge(Result{Name: fmt.Sprintf("%s, %d of them attached here", name, len(mine)), Metric: "in sync after a restart", Unit: "s, lower is better"}, []float64{again}, nil))

	network := made.NetworksOf(0)[0]
	var late []float64
	for n, nic := range l.Controller().NICsIn(network) {
		if here[nic] || len(late) == changes {
			continue
		}
		took, err := b.change(l, h, nic, n)
		if err != nil {
			return err
		}
		late = append(late, took)
	}
	memory, err := peakMemory(h)
	if err != nil {
		return err
	}
	b.results = append(b.results,
		judge(Result{Name: name, Metric: fmt.Sprintf("a changed NIC is in force, beyond the poll interval of %v, at worst", interval), Unit: "ms, lower is better"}, []float64{worst(late)}, nil),
		judge(Result{Name: name, Metric: "agent's memory at most, after that", Unit: "MB, lower is better"}, []float64{memory}, nil))
	return nil
}

const (
	interval = time.Second // of polls, while changes are timed
	changes  = 10
)

func worst(values []float64) (most float64) {
	most = values[0]
	for _, v := range values {
		most = max(most, v)
	}
	return most
}

// change gives a NIC another MAC and answers how many milliseconds more than the poll interval it took until the datapath had it.
func (b *bench) change(l *lab.Lab, h *lab.Host, nic string, n int) (float64, error) {
	before, err := h.AskStatus()
	if err != nil {
		return 0, err
	}
	l.Controller().Change(nic, map[string]any{"privateMacAddress": fmt.Sprintf("02FA%08X", n)})
	begun := time.Now()
	err = l.WaitFor(h.Name+": change in force", time.Minute, func() error {
		s, err := h.AskStatus()
		if err == nil && s.Datapath.Generation == before.Datapath.Generation {
			err = fmt.Errorf("generation %d", s.Datapath.Generation)
		}
		return err
	})
	return float64((time.Since(begun) - interval).Microseconds()) / 1000, err
}

// processorTime is what the agent has used, user and system.
func processorTime(h *lab.Host) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.Agent().PID()))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime, proc(5)
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	const perSecond = 100 // USER_HZ
	return time.Duration(ticks) * time.Second / perSecond, nil
}

// peakMemory is the most that the agent has had resident, in MB.
func peakMemory(h *lab.Host) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.Agent().PID()))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(raw), "VmHWM:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); !found || err != nil {
		return 0, fmt.Errorf("/proc/%d/status: no VmHWM", h.Agent().PID())
	}
	return kb / 1024, nil
}
