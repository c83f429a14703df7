package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"testing"
)

const benchNICs = 10_000

// manyNICs is a collection of NICs as our development controller writes them.
func manyNICs() []byte {
	var b bytes.Buffer
	b.WriteString(`{"value":[`)
	for i := range benchNICs {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"etag":"W/\"6cf71bc5-4624-4903-a1d2-%012d\"","instanceId":"75801123-0db8-4927-987a-%012d","properties":{`+
			`"configurationState":{"detailedInfo":[],"status":"Success"},"ipConfigurations":[{"etag":"W/\"6cf71bc5-4624-4903-a1d2-%012d\"",`+
			`"instanceId":"00802eaf-97bb-4f85-a4f5-%012d","properties":{"accessControlList":{"resourceRef":"/accessControlLists/acl-%d"},`+
			`"privateIPAddress":"10.%d.%d.%d","privateIPAllocationMethod":"Static","provisioningState":"Succeeded",`+
			`"subnet":{"resourceRef":"/virtualNetworks/vnet-%d/subnets/subnet-1"}},"resourceId":"ip-1","resourceRef":"/networkInterfaces/nic-%d/ipConfigurations/ip-1"}],`+
			`"portSettings":{"macSpoofingEnabled":"Disabled"},"privateMacAddress":"001DD8%06X","privateMacAllocationMethod":"Static",`+
			`"provisioningState":"Succeeded","server":{"resourceRef":"/servers/host-%d"}},"resourceId":"nic-%d","resourceRef":"/networkInterfaces/nic-%d"}`,
			i, i, i, i, i%500, i>>16, i>>8&255, i&255, i%500, i, i, i%1000, i, i)
	}
	b.WriteString(`],"nextLink":""}`)
	return b.Bytes()
}

// perNIC reports allocations by NIC.
func perNIC(b *testing.B, loop func()) {
	b.ReportAllocs()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	loop()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/benchNICs, "allocs/NIC")
}

func BenchmarkDecodeNICs(b *testing.B) {
	body := manyNICs()
	b.SetBytes(int64(len(body)))
	perNIC(b, func() { decodeAll(b, body) })
}

func decodeAll(b *testing.B, body []byte) {
	for b.Loop() {
		p, err := decodeList(body, "networkInterfaces", decodeNetworkInterface)
		if err != nil || len(p.items) != benchNICs || p.items[7].Server != "/servers/host-7" {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeNICsEncodingJSON is what the same costs with plain encoding/json, strict types.
func BenchmarkDecodeNICsEncodingJSON(b *testing.B) {
	type ref struct{ ResourceRef string }
	type meta struct{ ResourceID, ResourceRef, InstanceID, Etag string }
	type ip struct {
		meta
		Properties struct {
			ProvisioningState, PrivateIPAddress string
			Subnet, AccessControlList           ref
		}
	}
	type nic struct {
		meta
		Properties struct {
			ProvisioningState, PrivateMacAddress string
			Server                               ref
			PortSettings                         struct{ MacSpoofingEnabled string }
			IPConfigurations                     []ip
		}
	}
	body := manyNICs()
	b.SetBytes(int64(len(body)))
	perNIC(b, func() {
		for b.Loop() {
			var answer struct{ Value []nic }
			if err := json.Unmarshal(body, &answer); err != nil || len(answer.Value) != benchNICs {
				b.Fatal(err)
			}
		}
	})
}
