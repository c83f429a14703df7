// Package api is the agent's REST interface over a unix socket: types, server and client.
package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// Version of every document.
const Version = "fairlead/v1"

// List is the envelope of a list.
type List[T any] struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Items      []T    `json:"items"`
}

// Kinded is the envelope of one item.
type Kinded struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// Status of the agent.
type Status struct {
	Kinded
	Host       string         `json:"host"`
	Version    string         `json:"version"`
	Controller cc.Status      `json:"controller"`
	Model      ModelStatus    `json:"model"`
	Datapath   DatapathStatus `json:"datapath"`
	Problems   []cc.Problem   `json:"problems"`
}

// Degraded reports whether something needs the operator.
func (s *Status) Degraded() bool {
	if s.Controller.State != cc.StateOK {
		return true
	}
	for _, p := range s.Problems {
		if p.Severity == "error" {
			return true
		}
	}
	return false
}

// ModelStatus counts what is known.
type ModelStatus struct {
	Generation uint64         `json:"generation"`
	Networks   int            `json:"networks"`
	Subnets    int            `json:"subnets"`
	Endpoints  int            `json:"endpoints"`
	Mappings   int            `json:"mappings"`
	Rules      int            `json:"rules"`
	VSIDSource map[string]int `json:"vsidSource,omitempty"` // subnets by where their VSID comes from
	PASource   map[string]int `json:"paSource,omitempty"`   // servers by where their provider address comes from
	// FromDisk is when the state in force was saved, as long as nothing has come from the controller since the start.
	FromDisk  time.Time `json:"fromDisk,omitzero"`
	PAMissing []string  `json:"paMissing,omitempty"` // servers without one: their endpoints cannot be reached
}

// DatapathStatus is the vSwitch's.
type DatapathStatus struct {
	Type          string `json:"type"`
	Encapsulation string `json:"encapsulation"`
	Generation    uint64 `json:"generation"`
	Ports         int    `json:"ports"`
	Flows         int    `json:"flows"`
	// Drops that belong to no port, by reason.
	Drops map[string]uint64 `json:"drops,omitempty"`
}

// Network is a tenant's virtual network.
type Network struct {
	ID              string   `json:"id"`
	Name            string   `json:"name"`
	RDID            string   `json:"rdid"`
	AddressPrefixes []string `json:"addressPrefixes"`
	Peerings        []string `json:"peerings,omitempty"`
	HostLocal       bool     `json:"hostLocal,omitempty"` // of this host alone
}

// Subnet of a virtual network.
type Subnet struct {
	Network string `json:"network"`
	ID      string `json:"id"`
	Prefix  string `json:"prefix"`
	VSID    uint32 `json:"vsid"`
	Gateway string `json:"gateway"`
	ACL     string `json:"acl,omitempty"`
	// HostLocal is a subnet of this host alone; its VSID is never on the wire.
	HostLocal bool `json:"hostLocal,omitempty"`
}

// Mapping says where a CA lives.
type Mapping struct {
	Network string `json:"network"`
	Subnet  string `json:"subnet"`
	VSID    uint32 `json:"vsid"`
	CA      string `json:"ca"`
	MAC     string `json:"mac"`
	PA      string `json:"pa,omitempty"`
	Host    string `json:"host,omitempty"`
	Local   bool   `json:"local"`
}

// ACL with its rules and what they counted here.
type ACL struct {
	ID          string `json:"id"`
	ResourceRef string `json:"resourceRef"`
	Layer       string `json:"layer,omitempty"` // VFP's name: whose list it is
	Rules       []Rule `json:"rules"`
	// Defaults per direction: what happens when no rule matches.
	Defaults []Default `json:"defaults"`
}

// Default is an ACL's action for what no rule matches.
type Default struct {
	Direction string    `json:"direction"`
	Action    string    `json:"action"`
	Packets   uint64    `json:"packets"`
	Bytes     uint64    `json:"bytes"`
	LastHit   time.Time `json:"lastHit,omitzero"`
}

// Rule of an ACL.
type Rule struct {
	ID               string    `json:"id"`
	Direction        string    `json:"direction"`
	Action           string    `json:"action"`
	Protocol         string    `json:"protocol"`
	Source           string    `json:"source"`
	Destination      string    `json:"destination"`
	SourcePorts      string    `json:"sourcePorts"`
	DestinationPorts string    `json:"destinationPorts"`
	ICMP             string    `json:"icmp,omitempty"`     // types, or types/codes
	TCPFlags         string    `json:"tcpFlags,omitempty"` // of a connection's first packet
	Priority         uint32    `json:"priority"`
	Logging          bool      `json:"logging"`
	Packets          uint64    `json:"packets"`
	Bytes            uint64    `json:"bytes"`
	LastHit          time.Time `json:"lastHit,omitzero"`
}

