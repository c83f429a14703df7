package overlay

import (
	"encoding/json"
	"testing"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

func FuzzBuild(f *testing.F) {
	seed, err := json.Marshal(fabric())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"virtualNetworks":[{"ref":"/"},{"id":"v","subnets":[{"id":"s","addressPrefix":"::/0","gateway":"::"}]}],
		"networkInterfaces":[{"id":"n","mac":"001DD8070001","ipConfigurations":[{"privateIPAddress":"::2","subnet":"virtualNetworks/v/subnets/s/"}]}]}`))
	f.Add([]byte(`{"accessControlLists":[{"id":"a","rules":[{},{"action":"Deny","sourceAddressPrefix":"::-ffff::,0.0.0.0-255.255.255.254"}]}]}`))
	good, _ := Build(fabric(), nil, Options{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var s cc.Snapshot
		if json.Unmarshal(data, &s) != nil {
			return
		}
		for _, prev := range []*Model{nil, good} {
			m, problems := Build(&s, prev, Options{})
			again, _ := Build(&s, m, Options{})
			if d := Diff(m, again); !d.Empty() {
				t.Errorf("building once more changes %+v", d)
			}
			var ports []AttachedPort
			for _, ep := range m.Endpoints {
				ports = append(ports, AttachedPort{ID: ep.ID, NIC: ep.Ref})
			}
			Compile(m, hostA, ports)
			m.Mappings(hostA)
			for _, p := range problems {
				if p.Code == "" || p.Message == "" {
					t.Errorf("problem %+v", p)
				}
			}
		}
	})
}
