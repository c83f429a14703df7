package vfp

import "time"

// Datapath enforces a Policy on this host.
type Datapath interface {
	// Apply puts p into force as a whole: no packet sees part of the old and part of the new policy. On an
	// error the previous policy stays in force. A port whose device does not exist is left out and named in the
	// returned problems; everything else is in force.
	Apply(p *Policy) ([]PortProblem, error)
	// Status is what the datapath itself knows about its state.
	Status() (Status, error)
	// Counters of every port and rule since they were created.
	Counters() (Counters, error)
	// Flows of every port.
	Flows() ([]Flow, error)
	// Trace runs one frame as if the port's endpoint had sent it, changing nothing.
	Trace(portID string, frame []byte) (Trace, error)
	// Sweep removes flows that are past their idle timeout and returns how many.
	Sweep() (int, error)
	// Close releases user-space resources; packets keep flowing.
	Close() error
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
}

// RuleCounters count packets of flows the rule decided.
type RuleCounters struct{ Packets, Bytes uint64 }

// Flow is one connection at one port.
type Flow struct {
	PortID                      string
	Direction                   Direction // who started it: Outbound means the endpoint
	Protocol                    uint8
	Source, Destination         string // the initiator's and the responder's address
	SourcePort, DestinationPort uint16
	State                       string    // "syn", "established", "fin", "closed", "udp", "icmp", "other"
	Packets, Bytes              [2]uint64 // per Direction relative to the port
	Age, Idle                   time.Duration
	Rules                       []RuleKey // that let it in
	Transposition               string
}

// Verdict of the pipeline for one packet.
type Verdict uint8

const (
	Drop        Verdict = 0
	Deliver     Verdict = 1 // to a port on this host
	Encapsulate Verdict = 2 // to another host
	Reply       Verdict = 3 // answered by the vSwitch itself (ARP, ND, router echo)
	Pass        Verdict = 4 // not ours: left to the host's own stack
)

func (v Verdict) String() string {
	return [...]string{"drop", "deliver", "encapsulate", "reply", "pass"}[v]
}

// Trace is a packet's walk through the layers.
type Trace struct {
	Verdict Verdict
	Reason  DropReason // when dropped
	Steps   []Step
	// Port it is delivered to, when Verdict is Deliver.
	Port string
	// Frame as it leaves (Deliver, Encapsulate, Reply).
	Frame []byte
	// Agrees is false when the kernel datapath and the model disagree; Disagreement says how.
	Agrees       bool
	Disagreement string
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
