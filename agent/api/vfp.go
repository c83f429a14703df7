package api

import "time"

// PortLayers are the layers of a port as VFP lists them; a packet from the endpoint passes them in order.
type PortLayers struct {
	Kinded
	Port   string  `json:"port"`
	Layers []Layer `json:"layers"`
}

// Layer of a port.
type Layer struct {
	Name   string       `json:"name"`
	Groups []LayerGroup `json:"groups"`
}

// LayerGroup is a group of rules for one direction.
type LayerGroup struct {
	Name      string      `json:"name"`
	Direction string      `json:"direction"`
	Type      string      `json:"type"` // IPv4 | IPv6 | both
	Priority  uint32      `json:"priority"`
	Rules     []LayerRule `json:"rules"`
}

// LayerRule of a group: the first that matches decides.
type LayerRule struct {
	ID         string      `json:"id"`
	Type       string      `json:"type"`
	Priority   uint32      `json:"priority"`
	Conditions []Condition `json:"conditions"`
	Action     string      `json:"action"`
	Logging    bool        `json:"logging,omitempty"`
	Packets    *uint64     `json:"packets,omitempty"` // absent: not counted by itself
	Bytes      *uint64     `json:"bytes,omitempty"`
	LastHit    time.Time   `json:"lastHit,omitzero"`
}

// Condition of a rule.
type Condition struct {
	Field string `json:"field"`
	Value string `json:"value"`
}
