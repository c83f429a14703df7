package api

import (
	"cmp"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Flow is one connection at one port. Out is what the endpoint sent, in what it received.
type Flow struct {
	Endpoint        string   `json:"endpoint"`
	Direction       string   `json:"direction"`
	Protocol        string   `json:"protocol"`
	Source          string   `json:"source"`
	SourcePort      uint16   `json:"sourcePort"`
	Destination     string   `json:"destination"`
	DestinationPort uint16   `json:"destinationPort"`
	State           string   `json:"state"`
	Packets         uint64   `json:"packets"`
	Bytes           uint64   `json:"bytes"`
	PacketsOut      uint64   `json:"packetsOut"`
	BytesOut        uint64   `json:"bytesOut"`
	PacketsIn       uint64   `json:"packetsIn"`
	BytesIn         uint64   `json:"bytesIn"`
	AgeSeconds      float64  `json:"ageSeconds"`
	IdleSeconds     float64  `json:"idleSeconds"`
	Meter           string   `json:"meter,omitempty"` // subnet | network | outside
	Rules           []string `json:"rules,omitempty"`
	Transposition   string   `json:"transposition,omitempty"`
}

// flowQuery chooses flows; what is empty matches all.
type flowQuery struct {
	endpoint, proto, state, direction string
	source, destination               netip.Prefix
	port                              uint16 // at either end; 0: any
	order                             func(x, y *Flow) int
	limit                             int // 0: all
}

// FlowParameters are the names of the query's parameters.
var FlowParameters = []string{"endpoint", "proto", "state", "source", "destination", "port", "direction", "sort", "limit"}

// flowOrders are the words of sort: the most first, but for names.
var flowOrders = map[string]func(x, y *Flow) int{
	"packets":     func(x, y *Flow) int { return cmp.Compare(y.Packets, x.Packets) },
	"bytes":       func(x, y *Flow) int { return cmp.Compare(y.Bytes, x.Bytes) },
	"packetsOut":  func(x, y *Flow) int { return cmp.Compare(y.PacketsOut, x.PacketsOut) },
	"packetsIn":   func(x, y *Flow) int { return cmp.Compare(y.PacketsIn, x.PacketsIn) },
	"bytesOut":    func(x, y *Flow) int { return cmp.Compare(y.BytesOut, x.BytesOut) },
	"bytesIn":     func(x, y *Flow) int { return cmp.Compare(y.BytesIn, x.BytesIn) },
	"age":         func(x, y *Flow) int { return cmp.Compare(y.AgeSeconds, x.AgeSeconds) },
	"idle":        func(x, y *Flow) int { return cmp.Compare(y.IdleSeconds, x.IdleSeconds) },
	"endpoint":    func(x, y *Flow) int { return strings.Compare(x.Endpoint, y.Endpoint) },
	"state":       func(x, y *Flow) int { return strings.Compare(x.State, y.State) },
	"source":      func(x, y *Flow) int { return compareAddrs(x.Source, y.Source) },
	"destination": func(x, y *Flow) int { return compareAddrs(x.Destination, y.Destination) },
}

// flowStates are the values of Flow.State.
var flowStates = []string{"answered", "closed", "closing", "established", "forbidden", "new", "syn"}

func compareAddrs(x, y string) int {
	a, _ := netip.ParseAddr(x)
	b, _ := netip.ParseAddr(y)
	return a.Compare(b)
}

// parseFlowQuery checks every parameter; its errors name the one that is wrong.
func parseFlowQuery(v url.Values) (f flowQuery, err error) {
	for _, key := range sortedKeys(v) {
		text := v.Get(key)
		if text == "" && slices.Contains(FlowParameters, key) {
			continue
		}
		switch key {
		case "endpoint":
			f.endpoint = text
		case "proto":
			f.proto = strings.ToLower(text)
			if n, perr := strconv.ParseUint(text, 10, 8); perr == nil {
				f.proto = strconv.FormatUint(n, 10)
			} else if !slices.Contains([]string{"tcp", "udp", "icmp", "icmpv6"}, f.proto) {
				return f, Errorf(http.StatusBadRequest, "proto: %q: want tcp, udp, icmp, icmpv6 or a protocol number", text)
			}
		case "state":
			if f.state = text; !slices.Contains(flowStates, text) {
				return f, Errorf(http.StatusBadRequest, "state: %q: want %s", text, strings.Join(flowStates, ", "))
			}
		case "direction":
			if f.direction = text; text != "inbound" && text != "outbound" {
				return f, Errorf(http.StatusBadRequest, "direction: %q: want inbound or outbound", text)
			}
		case "source":
			f.source, err = addressOrPrefix(key, text)
		case "destination":
			f.destination, err = addressOrPrefix(key, text)
		case "port":
			n, perr := strconv.ParseUint(text, 10, 16)
			if f.port = uint16(n); perr != nil || n == 0 {
				return f, Errorf(http.StatusBadRequest, "port: %q is not a port", text)
			}
		case "sort":
			if f.order = flowOrders[text]; f.order == nil {
				return f, Errorf(http.StatusBadRequest, "sort: %q: want %s", text, strings.Join(sortedKeys(flowOrders), ", "))
			}
		case "limit":
			if f.limit, err = strconv.Atoi(text); err != nil || f.limit < 1 {
				return f, Errorf(http.StatusBadRequest, "limit: %q: want a number of flows, 1 or more", text)
			}
		default:
			return f, Errorf(http.StatusBadRequest, "unknown query parameter %q, want %s", key, strings.Join(FlowParameters, ", "))
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func addressOrPrefix(key, text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	return netip.Prefix{}, Errorf(http.StatusBadRequest, "%s: %q is neither an address nor a prefix", key, text)
}

// apply filters, sorts and cuts. Flows that are equal in the order asked for stay in the order they came in.
func (f *flowQuery) apply(flows []Flow) []Flow {
	flows = slices.DeleteFunc(flows, func(v Flow) bool { return !f.matches(&v) })
	if f.order != nil {
		slices.SortStableFunc(flows, func(x, y Flow) int { return f.order(&x, &y) })
	}
	if f.limit > 0 && len(flows) > f.limit {
		flows = flows[:f.limit]
	}
	return flows
}

var protocolNumbers = map[string]string{"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58"}

func (f *flowQuery) matches(v *Flow) bool {
	switch {
	case f.endpoint != "" && f.endpoint != v.Endpoint,
		f.proto != "" && f.proto != v.Protocol && f.proto != protocolNumbers[v.Protocol],
		f.state != "" && f.state != v.State,
		f.direction != "" && f.direction != v.Direction,
		f.port != 0 && f.port != v.SourcePort && f.port != v.DestinationPort,
		!within(f.source, v.Source), !within(f.destination, v.Destination):
		return false
	}
	return true
}

func within(p netip.Prefix, text string) bool {
	if !p.IsValid() {
		return true
	}
	a, err := netip.ParseAddr(text)
	return err == nil && p.Contains(a)
}
