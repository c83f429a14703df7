package e2e

import (
	"fmt"
	"testing"

	"github.com/fairlead-net/fairlead/e2e/lab"
)

// TestControllerAway: an agent that starts without a controller puts the last good state from disk in
// force, also after a boot, when the kernel knows nothing any more.
func TestControllerAway(t *testing.T) {
	p := newPair(t, lab.Options{})
	tell(t, p.Lab, func() {
		p.Controller().Stop()
		p.a.Kill()
	})
	p.flows("without controller and agent")

	away := func(s lab.Status, code int) error {
		if code != 5 || s.Controller.State != "unreachable" || s.Model.Networks != 1 || s.Model.Endpoints != 2 {
			return fmt.Errorf("exit code %d, controller %s %s, %+v", code, s.Controller.State, s.Controller.Message, s.Model)
		}
		return nil
	}
	tell(t, p.Lab, p.a.Start)
	p.status("the last good state is known", away)
	p.flows("after a restart of the agent")

	tell(t, p.Lab, func() {
		p.a.Kill()
		p.a.WipeDatapath()
	})
	p.falls("without programs") // the kernel lets go of them a moment later
	tell(t, p.Lab, p.a.Start)
	p.status("the last good state is known", away)
	p.flows("after a boot without controller")

	tell(t, p.Lab, p.Controller().Start)
	p.healthy()
	p.flows("when the controller is back")
}
