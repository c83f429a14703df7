package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/agent/api"
)

func (c *cli) flowCommand() *cobra.Command {
	words := map[string]*string{}
	list := c.reads(&cobra.Command{
		Use:   "list",
		Short: "Live flows",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{}
			for name, word := range words {
				if cmd.Flags().Changed(name) {
					if *word == "" {
						return usage("--%s: must not be empty", name)
					}
					query.Set(name, *word)
				}
			}
			path := "/v1/flows"
			if len(query) > 0 {
				path += "?" + query.Encode()
			}
			return showList(c, cmd, path, []any{"ENDPOINT", "DIRECTION", "PROTOCOL", "SOURCE", "DESTINATION", "STATE", "PACKETS", "BYTES", "OUT", "IN", "AGE", "IDLE", "TRANSPOSITION"},
				func(f api.Flow) []any {
					return []any{f.Endpoint, f.Direction, f.Protocol, hostPort(f.Source, f.SourcePort), hostPort(f.Destination, f.DestinationPort),
						f.State, f.Packets, f.Bytes, fmt.Sprintf("%d/%d", f.PacketsOut, f.BytesOut), fmt.Sprintf("%d/%d", f.PacketsIn, f.BytesIn),
						seconds(f.AgeSeconds), seconds(f.IdleSeconds), f.Transposition}
				})
		},
	})
	for _, f := range []struct{ name, text string }{
		{"endpoint", "only this endpoint's"},
		{"proto", "tcp, udp, icmp, icmpv6 or a number"},
		{"state", "new, answered, syn, established, closing, closed or forbidden"},
		{"source", "the initiator's address, or a prefix it is in"},
		{"destination", "the responder's address, or a prefix it is in"},
		{"port", "at either end"},
		{"direction", "inbound or outbound: who started it"},
		{"sort", "packets, bytes, age, idle, packetsOut, packetsIn, bytesOut, bytesIn (the most first), endpoint, source, destination or state"},
		{"limit", "show this many"},
	} {
		words[f.name] = list.Flags().String(f.name, "", f.text)
	}
	for flag, values := range map[string][]string{
		"proto": {"tcp", "udp", "icmp", "icmpv6"}, "direction": {"inbound", "outbound"},
		"state": {"new", "answered", "syn", "established", "closing", "closed", "forbidden"},
		"sort":  {"packets", "bytes", "age", "idle", "packetsOut", "packetsIn", "bytesOut", "bytesIn", "endpoint", "source", "destination", "state"},
	} {
		_ = list.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	return group("flow", "Connections at the ports of this host", list)
}

// hostPort is "10.0.1.4:443", "[fd00::4]:443".
func hostPort(address string, port uint16) string {
	if a, err := netip.ParseAddr(address); err == nil {
		return netip.AddrPortFrom(a, port).String()
	}
	return address + ":" + strconv.Itoa(int(port))
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}
