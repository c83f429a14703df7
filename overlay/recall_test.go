package overlay

import (
	"testing"

	"pgregory.net/rapid"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

// TestRecall: what a build knows from the one before changes nothing but how long it takes.
func TestRecall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := drawOptions(t)
		s := drawFabric(t)
		m, _ := Build(s, nil, opts)
		forgetful := *m
		forgetful.recall = recall{}

		// The next snapshot shares most of its memory with this one.
		next, other := *s, drawFabric(t)
		next.NetworkInterfaces = nil
		for _, n := range shuffled(t, append(s.NetworkInterfaces[:len(s.NetworkInterfaces):len(s.NetworkInterfaces)], other.NetworkInterfaces...)) {
			if rapid.IntRange(0, 3).Draw(t, "drop") > 0 {
				next.NetworkInterfaces = append(next.NetworkInterfaces, n)
			}
		}
		if len(next.NetworkInterfaces) > 0 && len(other.NetworkInterfaces) > 0 {
			n := &next.NetworkInterfaces[rapid.IntRange(0, len(next.NetworkInterfaces)-1).Draw(t, "nic")]
			n.IPConfigurations = other.NetworkInterfaces[0].IPConfigurations
		}
		next.AccessControlLists = append([]cc.AccessControlList(nil), s.AccessControlLists...)
		for i := range next.AccessControlLists {
			if len(other.AccessControlLists) > 0 && rapid.Bool().Draw(t, "other rules") {
				next.AccessControlLists[i].Rules = other.AccessControlLists[0].Rules
			}
		}
		if rapid.Bool().Draw(t, "other tags") {
			next.SecurityTags = other.SecurityTags
		}
		got, problems := Build(&next, m, opts)
		want, wanted := Build(&next, &forgetful, opts)
		mustEqual(t, "with and without recall", want, got, wanted, problems)
	})
}
