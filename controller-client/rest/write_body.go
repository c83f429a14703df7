package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// tree is a JSON object as received: what is not known of it goes back unchanged, numbers as written.
type tree = map[string]any

func parseTree(body io.Reader) (t tree, err error) {
	d := json.NewDecoder(body)
	d.UseNumber()
	if err := d.Decode(&t); err != nil {
		return nil, err
	}
	if t == nil {
		return nil, errors.New("not a JSON object")
	}
	return t, nil
}

func encodeTree(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return out.Bytes(), err
}

func propertiesOf(t tree) tree {
	p, _ := t["properties"].(tree)
	return p
}

func textOf(t tree, key string) string {
	s, _ := t[key].(string)
	return s
}

// working says that a resource is being changed: it takes no write now.
func working(t tree) bool {
	state := textOf(propertiesOf(t), "provisioningState")
	return strings.EqualFold(state, "Updating") || strings.EqualFold(state, "Deleting")
}

func failed(t tree) bool {
	return strings.EqualFold(textOf(propertiesOf(t), "provisioningState"), "Failed")
}

// detailedInfo is what a configurationState has to say, or "".
func detailedInfo(t tree) string {
	state, _ := propertiesOf(t)["configurationState"].(tree)
	details, _ := state["detailedInfo"].([]any)
	var all []string
	for _, d := range details {
		if d, ok := d.(tree); ok {
			all = append(all, strings.TrimPrefix(textOf(d, "code")+": "+textOf(d, "message"), ": "))
		}
	}
	return oneLine(strings.Join(all, "; "))
}

// configurationOf finds an ipConfiguration of a NIC by its id; -1 if there is none.
func configurationOf(nic tree, id string) (tree, int) {
	list, _ := propertiesOf(nic)["ipConfigurations"].([]any)
	for i, e := range list {
		if c, ok := e.(tree); ok && strings.EqualFold(textOf(c, "resourceId"), id) {
			return c, i
		}
	}
	return nil, -1
}

func addConfiguration(nic tree, id string, r cc.IPRequest) {
	p := tree{"privateIPAllocationMethod": "Dynamic", "subnet": tree{"resourceRef": r.Subnet}}
	if r.Address.IsValid() {
		p["privateIPAllocationMethod"], p["privateIPAddress"] = "Static", r.Address.String()
	}
	if r.AccessControlList != "" {
		p["accessControlList"] = tree{"resourceRef": r.AccessControlList}
	}
	of := propertiesOf(nic)
	if of == nil {
		of = tree{}
		nic["properties"] = of
	}
	list, _ := of["ipConfigurations"].([]any)
	of["ipConfigurations"] = append(slices.Clip(list), tree{"resourceId": id, "properties": p})
}

func removeConfiguration(nic tree, at int) {
	list, _ := propertiesOf(nic)["ipConfigurations"].([]any)
	propertiesOf(nic)["ipConfigurations"] = slices.Delete(slices.Clone(list), at, at+1)
}

func addressOf(configuration tree) netip.Addr {
	a, _ := netip.ParseAddr(textOf(propertiesOf(configuration), "privateIPAddress"))
	return a
}

func subnetOf(configuration tree) string {
	subnet, _ := propertiesOf(configuration)["subnet"].(tree)
	return textOf(subnet, "resourceRef")
}
