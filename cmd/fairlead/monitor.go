package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/agent/api"
)

var errEnough = errors.New("enough")

func (c *cli) monitorCommand() *cobra.Command {
	var endpoint string
	var kinds []string
	var limit int
	var output string
	cmd := &cobra.Command{
		Use:   "monitor [--endpoint NAME] [--kind drop,acl,flow]",
		Short: "What happens from now on: drops, decisions of rules with logging, flows",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show := c.eventLine
			switch output {
			case "table":
			case "json":
				show = c.eventJSON
			default:
				return usage("--output %q: want table or json", output)
			}
			if limit < 0 {
				return usage("--limit %d: want 1 or more", limit)
			}
			agent, err := c.client()
			if err != nil {
				return err
			}
			query := url.Values{}
			if endpoint != "" {
				query.Set("endpoint", endpoint)
			}
			if len(kinds) > 0 {
				query.Set("kind", strings.Join(kinds, ","))
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			shown := 0
			err = agent.Events(ctx, query, func(e api.Event) error {
				if err := show(&e); err != nil {
					return err
				}
				if shown++; shown == limit {
					return errEnough
				}
				return nil
			})
			if errors.Is(err, errEnough) || errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&endpoint, "endpoint", "", "only this endpoint's")
	f.StringSliceVar(&kinds, "kind", nil, "acl, drop, flow, flow-new, flow-closed (default: all)")
	f.IntVar(&limit, "limit", 0, "end after this many events (default: never)")
	f.StringVarP(&output, "output", "o", "table", "table, or json: a document per line")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions([]string{"acl", "drop", "flow"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (c *cli) eventJSON(e *api.Event) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(e)
}

// eventLine is one line, in columns as far as a stream can have them.
func (c *cli) eventLine(e *api.Event) error {
	if e.Lost > 0 {
		if _, err := fmt.Fprintf(c.stderr, "fairlead: %d events lost: they came faster than they were read\n", e.Lost); err != nil {
			return err
		}
	}
	endpoint := e.Endpoint
	if endpoint == "" {
		endpoint = "(host)"
	}
	packet := "-"
	if e.Source != "" {
		packet = fmt.Sprintf("%s %s > %s", e.Protocol, hostPort(e.Source, e.SourcePort), hostPort(e.Destination, e.DestinationPort))
	}
	words := []string{e.Time.Local().Format("15:04:05.000"), fmt.Sprintf("%-11s", e.Event), fmt.Sprintf("%-15s", endpoint), fmt.Sprintf("%-8s", e.Direction), packet}
	switch e.Event {
	case "acl":
		words = append(words, e.Action+" by", e.ACL, e.Rule)
	case "drop":
		words = append(words, e.Reason)
	}
	if e.Length > 0 {
		words = append(words, fmt.Sprintf("(%d bytes)", e.Length))
	}
	if e.Suppressed > 0 {
		words = append(words, fmt.Sprintf("and %d more like it", e.Suppressed))
	}
	_, err := fmt.Fprintln(c.stdout, strings.Join(words, "  "))
	return err
}
