package classifier

import "github.com/fairlead-net/fairlead/vfp"

// Diff is the change from one list of rules to another: what Table.Change takes. Both are sorted as in vfp.ACL. Rules of
// one ID go together: when one differs, all are put. It is made for lists that are mostly the same memory.
func Diff(before, after []vfp.Rule) (remove []string, put []vfp.Rule) {
	var changed []string
	i, j := 0, 0
	for i < len(before) && j < len(after) {
		a, b := &before[i], &after[j]
		if vfp.SameRule(a, b) {
			i, j = i+1, j+1
			continue
		}
		switch c := vfp.CompareRules(a, b); {
		case c < 0:
			changed = append(changed, a.ID)
			i++
		case c > 0:
			changed = append(changed, b.ID)
			j++
		default:
			changed = append(changed, a.ID)
			i, j = i+1, j+1
		}
	}
	for ; i < len(before); i++ {
		changed = append(changed, before[i].ID)
	}
	for ; j < len(after); j++ {
		changed = append(changed, after[j].ID)
	}
	if changed == nil {
		return nil, nil
	}
	// found says of every changed ID whether it is still there. The table of one byte per hash spares most rules the map.
	found := make(map[string]bool, len(changed))
	var maybe [1 << 12]bool
	for _, id := range changed {
		found[id] = false
		maybe[short(id)] = true
	}
	for k := range after {
		r := &after[k]
		if !maybe[short(r.ID)] {
			continue
		}
		if _, ok := found[r.ID]; ok {
			found[r.ID] = true
			put = append(put, *r)
		}
	}
	for _, id := range changed {
		if !found[id] {
			remove = append(remove, id)
			found[id] = true // once
		}
	}
	return remove, put
}

// short hashes an ID's end, where IDs differ most, into 12 bits.
func short(id string) uint16 {
	h := uint32(len(id))
	for n := len(id); n > 0 && n > len(id)-6; n-- {
		h = h*31 + uint32(id[n-1])
	}
	return uint16(h*0x9e3779b1>>20) & (1<<12 - 1)
}
