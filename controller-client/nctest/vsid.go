package nctest

import (
	"encoding/json"
	"fmt"
	"strconv"
)

const (
	firstVSID = 5001
	maxVSID   = 16777214
)

// vsids assigns each number once: a number that was free again is taken only after all others, so
// that a host that has not heard of the change yet cannot mix two tenants up.
type vsids struct {
	next   uint32          // 0: none assigned yet
	holder holders[uint32] // VSID -> key of the subnet
}

func (v *vsids) assign(taken map[uint32]string) (uint32, error) {
	n := max(v.next, firstVSID)
	for range maxVSID - firstVSID + 1 {
		if n > maxVSID {
			n = firstVSID
		}
		if v.holder[n] == nil && taken[n] == "" {
			v.next = n + 1
			return n, nil
		}
		n++
	}
	return 0, fmt.Errorf("no free VSID between %d and %d", firstVSID, maxVSID)
}

// assignVSIDs gives every subnet without a VSID the one it had, or a new one.
func (c *Controller) assignVSIDs(drafts []*draft, replaced map[string]bool) error {
	had, taken := map[string]uint32{}, map[uint32]string{}
	var without []tree
	for _, d := range drafts {
		if d.collection != "virtualNetworks" || d.made != nil {
			continue
		}
		if old := c.resources[d.key]; old != nil {
			for _, s := range old.facts.subnets {
				had[s.key] = s.vsid
			}
		}
		for _, e := range nestedList(d.body, "subnets") {
			subnet, ok := e.(tree)
			if !ok || !nested(subnet, d.ref) {
				return badRequest("InvalidResourceId", "%s: subnets holds something that is not a resource", d.ref)
			}
			key := refKey(subnet["resourceRef"].(string))
			v, err := givenVSID(subnet)
			if err != nil {
				return err
			}
			if v == 0 {
				v = had[key]
			}
			if v == 0 {
				without = append(without, subnet)
				continue
			}
			other := taken[v]
			if other == "" {
				other = c.vsids.holder.other(v, replaced)
			}
			if other != "" && other != key {
				return badRequest("VsidInUse", "%s: fairlead.vsid %d is already that of %s", subnet["resourceRef"], v, other)
			}
			taken[v] = key
			publish(subnet, "vsid", json.Number(strconv.FormatUint(uint64(v), 10)))
		}
	}
	for _, subnet := range without {
		v, err := c.vsids.assign(taken)
		if err != nil {
			return err
		}
		taken[v] = refKey(subnet["resourceRef"].(string))
		publish(subnet, "vsid", json.Number(strconv.FormatUint(uint64(v), 10)))
	}
	return nil
}

// publish sets a property of ours in a stamped body.
func publish(body tree, name string, value any) {
	properties := body["properties"].(tree)
	mine := own(properties)
	if mine == nil {
		mine = tree{}
		properties["fairlead"] = mine
	}
	mine[name] = value
}

func givenVSID(subnet tree) (uint32, error) {
	properties, _ := subnet["properties"].(tree)
	if given := own(properties)["vsid"]; given != nil {
		if v := vsidOf(properties); v != 0 {
			return v, nil
		}
		return 0, badRequest("InvalidVsid", "%s: fairlead.vsid %v is not a number", subnet["resourceRef"], given)
	}
	return 0, nil
}

func vsidOf(properties tree) uint32 {
	n, _ := own(properties)["vsid"].(json.Number)
	v, err := strconv.ParseUint(n.String(), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(v)
}
