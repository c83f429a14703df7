package overlay

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/encap"
)

// explicitVSID takes what the source says, else what the config says. It returns why that cannot be used.
func (b *builder) explicitVSID(s *Subnet, published uint32) string {
	if published != 0 {
		if v := encap.VSID(published); v.Valid() {
			s.VSID, s.VSIDOrigin = v, OriginSource
			return ""
		}
		return fmt.Sprintf("properties.vsid \"%d\" is not within %d to %d", published, encap.MinVSID, encap.MaxVSID)
	}
	if b.configVSIDs == nil {
		b.configVSIDs = make(map[string]encap.VSID, len(b.opts.VirtualSubnetIDs))
		for _, ref := range slices.Sorted(maps.Keys(b.opts.VirtualSubnetIDs)) {
			b.configVSIDs[cc.RefKey(ref)] = b.opts.VirtualSubnetIDs[ref]
		}
	}
	v, ok := b.configVSIDs[s.Key]
	if !ok {
		s.VSIDOrigin = OriginDerived
		return ""
	}
	if !v.Valid() {
		// Deriving one instead would cut this host off from those whose config is right.
		return fmt.Sprintf("the config's virtualSubnetIds entry \"%d\" is not within %d to %d", v, encap.MinVSID, encap.MaxVSID)
	}
	s.VSID, s.VSIDOrigin = v, OriginConfig
	return ""
}

// deriveVSIDs numbers the subnets that nobody numbered. It looks at nothing but the snapshot, in the order of the
// keys, so that every host that sees the same subnets comes to the same numbers; prev would differ between hosts.
func (b *builder) deriveVSIDs(claims []*subnetClaim, taken map[encap.VSID]*Subnet) {
	var first *Subnet
	derived := 0
	for _, c := range claims {
		s := c.subnet
		if s.VSID != 0 {
			continue
		}
		identity := strings.ToLower(strings.TrimSpace(s.InstanceID))
		if identity == "" {
			identity = s.Key
		}
		var other *Subnet
		for n := 0; s.VSID == 0; n++ {
			v := deriveVSID(identity, n)
			if holder := taken[v]; holder == nil {
				s.VSID, taken[v] = v, s
			} else if other == nil {
				other = holder
			}
		}
		if other != nil {
			b.warnf("vsid-collision", s.Ref, "the VSID derived from %s, %d, is that of %s, which keeps it; %d is in force here",
				quote(identity), other.VSID, other.Ref, s.VSID)
		}
		derived++
		if first == nil {
			first = s
		}
	}
	if derived > 0 && derived < len(claims) {
		b.warnf("vsid-mixed", first.Ref, "VSID is not published for this and %d other subnets, but for %d it is; derived ones are in force here, which only works if every host runs Fairlead",
			derived-1, len(claims)-derived)
	}
}

func deriveVSID(identity string, n int) encap.VSID {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s#%d", identity, n)
	return encap.MinVSID + encap.VSID(h.Sum64()%uint64(encap.MaxVSID-encap.MinVSID+1))
}
