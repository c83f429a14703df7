package fabric

import (
	"encoding/json"
	"fmt"
	"strings"
)

// resource is what every one has on the wire, nested ones too. What only the controller knows (etag,
// provisioningState, configurationState, back references) is left to it.
type resource struct {
	ID         string         `json:"resourceId"`
	Ref        string         `json:"resourceRef"`
	InstanceID string         `json:"instanceId"`
	Metadata   *metadata      `json:"resourceMetadata,omitempty"`
	Tags       map[string]any `json:"tags,omitempty"`
	Properties any            `json:"properties"`
}

type metadata struct {
	Client   string `json:"client"`
	TenantID string `json:"tenantId"`
	GroupID  string `json:"groupId"`
	Name     string `json:"resourceName"`
}

type reference struct {
	Ref string `json:"resourceRef"`
}

// refer answers nil for "", so that the property is left out.
func refer(ref string) *reference {
	if ref == "" {
		return nil
	}
	return &reference{ref}
}

// own is what only Fairlead's development controller publishes.
type own struct {
	VSID              uint32   `json:"vsid,omitempty"`
	ProviderAddresses []string `json:"providerAddresses,omitempty"`
}

// resource fills in who it is: ref is "/collection/id", or deeper.
func (s Spec) resource(ref string, properties any) resource {
	return resource{
		ID: ref[strings.LastIndexByte(ref, '/')+1:], Ref: ref, InstanceID: s.guid(ref), Properties: properties,
	}
}

// ofTenant adds what management software writes beside a tenant's resources.
func (s Spec) ofTenant(tenant int, r resource) resource {
	name := networkRef(tenant)
	r.Metadata = &metadata{Client: "Fabric management", TenantID: s.guid("tenant of " + name), GroupID: s.guid("group of " + name), Name: r.ID}
	return r
}

func encode(r resource) []byte {
	body, err := json.Marshal(r)
	if err != nil {
		panic(err) // structs of strings and numbers
	}
	return body
}

func serverRef(n int) string       { return fmt.Sprintf("/servers/host-%04d", n+1) }
func networkRef(tenant int) string { return fmt.Sprintf("/virtualNetworks/vnet-%04d", tenant+1) }
func subnetRef(tenant, subnet int) string {
	return fmt.Sprintf("%s/subnets/subnet-%02d", networkRef(tenant), subnet+1)
}
func subnet6Ref(tenant, subnet int) string {
	return subnetRef(tenant, subnet) + "-v6"
}
func nicRef(n int) string { return fmt.Sprintf("/networkInterfaces/nic-%06d", n+1) }
