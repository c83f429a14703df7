// Package encap is the wire format of overlay packets: VXLAN (RFC 7348) and NVGRE (RFC 7637), and the
// arithmetic that goes with them: overhead, MTU, MSS, flow entropy. Pure functions over byte slices.
package encap

import (
	"fmt"
	"strings"
)

// Type of encapsulation.
type Type uint8

const (
	VXLAN Type = 1
	NVGRE Type = 2
)

func (t Type) String() string {
	switch t {
	case VXLAN:
		return "vxlan"
	case NVGRE:
		return "nvgre"
	}
	return fmt.Sprintf("encap.Type(%d)", uint8(t))
}

// ParseType reads "vxlan" or "nvgre" in any case.
func ParseType(s string) (Type, error) {
	switch strings.ToLower(s) {
	case "vxlan":
		return VXLAN, nil
	case "nvgre":
		return NVGRE, nil
	}
	return 0, fmt.Errorf("encapsulation %q: want vxlan or nvgre", s)
}

// VSID is a virtual subnet id: the VNI of VXLAN, the upper 24 bits of NVGRE's key.
type VSID uint32

// The range of VSIDs a tenant subnet may have (RFC 7637 reserves the ends).
const (
	MinVSID VSID = 4096
	MaxVSID VSID = 16777214
)

// Valid reports whether v may name a tenant subnet.
func (v VSID) Valid() bool { return v >= MinVSID && v <= MaxVSID }
