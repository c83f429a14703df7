package ports

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var prefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func web(phase Phase) Record {
	return Record{Name: "web", NIC: "nic-web", Netns: "/run/netns/web", Ifname: "eth0", Device: "fl000000000001", MAC: "00:1d:d8:07:00:01",
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.1.11/24")}, MTU: 1450, Phase: phase, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func reopen(t *testing.T, dir string) []Record {
	t.Helper()
	_, records, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestRegistrySurvives(t *testing.T) {
	dir := t.TempDir()
	r, records, err := Open(dir)
	if err != nil || len(records) != 0 {
		t.Fatal(records, err)
	}
	other := web(Attached)
	other.Name = "app"
	for _, rec := range []Record{web(Attaching), other, web(Attached), web(Detaching)} {
		if err := r.Put(rec); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]Record{other, web(Detaching)}, reopen(t, dir), prefixes); diff != "" {
		t.Error(diff)
	}
	for range 2 { // also of one that is gone
		if err := r.Delete("web"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]Record{other}, reopen(t, dir), prefixes); diff != "" {
		t.Error(diff)
	}
}

// TestCrashDuringWrite: whatever part of a new version reached the disk, the old one is in force and the rest is gone.
func TestCrashDuringWrite(t *testing.T) {
	dir := t.TempDir()
	r, _, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Put(web(Attached)); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, "endpoints", "web.json.123"+tempSuffix)
	stranger := filepath.Join(dir, "endpoints", "README")
	for path, text := range map[string]string{half: `{"name":"web","ph`, stranger: "not ours"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]Record{web(Attached)}, reopen(t, dir), prefixes); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a write is left: %v", err)
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Errorf("a file of another's is gone: %v", err)
	}
}

func TestOpenRefusesWhatItCannotRead(t *testing.T) {
	for name, text := range map[string]string{"web.json": "{", "app.json": `{"name":"web"}`} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "endpoints"), 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "endpoints", name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s with %s: %v, want an error that names the file", name, text, err)
		}
	}
}

func TestWriteFileFailureKeepsTheOld(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.Mkdir(path, 0o700); err != nil { // a rename onto a directory fails
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("new")); err == nil {
		t.Fatal("no error")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestCheckName: no name leads out of the directory, and every one that is taken comes back from disk.
func TestCheckName(t *testing.T) {
	for _, bad := range []string{"", ".", "..", "../x", "a/b", ".hidden", "-x", "a b", "ä", "a\n", strings.Repeat("a", 129)} {
		if err := CheckName(bad); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,127}`).Draw(t, "name")
		if err := CheckName(name); err != nil {
			t.Fatal(err)
		}
		r, _, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		rec := web(Attached)
		rec.Name = name
		if err := r.Put(rec); err != nil {
			t.Fatal(err)
		}
		_, records, err := Open(dir)
		if err != nil || len(records) != 1 || records[0].Name != name {
			t.Fatal(records, err)
		}
		if err := r.Delete(name); err != nil {
			t.Fatal(err)
		}
	})
}
