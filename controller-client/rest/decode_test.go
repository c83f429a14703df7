package rest

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decoded[T any](t *testing.T, collection string, decode func(*decoder) (T, bool)) *answered[T] {
	t.Helper()
	p, err := decodeList(sample(t, collection), collection, decode)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func diff(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestDecodeVirtualNetworks(t *testing.T) {
	p := decoded(t, "virtualNetworks", decodeVirtualNetwork)
	const etag = `W/"b1ff29f9-7fa3-4fa1-a0b4-6f4d5b1d8d5e"`
	diff(t, []cc.VirtualNetwork{
		{
			Meta: cc.Meta{ID: "vnet-0001", Ref: "/virtualNetworks/vnet-0001", ETag: etag,
				InstanceID: "4a0a0d9c-9a5e-4d0a-8d53-3a4f7a5f2c11", ProvisioningState: "Succeeded"},
			AddressPrefixes: []string{"10.0.0.0/16", "fd00:1::/48"},
			Subnets: []cc.Subnet{
				{
					Meta: cc.Meta{ID: "web", Ref: "/virtualNetworks/vnet-0001/subnets/web", ETag: etag,
						InstanceID: "0b6f3b8e-1111-4f5e-b6a0-0b9b7e0a0001", ProvisioningState: "Succeeded"},
					AddressPrefix: "10.0.1.0/24", AccessControlList: "/accessControlLists/AllowAll",
					VSID: 5001, Gateway: "10.0.1.1",
				},
				{Meta: cc.Meta{ID: "db", Ref: "/virtualNetworks/vnet-0001/subnets/db"}, AddressPrefix: "10.0.2.0/24"},
			},
			Peerings: []string{"/virtualNetworks/vnet-0002"},
		},
		{Meta: cc.Meta{ID: "vnet-0002", Ref: "/virtualNetworks/vnet-0002", ProvisioningState: "Deleted"}},
	}, plainNetworks(p.items))
	diff(t, []cc.Problem(nil), p.problems)
}

// plainNetworks is what of networks goes into a snapshot.
func plainNetworks(list []virtualNetwork) (out []cc.VirtualNetwork) {
	for i := range list {
		out = append(out, list[i].VirtualNetwork)
	}
	return out
}

func TestDecodeNetworkInterfaces(t *testing.T) {
	p := decoded(t, "networkInterfaces", decodeNetworkInterface)
	const etag = `W/"6cf71bc5-4624-4903-a1d2-89b9c1f0761f"`
	diff(t, []cc.NetworkInterface{
		{
			Meta: cc.Meta{ID: "nic-1", Ref: "/networkInterfaces/nic-1", ETag: etag,
				InstanceID: "75801123-0db8-4927-987a-bbaf6f4b3326", ProvisioningState: "Succeeded"},
			MAC: "001DD8070001", Server: "/Servers/HOST-A", Primary: true, MACSpoofing: true,
			Port:       cc.PortSettings{FlowLimit: "20000", OutboundMaximumMbps: "100", InboundMaximumMbps: "1000"},
			DNSServers: []string{"10.0.0.53", "fd00::53"},
			IPConfigurations: []cc.IPConfiguration{
				{
					Meta: cc.Meta{ID: "ip-1", Ref: "/networkInterfaces/nic-1/ipConfigurations/ip-1", ETag: etag,
						InstanceID: "00802eaf-97bb-4f85-a4f5-dac025d1cf8f", ProvisioningState: "Succeeded"},
					PrivateIPAddress: "10.0.1.4", AllocationMethod: "Static", Subnet: "/virtualNetworks/vnet-0001/subnets/web",
					AccessControlList: "/accessControlLists/AllowAll",
				},
				{
					Meta:             cc.Meta{ID: "ip-2", Ref: "/networkInterfaces/nic-1/ipConfigurations/ip-2"},
					PrivateIPAddress: "fd00:1::4", Subnet: "/virtualNetworks/vnet-0001/subnets/web",
				},
			},
		},
		{Meta: cc.Meta{ID: "nic-2", Ref: "/networkInterfaces/nic-2"}, MAC: "00-1D-D8-07-00-02", Primary: true},
		{Meta: cc.Meta{ID: "nic-3", Ref: "/networkInterfaces/nic-3"}},
	}, p.items)
	diff(t, []cc.Problem(nil), p.problems)
}

func TestDecodeServers(t *testing.T) {
	p := decoded(t, "servers", decodeServer)
	diff(t, []cc.Server{
		{Meta: cc.Meta{ID: "host-a", Ref: "/servers/host-a", InstanceID: "3a7c", ETag: `W/"a"`, ProvisioningState: "Succeeded"},
			ProviderAddresses: []string{"172.16.0.1"}},
		{Meta: cc.Meta{ID: "host-b", Ref: "/servers/host-b"}, ProviderAddresses: []string{"172.16.0.2"}},
		{Meta: cc.Meta{ID: "host-c", Ref: "/servers/host-c", ProvisioningState: "Failed"}},
	}, plainServers(p.items))
	diff(t, []cc.Problem(nil), p.problems)
}

func plainServers(list []server) (out []cc.Server) {
	for i := range list {
		out = append(out, list[i].Server)
	}
	return out
}

func TestDecodeAccessControlListsKeepsTheRest(t *testing.T) {
	p := decoded(t, "accessControlLists", decodeAccessControlList)
	diff(t, []cc.AccessControlList{
		{
			Meta: cc.Meta{ID: "AllowAll", Ref: "/accessControlLists/AllowAll", ETag: `W/"x"`, ProvisioningState: "Succeeded"},
			Rules: []cc.ACLRule{
				{
					Meta:     cc.Meta{ID: "in", Ref: "/accessControlLists/AllowAll/aclRules/in", ETag: `W/"x"`, ProvisioningState: "Succeeded"},
					Protocol: "All", Action: "Allow", Direction: "Inbound", Priority: "100", Logging: "Enabled",
					SourceAddressPrefix: "*", DestinationAddressPrefix: "*",
					SourcePortRange: "0-65535", DestinationPortRange: "0-65535",
				},
				{
					Meta:     cc.Meta{ID: "odd", Ref: "/accessControlLists/AllowAll/aclRules/odd"},
					Protocol: "6", Action: "Deny", Direction: "Outbound", Priority: "110",
					SourceAddressPrefix: "10.0.0.0/8,10.0.0.0/99", DestinationAddressPrefix: "VIRTUALNETWORK",
					SourcePortRange: "80,90-99", DestinationPortRange: "443",
				},
			},
		},
		{Meta: cc.Meta{ID: "empty", Ref: "/accessControlLists/empty"}},
	}, p.items)
	const code, severity = "resource-undecodable", "error"
	diff(t, []cc.Problem{
		{Code: code, Severity: severity, Resource: "/accessControlLists/AllowAll/aclRules[2]", Message: "resource is 7, not an object; it is left out"},
		{Code: code, Severity: severity, Resource: "/accessControlLists[2]", Message: `resource is "not a resource", not an object; it is left out`},
		{Code: code, Severity: severity, Resource: "/accessControlLists/broken", Message: "field properties is not an object; the resource is left out"},
		{Code: code, Severity: severity, Resource: "/accessControlLists[4]", Message: "resource has neither resourceId nor resourceRef; it is left out"},
	}, p.problems)
}

func TestDecodeConfiguration(t *testing.T) {
	p, err := decodeSingleton(sample(t, "configuration"), configuration, decodeManager)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.items) != 1 || p.items[0].protocol != "Vxlan" {
		t.Errorf("%+v", p.items)
	}
}

func TestDecodePropertyForms(t *testing.T) {
	nic := func(properties string) cc.NetworkInterface {
		t.Helper()
		p, err := decodeList([]byte(`{"value":[{"resourceId":"n","properties":`+properties+`}]}`), "networkInterfaces", decodeNetworkInterface)
		if err != nil || len(p.items) != 1 {
			t.Fatalf("%s: %v, %d items", properties, err, len(p.items))
		}
		return p.items[0]
	}
	for properties, want := range map[string]cc.NetworkInterface{
		`null`:                              {},
		`""`:                                {},
		`{}`:                                {},
		`{"server":{"resourceRef":"/s/a"}}`: {Server: "/s/a"},
		`{"server":{}}`:                     {},
		`{"server":null}`:                   {},
		`{"server":[1, 2]}`:                 {Server: "[1, 2]"},     // kept for the complaint
		`{"server":{"id":"x"}}`:             {Server: `{"id":"x"}`}, // kept for the complaint
		`{"isPrimary":true}`:                {Primary: true},
		`{"isPrimary":"true"}`:              {Primary: true},
		`{"isPrimary":"False"}`:             {},
		`{"isPrimary":{}}`:                  {},
		`{"portSettings":""}`:               {},
		`{"portSettings":{"portFlowLimit":1e3,"qosSettings":{"outboundMaximumMbps":"fast"}}}`: {Port: cc.PortSettings{FlowLimit: "1e3", OutboundMaximumMbps: "fast"}},
		`{"portSettings":{"portFlowLimit":null,"qosSettings":""}}`:                            {},
		`{"dnsSettings":{"dnsServers":"10.0.0.53"}}`:                                          {DNSServers: []string{"10.0.0.53"}},
		`{"dnsSettings":null}`:                               {},
		`{"portSettings":{"macSpoofingEnabled":true}}`:       {MACSpoofing: true},
		`{"portSettings":{"macSpoofingEnabled":"Disabled"}}`: {},
		`{"portSettings":{"macSpoofingEnabled":"Perhaps"}}`:  {},
		`{"privateMacAddress":"00:1d:d8:07:00:01"}`:          {MAC: "00:1d:d8:07:00:01"},
		`{"privateMacAddress":""}`:                           {},
		`{"privateMacAddress":"\u0041\ud83d\ude00\ud83d\n"}`: {MAC: "A\U0001F600\uFFFD\n"},
		`{"privateMacAddress":1}`:                            {MAC: "1"},
		`{"ipConfigurations":{"resourceId":"i"}}`: {IPConfigurations: []cc.IPConfiguration{
			{Meta: cc.Meta{ID: "i", Ref: "/networkInterfaces/n/ipConfigurations/i"}}}},
		`{"ipConfigurations":null}`: {},
	} {
		want.Meta = cc.Meta{ID: "n", Ref: "/networkInterfaces/n"}
		if d := cmp.Diff(want, nic(properties)); d != "" {
			t.Errorf("%s (-want +got)\n%s", properties, d)
		}
	}
}

func TestDecodeVSID(t *testing.T) {
	for text, want := range map[string]uint32{
		`5001`: 5001, `"5001"`: 5001, `5001.0`: 5001, `5.001e3`: 5001, `null`: 0, `""`: 0,
		`-1`: 0, `"many"`: 0, `5001.5`: 0, `99999999999`: 0, `[5001]`: 0,
	} {
		body := `{"value":[{"resourceId":"v","properties":{"subnets":[{"resourceId":"s","properties":{"fairlead":{"vsid":` + text + `}}}]}}]}`
		p, err := decodeList([]byte(body), "virtualNetworks", decodeVirtualNetwork)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.items[0].Subnets[0].VSID; got != want {
			t.Errorf("vsid %s is read as %d, want %d", text, got, want)
		}
		complaint := want == 0 && text != `null` && text != `""`
		if (len(p.problems) == 1) != complaint {
			t.Errorf("vsid %s: problems %v, want one: %v", text, p.problems, complaint)
		}
		if complaint && p.problems[0].Resource != "/virtualNetworks/v/subnets/s" {
			t.Errorf("vsid %s: problem names %q", text, p.problems[0].Resource)
		}
	}
}

func TestDecodeRefusesWhatIsNoList(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                               `answered JSON without a "value" list`,
		`{"error":{"code":"x"}}`:           `answered JSON without a "value" list`,
		`{"value":null}`:                   `answered JSON without a "value" list`,
		`{"value":""}`:                     `answered JSON without a "value" list`,
		`[]`:                               `answered JSON that is no object`,
		`{"value":[{"resourceId":"a"}`:     `truncated JSON at byte 28`,
		`{"value":[`:                       `truncated JSON at byte 10`,
		`{"value":[,]}`:                    `invalid JSON at byte 10`,
		`{"value":[]} x`:                   `invalid JSON at byte 13`,
		`{"value":[{"resourceId":01}]}`:    `invalid JSON at byte 25`,
		strings.Repeat(`{"value":[`, 1000): `invalid JSON at byte 1000`, // too deep
	} {
		_, err := decodeList([]byte(body), "servers", decodeServer)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40s: %v, want %s", body, err, want)
		}
	}
}
