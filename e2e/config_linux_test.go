package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-net/fairlead/e2e/lab"
)

// TestConfiguration: a mistake in the configuration is named, by the command that checks it and by the
// agent, which does not start.
func TestConfiguration(t *testing.T) {
	l := newLab(t, lab.Options{PollInterval: quick})
	var h *lab.Host
	var good string
	tell(t, l, func() {
		h = l.AddHost("host-a")
		l.Controller().PutServer(h)
		good = h.Config()
		h.WriteConfig(good)
	})
	if r := h.Fairlead("check-config"); r.Code != 0 {
		t.Fatalf("check-config of a good file: exit code %d: %s", r.Code, r.Stderr)
	}
	ca, cert, _ := l.Controller().TLSFiles()
	for _, c := range []struct {
		name, config, says string
	}{
		{"unknown key", good + "colour: blue\n", "colour"},
		{"unknown nested key", strings.Replace(good, "pollInterval:", "polInterval:", 1), "polInterval"},
		{"missing certificate", strings.Replace(good, cert, cert+".gone", 1), cert + ".gone"},
		{"missing CA", strings.Replace(good, ca, ca+".gone", 1), ca + ".gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.WriteConfig(c.config)
			if r := h.Fairlead("check-config"); r.Code == 0 || !strings.Contains(r.Stderr, c.says) {
				t.Errorf("check-config: exit code %d: %s; want another one than 0 and %q", r.Code, r.Stderr, c.says)
			}
			tell(t, l, func() {
				h.StartUnready()
				err := l.WaitFor("the agent ends", 5*time.Second, func() error {
					if _, ended := h.Agent().Ended(); !ended {
						return fmt.Errorf("it runs")
					}
					return nil
				})
				if err != nil {
					h.Kill()
					l.Fail("%w", err)
				}
			})
			if how, _ := h.Agent().Ended(); how == "exit status 0" || !strings.Contains(h.LogTail(3), c.says) {
				t.Errorf("agent: %s: %s; want a failure and %q", how, h.LogTail(3), c.says)
			}
		})
	}
}

// TestWrongCertificates: files that are fine in themselves, of a CA the other side does not know.
func TestWrongCertificates(t *testing.T) {
	l := newLab(t, lab.Options{PollInterval: quick})
	var h *lab.Host
	var good string
	var ca, cert, key, otherCA, otherCert, otherKey string
	tell(t, l, func() {
		h = l.AddHost("host-a")
		l.Controller().PutServer(h)
		good = h.Config()
		ca, cert, key = l.Controller().TLSFiles()
		otherCA, otherCert, otherKey = l.Controller().ForeignTLSFiles()
	})
	for _, c := range []struct {
		name, config string
	}{
		{"the controller's CA is unknown to the host", strings.Replace(good, ca, otherCA, 1)},
		{"the host's CA is unknown to the controller", strings.NewReplacer(cert, otherCert, key, otherKey).Replace(good)},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.WriteConfig(c.config)
			tell(t, l, func() {
				h.StartUnready()
				defer h.Kill()
				err := l.WaitFor("status names the certificate", 10*time.Second, func() error {
					s, code, err := h.Status()
					if err != nil {
						return err
					}
					if code != 5 || s.Controller.State != "unreachable" || !strings.Contains(s.Controller.Message, "certificate") {
						return fmt.Errorf("exit code %d, controller %s: %q", code, s.Controller.State, s.Controller.Message)
					}
					return nil
				})
				if err != nil {
					l.Fail("%w", err)
				}
			})
		})
	}
}
