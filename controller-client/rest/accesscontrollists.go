package rest

import cc "github.com/fairlead-net/fairlead/controller-client"

func decodeAccessControlList(d *decoder) (a cc.AccessControlList, ok bool) {
	const collection = "accessControlLists"
	mark := len(d.complaints)
	ok = d.resource(&a.Meta, func(key []byte) bool {
		if string(key) != "aclRules" {
			return false
		}
		a.Rules = resources(d, "aclRules", decodeACLRule)
		return true
	})
	if !ok {
		return a, false
	}
	refer(&a.Meta, "", collection)
	d.settle(&a.Meta, collection, mark)
	for i := range a.Rules {
		refer(&a.Rules[i].Meta, a.Ref, "aclRules")
	}
	return a, true
}

func decodeACLRule(d *decoder) (r cc.ACLRule, ok bool) {
	mark := len(d.complaints)
	ok = d.resource(&r.Meta, func(key []byte) bool {
		switch string(key) {
		case "protocol":
			r.Protocol = d.word()
		case "action":
			r.Action = d.word()
		case "type":
			r.Direction = d.word()
		case "priority":
			r.Priority = d.text()
		case "logging":
			r.Logging = d.word()
		case "sourceAddressPrefix":
			r.SourceAddressPrefix = d.joined()
		case "destinationAddressPrefix":
			r.DestinationAddressPrefix = d.joined()
		case "sourcePortRange":
			r.SourcePortRange = d.joined()
		case "destinationPortRange":
			r.DestinationPortRange = d.joined()
		default:
			return false
		}
		return true
	})
	if ok {
		d.settle(&r.Meta, "aclRules", mark)
	}
	return r, ok
}
