// Package overlay turns what a fabric says into one immutable tenant model, and compiles that model for one host.
//
// [Build] judges a [controllerclient.Snapshot], whose values are still the fabric's own words. What it cannot
// use is named in a [controllerclient.Problem] (the resource, the field, the value, and what stays in force) and
// everything else is applied. [Compile] cuts out of the [Model] what one host's vSwitch needs, as a [vfp.Policy].
// [Diff] says what changed. The package is pure: no I/O, no clock, no goroutine, no logging; equal inputs give
// equal values whatever the order of the input lists. (The one list whose order has a meaning is a server's
// provider addresses: the first one of the wanted family is used.)
//
// # Last good
//
// A resource (ACL, network interface, ipConfiguration, subnet, provider address) that is unusable now but was
// good in the previous model keeps its previous version. A last good version never displaces a resource that is
// good now. When two resources want the same CA, VSID or MAC, the one that had it keeps it, else the one with the
// lowest reference gets it. So a mistake at one resource never takes another resource down.
//
// # Access control lists
//
// An ACL filters a direction only if it declares at least one rule for that direction (a rule that had to be
// left out counts too). In such a direction a packet that no rule matches is BLOCKED, unless
// [Options].ACLDefaultAllow says otherwise; in a direction without rules nothing is filtered. [derived] Microsoft's
// documentation never states the default; its "allow all traffic" example [seen] needs one explicit Allow rule
// per direction, which only makes sense when the default of an ACL in use is to block.
//
// A subnet's ACL and an ipConfiguration's own ACL must both allow, subnet first, in both directions [derived];
// with [CombineNIC] the ipConfiguration's own ACL replaces the subnet's.
//
// ACLs fail closed. Of an ACL that never was good, an unreadable Allow rule is left out; an unreadable Deny rule
// stays, with the unreadable field widened to "any", an unreadable direction to both directions and an unreadable
// priority to the highest. A rule whose action is unreadable is a Deny rule. A reference to an ACL that does not
// exist, or that several different ACLs share, keeps the last good ACL, else it blocks everything. (Of other resources
// that share a reference an arbitrary one, always the same, is considered.)
//
// Ports only exist in TCP and UDP: a rule for protocol "All" with a port condition matches nothing else. "*" and
// "0-65535" are no port condition. "ICMP" is protocol 1, "ICMPv6" is 58. [derived]
//
// A tag stands for addresses: VirtualNetwork for the address prefixes of the virtual network and its peers (without any, their
// subnets'), Internet for every other address, "Any" for all. [derived] A security tag stands for the CAs of the
// ipConfigurations in the network and its peers that carry it; where a rule has security tags they replace that side's prefix, which
// is not looked at. A tag that nobody carries matches nothing; one that does not exist is an unreadable field. An ACL is shared
// between virtual networks, so [Compile] resolves tags for each network it guards; the policy then holds one instance per
// network, see [ACLRef]. Other tags are unreadable fields.
//
// # Routes
//
// A subnet's route table decides where its endpoints' packets go. The longest prefix wins among the table's routes and the
// system's: the subnet itself [derived] and the address prefixes of the network and its peers, which lead straight to the
// destination; of equal prefixes the table's wins [seen]. VirtualAppliance leads to the endpoint in the network or a peer that has the
// next hop's CA, VnetLocal straight to the destination, None nowhere. Internet leads nowhere either: there is no way out of
// a virtual network here.
//
// Routes fail closed. An unreadable route keeps its last good version, else its packets are dropped; only one without a
// readable prefix is left out. A next hop that nobody has drops packets, and so does a table that does not exist, for all that
// leaves the subnet.
//
// An endpoint that is the next hop of a route in force forwards: it may send packets of any source and receive those for any
// destination, and its host may send such packets to others of its network and its peers [derived: in Microsoft's bodies no
// property of a network interface was found that says so]. Its ACLs judge them by their own addresses.
//
// # The operator's part
//
// [HostConfig] holds what the host's own configuration adds: admin rules ([ParseAdminRule]), in a list that comes before
// those of the tenants and lets pass what no rule of it matches; limits, mirrors, multicast; and host-local networks,
// whose VSIDs are below those of tenants and never on the wire.
//
// # Identifiers
//
// A virtual network's RDID is its instanceId in lower case, else a GUID made from its reference. A subnet's VSID
// is what the source says, else what the config says, else a hash of its instanceId (or reference) that every
// host computes alike from the same snapshot; [Model].VSIDSource counts which kind is in use. The gateway is what
// the source says, else the first host address of the prefix. [derived]
//
// # Peerings
//
// Two virtual networks that name each other reach each other's addresses; a one-sided peering carries nothing. Peerings
// are not transitive. A peering is refused that would give a network one address twice: two peers must not overlap, nor
// two peers of one network [derived]. Of two such the one in force before stays, else the one with the lower references.
// The tag VirtualNetwork, and security tags, take in the peers [derived, as in Azure].
package overlay
