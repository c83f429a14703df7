package controllerclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// full has something in every field, whatever fields there are.
func full() *Snapshot {
	s := &Snapshot{}
	fill(reflect.ValueOf(s).Elem())
	return s
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("<\"é\n")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint32:
		v.SetUint(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic(v.Kind())
	}
}

func TestSnapshotSurvivesItsFile(t *testing.T) {
	for name, s := range map[string]*Snapshot{"full": full(), "empty": {}, "one": {Servers: []Server{{Meta: Meta{ID: "a"}}}}} {
		var b bytes.Buffer
		if err := Encode(&b, s); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b.Bytes()) {
			t.Fatalf("%s: not JSON:\n%s", name, &b)
		}
		got, err := Decode(&b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(s, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", name, d)
		}
	}
}

// What an earlier version wrote in one piece, with members that are gone or not there yet.
func TestDecodeTakesOtherVersions(t *testing.T) {
	raw, err := json.Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(bytes.NewReader(append([]byte(`{"gone":[{"a":1}],"servers":null,`), raw[1:]...)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(full(), got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{``, `{`, `[]`, `7`, `{"servers":[`, `{"servers":{}}`, `{"servers":[7]}`, `{"encapsulation":7}`, `{"servers":[]`} {
		if s, err := Decode(bytes.NewReader([]byte(text))); err == nil {
			t.Errorf("%s: %+v", text, s)
		}
	}
}

type full1 struct{}

func (full1) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestEncodeTellsAFullDisk(t *testing.T) {
	if err := Encode(full1{}, full()); err == nil || err.Error() != "disk full" {
		t.Errorf("%v", err)
	}
}