// Endpoint is an attached NIC.
type Endpoint struct {
	Name      string   `json:"name"`
	NIC       string   `json:"nic"`
	Network   string   `json:"network,omitempty"`
	Subnet    string   `json:"subnet,omitempty"`
	MAC       string   `json:"mac"`
	Addresses []string `json:"addresses"`
	Netns     string   `json:"netns"`
	Ifname    string   `json:"ifname"`
	Device    string   `json:"device"` // host side of the vNIC
	MTU       int      `json:"mtu"`
	State     string   `json:"state"` // up | down | pending | error
	Message   string   `json:"message,omitempty"`
	Counters  Counters `json:"counters"`
}

// EndpointDocument is one endpoint as a document of its own.
type EndpointDocument struct {
	Kinded
	Endpoint
}

// Counters as the endpoint sees them: tx is what it sent.
type Counters struct {
	RxPackets uint64            `json:"rxPackets"`
	RxBytes   uint64            `json:"rxBytes"`
	TxPackets uint64            `json:"txPackets"`
	TxBytes   uint64            `json:"txBytes"`
	Drops     map[string]uint64 `json:"drops"`
	// Meter by who the other end is: subnet, network or outside. What is zero is absent.
	Meter map[string]Meter `json:"meter,omitempty"`
	Flows *FlowCounters    `json:"flows,omitempty"`
}

// Meter counts packets of allowed flows.
type Meter struct {
	RxPackets uint64 `json:"rxPackets"`
	RxBytes   uint64 `json:"rxBytes"`
	TxPackets uint64 `json:"txPackets"`
	TxBytes   uint64 `json:"txBytes"`
}

// FlowCounters of a port's flow table.
type FlowCounters struct {
	Now     uint64 `json:"now"`
	Created uint64 `json:"created"`
	Evicted uint64 `json:"evicted"` // half-open ones that gave way to newer ones
	Refused uint64 `json:"refused"` // dropped: the table was full
}

// AttachRequest names a NIC, a subnet with a NIC of this host that is free or (if the agent may write) shared, or (Network
// alone) a host-local network.
type AttachRequest struct {
	Name    string `json:"name"`
	Netns   string `json:"netns"`
	Ifname  string `json:"ifname,omitempty"` // default eth0
	NIC     string `json:"nic,omitempty"`
	Network string `json:"network,omitempty"`
	Subnet  string `json:"subnet,omitempty"`
	IP      string `json:"ip,omitempty"`
}

// TraceRequest asks what happens to a packet.
type TraceRequest struct {
	From  string `json:"from"`            // endpoint
	To    string `json:"to"`              // CA
	Proto string `json:"proto,omitempty"` // tcp (default), udp, icmp, icmpv6
	Sport uint16 `json:"sport,omitempty"`
	Dport uint16 `json:"dport,omitempty"`
}

// Trace is a packet's way.
type Trace struct {
	Kinded
	Verdict        string              `json:"verdict"` // allow | drop
	Reason         string              `json:"reason,omitempty"`
	Steps          []TraceStep         `json:"steps"`
	Encapsulation  *TraceEncapsulation `json:"encapsulation,omitempty"`
	DatapathAgrees bool                `json:"datapathAgrees"`
	Disagreement   string              `json:"disagreement,omitempty"`
}

// TraceStep is one decision.
type TraceStep struct {
	Host      string `json:"host,omitempty"`
	Layer     string `json:"layer"`
	Direction string `json:"direction"`
	Group     string `json:"group,omitempty"`
	Rule      string `json:"rule,omitempty"`
	Action    string `json:"action"`
	Note      string `json:"note,omitempty"`
}

// TraceEncapsulation is how the packet crosses the underlay.
type TraceEncapsulation struct {
	Type        string `json:"type"`
	VSID        uint32 `json:"vsid"`
	Source      string `json:"source"`
	Destination string `json:"destination"`
}

// Error is an RFC 9457 problem document.
type Error struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (e *Error) Error() string { return e.Detail }

// Errorf makes a problem with an HTTP status.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// Backend does what the API asks. Its errors are *Error where the caller is to blame.
type Backend interface {
	Status() (*Status, error)
	Ready() error
	Endpoints() ([]Endpoint, error)
	Attach(ctx context.Context, r AttachRequest) (*Endpoint, error)
	Detach(ctx context.Context, name string) error
	Networks() []Network
	Subnets() []Subnet
	Mappings() []Mapping
	ACLs() ([]ACL, error)
	RouteTables() []RouteTable
	LoadBalancers() []LoadBalancer
	PublicAddresses() []PublicAddress
	Flows() ([]Flow, error)
	Trace(r TraceRequest) (*Trace, error)
	// Layers of an endpoint's port.
	Layers(port string) (*PortLayers, error)
	// Events from now on, one per call of next, until ctx ends: then next returns its error.
	Events(ctx context.Context, f EventFilter) (next func() (Event, error), err error)
}

// Seconds rounds for people and machines alike.
func Seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
