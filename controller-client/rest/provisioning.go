package rest

import (
	"strings"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// updatingAtMost is how long the version before stays in force while a resource is Updating. One that
// is Updating for longer is taken as it is written.
const updatingAtMost = 30 * time.Second

// superseded says that the version before a resource counts instead of it, for now.
func superseded(m *cc.Meta) bool {
	return strings.EqualFold(m.ProvisioningState, "Updating") || strings.EqualFold(m.ProvisioningState, "Failed")
}

// settled says that a resource is what its writer made it: it is not being worked on.
func settled(m *cc.Meta) bool {
	return !superseded(m) && !strings.EqualFold(m.ProvisioningState, "Deleting")
}

// inForce answers the version of a resource that counts, nil for none, and how long that holds if it
// does so only for a time.
func (r *reading[T]) inForce(h *held[T], now int64) (v *held[T], problem *cc.Problem, until int64) {
	m := r.meta(&h.item)
	switch strings.ToLower(m.ProvisioningState) {
	case "deleting":
		return nil, nil, 0
	case "failed":
		p := cc.Problem{Code: "resource-failed", Severity: "error", Resource: m.Ref, Message: "provisioningState is Failed; "}
		if h.before == nil {
			p.Message += "the resource is left out"
		} else {
			p.Message += "the version before stays in force"
		}
		return h.before, &p, 0
	case "updating":
		end := h.seen + int64(updatingAtMost)
		if now < end {
			return h.before, nil, end
		}
		return h, &cc.Problem{Code: "resource-updating", Severity: "warning", Resource: m.Ref,
			Message: "provisioningState has been Updating for more than " + updatingAtMost.String() + "; the resource is in force as it is written"}, 0
	}
	return h, nil, 0
}
