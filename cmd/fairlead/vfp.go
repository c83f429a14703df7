package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-net/fairlead/agent/api"
)

// vfpQuery is what the vfp commands are asked for.
type vfpQuery struct{ port, layer, group string }

// What the vfp commands print as JSON and YAML: flat lists, each item with what it is in.
type (
	layerItem struct {
		Name     string `json:"name"`
		Inbound  int    `json:"inboundGroups"`
		Outbound int    `json:"outboundGroups"`
		Rules    int    `json:"rules"`
	}
	groupItem struct {
		Layer     string `json:"layer"`
		Name      string `json:"name"`
		Direction string `json:"direction"`
		Type      string `json:"type"`
		Priority  uint32 `json:"priority"`
		Rules     int    `json:"rules"`
	}
	ruleItem struct {
		Layer     string `json:"layer"`
		Group     string `json:"group"`
		Direction string `json:"direction"`
		api.LayerRule
	}
)

func (c *cli) vfpCommand() *cobra.Command {
	var q vfpQuery
	list := func(use, short string, levels int, run func(layers []api.Layer) error) *cobra.Command {
		cmd := c.reads(&cobra.Command{
			Use:   use,
			Short: short,
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				if q.port == "" {
					return usage("--port NAME is required")
				}
				agent, err := c.client()
				if err != nil {
					return err
				}
				l, err := agent.Layers(cmd.Context(), q.port)
				if err != nil {
					return err
				}
				layers, err := q.choose(l.Layers)
				if err != nil {
					return err
				}
				return run(layers)
			},
		})
		f := cmd.Flags()
		f.StringVar(&q.port, "port", "", "endpoint whose port it is")
		if levels > 1 {
			f.StringVar(&q.layer, "layer", "", "only this layer")
		}
		if levels > 2 {
			f.StringVar(&q.group, "group", "", "only this group")
		}
		return cmd
	}
	return group("vfp", "Layers, groups and rules of a port, as VFP has them",
		list("list-layer --port NAME", "Layers, in the order in which what the endpoint sends passes them", 1, c.showLayers),
		list("list-group --port NAME [--layer LAYER]", "Groups of rules", 2, c.showGroups),
		list("list-rule --port NAME [--layer LAYER] [--group GROUP]", "Rules, with what they counted", 3, c.showRules))
}

// choose keeps what was asked for; names that nothing has are an error.
func (q *vfpQuery) choose(all []api.Layer) (layers []api.Layer, err error) {
	for _, l := range all {
		if q.layer != "" && !strings.EqualFold(l.Name, q.layer) {
			continue
		}
		if q.group != "" {
			var kept []api.LayerGroup
			for _, g := range l.Groups {
				if strings.EqualFold(g.Name, q.group) {
					kept = append(kept, g)
				}
			}
			if l.Groups = kept; kept == nil {
				continue
			}
		}
		layers = append(layers, l)
	}
	if layers == nil {
		what := ""
		if q.layer != "" {
			what += fmt.Sprintf(" layer %q", q.layer)
		}
		if q.group != "" {
			what += fmt.Sprintf(" group %q", q.group)
		}
		return nil, &exitError{exitNotFound, fmt.Errorf("port %q has no%s", q.port, what)}
	}
	return layers, nil
}

func listOf[T any](kind string, items []T) api.List[T] {
	return api.List[T]{APIVersion: api.Version, Kind: kind, Items: items}
}

func (c *cli) showLayers(layers []api.Layer) error {
	items := []layerItem{}
	for _, l := range layers {
		item := layerItem{Name: l.Name}
		for _, g := range l.Groups {
			if item.Rules += len(g.Rules); g.Direction == "inbound" {
				item.Inbound++
			} else {
				item.Outbound++
			}
		}
		items = append(items, item)
	}
	return c.show(listOf("LayerList", items), func(row func(...any)) {
		row("LAYER", "OUTBOUND GROUPS", "INBOUND GROUPS", "RULES")
		for _, i := range items {
			row(i.Name, i.Outbound, i.Inbound, i.Rules)
		}
	})
}

func (c *cli) showGroups(layers []api.Layer) error {
	items := []groupItem{}
	for _, l := range layers {
		for _, g := range l.Groups {
			items = append(items, groupItem{l.Name, g.Name, g.Direction, g.Type, g.Priority, len(g.Rules)})
		}
	}
	return c.show(listOf("LayerGroupList", items), func(row func(...any)) {
		row("LAYER", "GROUP", "DIRECTION", "TYPE", "PRIORITY", "RULES")
		for _, i := range items {
			row(i.Layer, i.Name, i.Direction, i.Type, i.Priority, i.Rules)
		}
	})
}

func (c *cli) showRules(layers []api.Layer) error {
	items := []ruleItem{}
	for _, l := range layers {
		for _, g := range l.Groups {
			for _, r := range g.Rules {
				items = append(items, ruleItem{l.Name, g.Name, g.Direction, r})
			}
		}
	}
	return c.show(listOf("LayerRuleList", items), func(row func(...any)) {
		row("LAYER", "GROUP", "DIRECTION", "RULE", "TYPE", "PRIORITY", "CONDITIONS", "ACTION", "PACKETS", "BYTES", "LAST HIT")
		for _, i := range items {
			row(i.Layer, i.Group, i.Direction, i.ID, i.Type, priorityWord(i.Priority), conditionWords(i.Conditions), i.Action, counted(i.Packets), counted(i.Bytes), hitTime(i.LastHit))
		}
	})
}

// priorityWord hides the number of what comes after everything else.
func priorityWord(p uint32) string {
	if p == 1<<32-1 {
		return "last"
	}
	return fmt.Sprint(p)
}

func conditionWords(list []api.Condition) string {
	words := make([]string, len(list))
	for i, c := range list {
		words[i] = c.Field + " " + c.Value
	}
	return strings.Join(words, "; ")
}

func counted(n *uint64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

func hitTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
