package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/fairlead-net/fairlead/controller-client/nctest"
	"github.com/fairlead-net/fairlead/e2e/lab"
)

// TestControllerAnswersRubbish: the last good state stays in force, and status says what is the matter.
func TestControllerAnswersRubbish(t *testing.T) {
	p := newPair(t, lab.Options{InProcess: true})
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter)
		state  string
		says   string // in the message
	}{
		{"500", func(w http.ResponseWriter) { http.Error(w, `{"error":{"code":"InternalError"}}`, 500) }, "stale", "500"},
		{"HTML", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<!doctype html><title>Sign in</title>")
		}, "stale", "JSON"},
		{"truncated JSON", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"value":[{"resourceId":"contoso","resourceRef":"/virtualNetworks/cont`)
		}, "stale", "truncated JSON"},
		{"JSON that is no list", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{}`)
		}, "stale", "value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.t = t
			p.Controller().Inside.SetFault(func(w http.ResponseWriter, _ *http.Request) bool {
				c.answer(w)
				return true
			})
			p.status("controller "+c.state, func(s lab.Status, code int) error {
				if s.Controller.State != c.state || !strings.Contains(s.Controller.Message, c.says) || code != 5 {
					return fmt.Errorf("exit code %d, controller %s: %q; want 5, %s, a message with %q", code, s.Controller.State, s.Controller.Message, c.state, c.says)
				}
				return nil
			})
			p.flows("while the controller answers rubbish")
			p.Controller().Inside.SetFault(nil)
			p.healthy()
		})
	}
	t.Run("nobody answers", func(t *testing.T) {
		p.t = t
		p.Controller().Stop()
		p.status("controller unreachable", func(s lab.Status, code int) error {
			if s.Controller.State != "unreachable" || s.Controller.Message == "" || code != 5 {
				return fmt.Errorf("exit code %d, controller %s: %q", code, s.Controller.State, s.Controller.Message)
			}
			return nil
		})
		p.flows("while the controller is away")
		tell(t, p.Lab, p.Controller().Start)
		p.healthy()
	})
}

// TestRubbishResources: what is wrong is named by resource and field, and nothing else suffers.
func TestRubbishResources(t *testing.T) {
	p := newPair(t, lab.Options{InProcess: true, Scope: "full"}) // some of it is of no concern to the host

	rule := func(change func(*nctest.ACLRuleBody)) nctest.AccessControlListBody {
		good := nctest.ACLRuleBody{ID: "good", Action: "Allow", Priority: 200}
		bad := nctest.ACLRuleBody{ID: "bad", Action: "Deny", Protocol: "TCP", Priority: 100, Destination: "192.0.2.1/32"}
		change(&bad)
		return nctest.AccessControlListBody{Rules: []nctest.ACLRuleBody{bad, good}}
	}
	for _, c := range []struct {
		name     string
		ref      string
		body     any
		resource string // named in the problem
		field    string // named in its message
		value    string // named in its message
	}{
		{"ACL rule with an impossible prefix", "/accessControlLists/edge", rule(func(r *nctest.ACLRuleBody) { r.Source = "10.0.0.0/99" }),
			"/accessControlLists/edge/aclRules/bad", "sourceAddressPrefix", "10.0.0.0/99"},
		{"ACL rule with an impossible port range", "/accessControlLists/edge", rule(func(r *nctest.ACLRuleBody) { r.DestinationPorts = "80-70000" }),
			"/accessControlLists/edge/aclRules/bad", "destinationPortRange", "80-70000"},
		{"ipConfiguration with an unknown subnet", "/networkInterfaces/nic-lost", nic("001DD8070009", "host-b", "10.0.1.99", "/virtualNetworks/contoso/subnets/nowhere", ""),
			"/networkInterfaces/nic-lost/ipConfigurations/ip1", "subnet", "nowhere"},
		{"two NICs with the same CA in one subnet", "/networkInterfaces/nic-zwei", nic("001DD8070008", "host-b", caWeb2.String(), webSubnet, ""),
			"/networkInterfaces/nic-zwei/ipConfigurations/ip1", "privateIPAddress", caWeb2.String()},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.t = t
			if err := p.Controller().Inside.PutRaw(c.ref, named(t, c.ref, c.body)); err != nil {
				t.Fatal(err)
			}
			p.status("the problem is named", func(s lab.Status, code int) error {
				for _, problem := range s.Problems {
					if strings.EqualFold(problem.Resource, c.resource) && strings.Contains(problem.Message, c.field) && strings.Contains(problem.Message, c.value) && code == 5 {
						return nil
					}
				}
				return fmt.Errorf("exit code %d, problems %+v; want 5 and one of %s with %s %s", code, s.Problems, c.resource, c.field, c.value)
			})
			p.flows("while a resource is wrong")
			tell(t, p.Lab, func() { p.Controller().Delete(c.ref) })
			p.healthy()
		})
	}
}

// named is a body as a controller serves it: a raw one is not given its names there.
func named(t *testing.T, ref string, body any) []byte {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	tree["resourceRef"], tree["resourceId"] = ref, path.Base(ref)
	if text, err = json.Marshal(tree); err != nil {
		t.Fatal(err)
	}
	return text
}
