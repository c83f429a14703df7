package nctest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// do changes one resource as a request does; a nil body deletes it.
func (c *Controller) do(ref string, body any) error {
	n, err := parseRef(ref)
	if err != nil {
		return err
	}
	if body == nil {
		return c.change(func() error {
			if c.lookup(n.key) == nil {
				return notFound(ref)
			}
			_, err := c.deleteOne(n)
			return err
		})
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	b, err := parse(raw)
	if err != nil {
		return err
	}
	return c.change(func() error { _, err := c.place(n, b); return err })
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// served is all of a controller, by key.
func (c *Controller) served() map[string]string {
	all := map[string]string{}
	for key, r := range c.resources {
		all[key] = string(c.render(r))
	}
	return all
}

func openAt(t testing.TB, dir string) *Controller {
	t.Helper()
	c, err := Open(Options{DataDir: dir})
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestLastWriteUnfinished cuts and spoils the journal at every byte of its last commit: what was
// answered before is there, the unfinished write is not, and the journal can be written on.
func TestLastWriteUnfinished(t *testing.T) {
	dir := t.TempDir()
	c := openAt(t, dir)
	must(t, c.do("/servers/a", ServerBody{ProviderAddresses: []string{"172.16.0.1"}}))
	must(t, c.do("/servers/gone", ServerBody{}))
	must(t, c.do("/servers/gone", nil))
	before := c.served()
	kept := c.journal.bytes()
	must(t, c.do("/servers/a", ServerBody{ProviderAddresses: []string{"172.16.0.2"}}))
	must(t, c.Close())
	whole, err := os.ReadFile(filepath.Join(dir, journalName))
	must(t, err)
	check := func(what string, journal []byte) {
		at := t.TempDir()
		must(t, os.WriteFile(filepath.Join(at, journalName), journal, 0o600))
		for range 2 { // the second time after having written behind the cut
			c, err := Open(Options{DataDir: at})
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if !maps.Equal(c.served(), before) {
				t.Fatalf("%s: got %v, want %v", what, c.served(), before)
			}
			must(t, c.do("/servers/new", ServerBody{}))
			must(t, c.do("/servers/new", nil))
			must(t, c.Close())
		}
	}
	for i := kept; i < int64(len(whole)); i++ {
		check(fmt.Sprintf("cut at %d of %d", i, len(whole)), whole[:i])
		spoilt := bytes.Clone(whole)
		spoilt[i] ^= 0x40
		check(fmt.Sprintf("byte %d of %d", i, len(whole)), spoilt)
	}
	check("zeros behind", append(bytes.Clone(whole[:kept]), make([]byte, 4096)...))
}

// TestUnfinishedLoad: many resources in one commit are there together, or not at all.
func TestUnfinishedLoad(t *testing.T) {
	dir, in := t.TempDir(), t.TempDir()
	c := openAt(t, dir)
	before, kept := c.served(), c.journal.bytes()
	size{nics: 3, networks: 1, servers: 2, acls: 1, rules: 1}.write(t, in)
	must(t, c.Load(in))
	after := c.served()
	must(t, c.Close())
	whole, err := os.ReadFile(filepath.Join(dir, journalName))
	must(t, err)
	for i := kept; i <= int64(len(whole)); i++ {
		at := t.TempDir()
		must(t, os.WriteFile(filepath.Join(at, journalName), whole[:i], 0o600))
		want := before
		if i == int64(len(whole)) {
			want = after
		}
		c := openAt(t, at)
		same(t, fmt.Sprintf("cut at %d of %d", i, len(whole)), c.served(), want)
		must(t, c.Close())
	}
}

// TestDiskFails: a write that did not reach the disk is not answered as done, and neither is any
// after it, as the disk lacks what they build on.
func TestDiskFails(t *testing.T) {
	dir := t.TempDir()
	c := openAt(t, dir)
	must(t, c.do("/servers/a", ServerBody{}))
	before := c.served()
	must(t, c.journal.file.Close())
	for range 2 {
		if err := c.do("/servers/b", ServerBody{}); err == nil || !strings.Contains(err.Error(), journalName) {
			t.Errorf("got %v, want an error that names the journal", err)
		}
	}
	_ = c.Close()
	same(t, "on disk", openAt(t, dir).served(), before)
}

// FuzzReplay: no bytes behind the header may do more than be refused or cut off, and what is taken is
// the same when it is read again.
func FuzzReplay(f *testing.F) {
	good := appendCommit(appendDelete(appendPut(nil, "/servers/a", []byte(`{}`)), "/servers/b"), mark{records: 2, nextVSID: 7, synced: 30})
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(append(bytes.Clone(good), good...))
	f.Add(append([]byte("damage"), good...))
	f.Fuzz(func(t *testing.T, records []byte) {
		path := filepath.Join(t.TempDir(), journalName)
		must(t, os.WriteFile(path, append([]byte(journalHeader), records...), 0o600))
		first, err := replay(path)
		if err != nil {
			return
		}
		must(t, os.Truncate(path, first.end))
		again, err := replay(path)
		if err != nil || again.torn || again.end != first.end || !maps.EqualFunc(again.bodies, first.bodies, bytes.Equal) {
			t.Errorf("%+v, cut: %+v, %v", first, again, err)
		}
	})
}

// TestDamageIsNotAnUnfinishedWrite: what was on disk and answered is never dropped in silence.
func TestDamageIsNotAnUnfinishedWrite(t *testing.T) {
	dir := t.TempDir()
	c := openAt(t, dir)
	must(t, c.do("/servers/a", ServerBody{}))
	at := c.journal.bytes()
	for i := range 3 {
		must(t, c.do(fmt.Sprintf("/servers/b%d", i), ServerBody{}))
	}
	must(t, c.Close())
	path := filepath.Join(dir, journalName)
	whole, err := os.ReadFile(path)
	must(t, err)
	whole[at+40] ^= 1
	must(t, os.WriteFile(path, whole, 0o600))
	want := fmt.Sprintf("%s: damaged at byte %d", path, at)
	if _, err := Open(Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	must(t, os.WriteFile(path, []byte("something else entirely"), 0o600))
	if _, err := Open(Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "is not a journal") {
		t.Errorf("a foreign file gives %v", err)
	}
}

// same reports what differs.
func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for key := range want {
		if got[key] != want[key] {
			t.Errorf("%s: %s is %s, want %s", what, key, got[key], want[key])
		}
	}
	for key := range got {
		if want[key] == "" {
			t.Errorf("%s: there is a %s", what, key)
		}
	}
}

// TestCompaction writes while the journal is compacted again and again.
func TestCompaction(t *testing.T) {
	dir := t.TempDir()
	c := openAt(t, dir)
	c.slack = 1 << 10
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				ref := fmt.Sprintf("/servers/w%d-%d", w, i%5)
				if err := c.do(ref, ServerBody{ProviderAddresses: []string{fmt.Sprintf("10.0.%d.%d", w, i)}}); err != nil {
					t.Error(err)
				}
				if i%7 == 0 {
					if err := c.do(ref, nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	before := c.served()
	must(t, c.compact())
	if size, most := c.journal.bytes(), int64(20*1024); size > most {
		t.Errorf("the journal has %d bytes after a compaction, want %d at most", size, most)
	}
	must(t, c.do("/servers/last", ServerBody{}))
	before["/servers/last"] = string(c.render(c.resources["/servers/last"]))
	must(t, c.Close())
	if left, _ := filepath.Glob(filepath.Join(dir, temporary+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	same(t, "after a restart", openAt(t, dir).served(), before)
}

// TestRawIsNotPersisted: after a compaction, too, what a raw resource hides comes back.
func TestRawIsNotPersisted(t *testing.T) {
	dir := t.TempDir()
	c := openAt(t, dir)
	must(t, c.do("/servers/a", ServerBody{}))
	if _, err := Open(Options{DataDir: dir}); runtime.GOOS != "windows" && (err == nil || !strings.Contains(err.Error(), "another controller")) {
		t.Errorf("a second controller gives %v", err)
	}
	before := c.served()
	must(t, c.PutRaw("/servers/a", []byte(`7`)))
	must(t, c.PutRaw("/servers/b", []byte(`8`)))
	must(t, c.compact())
	must(t, c.Close())
	same(t, "after a restart", openAt(t, dir).served(), before)
}

// TestOldDataDirectory: a file per resource, as there was before the journal.
func TestOldDataDirectory(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	write("servers/a.json", `{"etag":"W/\"1\"","resourceId":"A","resourceRef":"/servers/A","properties":{}}`)
	write("servers/.tmp-1", `{"resou`)
	write("vsid.json", `{"next":5077}`)
	broken := write("servers/b.json", `{`)
	if _, err := Open(Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("a broken file gives %v", err)
	}
	must(t, os.Remove(broken))
	for range 2 {
		c := openAt(t, dir)
		if r := c.resources["/servers/a"]; r == nil || r.ref != "/servers/A" || r.etag != `W/"1"` || c.vsids.next != 5077 {
			t.Errorf("got %+v, next VSID %d", r, c.vsids.next)
		}
		must(t, c.Close())
	}
	if _, err := os.Stat(filepath.Join(dir, putAside, "servers", "a.json")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "servers")); err == nil {
		t.Error("the old files are still in their place")
	}
}
