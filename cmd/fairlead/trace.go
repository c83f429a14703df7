package main

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/agent/api"
)

func (c *cli) traceCommand() *cobra.Command {
	var r api.TraceRequest
	cmd := c.reads(&cobra.Command{
		Use:   "trace --from ENDPOINT --to CA [--proto tcp --dport 443]",
		Short: "Why does a packet pass, or where is it dropped",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if r.From == "" || r.To == "" {
				return usage("--from ENDPOINT and --to CA are required")
			}
			if _, err := netip.ParseAddr(r.To); err != nil {
				return usage("--to %q: want an address", r.To)
			}
			if !slices.Contains([]string{"tcp", "udp", "icmp", "icmpv6"}, r.Proto) {
				return usage("--proto %q: want tcp, udp, icmp or icmpv6", r.Proto)
			}
			agent, err := c.client()
			if err != nil {
				return err
			}
			t, err := agent.Trace(cmd.Context(), r)
			if err != nil {
				return err
			}
			return c.show(t, func(row func(...any)) {
				row("HOST", "LAYER", "DIRECTION", "GROUP", "RULE", "ACTION", "NOTE")
				for _, s := range t.Steps {
					row(s.Host, s.Layer, s.Direction, s.Group, s.Rule, s.Action, s.Note)
				}
				verdict := t.Verdict
				if t.Reason != "" {
					verdict += ": " + t.Reason
				}
				row("verdict", verdict)
				if e := t.Encapsulation; e != nil {
					row("outer", fmt.Sprintf("%s vsid %d, %s to %s", e.Type, e.VSID, e.Source, e.Destination))
				}
				if !t.DatapathAgrees {
					row("DISAGREEMENT", t.Disagreement)
				}
			})
		},
	})
	f := cmd.Flags()
	f.StringVar(&r.From, "from", "", "endpoint on this host")
	f.StringVar(&r.To, "to", "", "customer address")
	f.StringVar(&r.Proto, "proto", "tcp", "tcp, udp, icmp or icmpv6")
	f.Uint16Var(&r.Sport, "sport", 0, "source port (default: any)")
	f.Uint16Var(&r.Dport, "dport", 0, "destination port")
	return cmd
}
