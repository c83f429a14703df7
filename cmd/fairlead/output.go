package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"
)

// show prints a document: as JSON or YAML as it is, or as the table that draw writes.
func (c *cli) show(doc any, draw func(row func(cells ...any))) error {
	switch c.output {
	case "json":
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(doc)
	case "yaml":
		return c.showYAML(doc)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 4, 2, ' ', 0)
	draw(func(cells ...any) {
		texts := make([]string, len(cells))
		for i, cell := range cells {
			if texts[i] = fmt.Sprint(cell); texts[i] == "" {
				texts[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(texts, "\t"))
	})
	return w.Flush()
}

// showYAML goes by way of JSON, so that both have the same keys in the same order.
func (c *cli) showYAML(doc any) error {
	raw, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	var node yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(raw)).Decode(&node); err != nil { // JSON is YAML
		return err
	}
	plainStyle(&node)
	e := yaml.NewEncoder(c.stdout)
	e.SetIndent(2)
	if err := e.Encode(&node); err != nil {
		return err
	}
	return e.Close()
}

func plainStyle(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode {
		n.Style = 0
	} else if n.Tag == "!!str" {
		n.Style = 0
	}
	for _, child := range n.Content {
		plainStyle(child)
	}
}
