package api

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestFlowQuery(t *testing.T) {
	flow := func(endpoint, proto, src, dst string, dport uint16, state, direction string, packets, bytes uint64, age, idle float64) Flow {
		return Flow{Endpoint: endpoint, Protocol: proto, Source: src, SourcePort: 40000, Destination: dst, DestinationPort: dport, State: state, Direction: direction,
			Packets: packets, Bytes: bytes, PacketsOut: packets, BytesIn: bytes, AgeSeconds: age, IdleSeconds: idle}
	}
	b := &fakeBackend{flows: []Flow{
		flow("a", "tcp", "10.0.1.4", "10.0.2.4", 443, "established", "outbound", 5, 900, 10, 0),
		flow("b", "udp", "10.0.1.10", "10.0.2.5", 53, "answered", "inbound", 7, 100, 30, 5),
		flow("c", "icmpv6", "fd00::4", "fd00::5", 0, "new", "outbound", 7, 100, 20, 1),
		flow("d", "132", "10.0.1.4", "10.0.3.4", 0, "new", "outbound", 1, 1, 5, 4),
	}}
	for query, want := range map[string]string{
		"": "abcd", "endpoint=b": "b", "endpoint=": "abcd", "proto=TCP": "a", "proto=6": "a", "proto=132": "d", "proto=icmpv6": "c", "proto=58": "c", "state=new": "cd",
		"source=10.0.1.4": "ad", "source=10.0.1.0/24": "abd", "source=fd00::/16": "c", "destination=10.0.2.4": "a", "destination=10.0.2.9/24": "ab",
		"port=443": "a", "port=40000": "abcd", "direction=inbound": "b", "sort=packets": "bcad", "sort=bytes": "abcd", "sort=age": "bcad", "sort=idle": "bdca",
		"sort=source": "adbc", "sort=packetsOut": "bcad", "sort=bytesIn": "abcd", "sort=packetsIn": "abcd", "sort=state": "bacd", "sort=packets&limit=2": "bc", "limit=9": "abcd",
		"proto=tcp&state=new": "",
	} {
		for range 3 { // stable
			var l List[Flow]
			w := ask(b, "GET", "/v1/flows?"+query, "")
			if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil || w.Code != 200 {
				t.Fatalf("%q: %d %s", query, w.Code, w.Body)
			}
			got := ""
			for _, f := range l.Items {
				got += f.Endpoint
			}
			if got != want {
				t.Errorf("%q: %s, want %s", query, got, want)
			}
			if l.Items == nil {
				t.Errorf("%q: null, want a list", query)
			}
		}
	}
	for key := range served(t).Paths["/v1/flows"] {
		var op struct{ Parameters []struct{ Name string } }
		if err := json.Unmarshal(served(t).Paths["/v1/flows"][key], &op); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range op.Parameters {
			names = append(names, p.Name)
		}
		if !slices.Equal(names, FlowParameters) {
			t.Errorf("documented %q, read %q", names, FlowParameters)
		}
	}
}
