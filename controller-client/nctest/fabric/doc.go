// Package fabric makes the resources of a whole fabric, of any size, in the Network Controller's wire
// form: servers, overlapping tenants, access control lists, NICs and what stands around them. The same
// [Spec] makes the same bytes, and every resource follows from its number alone, so a fabric of any
// size is written and asked about without being held in memory.
//
//	f, err := fabric.New(fabric.Spec{Servers: 1000, Tenants: 500, NICs: 100000, ACLRules: 200, Subnets: 4})
//	for ref, body := range f.Resources() { … }
//
// Sizes and mixtures are what fabrics of this kind plausibly look like; they are not measured on any.
package fabric
