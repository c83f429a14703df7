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
	next   uint32            // 0: none assigned yet
	holder map[uint32]string // VSID -> key of the subnet
}

func (v *vsids) assign(taken map[uint32]string) (uint32, error) {
	n := max(v.next, firstVSID)
	for range maxVSID - firstVSID + 1 {
		if n > maxVSID {
			n = firstVSID
		}
		if v.holder[n] == "" && taken[n] == "" {
			v.next = n + 1
			return n, nil
		}
		n++
	}
	return 0, fmt.Errorf("no free VSID between %d and %d", firstVSID, maxVSID)
}

// assignVSIDs gives every subnet without a VSID the one it had, or a new one.
func (c *Controller) assignVSIDs(drafts []draft, replaced map[string]bool) error {
	had, taken := map[string]uint32{}, map[uint32]string{}
	for key := range replaced {
		if old := c.resources[key]; old != nil {
			for v, subnet := range old.vsids {
				had[subnet] = v
			}
		}
	}
	var without []tree
	for _, d := range drafts {
		if d.collection != "virtualNetworks" {
			continue
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
			if holder := c.vsids.holder[v]; other == "" && holder != "" && !replaced[c.known[holder]] {
				other = holder
			}
			if other != "" && other != key {
				return badRequest("VsidInUse", "%s: fairlead.vsid %d is already that of %s", subnet["resourceRef"], v, other)
			}
			taken[v] = key
			publish(subnet, v)
		}
	}
	if len(without) == 0 {
		return nil
	}
	for _, subnet := range without {
		v, err := c.vsids.assign(taken)
		if err != nil {
			return err
		}
		taken[v] = refKey(subnet["resourceRef"].(string))
		publish(subnet, v)
	}
	// Before the resources themselves: a crash in between costs numbers, never gives one twice.
	return c.store.writeVSID(c.vsids.next)
}

func publish(subnet tree, v uint32) {
	properties := subnet["properties"].(tree)
	own, ok := properties["fairlead"].(tree)
	if !ok {
		own = tree{}
		properties["fairlead"] = own
	}
	own["vsid"] = json.Number(strconv.FormatUint(uint64(v), 10))
}

func givenVSID(subnet tree) (uint32, error) {
	properties, _ := subnet["properties"].(tree)
	own, _ := properties["fairlead"].(tree)
	if own["vsid"] == nil {
		return 0, nil
	}
	v := publishedVSID(subnet)
	if v == 0 {
		return 0, badRequest("InvalidVsid", "%s: fairlead.vsid %v is not a number", subnet["resourceRef"], own["vsid"])
	}
	return v, nil
}

func publishedVSID(body tree) uint32 {
	properties, _ := body["properties"].(tree)
	own, _ := properties["fairlead"].(tree)
	n, _ := own["vsid"].(json.Number)
	v, err := strconv.ParseUint(n.String(), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(v)
}
