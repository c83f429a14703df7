package fabric

import "fmt"

// Spec says how large a fabric is. Everything else follows from it.
type Spec struct {
	Servers  int    // hosts; may be 0 when there are no NICs
	Tenants  int    // virtual networks
	Subnets  int    // of every virtual network (with DualStack, as many again for IPv6)
	NICs     int    // over all tenants
	ACLRules int    // of every access control list; 0: no lists
	Seed     uint64 // the same seed makes the same bytes

	// DualStack gives every NIC an IPv6 address beside its IPv4 ones.
	DualStack bool
	// Microsoft leaves out what only Fairlead's development controller publishes: provider addresses
	// and VSIDs (the key "fairlead").
	Microsoft bool
}

// Limits of a Spec.
const (
	maxServers  = 60000    // provider addresses of one /16
	maxTenants  = 1 << 20  // keeps the numbers below within an int
	maxSubnets  = 4096     // of one network
	maxNICs     = 1 << 22  // public addresses: one in publicEvery, out of a /15
	maxACLRules = 60000    // priorities end at 65000
	tenantSpace = 32 - 9   // bits of an address in a tenant's 10.0.0.0/9
	firstVSID   = 5001     // as the development controller's first
	maxVSID     = 16777214 // of the range 4096 to 16777214
	maxSubnetID = maxVSID - firstVSID + 1
)

// FieldError says what is wrong with a field of a Spec.
type FieldError struct{ Field, Problem string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

func bad(field, format string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(format, args...)}
}

// Validate answers a [FieldError] for the first field that cannot be.
func (s Spec) Validate() error {
	for _, f := range []struct {
		name      string
		value     int
		low, high int
	}{
		{"Servers", s.Servers, 0, maxServers},
		{"Tenants", s.Tenants, 0, maxTenants},
		{"Subnets", s.Subnets, 1, maxSubnets},
		{"NICs", s.NICs, 0, maxNICs},
		{"ACLRules", s.ACLRules, 0, maxACLRules},
	} {
		if f.value < f.low || f.value > f.high {
			return bad(f.name, "%d is not from %d to %d", f.value, f.low, f.high)
		}
	}
	switch {
	case s.NICs > 0 && s.Servers == 0:
		return bad("Servers", "%d NICs need at least one", s.NICs)
	case s.NICs > 0 && s.Tenants == 0:
		return bad("Tenants", "%d NICs need at least one", s.NICs)
	case s.Tenants*s.subnetsPerTenant() > maxSubnetID:
		return bad("Subnets", "%d tenants with %d subnets each need more than the %d VSIDs there are",
			s.Tenants, s.subnetsPerTenant(), maxSubnetID)
	case s.Subnets<<s.hostBits() > 1<<tenantSpace:
		return bad("Subnets", "%d subnets of /%d do not fit into a tenant's /%d",
			s.Subnets, 32-s.hostBits(), 32-tenantSpace)
	}
	return nil
}

// subnetsPerTenant counts both families.
func (s Spec) subnetsPerTenant() int {
	if s.DualStack {
		return 2 * s.Subnets
	}
	return s.Subnets
}
