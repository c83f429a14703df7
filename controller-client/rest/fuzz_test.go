package rest

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"slices"
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

// A list must be cut up as encoding/json does it, wherever the network cuts it.
func FuzzSplitList(f *testing.F) {
	for _, seed := range []string{`{"value":[{"resourceRef":"/a/\"b","x":[{}]}, 5 ,"\\",null],"nextLink":"\u003f"}`, ` {"a":{"value":[1]},"value":[ ]} `,
		`{"value":[1],"value":[2]}`, `{"value":[{"resourceRef":1,"a":"b"},{"a":{"resourceRef":"c"},"resourceRef":"d"}],"nextLink":5}`, `{"value":[1,]}`, `{"value":[tru`} {
		f.Add([]byte(seed), int64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, cuts int64) {
		var got []string
		s := newSplitter(&pieces{data: data, random: rand.New(rand.NewPCG(uint64(cuts), 0))}, make([]byte, 0, 4))
		_, err := splitList(s, func(e element) error {
			c := cursor{data: e.text}
			c.skip()
			if c.end(); c.err != nil {
				return c.err
			}
			if string(data[e.offset:e.offset+int64(len(e.text))]) != string(e.text) {
				t.Errorf("%q is not what is at %d of %q", e.text, e.offset, data)
			}
			if ref, ok := ownRef(e.text); ok && ref != string(e.ref) {
				t.Errorf("resourceRef of %q is %q, want %q", e.text, e.ref, ref)
			}
			got = append(got, string(e.text))
			return nil
		})
		want, listed := listMembers(data)
		if ok := json.Valid(data) && listed; !ok && err == nil {
			t.Fatalf("%q was taken", data)
		} else if ok && err != nil && !deep(data) {
			t.Fatalf("%q was refused: %v", data, err)
		}
		if err == nil && !slices.Equal(got, want) {
			t.Errorf("%q is cut into %q, want %q", data, got, want)
		}
	})
}

// pieces gives data in pieces of random lengths, and its end with or after the last.
type pieces struct {
	data   []byte
	random *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	n := copy(b, p.data[:min(len(p.data), p.random.IntN(9))])
	p.data = p.data[n:]
	if len(p.data) == 0 && p.random.IntN(2) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// listMembers are those of all members "value" of an object that are lists.
func listMembers(data []byte) (members []string, listed bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, false
		}
		var list []json.RawMessage
		if key == "value" && value[0] == '[' && json.Unmarshal(value, &list) == nil {
			listed = true
			for _, m := range list {
				members = append(members, string(m))
			}
		}
	}
	return members, listed
}

// ownRef is the text of the last resourceRef of an object if it is a string that is not empty; ok is false if
// some name is not spelled plainly.
func ownRef(text []byte) (ref string, ok bool) {
	if bytes.IndexByte(text, '\\') >= 0 {
		return "", false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return "", true
	}
	for d.More() {
		key, _ := d.Token()
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return "", false
		}
		if key == "resourceRef" {
			if value[0] != '"' {
				return "", false // the text of one before it may stand: it is only a hint
			}
			ref = string(value[1 : len(value)-1])
		}
	}
	return ref, true
}

// deep answers whether something may be nested deeper than is accepted.
func deep(data []byte) bool {
	return bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) > maxDepth-4
}

func FuzzDecodeRouteTables(f *testing.F)     { fuzzList(f, "routeTables", decodeRouteTable) }
func FuzzDecodeLogicalNetworks(f *testing.F) { fuzzList(f, "logicalNetworks", decodeLogicalNetwork) }
func FuzzDecodeLoadBalancers(f *testing.F)   { fuzzList(f, "loadBalancers", decodeLoadBalancer) }
func FuzzDecodePublicIPAddresses(f *testing.F) {
	fuzzList(f, "publicIPAddresses", decodePublicIPAddress)
}
