package ebpf

import (
	"maps"
	"sync"

	"github.com/fairlead-net/fairlead/vfp"
)

// names is what the numbers in the maps stand for. It has a lock of its own: whoever shows counters or events must not
// wait for a policy that is being applied.
type names struct {
	mu    sync.RWMutex
	ports map[uint32]string
	rules map[uint32]vfp.RuleKey
}

func newNames() *names {
	return &names{ports: map[uint32]string{}, rules: map[uint32]vfp.RuleKey{}}
}

func (n *names) port(index uint32) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.ports[index]
}

func (n *names) rule(number uint32) vfp.RuleKey {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.rules[number]
}

func (n *names) setPort(index uint32, id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ports[index] = id
}

func (n *names) setRule(number uint32, key vfp.RuleKey) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rules[number] = key
}

// keepPorts and keepRules forget the numbers that are not in use.
func (n *names) keepPorts(used map[uint32]bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.ports, func(index uint32, _ string) bool { return !used[index] })
}

func (n *names) keepRules(used map[uint32]bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.rules, func(number uint32, _ vfp.RuleKey) bool { return !used[number] })
}

// all is a copy of both.
func (n *names) all() (ports map[uint32]string, rules map[uint32]vfp.RuleKey) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return maps.Clone(n.ports), maps.Clone(n.rules)
}
