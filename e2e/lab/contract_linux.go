package lab

// What the reading commands print with -o json, as far as scenarios look at it. It is written down
// here again on purpose: users' scripts stand on the contract, not on the agent's types.

// Status is `fairlead status -o json`.
type Status struct {
	Host       string
	Controller struct {
		Type, URL, State, Message string
	}
	Model struct {
		Generation                                    uint64
		Networks, Subnets, Endpoints, Mappings, Rules int
	}
	Datapath struct {
		Type, Encapsulation string
		Generation          uint64
		Ports, Flows        int
		Drops               map[string]uint64
	}
	Problems []Problem
}

// Problem is one entry of a status's problems.
type Problem struct{ Code, Severity, Resource, Message string }

// Endpoint is an item of `fairlead endpoint list -o json`.
type Endpoint struct {
	Name, NIC, Network, Subnet, MAC string
	Addresses                       []string
	Netns, Ifname, State, Message   string
	MTU                             int
	Counters                        struct {
		RxPackets, RxBytes, TxPackets, TxBytes uint64
		Drops                                  map[string]uint64
	}
}

// ACL is an item of `fairlead acl list -o json`.
type ACL struct {
	ID, ResourceRef string
	Rules           []struct {
		ID, Action       string
		Packets, Bytes   uint64
		DestinationPorts any
	}
}

// list is the envelope of a list.
type list[T any] struct {
	APIVersion, Kind string
	Items            []T
}
