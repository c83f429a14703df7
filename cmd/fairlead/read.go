package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/agent/api"
)

// listCommand is "NOUN list" of a collection.
func listCommand[T any](c *cli, noun, short, path string, header []any, cells func(T) []any) *cobra.Command {
	return group(noun, short, c.reads(&cobra.Command{
		Use:   "list",
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return showList(c, cmd, path, header, cells)
		},
	}))
}

func (c *cli) get(cmd *cobra.Command, path string, into any) error {
	agent, err := c.client()
	if err != nil {
		return err
	}
	return agent.Get(cmd.Context(), path, into)
}

func showList[T any](c *cli, cmd *cobra.Command, path string, header []any, cells func(T) []any) error {
	var l api.List[T]
	if err := c.get(cmd, path, &l); err != nil {
		return err
	}
	return c.show(l, func(row func(...any)) {
		row(header...)
		for _, item := range l.Items {
			row(cells(item)...)
		}
	})
}

func (c *cli) networkCommand() *cobra.Command {
	return listCommand(c, "network", "Tenant networks", "/v1/networks", []any{"NETWORK", "PREFIXES", "RDID"},
		func(n api.Network) []any { return []any{n.ID, strings.Join(n.AddressPrefixes, ","), n.RDID} })
}

func (c *cli) subnetCommand() *cobra.Command {
	return listCommand(c, "subnet", "Subnets of tenant networks", "/v1/subnets", []any{"NETWORK", "SUBNET", "PREFIX", "GATEWAY", "VSID", "ACL"},
		func(s api.Subnet) []any { return []any{s.Network, s.ID, s.Prefix, s.Gateway, s.VSID, s.ACL} })
}

func (c *cli) mappingCommand() *cobra.Command {
	return listCommand(c, "mapping", "Where customer addresses live", "/v1/mappings", []any{"NETWORK", "SUBNET", "VSID", "CA", "MAC", "PA", "HOST", "LOCAL"},
		func(m api.Mapping) []any {
			return []any{m.Network, m.Subnet, m.VSID, m.CA, m.MAC, m.PA, m.Host, m.Local}
		})
}

func (c *cli) aclCommand() *cobra.Command {
	return group("acl", "Access control lists", c.reads(&cobra.Command{
		Use:   "list",
		Short: "Access control lists with what their rules counted on this host",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var l api.List[api.ACL]
			if err := c.get(cmd, "/v1/acls", &l); err != nil {
				return err
			}
			return c.show(l, func(row func(...any)) {
				row("ACL", "RULE", "PRIORITY", "DIRECTION", "ACTION", "PROTOCOL", "SOURCE", "DESTINATION", "PACKETS", "BYTES", "LAST HIT")
				for _, a := range l.Items {
					for _, r := range a.Rules {
						row(a.ID, r.ID, r.Priority, r.Direction, r.Action, ruleProtocol(&r), r.Source+":"+r.SourcePorts, r.Destination+":"+r.DestinationPorts, r.Packets, r.Bytes, hitTime(r.LastHit))
					}
					for _, d := range a.Defaults {
						if d.Action == "block" || d.Packets > 0 {
							row(a.ID, "(no rule)", "", d.Direction, d.Action, "all", "*:*", "*:*", d.Packets, d.Bytes, hitTime(d.LastHit))
						}
					}
				}
			})
		},
	}))
}

func (c *cli) routeCommand() *cobra.Command {
	return group("route", "User-defined routes", c.reads(&cobra.Command{
		Use:   "list",
		Short: "User-defined routes, by route table",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var l api.List[api.RouteTable]
			if err := c.get(cmd, "/v1/routetables", &l); err != nil {
				return err
			}
			return c.show(l, func(row func(...any)) {
				row("TABLE", "ROUTE", "PREFIX", "TYPE", "NEXT HOP", "SUBNETS")
				for _, t := range l.Items {
					for _, r := range t.Routes {
						row(t.ID, r.ID, r.Prefix, r.Type, r.NextHop, strings.Join(t.Subnets, ","))
					}
				}
			})
		},
	}))
}

