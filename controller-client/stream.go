package controllerclient

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Encode writes a snapshot as the JSON that [Decode] reads, one resource at a time: a fabric's snapshot as one
// text would double the memory of whoever saves it.
func Encode(w io.Writer, s *Snapshot) error {
	out := bufio.NewWriterSize(w, 64<<10)
	e := json.NewEncoder(out)
	_, _ = out.WriteString("{\n") // an error stays until Flush
	fields := reflect.ValueOf(s).Elem()
	first := true
	for i := range fields.NumField() {
		v := fields.Field(i)
		if v.IsZero() {
			continue
		}
		if !first {
			_, _ = out.WriteString(",\n")
		}
		first = false
		fmt.Fprintf(out, "%q:", memberName(fields.Type().Field(i)))
		if v.Kind() != reflect.Slice {
			if err := e.Encode(v.Interface()); err != nil {
				return err
			}
			continue
		}
		_, _ = out.WriteString("[\n")
		for j := range v.Len() {
			if j > 0 {
				_ = out.WriteByte(',')
			}
			if err := e.Encode(v.Index(j).Addr().Interface()); err != nil {
				return err
			}
		}
		_ = out.WriteByte(']')
	}
	_, _ = out.WriteString("}\n")
	return out.Flush()
}

// Decode reads what Encode, or encoding/json, wrote. Members it does not know are left out.
func Decode(r io.Reader) (*Snapshot, error) {
	d := json.NewDecoder(bufio.NewReaderSize(r, 64<<10))
	s := &Snapshot{}
	fields := map[string]reflect.Value{}
	for i := range reflect.TypeFor[Snapshot]().NumField() {
		fields[memberName(reflect.TypeFor[Snapshot]().Field(i))] = reflect.ValueOf(s).Elem().Field(i)
	}
	if err := expect(d, '{'); err != nil {
		return nil, err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, ok := fields[name.(string)]
		switch {
		case !ok:
			var skipped json.RawMessage
			err = d.Decode(&skipped)
		case v.Kind() == reflect.Slice:
			err = decodeList(d, v)
		default:
			err = d.Decode(v.Addr().Interface())
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, expect(d, '}')
}

func decodeList(d *json.Decoder, v reflect.Value) error {
	t, err := d.Token()
	if err != nil || t == nil { // null
		return err
	}
	if t != json.Delim('[') {
		return fmt.Errorf("%v at byte %d is no list", t, d.InputOffset())
	}
	for d.More() {
		element := reflect.New(v.Type().Elem())
		if err := d.Decode(element.Interface()); err != nil {
			return err
		}
		v.Set(reflect.Append(v, element.Elem()))
	}
	return expect(d, ']')
}

func expect(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("%v at byte %d, want %v", t, d.InputOffset(), want)
	}
	return nil
}

func memberName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
