package api

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"
)

type schema struct {
	Ref        string            `json:"$ref"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
	AllOf      []schema          `json:"allOf"`
}

type openAPIDocument struct {
	OpenAPI    string                                `json:"openapi"`
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

func served(t *testing.T) (doc openAPIDocument) {
	t.Helper()
	w := ask(&fakeBackend{}, "GET", "/v1/openapi.json", "")
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Code != 200 || !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Fatal(w.Code, doc.OpenAPI, err)
	}
	return doc
}

// TestEveryRouteIsDocumented, and every documented route is there.
func TestEveryRouteIsDocumented(t *testing.T) {
	var routed, documented []string
	err := routes(&fakeBackend{}).Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := r.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := r.GetMethods()
		for _, m := range methods {
			routed = append(routed, m+" "+path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, operations := range served(t).Paths {
		for method := range operations {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(routed)
	slices.Sort(documented)
	if !slices.Equal(routed, documented) {
		t.Errorf("routes\n%s\ndocumented\n%s", strings.Join(routed, "\n"), strings.Join(documented, "\n"))
	}
}

// TestSchemasHaveTheTypesKeys, no more and no fewer, and every reference leads somewhere.
func TestSchemasHaveTheTypesKeys(t *testing.T) {
	doc := served(t)
	types := map[string]reflect.Type{"Status": reflect.TypeFor[Status](), "Network": reflect.TypeFor[Network](), "Subnet": reflect.TypeFor[Subnet](),
		"Mapping": reflect.TypeFor[Mapping](), "ACL": reflect.TypeFor[ACL](), "RouteTable": reflect.TypeFor[RouteTable](), "LoadBalancer": reflect.TypeFor[LoadBalancer](), "PublicAddress": reflect.TypeFor[PublicAddress](),
		"Endpoint":         reflect.TypeFor[Endpoint](),
		"EndpointDocument": reflect.TypeFor[EndpointDocument](), "AttachRequest": reflect.TypeFor[AttachRequest](), "Flow": reflect.TypeFor[Flow](),
		"TraceRequest": reflect.TypeFor[TraceRequest](), "Trace": reflect.TypeFor[Trace](), "Error": reflect.TypeFor[Error](),
		"PortLayers": reflect.TypeFor[PortLayers](), "Event": reflect.TypeFor[Event]()}
	for name, s := range doc.Components.Schemas {
		if types[name] == nil {
			t.Errorf("schema %s has no type", name)
			continue
		}
		compare(t, doc, name, s, types[name])
	}
	for name := range types {
		if _, ok := doc.Components.Schemas[name]; !ok {
			t.Errorf("type %s has no schema", name)
		}
	}
	for _, part := range strings.Split(string(openAPI), `"$ref": "#/components/schemas/`)[1:] {
		if name, _, _ := strings.Cut(part, `"`); types[name] == nil {
			t.Errorf("reference to schema %s, which is not there", name)
		}
	}
}

func compare(t *testing.T, doc openAPIDocument, path string, s schema, typ reflect.Type) {
	t.Helper()
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ.Kind() == reflect.Slice:
		if s.Items == nil {
			t.Errorf("%s: no items", path)
			return
		}
		compare(t, doc, path+"[]", *s.Items, typ.Elem())
	case typ.Kind() == reflect.Struct && typ.String() != "time.Time":
		keys := properties(doc, s)
		want := fields(typ)
		if got, want := slices.Sorted(maps.Keys(keys)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
			t.Errorf("%s: keys %q, the type has %q", path, got, want)
		}
		for key, f := range want {
			compare(t, doc, path+"."+key, keys[key], f)
		}
	}
}

// properties of a schema and of those it is made of.
func properties(doc openAPIDocument, s schema) map[string]schema {
	all := maps.Clone(s.Properties)
	if all == nil {
		all = map[string]schema{}
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		maps.Copy(all, properties(doc, doc.Components.Schemas[name]))
	}
	for _, part := range s.AllOf {
		maps.Copy(all, properties(doc, part))
	}
	return all
}

func fields(typ reflect.Type) map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(typ) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			all[name] = f.Type
		}
	}
	return all
}
