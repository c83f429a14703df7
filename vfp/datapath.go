package vfp

import (
	"context"
	"net/netip"
	"time"
)

// Datapath enforces a Policy on this host.
type Datapath interface {
	// Apply puts p into force as a whole: no packet sees part of the old and part of the new policy. On an
	// error the previous policy stays in force. A port whose device does not exist is left out and named in the
	// returned problems; everything else is in force.
	Apply(p *Policy) ([]PortProblem, error)
	// ChangeACL puts a change of one ACL in force that Apply has put in force before: every packet sees the whole
	// change or nothing of it. The next Apply must bring a policy that has the change, or it is undone.
	ChangeACL(c ACLChange) error
	// Status is what the datapath itself knows about its state.
	Status() (Status, error)
	// Counters of every port and rule since they were created.
	Counters() (Counters, error)
	// Flows of every port.
	Flows() ([]Flow, error)
	// Trace runs one frame as if the port's endpoint had sent it, changing nothing.
	Trace(portID string, frame []byte) (Trace, error)
	// Watch calls f with what happens, in the order it happened, until ctx ends. Nothing waits for f: what it is too slow
	// for is lost, and the next event says how many were.
	Watch(ctx context.Context, f func(Event)) error
	// Sweep removes flows that are past their idle timeout and returns how many.
	Sweep() (int, error)
	// Close releases user-space resources; packets keep flowing.
	Close() error
}

// ACLChange takes rules out of an ACL and puts others in.
type ACLChange struct {
	ACL    string
	Remove []string // IDs; one that is not there is an error
	Put    []Rule   // with IDs that are not there (any more)
}

// PortProblem says why a port is not in force.
type PortProblem struct {
	PortID  string
	Message string
}

// Status of a datapath.
type Status struct {
	Type       string // "ebpf", "hcn", "model"
	Generation uint64 // grows with every Apply that changed something
	Ports      int
	Flows      int
}

// Counters of a datapath.
type Counters struct {
	Ports map[string]PortCounters  // by port ID
	Rules map[RuleKey]RuleCounters // rules never hit may be absent
	Host  map[DropReason]uint64    // drops that belong to no port, by reason
}

// RuleKey names a rule within its ACL; RuleID DefaultRule is the ACL's default.
type RuleKey struct{ ACL, RuleID string }

// DefaultRule is the id under which an ACL's default action is counted and shown, followed by the direction.
const DefaultRule = "default-"

// PortCounters as the endpoint sees them: tx is what the endpoint sent.
type PortCounters struct {
	RxPackets, RxBytes, TxPackets, TxBytes uint64
	Drops                                  map[DropReason]uint64
	// Meter by class and Direction: what the endpoint sent and received.
	Meter [MeterClasses][2]RuleCounters
	Flows FlowCounters
}

// FlowCounters of a port's flow table.
type FlowCounters struct {
	Now     uint64 // in the table
	Created uint64
	Evicted uint64 // half-open ones that gave way to newer ones
	Refused uint64 // new flows dropped: DropFlowLimit
}

// RuleCounters count packets of flows the rule decided.
type RuleCounters struct {
	Packets, Bytes uint64
	LastHit        time.Time // zero: never, or not known
}

// MeterClass says between whom a flow is.
type MeterClass uint8

const (
	MeterSubnet  MeterClass = 0 // both ends in one subnet
	MeterNetwork MeterClass = 1 // in two subnets of a routing domain
	MeterOutside MeterClass = 2 // the other end is outside: NAT
)

// MeterClasses is how many there are.
const MeterClasses = 3

func (c MeterClass) String() string { return [...]string{"subnet", "network", "outside"}[c] }

// Flow is one connection at one port.
type Flow struct {
	PortID                      string
	Direction                   Direction // who started it: Outbound means the endpoint
	Protocol                    uint8
	Source, Destination         string // the initiator's and the responder's address
	SourcePort, DestinationPort uint16
	State                       string    // FlowState.Name, or "forbidden"
	Packets, Bytes              [2]uint64 // per Direction relative to the port
	Age, Idle                   time.Duration
	Rules                       []RuleKey // that let it in
	Transposition               string
	Meter                       MeterClass
}

// Event is something that happened in a datapath.
type Event struct {
	Kind                        EventKind
	Time                        time.Time
	PortID                      string // empty: the host
	Direction                   Direction
	Protocol                    uint8
	Source, Destination         netip.Addr // of the packet
	SourcePort, DestinationPort uint16
	Length                      int
	Rule                        RuleKey    // EventACL: of a rule with logging that decided a flow's first packet
	Action                      Action     // EventACL
	Reason                      DropReason // EventDrop
	// Suppressed is how many events like this one (same rule, or same port and reason) were left out since the last.
	Suppressed uint64
	// Lost is how many events of any kind were lost before this one, because nobody read fast enough.
	Lost uint64
}

// EventKind says what an Event is about.
type EventKind uint8

const (
	EventACL        EventKind = 1 // a rule with logging decided
	EventDrop       EventKind = 2 // a packet was dropped
	EventFlowNew    EventKind = 3
	EventFlowClosed EventKind = 4 // it timed out, ended or was evicted
)

func (k EventKind) String() string {
	return [...]string{"", "acl", "drop", "flow-new", "flow-closed"}[k]
}

// Verdict of the pipeline for one packet.
type Verdict uint8

const (
	Drop        Verdict = 0
	Deliver     Verdict = 1 // to a port on this host
	Encapsulate Verdict = 2 // to another host
	Reply       Verdict = 3 // answered by the vSwitch itself (ARP, ND, router echo)
	Pass        Verdict = 4 // not ours: left to the host's own stack
	Replicate   Verdict = 5 // multicast: copies went out, see Trace.Copies
	Translate   Verdict = 6 // to the outside, as from the host's address
)

func (v Verdict) String() string {
	return [...]string{"drop", "deliver", "encapsulate", "reply", "pass", "replicate", "translate"}[v]
}

// Trace is a packet's walk through the layers.
type Trace struct {
	Verdict Verdict
	Reason  DropReason // when dropped
	Steps   []Step
	// Port it is delivered to, when Verdict is Deliver.
	Port string
	// Frame as it leaves (Deliver, Encapsulate, Reply, Translate).
	Frame []byte
	// Copies of a multicast packet (Replicate), in the order they are made.
	Copies []Copy
	// Mirrored copies, whatever the verdict: to another port, or encapsulated to a collector (Port is empty).
	Mirrored []Copy
	// Agrees is false when the kernel datapath and the model disagree; Disagreement says how.
	Agrees       bool
	Disagreement string
}

// Copy is one copy of a replicated packet: to a port of this host, or encapsulated to another host.
type Copy struct {
	Port  string
	Frame []byte
}

// Step is one decision of a layer.
type Step struct {
	Layer     string // VFP's layer name
	Direction Direction
	Group     string // e.g. the ACL's resourceRef
	Rule      string
	Action    string
	Note      string
}
