package agent

import (
	"strings"
	"testing"

	"github.com/fairlead-net/fairlead/agent/api"
)

// TestTraceTellsWhatIsNotRead: of another host's endpoint the lists are not known where only this host's needs are read.
func TestTraceTellsWhatIsNotRead(t *testing.T) {
	b := newBed(t)
	s := fabric()
	s.Host = b.cfg.Host.Name
	for i := range s.NetworkInterfaces {
		if n := &s.NetworkInterfaces[i]; !strings.HasSuffix(n.Server, "/"+s.Host) {
			n.IPConfigurations[0].AccessControlList = "/accessControlLists/theirs"
		}
	}
	b.ok(s)
	b.mustAttach("web", "nic-web1")
	got, err := b.Trace(api.TraceRequest{From: "web", To: "10.0.1.13", Proto: "udp", Dport: 53})
	if err != nil {
		t.Fatal(err)
	}
	last := got.Steps[len(got.Steps)-1]
	if got.Verdict != "allow" || got.Reason != "acl-not-read" || last.Group != "/accessControlLists/theirs" || last.Action != "unknown" {
		t.Errorf("verdict %s %s, last step %+v", got.Verdict, got.Reason, last)
	}
}