func (c *cli) loadBalancerCommand() *cobra.Command {
	return group("loadbalancer", "Load balancers of the fabric", c.reads(&cobra.Command{
		Use:   "list",
		Short: "Load balancers and their rules: shown, not in force",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var l api.List[api.LoadBalancer]
			if err := c.get(cmd, "/v1/loadbalancers", &l); err != nil {
				return err
			}
			return c.show(l, func(row func(...any)) {
				row("LOAD BALANCER", "RULE", "KIND", "PROTOCOL", "FRONTENDS", "PORT", "BACKEND", "PORT", "RETURN")
				for _, b := range l.Items {
					for _, r := range b.Rules {
						back := "by way of the VIP"
						if r.DirectReturn {
							back = "direct"
						}
						row(b.ID, r.ID, r.Kind, r.Protocol, strings.Join(r.Frontends, ","), r.FrontendPort, r.BackendPool+r.IPConfiguration, r.BackendPort, back)
					}
				}
			})
		},
	}))
}

func (c *cli) publicAddressCommand() *cobra.Command {
	return listCommand(c, "publicaddress", "Public addresses of the fabric: shown, not in force", "/v1/publicaddresses", []any{"NAME", "ADDRESS", "ALLOCATION", "HELD BY"},
		func(p api.PublicAddress) []any { return []any{p.ID, p.Address, p.AllocationMethod, p.IPConfiguration} })
}

// ruleProtocol is such as "tcp syn,!ack" or "icmp 8".
func ruleProtocol(r *api.Rule) string {
	return strings.TrimSpace(r.Protocol + " " + r.ICMP + r.TCPFlags)
}

func (c *cli) statusCommand() *cobra.Command {
	return c.reads(&cobra.Command{
		Use:   "status",
		Short: "One screen: controller, model, datapath, what is wrong (exit code 5 when something is)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s api.Status
			if err := c.get(cmd, "/v1/status", &s); err != nil {
				return err
			}
			err := c.show(s, func(row func(...any)) { drawStatus(&s, row) })
			if err == nil && s.Degraded() {
				return &exitError{exitDegraded, errQuiet}
			}
			return err
		},
	})
}

// scopes say how much of the fabric is read.
var scopes = map[string]string{"host": "what this host needs is read", "full": "the whole fabric is read"}

// missing names the servers without a provider address, the first of them if there are many.
func missing(servers []string) string {
	const most = 8
	if len(servers) == 0 {
		return ""
	}
	more := ""
	if len(servers) > most {
		servers, more = servers[:most], fmt.Sprintf(" and %d more", len(servers)-most)
	}
	return "; none of " + strings.Join(servers, ", ") + more
}

// origins are the words for where a value comes from.
var origins = map[string]string{"source": "the controller", "config": "the configuration", "derived": "a hash of the instanceId"}

const sameTitle = " " // of the row above

func drawStatus(s *api.Status, row func(...any)) {
	row("Host", s.Host+", fairlead "+s.Version)
	last := "never"
	if !s.Controller.LastSync.IsZero() {
		last = time.Since(s.Controller.LastSync).Round(time.Second).String() + " ago"
	}
	row("Controller", fmt.Sprintf("%s %s: %s, last synchronised %s", s.Controller.Type, s.Controller.URL, s.Controller.State, last))
	if what := scopes[s.Controller.Scope]; what != "" {
		row(sameTitle, what)
	}
	if s.Controller.Message != "" {
		row(sameTitle, s.Controller.Message)
	}
	m := s.Model
	row("Model", fmt.Sprintf("generation %d: %d networks, %d subnets, %d endpoints, %d mappings, %d rules", m.Generation, m.Networks, m.Subnets, m.Endpoints, m.Mappings, m.Rules))
	if !m.FromDisk.IsZero() {
		row(sameTitle, "as it was saved on this host, "+time.Since(m.FromDisk).Round(time.Second).String()+" ago")
	}
	row(sameTitle, "VSIDs from "+counts(m.VSIDSource))
	row(sameTitle, "provider addresses from "+counts(m.PASource)+missing(m.PAMissing))
	d := s.Datapath
	row("Datapath", fmt.Sprintf("%s %s, generation %d: %d ports, %d flows", d.Type, d.Encapsulation, d.Generation, d.Ports, d.Flows))
	if len(s.Problems) == 0 {
		row("Problems", "none")
	}
	for i, p := range s.Problems {
		title := sameTitle
		if i == 0 {
			title = "Problems"
		}
		row(title, fmt.Sprintf("%s %s %s: %s", p.Severity, p.Code, p.Resource, p.Message))
	}
}

func counts(by map[string]int) string {
	var words []string
	for name, n := range by {
		if where := origins[name]; where != "" {
			words = append(words, fmt.Sprintf("%s (%d)", where, n))
		}
	}
	if words == nil {
		return "nowhere yet"
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
