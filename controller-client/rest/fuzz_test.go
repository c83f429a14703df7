package rest

import (
	"encoding/json"
	"testing"
)

// The cursor must agree with encoding/json about what JSON is (but for its depth).
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-0.5e+7,true,null,"\u00e9\n"]}`, `[1,]`, `{"a" 1}`, `01`, `"\ud800"`, ` {} `, `tru`, `-`, "\"\x01\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := cursor{data: data}
		c.skip()
		c.end()
		if c.depth > maxDepth {
			return
		}
		if want := json.Valid(data); want != (c.err == nil) {
			t.Errorf("%q: encoding/json says %v, we say %v", data, want, c.err)
		}
	})
}

// Strings must be read as encoding/json reads them.
func FuzzString(f *testing.F) {
	for _, seed := range []string{`"a"`, `"\u00e9\ud83d\ude00"`, `"\ud83d\u0041"`, `"\ud83d\ud83d\ude00"`, "\"\xff\"", `"\/\b"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want string
		if len(data) == 0 || data[0] != '"' || json.Unmarshal(data, &want) != nil {
			return
		}
		d := decoder{cursor: cursor{data: data}}
		if got := d.text(); got != want {
			t.Errorf("%q is read as %q, want %q", data, got, want)
		}
	})
}

func fuzzList[T any](f *testing.F, collection string, decode func(*decoder) (T, bool)) {
	f.Add(sample(f, collection))
	f.Add([]byte(`{"value":[{"resourceId":"a","properties":{"subnets":{"resourceRef":[]},"aclRules":[[]],"fairlead":{"vsid":{}}}}],"nextLink":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodeList(data, collection, decode)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Errorf("%q is not JSON, and was taken", data)
		}
		for _, problem := range p.problems {
			if problem.Resource == "" || problem.Message == "" {
				t.Errorf("problem names nothing: %+v", problem)
			}
		}
	})
}

func FuzzDecodeVirtualNetworks(f *testing.F) { fuzzList(f, "virtualNetworks", decodeVirtualNetwork) }
func FuzzDecodeNetworkInterfaces(f *testing.F) {
	fuzzList(f, "networkInterfaces", decodeNetworkInterface)
}
func FuzzDecodeServers(f *testing.F) { fuzzList(f, "servers", decodeServer) }
func FuzzDecodeAccessControlLists(f *testing.F) {
	fuzzList(f, "accessControlLists", decodeAccessControlList)
}

func FuzzDecodeConfiguration(f *testing.F) {
	f.Add(sample(f, "configuration"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := decodeSingleton(data, configuration, decodeManager)
		if err == nil && !json.Valid(data) {
			t.Errorf("%q is not JSON, and was taken", data)
		}
	})
}
