package vfp

import "time"

// FlowState is what has been seen of a flow; the bits are shared with the eBPF programs (types.h).
type FlowState uint32

const (
	FlowInitiatorFIN FlowState = 1 << iota
	FlowResponderFIN
	FlowRST
	FlowAnswered
)

const flowBothFIN = FlowInitiatorFIN | FlowResponderFIN

// IP protocol numbers the flow table knows.
const (
	ProtocolICMP   = 1
	ProtocolTCP    = 6
	ProtocolUDP    = 17
	ProtocolICMPv6 = 58
)

// Ended reports whether a TCP connection is over: a new SYN may take its ports.
func (s FlowState) Ended() bool { return s&FlowRST != 0 || s&flowBothFIN == flowBothFIN }

// IdleTimeout is how long a flow may be silent before it is forgotten.
func IdleTimeout(proto uint8, s FlowState) time.Duration {
	switch proto {
	case ProtocolTCP:
		switch {
		case s&FlowRST != 0:
			return time.Second
		case s.Ended(): // a FIN may be sent again
			return 5 * time.Second
		case s&flowBothFIN != 0:
			return 60 * time.Second
		case s&FlowAnswered != 0:
			return time.Hour
		}
		return 30 * time.Second
	case ProtocolUDP:
		if s&FlowAnswered != 0 {
			return 180 * time.Second
		}
		return 30 * time.Second
	case ProtocolICMP, ProtocolICMPv6:
		return 30 * time.Second
	}
	return 60 * time.Second
}

// FragmentTimeout is how long later fragments of a datagram may follow its first.
const FragmentTimeout = 30 * time.Second

// Name of the state for people.
func (s FlowState) Name(proto uint8) string {
	if proto == ProtocolTCP {
		switch {
		case s.Ended():
			return "closed"
		case s&flowBothFIN != 0:
			return "closing"
		case s&FlowAnswered != 0:
			return "established"
		}
		return "syn"
	}
	if s&FlowAnswered != 0 {
		return "answered"
	}
	return "new"
}
