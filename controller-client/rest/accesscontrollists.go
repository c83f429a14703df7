package rest

import cc "github.com/fairlead-net/fairlead/controller-client"

func aclRuleMeta(r *cc.ACLRule) *cc.Meta { return &r.Meta }

var decodeAccessControlList = top("accessControlLists", func(a *cc.AccessControlList) *cc.Meta { return &a.Meta },
	func(d *decoder, a *cc.AccessControlList, key string) bool {
		if key != "aclRules" {
			return false
		}
		a.Rules = resources(d, "aclRules", decodeACLRule)
		return true
	},
	func(a *cc.AccessControlList) { referAll(a.Rules, aclRuleMeta, &a.Meta, "aclRules") })

var decodeACLRule = decoderOf("aclRules", aclRuleMeta, func(d *decoder, r *cc.ACLRule, key string) bool {
	switch key {
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
	case "sourceSecurityTags":
		r.SourceSecurityTags = d.refs()
	case "destinationSecurityTags":
		r.DestinationSecurityTags = d.refs()
	default:
		return false
	}
	return true
})
