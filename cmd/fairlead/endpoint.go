package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/agent/api"
)

func (c *cli) endpointCommand() *cobra.Command {
	return group("endpoint", "Attach, detach and list endpoints of this host", c.attachCommand(), c.detachCommand(), c.reads(&cobra.Command{
		Use:   "list",
		Short: "Attached endpoints",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return showList(c, cmd, "/v1/endpoints", []any{"ENDPOINT", "NIC", "NETWORK", "SUBNET", "ADDRESSES", "MAC", "MTU", "STATE", "RX", "TX", "DROPS", "MESSAGE"},
				func(e api.Endpoint) []any {
					drops := uint64(0)
					for _, n := range e.Counters.Drops {
						drops += n
					}
					return []any{e.Name, e.NIC, e.Network, e.Subnet, strings.Join(e.Addresses, ","), e.MAC, e.MTU, e.State, e.Counters.RxPackets, e.Counters.TxPackets, drops, e.Message}
				})
		},
	}))
}

// homeOf says what an endpoint is connected to.
func homeOf(e *api.Endpoint) string {
	if e.NIC == "" {
		return "network " + e.Network
	}
	return "NIC " + e.NIC
}

func (c *cli) attachCommand() *cobra.Command {
	var r api.AttachRequest
	cmd := &cobra.Command{
		Use:   "attach NAME --netns PATH (--nic RESOURCE_ID | --network NETWORK [--subnet SUBNET] [--ip CA])",
		Short: "Connect a network namespace to a tenant's NIC",
		Long: `Connect a network namespace to a tenant's NIC: the one named, or with --network and --subnet one of this host that is free.

Where the configuration has controller.rest.writes.ipConfigurations, --network and --subnet give the endpoint an address of
its own on a NIC of this host, which it shares with others; it is given back when the endpoint is detached.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Name = args[0]
			switch {
			case r.Netns == "":
				return usage("--netns PATH is required")
			case r.NIC == "" && r.Network == "":
				return usage("name the NIC with --nic, a subnet with --network and --subnet, or a host-local network with --network")
			case r.NIC != "" && (r.Network != "" || r.Subnet != "" || r.IP != ""):
				return usage("--nic goes without --network, --subnet and --ip")
			}
			var err error
			if r.Netns, err = absolute(r.Netns); err != nil {
				return err
			}
			agent, err := c.client()
			if err != nil {
				return err
			}
			e, err := agent.Attach(cmd.Context(), r)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "%s attached: %s, %s, MTU %d\n", e.Name, homeOf(e), strings.Join(e.Addresses, " "), e.MTU)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Netns, "netns", "", "path of the network namespace")
	f.StringVar(&r.Ifname, "ifname", "eth0", "name of the interface inside")
	f.StringVar(&r.NIC, "nic", "", "resource id of the NIC on the controller")
	f.StringVar(&r.Network, "network", "", "virtual network; without --subnet, a host-local network of this host")
	f.StringVar(&r.Subnet, "subnet", "", "its subnet")
	f.StringVar(&r.IP, "ip", "", "a certain CA of the subnet")
	return cmd
}

func (c *cli) detachCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "detach NAME",
		Short: "Remove an endpoint; its namespace may be gone already",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			agent, err := c.client()
			if err != nil {
				return err
			}
			if err := agent.Detach(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "%s detached\n", args[0])
			return nil
		},
	}
}
